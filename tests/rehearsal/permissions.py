"""Least privilege, both ways: each function needs everything it is granted, and nothing beyond.

A function is played through short steps (`steps.py`) with its own role. Whole, nothing may be denied, and every action that is granted
must be used. Then one action is taken from the role after the other, and the shortest step that used it is played again: exactly
that action has to be denied, and the function has to say so.
"""

import fnmatch
import json
import time

import shape
from bench import Bench
from emulator import STACK
from steps import STEPS

# Granted for Lambda itself, which keeps failed invocations in the function's name: no step can need it.
BY_LAMBDA = "sqs:SendMessage"
# The function that nothing invokes but a request.
ASKED = "api"
# Managed policies that SAM adds: logs, traces, and the table's stream where Lambda reads it for a function.
MANAGED = {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"}
BY_STREAM = {"AWSLambdaDynamoDBExecutionRole"}
STREAMED = {"dispatch", "rule-changed"}


def play(rehearsal):
    rehearsal.report.section("permissions")
    rehearsal.relay.stop()
    bench = Bench(rehearsal)
    bench.quiet()
    time.sleep(1)
    bench.clear()
    for name, function in rehearsal.stack.functions().items():
        if name not in STEPS:
            rehearsal.report.fail(f"{name}: permissions", "there are no steps that use them")
            continue
        role = Role(rehearsal.emulator.client("iam"), function["Role"])
        try:
            try_function(rehearsal, bench, name, role)
        except RuntimeError as error:
            rehearsal.report.fail(f"{name}: permissions", error)
        finally:
            role.restore()


class Role:
    """A function's role, whose inline policies can be reduced by one grant."""

    def __init__(self, iam, arn):
        self.iam, self.name = iam, arn.rpartition("/")[2]
        self.documents = {
            policy: iam.get_role_policy(RoleName=self.name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=self.name)["PolicyNames"]}
        attached = iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]
        self.managed = {policy["PolicyName"] for policy in attached}

    def grants(self):
        """Every action with every resource it is granted for."""
        return sorted({grant for document in self.documents.values() for grant, _ in split(document)})

    def without(self, grant):
        for policy, document in self.documents.items():
            left = [statement for other, statement in split(document) if other != grant]
            if not left:
                self.iam.delete_role_policy(RoleName=self.name, PolicyName=policy)
            elif len(left) < len(split(document)):
                self.iam.put_role_policy(RoleName=self.name, PolicyName=policy,
                                         PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": left}))

    def restore(self):
        for policy, document in self.documents.items():
            self.iam.put_role_policy(RoleName=self.name, PolicyName=policy, PolicyDocument=json.dumps(document))


def split(document):
    """A policy as one statement per action and resource."""
    def listed(value):
        return [value] if isinstance(value, (str, dict)) else value

    return [((action, resource), statement | {"Action": action, "Resource": resource})
            for statement in listed(document["Statement"])
            for action in listed(statement["Action"]) for resource in listed(statement["Resource"])]


def try_function(rehearsal, bench, name, role):
    report = rehearsal.report
    report.equal(f"{name}: managed policies", role.managed, MANAGED | (BY_STREAM if name in STREAMED else set()))
    grants = [grant for grant in role.grants() if grant[0] != BY_LAMBDA]
    report.equal(f"{name}: where its failures may be kept", {grant[1] for grant in role.grants()} - {grant[1] for grant in grants},
                 set() if name == ASKED else {shape.queue_arn(rehearsal)})
    played = [(step, *run(bench, name, step)[:2]) for step in STEPS[name]]
    denied = [(step.__name__, call.denied) for step, calls, _ in played for call in calls if call.denied]
    report.check(f"{name}: nothing it does is denied", not denied, denied)
    users = {grant: [(seconds, step) for step, calls, seconds in played if uses(calls, grant)] for grant in grants}
    unused = [grant for grant in grants if not users[grant]]
    report.check(f"{name}: it uses all {len(grants)} grants", grants and not unused, unused)
    for grant in [grant for grant in grants if users[grant]]:
        miss(report, bench, name, role, grant, [step for _, step in sorted(users[grant], key=lambda user: user[0])])


def miss(report, bench, name, role, grant, steps):
    """Takes a grant away, and plays steps that use it, the shortest first, until one asks for it: it may not need it each time."""
    what = f"{name} without {grant[0]} on {grant[1].rpartition(':')[2]}"
    role.without(grant)
    try:
        for step in steps:
            calls, _, said = run(bench, name, step)
            seen = {need for call in calls if call.denied for need in call.needs if need[0] == call.denied}
            if seen:
                break
        else:
            return report.fail(what, f"was not missed in {[step.__name__ for step in steps]}")
    finally:
        role.restore()
    exact = all(covers(grant, need) for need in seen)
    told = "AccessDenied" in said or "not authorized" in said
    if not exact:
        return report.fail(what, f"denied were {seen} in {step.__name__}")
    return report.check(f"{what}: that is denied, and it says so", told, f"{step.__name__} says {said}")


def run(bench, name, step):
    """Plays a step; gives the function's own calls, how long it took, and what was said: answers, logs and rows."""
    mark, began = bench.front.mark(), time.time()
    answers = step(bench)
    seconds = time.time() - began
    calls = bench.front.since(mark, f"{STACK}-{name}")
    said = json.dumps(answers) + json.dumps(bench.table.items(), default=str) + "\n".join(bench.stack.log(name, began))
    bench.clear()
    return calls, seconds, said


def uses(calls, grant):
    return any(covers(grant, need) for call in calls for need in call.needs)


def covers(grant, need):
    """Whether a grant is what allows this: the same action, on a resource that the grant's pattern matches."""
    action, resource = grant
    return action == need[0] and fnmatch.fnmatchcase(need[1], resource)
