"""What the simulator does not do of what the service model has, and why. An entry that is not needed is a failure.

Everything else that the model has must have been seen when the witness ends.
"""

_COMPOSITION = "server-side composition mixes stages for broadcast and starts or stops no replication"
_INGEST = "RTMP and WHIP ingest are other ways to publish; a participant publishes here by the control plane"
_KEYS = "tokens that a customer signs need no call; the simulator gives out tokens of its own"

# Operations that are not offered. Each must say so, as UnknownOperationException.
OPERATIONS = {
    "CreateEncoderConfiguration": _COMPOSITION,
    "CreateIngestConfiguration": _INGEST,
    "CreateStorageConfiguration": _COMPOSITION,
    "DeleteEncoderConfiguration": _COMPOSITION,
    "DeleteIngestConfiguration": _INGEST,
    "DeletePublicKey": _KEYS,
    "DeleteStorageConfiguration": _COMPOSITION,
    "GetComposition": _COMPOSITION,
    "GetEncoderConfiguration": _COMPOSITION,
    "GetIngestConfiguration": _INGEST,
    "GetPublicKey": _KEYS,
    "GetStorageConfiguration": _COMPOSITION,
    "ImportPublicKey": _KEYS,
    "ListCompositions": _COMPOSITION,
    "ListEncoderConfigurations": _COMPOSITION,
    "ListIngestConfigurations": _INGEST,
    "ListPublicKeys": _KEYS,
    "ListStorageConfigurations": _COMPOSITION,
    "RevokeConnectionToken": "connection tokens are for viewers, who are not simulated",
    "StartComposition": _COMPOSITION,
    "StopComposition": _COMPOSITION,
    "UpdateIngestConfiguration": _INGEST,
}

# Errors of offered operations that cannot be brought about.
ERRORS = {
    ("CreateParticipantToken", "ServiceQuotaExceededException"): "no quota on tokens is documented",
    ("ListStages", "ConflictException"): "no documentation says what a list of stages could contradict",
    ("UpdateStage", "ServiceQuotaExceededException"): "an update takes nothing that a documented quota counts",
}

# Errors that come, though the model does not declare them for the operation.
UNMODELLED = {
    ("StopParticipantReplication", "ConflictException"): "one of the dialects: nobody knows what Stop answers for what is not replicated",
}

# Members of answers that never come.
MEMBERS = {
    ("CreateStage", "stage.activeSessionId"): "nobody is in a stage that was created just now",
    ("GetParticipant", "participant.ingestConfigurationArn"): _INGEST,
    ("ListParticipants", "participants[].ingestConfigurationArn"): _INGEST,
    ("ListParticipantEvents", "events[].remoteParticipantId"): "it is of subscriptions, and nobody subscribes here",
}
_EXCHANGE = "tokens are not exchanged here"
for _token in ("previousToken", "newToken"):
    for _member in ("", ".capabilities", ".attributes", ".userId", ".expirationTime"):
        MEMBERS["ListParticipantEvents", f"events[].{_token}{_member}"] = _EXCHANGE

# Where an answer is not what the model says, because AWS's own examples are not either.
DEVIATIONS = {
    ("GetParticipant", "participant.recordingS3Prefix"):
        "the model's pattern has no slash; the AWS CLI's example of get-participant has three",
    ("ListParticipants", "participants[].sourceStageArn"):
        "the model's least is one character; of a SOURCE, the AWS CLI's example of list-participants has an empty one",
    ("ListParticipants", "participants[].sourceSessionId"):
        "the model's least is 16 characters; of a SOURCE, the AWS CLI's example of list-participants has an empty one",
}
