"""Tokens, sessions, participants and what happened to them."""

import datetime

from checks import check, equal
from .stages import STORAGE


def run(simulator):
    call = simulator.call
    stage = simulator.stage("participants")
    token = call("CreateParticipantToken", stageArn=stage, userId="bob", attributes={"role": "host"})["participantToken"]
    equal("token for bob", (token["userId"], token["duration"]), ("bob", 720))
    bob = token["participantId"]
    session = simulator.publish(stage, bob)
    simulator.publish(stage, "guest")
    equal("active session", call("GetStage", arn=stage)["stage"]["activeSessionId"], session)
    equal("still active", call("UpdateStage", arn=stage, name="renamed")["stage"]["activeSessionId"], session)
    equal("sessions", [row["sessionId"] for row in call("ListStageSessions", stageArn=stage)["stageSessions"]], [session])
    got = call("GetStageSession", stageArn=stage, sessionId=session)["stageSession"]
    check("session runs", isinstance(got["startTime"], datetime.datetime) and "endTime" not in got, got)
    participant = call("GetParticipant", stageArn=stage, sessionId=session, participantId=bob)["participant"]
    expected = {"userId": "bob", "state": "CONNECTED", "published": True, "replicationType": "NONE",
                "attributes": {"role": "host"}, "recordingState": "DISABLED", "recordingS3BucketName": ""}
    equal("participant", {name: participant.get(name) for name in expected}, expected)
    filters(simulator, stage, session, bob)
    call("DisconnectParticipant", stageArn=stage, participantId=bob, reason="witness")
    rows = call("ListParticipantEvents", stageArn=stage, sessionId=session, participantId=bob)["events"]
    equal("events", [row["name"] for row in rows], ["LEFT", "PUBLISH_STOPPED", "PUBLISH_STARTED", "JOINED"])
    check("event time", isinstance(rows[0]["eventTime"], datetime.datetime), rows[0])
    may_not_publish(simulator, stage, session)
    recorded(simulator)


def filters(simulator, stage, session, bob):
    def names(**given):
        rows = simulator.call("ListParticipants", stageArn=stage, sessionId=session, **given)["participants"]
        return [row["participantId"] for row in rows]

    equal("participants", names(), [bob, "guest"])
    equal("by user", names(filterByUserId="bob"), [bob])
    equal("by state", names(filterByState="DISCONNECTED"), [])
    equal("by published", names(filterByPublished=True), [bob, "guest"])
    equal("by recording", names(filterByRecordingState="ACTIVE"), [])
    simulator.refused("two filters", "ValidationException", "ListParticipants", stageArn=stage, sessionId=session,
                      filterByUserId="bob", filterByState="CONNECTED")


def may_not_publish(simulator, stage, session):
    """A token without the capability: the stage tells why."""
    viewer = simulator.call("CreateParticipantToken", stageArn=stage, capabilities=["SUBSCRIBE"])["participantToken"]["participantId"]
    status, _ = simulator.control("POST", "publish", {"stageArn": stage, "participantId": viewer})
    equal("may not publish", status, 403)
    rows = simulator.call("ListParticipantEvents", stageArn=stage, sessionId=session, participantId=viewer)["events"]
    equal("why not", [row.get("errorCode") for row in rows if row["name"] == "PUBLISH_ERROR"], ["INSUFFICIENT_CAPABILITIES"])


def recorded(simulator):
    """A participant who is recorded, and a session that ends at once."""
    stage = simulator.stage("recording", autoParticipantRecordingConfiguration={"storageConfigurationArn": STORAGE})
    session = simulator.publish(stage, "host")
    key = {"stageArn": stage, "sessionId": session}
    participant = simulator.call("GetParticipant", participantId="host", **key)["participant"]
    equal("recording", (participant["recordingState"], participant["recordingS3BucketName"]), ("ACTIVE", "ivs-abcdabcdefgh"))
    with simulator.dialect(session_end_delay_ms=0):
        simulator.play("leave", stage, "host")
    ended = simulator.call("GetStageSession", **key)["stageSession"]
    check("session ended", isinstance(ended.get("endTime"), datetime.datetime), ended)
    listed = simulator.call("ListStageSessions", stageArn=stage)["stageSessions"]
    equal("as the list says", [row.get("endTime") for row in listed], [ended.get("endTime")])
    gone = simulator.call("ListParticipants", **key)["participants"][0]
    equal("recorded", (gone["state"], gone["recordingState"]), ("DISCONNECTED", "STOPPED"))
