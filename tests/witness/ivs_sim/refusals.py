"""Every error that the model declares: by its cause where there is one, else as a fault; and what no operation models."""

import time
import urllib.error
import urllib.request

from botocore.exceptions import ClientError, ConnectionClosedError

from checks import check, equal
from . import absent, limits, matrix, model
from .simulator import quota
from .stages import STORAGE

# What a fault can be, of the errors that the model has.
FAULTS = ("AccessDeniedException", "PendingVerification", "InternalServerException")


def run(simulator):
    unknown(simulator)
    conflicts(simulator)
    start(simulator)
    foreign(simulator)
    faults(simulator)
    absent_operations(simulator)
    unsigned(simulator)
    throttling(simulator)
    dropped(simulator)


def harmless(operation):
    """A request that the model allows and that names nothing there is."""
    return limits.sample(model.OPERATIONS[operation].input_shape)


def unknown(simulator):
    """What does not exist is not found; a list of it is empty."""
    for operation in model.OPERATIONS:
        if operation in absent.OPERATIONS:
            continue
        if "ResourceNotFoundException" in model.errors(operation):
            simulator.refused(f"{operation} of nothing", "ResourceNotFoundException", operation, **harmless(operation))
        elif model.has_pages(operation) and operation != "ListStages":
            equal(f"{operation} of nothing", simulator.call(operation, **harmless(operation))[model.rows(operation)], [])
    stage = simulator.stage("empty")
    key = {"stageArn": stage, "participantId": "nobody"}
    simulator.refused("nobody", "ResourceNotFoundException", "DisconnectParticipant", **key)
    simulator.refused("no session", "ResourceNotFoundException", "GetParticipant", sessionId="st-0123456789abc", **key)


def conflicts(simulator):
    """What contradicts the present state."""
    stage = simulator.stage("busy", autoParticipantRecordingConfiguration={"storageConfigurationArn": STORAGE})
    simulator.publish(stage, "host")
    simulator.refused("while it is recorded", "ConflictException", "UpdateStage", arn=stage,
                      autoParticipantRecordingConfiguration={"storageConfigurationArn": ""})
    with simulator.dialect(delete_active_stage="conflict"):
        simulator.refused("while somebody is there", "ConflictException", "DeleteStage", arn=stage)


def start(simulator):
    """Start has most to refuse."""
    a, *destinations = [simulator.stage(f"start{number}") for number in range(7)]
    key = {"sourceStageArn": a, "destinationStageArn": destinations[0], "participantId": "one"}

    def refused(what, code, **members):
        simulator.refused(what, code, "StartParticipantReplication", **key | members)

    refused("nobody", "ResourceNotFoundException")
    simulator.publish(a, "one")
    for destination in destinations[:5]:
        simulator.call("StartParticipantReplication", **key | {"destinationStageArn": destination})
    refused("twice", "ConflictException")
    refused("the sixth", "ServiceQuotaExceededException", destinationStageArn=destinations[5])
    refused("to itself", "ValidationException", destinationStageArn=a)
    refused("too many attributes", "ValidationException", attributes={"k": "x" * 1024})
    refused("elsewhere", "ResourceNotFoundException", destinationStageArn=a + "x")
    refused("another account", "AccessDeniedException", destinationStageArn=a.replace("123456789012", "999999999999"))
    refused("another Region", "ValidationException", destinationStageArn=a.replace("us-east-1", "eu-west-1"))
    key.pop("destinationStageArn")
    for _ in range(2):
        stop = {"destinationStageArn": destinations[0], **key}
        try:
            simulator.call("StopParticipantReplication", **stop)
        except ClientError as error:
            equal("stopped twice", error.response["Error"]["Code"], "ResourceNotFoundException")


