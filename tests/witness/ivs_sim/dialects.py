"""Every alternative of every behaviour that IVS leaves open: whatever is answered then, is as the model says."""

from botocore.exceptions import ClientError

from checks import check, equal


def run(simulator):
    _, switches = simulator.control("GET", "dialect")
    a, b = simulator.stage("dialects"), simulator.stage("dialects2")
    for switch in switches:
        for number, option in enumerate(switch["options"]):
            # Where the text of an error stands is the one thing that the model does say; see `control`.
            if option != switch["default"] and switch["name"] != "error_text":
                with simulator.dialect(**{switch["name"]: option}):
                    play(simulator, a, b, f"{switch['name'][:40]}-{number}".replace("_", "-"))
    before = simulator.control("GET", "faults")[1]["dialect"]
    equal("dialect as before", before, {switch["name"]: switch["default"] for switch in switches})


def play(simulator, a, b, participant):
    """A replication from its beginning to its end, seen by everything that shows it."""
    def attempt(operation, **members):
        try:
            return simulator.call(operation, **members)
        except ClientError:
            return {}

    key = {"sourceStageArn": a, "destinationStageArn": b, "participantId": participant}
    session = simulator.publish(a, participant, userId="somebody")
    check(f"session for {participant}", session)
    attempt("StartParticipantReplication", reconnectWindowSeconds=1, attributes={"via": "a"}, **key)
    attempt("StartParticipantReplication", **key | {"participantId": "nobody"})
    attempt("ListParticipantReplicas", sourceStageArn=a, participantId=participant)
    attempt("ListParticipantReplicas", sourceStageArn=a, participantId="nobody")
    attempt("ListParticipants", stageArn=a, sessionId=session, filterByUserId="somebody")
    attempt("ListParticipantEvents", stageArn=a, sessionId=session, participantId=participant)
    attempt("ListStageSessions", stageArn=a)
    at_b = attempt("GetStage", arn=b).get("stage", {}).get("activeSessionId")
    if at_b:
        attempt("GetParticipant", stageArn=b, sessionId=at_b, participantId=participant)
    attempt("StopParticipantReplication", **key)
    attempt("StopParticipantReplication", **key)
    simulator.play("leave", a, participant)
