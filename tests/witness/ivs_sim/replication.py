"""Replications: started, listed and stopped; and what the account's event bus hears of them."""

from checks import check, equal

SEVEN_HEADERS = {
    "accessControlAllowOrigin", "accessControlExposeHeaders", "cacheControl", "contentSecurityPolicy",
    "strictTransportSecurity", "xContentTypeOptions", "xFrameOptions",
}


def run(simulator):
    a, b, c = (simulator.stage(name) for name in "abc")
    key = {"sourceStageArn": a, "destinationStageArn": b, "participantId": "host"}
    session = simulator.publish(a, "host", userId="carol")
    start_and_look(simulator, key, session)
    simulator.call("StartParticipantReplication", **key | {"destinationStageArn": c})
    stopped = simulator.call("StopParticipantReplication", **key)
    equal("headers of stop", set(stopped) - {"ResponseMetadata"}, SEVEN_HEADERS)
    rows = simulator.call("ListParticipantReplicas", sourceStageArn=a, participantId="host")["replicas"]
    states = {row["destinationStageArn"]: row["replicationState"] for row in rows}
    equal("states", (states[b], states[c]), ("STOPPED", "ACTIVE"))
    rows = simulator.call("ListParticipantEvents", stageArn=a, sessionId=session, participantId="host")["events"]
    check("events of replication", {"REPLICATION_STARTED", "REPLICATION_STOPPED"} <= {row["name"] for row in rows}, rows)
    simulator.play("unpublish", a, "host")
    answer = simulator.refused("not publishing", "ResourceNotFoundException", "StartParticipantReplication", **key)
    equal("its text", answer.get("exceptionMessage"), "host is not publishing")
    simulator.play("leave", a, "host")
    full_stage(simulator, key)
    envelopes(simulator, a, b)


def start_and_look(simulator, key, session):
    """What Start answers, and how the replica shows everywhere."""
    a, b = key["sourceStageArn"], key["destinationStageArn"]
    started = simulator.call("StartParticipantReplication", reconnectWindowSeconds=30, attributes={"via": "a"}, **key)
    equal("headers of start", set(started) - {"ResponseMetadata"}, SEVEN_HEADERS)
    equal("a header", started["xFrameOptions"], "DENY")
    equal("no body", started["ResponseMetadata"]["HTTPHeaders"].get("content-length"), "0")
    rows = simulator.call("ListParticipantReplicas", sourceStageArn=a, participantId="host")["replicas"]
    at_b = simulator.call("GetStage", arn=b)["stage"]["activeSessionId"]
    equal("replica", rows, [key | {"sourceSessionId": session, "destinationSessionId": at_b, "replicationState": "ACTIVE"}])
    replica = simulator.call("GetParticipant", stageArn=b, sessionId=at_b, participantId="host")["participant"]
    expected = {"replicationType": "REPLICA", "replicationState": "ACTIVE", "sourceStageArn": a, "sourceSessionId": session,
                "attributes": {"via": "a"}, "userId": "carol"}
    equal("replica participant", {name: replica.get(name) for name in expected}, expected)
    listed = simulator.call("ListParticipants", stageArn=a, sessionId=session, filterByUserId="carol")["participants"][0]
    equal("source participant", (listed["replicationType"], listed["replicationState"]), ("SOURCE", "ACTIVE"))


def full_stage(simulator, key):
    """Twelve publishers fill a stage, for replicas too."""
    full = simulator.stage("full")
    for number in range(12):
        simulator.publish(full, f"guest{number}")
    simulator.publish(key["sourceStageArn"], "host")
    simulator.refused("a full stage", "ServiceQuotaExceededException", "StartParticipantReplication",
                      **key | {"destinationStageArn": full})
    status, _ = simulator.control("POST", "publish", {"stageArn": full, "participantId": "late"})
    equal("thirteenth", status, 402)


def envelopes(simulator, a, b):
    """The envelopes that the account's event bus got."""
    _, delivered = simulator.control("GET", "events")
    names = {event["detail"]["event_name"] for event in delivered}
    equal("kinds", names, {"Participant Published", "Participant Unpublished", "Participant Publish Error",
                           "Participant Replication Start", "Participant Replication End"})
    for event in delivered:
        detail = event["detail"]
        fixed = {name: event[name] for name in ("version", "source", "detail-type", "account", "region")}
        equal("envelope", fixed, {"version": "0", "source": "aws.ivs", "detail-type": "IVS Stage Update",
                                  "account": "123456789012", "region": "us-east-1"})
        equal("its resources", len(event["resources"]), 1)
        equal("replica and source go together", detail.get("replica", False), "source_stage_arn" in detail)
        equal("destination", "destination_stage_arn" in detail, "Replication" in detail["event_name"])
    replica = next(event for event in delivered if event["detail"].get("replica"))
    equal("a replica's stage", (replica["resources"][0], replica["detail"]["source_stage_arn"]), (b, a))