def foreign(simulator):
    """A stage of another account may get replicas, in one dialect; and is nobody else's to see."""
    a = simulator.stage("neighbour")
    other = a.replace("123456789012", "999999999999")
    simulator.publish(a, "traveller")
    with simulator.dialect(cross_account="allowed"):
        simulator.call("StartParticipantReplication", sourceStageArn=a, destinationStageArn=other, participantId="traveller")
    for operation in ("GetStage", "UpdateStage", "DeleteStage"):
        simulator.refused(f"{operation} of another account", "AccessDeniedException", operation, arn=other)


def faults(simulator):
    """Errors that have no cause here: as a fault, every operation can have them."""
    for code in FAULTS:
        simulator.faults(calls={"error_rate": 1, "error_code": code})
        for operation in model.OPERATIONS:
            if operation not in absent.OPERATIONS and code in model.errors(operation):
                simulator.refused(f"{operation} failing", code, operation, **harmless(operation))
    simulator.faults(calls={"error_rate": 0, "error_code": FAULTS[-1]})


def absent_operations(simulator):
    """What is not simulated says so."""
    for operation in absent.OPERATIONS:
        simulator.refused(operation, matrix.UNKNOWN, operation, **harmless(operation))


def unsigned(simulator):
    for headers, code in (({}, "MissingAuthenticationToken"), ({"authorization": "Bearer x"}, "IncompleteSignature")):
        request = urllib.request.Request(f"{simulator.endpoint}/ListStages", b"{}", headers, method="POST")
        try:
            urllib.request.urlopen(request, timeout=10)
            check(code, False, "succeeded")
        except urllib.error.HTTPError as error:
            equal(code, (error.code, error.headers["x-amzn-ErrorType"]), (403, code))


def throttling(simulator):
    """More calls within a second than the quota are refused, of each operation by itself; and botocore's own retries get through."""
    simulator.wait_a_second()
    for operation in model.OPERATIONS:
        if operation not in absent.OPERATIONS:
            throttle(simulator, operation)
    simulator.wait_a_second()
    stage = simulator.stage("patience")
    patient = simulator.connect(retries={"mode": "standard", "total_max_attempts": 8})
    equal("retried", [patient.get_stage(arn=stage)["stage"]["arn"] for _ in range(7)], [stage] * 7)
    _, ledger = simulator.control("GET", "ledger?operation=GetStage")
    check("the ledger knows", any(row["errorCode"] == matrix.THROTTLED and row["key"] == stage for row in ledger), ledger[-3:])


def throttle(simulator, operation):
    admitted, began, refusal = 0, time.monotonic(), None
    while refusal is None and time.monotonic() - began < 10:
        try:
            getattr(simulator.client, model.method(operation))(**harmless(operation))
        except ClientError as error:
            if error.response["Error"]["Code"] == matrix.THROTTLED:
                refusal = error
                break
        admitted += 1
    check(f"{operation} throttled", refusal is not None, f"not within {admitted} calls")
    check(f"{operation}: not before its quota", admitted >= quota(operation), f"after {admitted} calls")
    if time.monotonic() - began < 1:
        equal(f"{operation}: quota", admitted, quota(operation))


def dropped(simulator):
    """An answer that gets lost: the call took effect."""
    stage = simulator.stage("dropped")
    simulator.faults(calls={"drop_rate": 1})
    try:
        simulator.call("TagResource", resourceArn=stage, tags={"dropped": "yes"})
        check("dropped", False, "answered")
    except ConnectionClosedError:
        check("dropped", True)
    simulator.faults(calls={"drop_rate": 0})
    equal("it took effect", simulator.call("ListTagsForResource", resourceArn=stage)["tags"], {"dropped": "yes"})


def full_account(simulator):
    """A thousand stages are all there can be. Afterwards no more can be created."""
    status, number = 200, 0
    while status == 200 and number <= 1000:
        status, _ = simulator.control("POST", "stage", {"stageArn": f"{limits.ARN}stage/filler{number}"})
        number += 1
    equal("the account is full", status, 402)
    simulator.refused("the thousand and first", "ServiceQuotaExceededException", "CreateStage")
