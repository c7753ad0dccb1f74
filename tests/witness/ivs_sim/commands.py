"""The AWS CLI: every operation once, the pages, and how its errors end. That `aws` itself does the same is seen once."""

import json
import os
import subprocess
import sys

from botocore import xform_name

from checks import check, equal
from . import absent, limits, matrix, model, refusals

# The exit code of version 1 of the AWS CLI, which is the one in Python's registry, for whatever the service or the CLI refuses.
REFUSED = 255


class Aws:
    """`aws ivs-realtime …` on the simulator."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.environment = os.environ | {"AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ivs_sim.aws_process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=self.environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=10)

    def words(self, operation, arguments):
        return [model.SERVICE, model.command(operation), *arguments, "--endpoint-url", self.simulator.endpoint, "--output", "json"]

    def __call__(self, operation, *arguments):
        """Runs a command. Gives its exit code, what it printed as JSON, and what it said of an error."""
        self.simulator.wait(operation)
        self.process.stdin.write(json.dumps(self.words(operation, arguments)) + "\n")
        self.process.stdin.flush()
        outcome = json.loads(self.process.stdout.readline())
        for answer in outcome["answers"]:
            matrix.answered("AWS CLI", model.OPERATIONS[answer["operation"]], answer["status"], answer["headers"], answer["body"])
        self.simulator.called(operation)
        return outcome["code"], json.loads(outcome["printed"] or "{}"), outcome["said"]

    def succeeds(self, operation, *arguments):
        code, printed, said = self(operation, *arguments)
        equal(f"aws {model.command(operation)}", (code, said), (0, ""))
        return printed

    def itself(self, operation, *arguments):
        """The same by `aws`."""
        self.simulator.wait(operation)
        command = ["aws", *self.words(operation, arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self.environment)
        self.simulator.called(operation)
        return ran.returncode, ran.stdout, ran.stderr


def run(simulator, lists):
    with Aws(simulator) as aws:
        every_operation(aws)
        for operation, (members, count) in lists.items():
            pages_by_hand(aws, operation, members)
            if operation in model.PAGINATORS:
                pages_by_paginator(aws, operation, members, count)
        errors(aws)
        by_itself(aws)


def options(members):
    """Members of a request as options of a command."""
    words = []
    for name, value in members.items():
        words += [f"--{xform_name(name, '-')}", value if isinstance(value, str) else json.dumps(value)]
    return words


def every_operation(aws):
    made = aws.succeeds("CreateStage", "--name", "cli", "--tags", "from=cli")
    a = made["stage"]["arn"]
    b = aws.succeeds("CreateStage", "--name", "cli2", "--participant-token-configurations", "userId=ann,capabilities=PUBLISH")["stage"]["arn"]
    equal("cli get-stage", aws.succeeds("GetStage", "--arn", a)["stage"]["tags"], {"from": "cli"})
    equal("cli update-stage", aws.succeeds("UpdateStage", "--arn", a, "--name", "again")["stage"]["name"], "again")
    check("cli list-stages", aws.succeeds("ListStages", "--max-results", "2")["stages"])
    token = aws.succeeds("CreateParticipantToken", "--stage-arn", a, "--duration", "5", "--attributes", "role=host")["participantToken"]
    participant = token["participantId"]
    check("cli expiration", token["expirationTime"].startswith("20"), token)
    session = aws.simulator.publish(a, participant)
    here = ["--stage-arn", a, "--session-id", session]
    listed = aws.succeeds("ListStageSessions", "--stage-arn", a)["stageSessions"]
    equal("cli list-stage-sessions", [row["sessionId"] for row in listed], [session])
    equal("cli get-stage-session", aws.succeeds("GetStageSession", *here)["stageSession"]["sessionId"], session)
    shown = aws.succeeds("GetParticipant", *here, "--participant-id", participant)["participant"]
    equal("cli get-participant", (shown["published"], shown["attributes"]), (True, {"role": "host"}))
    listed = aws.succeeds("ListParticipants", *here, "--filter-by-published")["participants"]
    equal("cli list-participants", [row["participantId"] for row in listed], [participant])
    replications(aws, a, b, participant)
    listed = aws.succeeds("ListParticipantEvents", *here, "--participant-id", participant)["events"]
    equal("cli list-participant-events", [row["name"] for row in listed][-2:], ["PUBLISH_STARTED", "JOINED"])
    equal("cli disconnect", aws.succeeds("DisconnectParticipant", "--stage-arn", a, "--participant-id", participant), {})
    equal("cli tag", aws.succeeds("TagResource", "--resource-arn", a, "--tags", "show=42"), {})
    equal("cli untag", aws.succeeds("UntagResource", "--resource-arn", a, "--tag-keys", "from", "never"), {})
    equal("cli tags", aws.succeeds("ListTagsForResource", "--resource-arn", a)["tags"], {"show": "42"})
    equal("cli delete-stage", aws.succeeds("DeleteStage", "--arn", b), {})


def replications(aws, a, b, participant):
    key = ["--source-stage-arn", a, "--participant-id", participant]
    both = [*key, "--destination-stage-arn", b]
    started = aws.succeeds("StartParticipantReplication", *both, "--reconnect-window-seconds", "10", "--attributes", "via=cli")
    equal("cli start", (len(started), started.get("xFrameOptions")), (7, "DENY"))
    listed = aws.succeeds("ListParticipantReplicas", *key)["replicas"]
    equal("cli list", [(row["destinationStageArn"], row["replicationState"]) for row in listed], [(b, "ACTIVE")])
    equal("cli stop", len(aws.succeeds("StopParticipantReplication", *both)), 7)


def pages_by_hand(aws, operation, members):
    """With --max-results and --next-token, which hold off the CLI's own way through the pages."""
    rows, joined, token = model.rows(operation), [], []
    while token is not None:
        page = aws.succeeds(operation, *options(members), "--max-results", "2", *token)
        joined += page[rows]
        token = ["--next-token", page["nextToken"]] if page.get("nextToken") else None
    whole = aws.succeeds(operation, *options(members), "--max-results", "50")[rows]
    equal(f"cli {model.command(operation)}: pages join", joined, whole)
    matrix.paged("AWS CLI", operation)


