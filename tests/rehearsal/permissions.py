"""Least privilege, both ways: each function needs everything it is granted, and nothing beyond.

A function is played through short steps (`steps.py`) with its own role. Whole, nothing may be denied, and every action that is granted
must be used. Then one action is taken from the role after the other, and the shortest step that used it is played again: exactly
that action has to be denied, and the function has to say so.
"""

import fnmatch
import json
import time

from bench import Bench
from emulator import STACK
from steps import STEPS

# Granted for Lambda itself, which calls it in the function's name: no step of ours can need it.
BY_LAMBDA = {"sqs:SendMessage"}


def play(rehearsal):
    rehearsal.report.section("permissions")
    rehearsal.relay.stop()
    bench = Bench(rehearsal)
    bench.quiet()
    time.sleep(1)
    bench.clear()
    import os
    for name, function in rehearsal.stack.functions().items():
        if os.environ.get("DBG_F") and name not in os.environ["DBG_F"].split(","):
            continue
        if name not in STEPS:
            rehearsal.report.fail(f"{name}: permissions", "there are no steps that use them")
            continue
        role = Role(rehearsal.emulator.client("iam"), function["Role"])
        try:
            try_function(rehearsal, bench, name, role)
        finally:
            role.restore()


class Role:
    """A function's role, whose inline policies can be reduced by one grant."""

    def __init__(self, iam, arn):
        self.iam, self.name = iam, arn.rpartition("/")[2]
        self.documents = {
            policy: iam.get_role_policy(RoleName=self.name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=self.name)["PolicyNames"]}

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
    grants = [grant for grant in role.grants() if grant[0] not in BY_LAMBDA]
    used_by = {}  # grant -> (seconds, step), the shortest
    denied = []
    for step in STEPS[name]:
        calls, seconds, _ = run(bench, name, step)
        denied += [(step.__name__, call.denied) for call in calls if call.denied]
        for grant in grants:
            if any(covers(grant, need) for call in calls for need in call.needs):
                used_by[grant] = min(used_by.get(grant, (seconds, step)), (seconds, step), key=lambda found: found[0])
    report.check(f"{name}: nothing it does is denied", not denied, denied)
    unused = [grant for grant in grants if grant not in used_by]
    report.check(f"{name}: it uses all {len(grants)} grants", not unused, unused)
    for grant, (_, step) in used_by.items():
        role.without(grant)
        calls, _, said = run(bench, name, step)
        role.restore()
        seen = {(call.denied, resource) for call in calls if call.denied for action, resource in call.needs if action == call.denied}
        action, resource = grant
        what = f"{name} without {action} on {resource.rpartition(':')[2]}"
        exact = seen and all(covers(grant, need) for need in seen)
        if report.check(f"{what}: is denied exactly that", exact, f"denied were {seen} in {step.__name__}"):
            report.check(f"{what}: says so", "AccessDenied" in said or "not authorized" in said, said[-4000:])


def run(bench, name, step):
    """Plays a step; gives the function's own calls, how long it took, and what was said: answers, logs and rows."""
    mark, began = bench.front.mark(), time.time()
    answers = step(bench)
    seconds = time.time() - began
    calls = bench.front.since(mark, f"{STACK}-{name}")
    said = json.dumps(answers) + bench.log(name, began) + json.dumps(bench.table.items(), default=str)
    bench.clear()
    return calls, seconds, said


def covers(grant, need):
    """Whether a grant is what allows this: the same action, on a resource that the grant's pattern matches."""
    action, resource = grant
    return action == need[0] and fnmatch.fnmatchcase(need[1], resource)
