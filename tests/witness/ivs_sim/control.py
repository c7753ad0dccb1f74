"""The simulator's own control plane: faults, dialects, and what it tells of itself."""

import time

from botocore.exceptions import ClientError

from checks import check, equal


def run(simulator):
    settings(simulator)
    dialects(simulator)
    slow(simulator)
    unheard(simulator)


def settings(simulator):
    """Bad input says what is allowed, and changes nothing."""
    for body, field in [({"events": {"loss": 2}}, "events.loss"), ({"calls": {"latency_ms": "x"}}, "calls.latency_ms"),
                        ({"dialect": {"same_stage": "x"}}, "dialect.same_stage"), ({"nothing": 1}, "nothing")]:
        status, answer = simulator.control("PUT", "faults", body)
        equal(f"refused {body}", (status, answer.get("field")), (400, field))
        check("it says what is allowed", field in answer["error"] and answer["allowed"], answer)
    setting = simulator.faults(dialect={"same_stage": "conflict"}, seed=3)
    equal("merged", setting["dialect"]["same_stage"], "conflict")
    simulator.faults(dialect={"same_stage": "validation"})
    check("switches", len(simulator.control("GET", "dialect")[1]) > 30)
    equal("bad publish", simulator.control("POST", "publish", {"stageArn": "x"})[0], 400)


def dialects(simulator):
    """Answers that the model does not have, in dialects for what it leaves open."""
    a, b = simulator.stage("quiet"), simulator.stage("quieter")
    equal("unknown stage", simulator.control("POST", "publish", {"stageArn": a + "x"})[0], 404)
    simulator.publish(a, "quiet")
    simulator.play("unpublish", a, "quiet")
    key = {"sourceStageArn": a, "destinationStageArn": b, "participantId": "quiet"}
    with simulator.dialect(start_not_publishing="conflict", stop_not_replicated="conflict"):
        simulator.refused("by dialect", "ConflictException", "StartParticipantReplication", **key)
        simulator.refused("an error that the model lacks", "ConflictException", "StopParticipantReplication", **key)
    for where in ("message", "header", "exception_message"):
        with simulator.dialect(error_text=where), simulator.unwatched():
            try:
                simulator.call("GetStage", arn=a + "x")
            except ClientError as error:
                header = error.response["ResponseMetadata"]["HTTPHeaders"].get("x-amzn-errormessage")
                texts = {"message": error.response["Error"]["Message"], "header": header,
                         "exception_message": error.response.get("exceptionMessage")}
                check(f"text in {where}", "does not exist" in (texts[where] or ""), texts)


def slow(simulator):
    simulator.faults(calls={"latency_ms": 300})
    began = time.monotonic()
    simulator.call("ListStages", maxResults=1)
    check("latency", time.monotonic() - began >= 0.3)
    simulator.faults(calls={"latency_ms": 0})


def unheard(simulator):
    """An event that is lost; what happened is there all the same."""
    stage = simulator.stage("unheard")
    simulator.faults(events={"loss": 1})
    before = len(simulator.control("GET", "events")[1])
    simulator.publish(stage, "unheard")
    equal("lost", len(simulator.control("GET", "events")[1]), before)
    simulator.faults(events={"loss": 0})
    _, state = simulator.control("GET", "state")
    found = [row["participantId"] for there in state["stages"] if there["arn"] == stage
             for session in there["sessions"] for row in session["participants"] if row["publishing"]]
    equal("state", found, ["unheard"])