def pages_by_paginator(aws, operation, members, count):
    rows = model.rows(operation)

    def pages(*more):
        aws.simulator.wait_a_second()
        return aws.succeeds(operation, *options(members), *more)

    equal(f"cli {operation}: all pages", len(pages("--page-size", "2")[rows]), count)
    first = pages("--page-size", "2", "--max-items", "3")
    rest = pages("--page-size", "2", "--starting-token", first["NextToken"])
    equal(f"cli {operation}: from a token on", (len(first[rows]), len(rest[rows]), "NextToken" in rest), (3, count - 3, False))
    equal(f"cli {operation}: one page", len(pages("--no-paginate")[rows]), count)
    matrix.paged("AWS CLI", f"paginator of {operation}")


def errors(aws):
    """How a command ends that the service refuses, and one that never gets there."""
    for operation in model.OPERATIONS:
        if operation in absent.OPERATIONS:
            continue
        fault = next(error for error in refusals.FAULTS if error in model.errors(operation))
        aws.simulator.faults(calls={"error_rate": 1, "error_code": fault})
        code, printed, said = aws(operation, *options(refusals.harmless(operation)))
        text = f"An error occurred ({fault}) when calling the {operation} operation"
        check(f"cli {model.command(operation)} refused", code == REFUSED and text in said and not printed, (code, said))
    aws.simulator.faults(calls={"error_rate": 0})
    code, _, said = aws("GetStage", "--arn", f"{limits.ARN}stage/nowhere")
    check("cli not found", code == REFUSED and "(ResourceNotFoundException)" in said, (code, said))
    code, _, said = aws("GetStage", "--arn", "")
    check("cli invalid", code == REFUSED and "Invalid length" in said, (code, said))


def by_itself(aws):
    code, printed, said = aws.itself("ListStages", "--max-results", "1")
    check("aws list-stages", (code, said) == (0, "") and len(json.loads(printed)["stages"]) == 1, (code, said))
    code, printed, said = aws.itself("GetStage", "--arn", f"{limits.ARN}stage/nowhere")
    check("aws get-stage", code == REFUSED and "(ResourceNotFoundException)" in said and not printed, (code, said))
