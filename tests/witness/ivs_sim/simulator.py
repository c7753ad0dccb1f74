"""The simulator, as boto3 and its control plane reach it."""

import contextlib
import json
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from checks import check, equal
from . import limits, matrix, model

# Calls per second, per operation: the service quotas of the user guide.
QUOTAS = {"CreateParticipantToken": 50, "TagResource": 10, "UntagResource": 10, "ListTagsForResource": 10}
COMMON_QUOTA = 5


def quota(operation):
    return QUOTAS.get(operation, COMMON_QUOTA)


class Simulator:
    """One simulator. What boto3 is answered goes into the matrix, unless it is told to look away."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        # Not the common one, which is for one thread.
        self.session = boto3.Session()
        self.client = self.connect()
        self._events = self.client.meta.events
        self._events.register(f"before-parse.{model.SERVICE}", self._answered)
        self._next = {}
        self._watches = True

    def connect(self, **config):
        """A client that checks nothing by itself and does not retry, unless told otherwise. Its answers are not looked at."""
        settings = {"retries": {"total_max_attempts": 1}, "parameter_validation": False} | config
        return self.session.client(model.SERVICE, endpoint_url=self.endpoint, config=Config(**settings))

    def _answered(self, operation_model, response_dict, **_):
        if self._watches:
            answer = response_dict["status_code"], response_dict["headers"], response_dict["body"]
            matrix.answered("boto3", operation_model, *answer)

    @contextlib.contextmanager
    def unwatched(self):
        """For answers that are not to be as the model says."""
        self._watches = False
        yield
        self._watches = True

    def wait(self, operation):
        """Waits until another call of it is within its quota."""
        time.sleep(max(0.0, self._next.get(operation, 0.0) - time.monotonic()))

    def wait_a_second(self):
        """Waits until nothing counts against any quota, for somebody who makes several calls at once."""
        time.sleep(1.05)

    def called(self, operation):
        """A call of it was made."""
        self._next[operation] = time.monotonic() + 1.05 / quota(operation)

    def call(self, operation, **members):
        """Calls an operation no faster than its quota allows."""
        self.wait(operation)
        try:
            return getattr(self.client, model.method(operation))(**members)
        finally:
            self.called(operation)

    def refused(self, what, code, operation, **members):
        """Expects an error: its class in boto3, its status, its text and the id of its request."""
        try:
            answer = self.call(operation, **members)
        except ClientError as error:
            response, meta = error.response, error.response["ResponseMetadata"]
            equal(f"{what}: code", response["Error"]["Code"], code)
            if code in model.errors(operation):
                equal(f"{what}: status", meta["HTTPStatusCode"], model.status(code))
                equal(f"{what}: exception class", type(error), getattr(self.client.exceptions, code))
            check(f"{what}: text", response.get("exceptionMessage") or response["Error"]["Message"], response)
            check(f"{what}: request id", len(meta.get("RequestId", "")) == 36, meta)
            return response
        check(what, False, f"succeeded: {answer}")
        return {}

    def answer(self, operation, value):
        """Sends a request that botocore would not write. Gives code and text of the error, or nothing."""
        operation_model = model.OPERATIONS[operation]
        body = limits.body_of(operation_model, value)
        located = {name: entry for name, entry in value.items() if entry is not limits.MISSING
                   and operation_model.input_shape.members[name].serialization.get("location")}

        def replace(request, **_):
            if operation_model.http["method"] == "POST":
                request.data = body

        event = f"before-sign.{model.SERVICE}.{operation}"
        self._events.register(event, replace)
        try:
            self.call(operation, **located)
        except ClientError as error:
            return error.response["Error"]["Code"], error.response.get("exceptionMessage", "")
        finally:
            self._events.unregister(event, replace)
        return None

    def control(self, method, path, body=None):
        """A request to the control plane: status and JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_sim/{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stage(self, name, **members):
        """A new stage; its ARN."""
        return self.call("CreateStage", name=name, **members)["stage"]["arn"]

    def publish(self, stage, participant, **extra):
        """Lets a participant publish; the session's id."""
        return self.play("publish", stage, participant, **extra).get("sessionId")

    def play(self, act, stage, participant, **extra):
        """Lets a participant `publish`, `unpublish` or `leave`."""
        status, answer = self.control("POST", act, {"stageArn": stage, "participantId": participant} | extra)
        equal(f"{act} {participant}", status, 200)
        return answer

    def faults(self, **setting):
        status, answer = self.control("PUT", "faults", setting)
        equal(f"faults {setting}", status, 200)
        return answer

    @contextlib.contextmanager
    def dialect(self, **switches):
        """For behaviour that is not the default."""
        before = self.control("GET", "faults")[1]["dialect"]
        self.faults(dialect=switches)
        yield
        self.faults(dialect={name: before[name] for name in switches})
