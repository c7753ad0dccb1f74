"""Stages: created, read, changed, deleted, with their recording and their tokens."""

import datetime

from checks import check, equal

STORAGE = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh"


def run(simulator):
    call = simulator.call
    made = call("CreateStage", name="witness", tags={"role": "main"}, participantTokenConfigurations=[
        {"userId": "ann", "duration": 30, "attributes": {"k": "v"}, "capabilities": ["PUBLISH"]}, {}])
    stage, tokens = made["stage"], made["participantTokens"]
    equal("stage tags", stage["tags"], {"role": "main"})
    check("no session yet", "activeSessionId" not in stage, stage)
    equal("recording default", stage["autoParticipantRecordingConfiguration"], {
        "storageConfigurationArn": "", "mediaTypes": ["AUDIO_VIDEO"], "recordingReconnectWindowSeconds": 0,
        "thumbnailConfiguration": {"targetIntervalSeconds": 60, "storage": ["SEQUENTIAL"], "recordingMode": "DISABLED"},
        "hlsConfiguration": {"targetSegmentDurationSeconds": 6}, "recordParticipantReplicas": True})
    token = {name: tokens[0][name] for name in ("userId", "duration", "attributes", "capabilities")}
    equal("token", token, {"userId": "ann", "duration": 30, "attributes": {"k": "v"}, "capabilities": ["PUBLISH"]})
    check("expiration is a time", isinstance(tokens[1]["expirationTime"], datetime.datetime), tokens[1])
    equal("default capabilities", tokens[1]["capabilities"], ["PUBLISH", "SUBSCRIBE"])
    equal("get is create", call("GetStage", arn=stage["arn"])["stage"], stage)

    changed = call("UpdateStage", arn=stage["arn"], name="renamed",
                   autoParticipantRecordingConfiguration={"storageConfigurationArn": STORAGE, "recordParticipantReplicas": False})
    equal("updated name", changed["stage"]["name"], "renamed")
    equal("replicas not recorded", changed["stage"]["autoParticipantRecordingConfiguration"]["recordParticipantReplicas"], False)
    reset = call("UpdateStage", arn=stage["arn"], autoParticipantRecordingConfiguration={"storageConfigurationArn": ""})
    equal("reset by an empty ARN", reset["stage"]["autoParticipantRecordingConfiguration"],
          stage["autoParticipantRecordingConfiguration"])
    every_field(simulator)
    equal("delete", call("DeleteStage", arn=stage["arn"])["ResponseMetadata"]["HTTPStatusCode"], 200)
    simulator.refused("deleted", "ResourceNotFoundException", "GetStage", arn=stage["arn"])


def every_field(simulator):
    """A recording with every field otherwise than by default, and what a writer may take for nothing: 0 and false."""
    full = {"storageConfigurationArn": STORAGE, "mediaTypes": ["AUDIO_ONLY"], "recordingReconnectWindowSeconds": 0,
            "thumbnailConfiguration": {"targetIntervalSeconds": 5, "storage": ["LATEST", "SEQUENTIAL"], "recordingMode": "INTERVAL"},
            "hlsConfiguration": {"targetSegmentDurationSeconds": 10}, "recordParticipantReplicas": False}
    stage = simulator.call("CreateStage", name="recorded", autoParticipantRecordingConfiguration=full)["stage"]
    equal("created with every field", stage["autoParticipantRecordingConfiguration"], full)
    full |= {"recordingReconnectWindowSeconds": 300, "hlsConfiguration": {"targetSegmentDurationSeconds": 2}}
    simulator.call("UpdateStage", arn=stage["arn"], autoParticipantRecordingConfiguration=full)
    read = lambda: simulator.call("GetStage", arn=stage["arn"])["stage"]["autoParticipantRecordingConfiguration"]
    equal("updated with every field", read(), full)
    for wrong in ({"recordingReconnectWindowSeconds": 301}, {"storageConfigurationArn": "arn:aws:s3:::bucket"}):
        simulator.refused(f"update with {wrong}", "ValidationException", "UpdateStage", arn=stage["arn"],
                          autoParticipantRecordingConfiguration=full | wrong)
    equal("and nothing was changed", read(), full)
