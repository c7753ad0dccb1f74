"""One deployed stack from its birth to its end, and what has to hold on the way."""

import json
import platform
import time
import urllib.parse

import costs
import operator_command
import shape
from emulator import ACCOUNT, REGION, STACK
from world import SOURCE, rule

TABLE = "stagelink-rehearsal"
EVERY_STAGE = f"arn:aws:ivs:{REGION}:{ACCOUNT}:stage/*"


def parameters(**changed):
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    return {"TableName": TABLE, "Architecture": machine, "EventSources": SOURCE, "AlarmEmail": "operator@example.com"} | changed


def deploy(rehearsal):
    report, stack = rehearsal.report, rehearsal.stack
    report.section("deploy")
    if stack.stand_ins:
        report.skip("alarms on metric math", f"the emulator refuses them; {stack.stand_ins} stood in for by alarms on one metric")
    code, said = stack.deploy(parameters())
    report.need("sam deploy ends well", code == 0, said)
    report.need("the stack is there", stack.describe()["StackStatus"] == "CREATE_COMPLETE", stack.describe())
    stack.read_resources()
    for name, value in stack.outputs().items():
        report.note(f"output {name} = {value}")


def play(rehearsal):
    rehearsal.report.section("what was deployed")
    shape.check(rehearsal, parameters())
    rehearsal.report.section("replication")
    scene = Scene(rehearsal)
    scene.lose_one()
    scene.publish()
    scene.repeat()
    scene.ignore_others()
    scene.fail()
    scene.leave()
    scene.change_rule()
    scene.find_lost()
    scene.ask()
    costs.tell(rehearsal)
    rehearsal.report.section("the operator")
    operator_command.play(scene)
    rehearsal.report.section("update")
    scene.update()


class Scene:
    """Two stages and a rule, with what happens to them."""

    def __init__(self, rehearsal):
        self.rehearsal = rehearsal
        self.report, self.stack, self.front = rehearsal.report, rehearsal.stack, rehearsal.front
        self.ivs, self.relay, self.table = rehearsal.ivs, rehearsal.relay, rehearsal.table
        self.emulator = rehearsal.emulator
        self.source, self.first, self.second = (self.ivs.stage(name) for name in ("source", "first", "second"))
        self.table.put(rule("to-first", self.source, [self.first]))

    def runs(self, participant, destination):
        """Whether the replica runs in IVS, and the table says so."""
        in_ivs = destination in self.ivs.replicas(self.source, participant)
        return in_ivs and self.table.replica(self.source, participant, destination).get("phase") == "Active"

    def is_over(self, participant, destination):
        in_ivs = destination in self.ivs.replicas(self.source, participant)
        return not in_ivs and self.table.replica(self.source, participant, destination).get("phase") == "Stopped"

    def lose_one(self):
        """Somebody publishes, and no event tells of it: found later, by the minute's sweep."""
        self.relay.lost.add("unheard")
        self.ivs.publish(self.source, "unheard")
        self.lost_at = time.monotonic()

    def publish(self):
        report = self.report
        self.ivs.publish(self.source, "ann")
        report.wait("a publisher is replicated, and the table says so", lambda: self.runs("ann", self.first), 20)
        listed = self.ivs.api.list_participant_replicas(sourceStageArn=self.source, participantId="ann")["replicas"]
        report.equal("IVS lists the replica", [(row["destinationStageArn"], row["replicationState"]) for row in listed],
                     [(self.first, "ACTIVE")])
        starts = [call for call in self.front.since(0) if call.operation == "StartParticipantReplication"]
        report.check("participant-published made the call, under its own role",
                     f"{STACK}-participant-published" in {call.function for call in starts}, starts)

    def repeat(self):
        """The same event once more."""
        event = next(event for event in self.relay.put if event["detail"]["event_name"] == "Participant Published"
                     and event["detail"]["participant_id"] == "ann" and not event["detail"].get("replica"))
        mark = self.front.mark()
        before = self.changing_calls()
        self.relay.deliver(event)
        self.report.wait("an event that comes twice reaches the function twice", lambda: self.front.since(
            mark, f"{STACK}-participant-published"), 10)
        time.sleep(1)
        self.report.equal("and changes nothing more", self.changing_calls(), before)
        self.report.check("the replica still runs", self.runs("ann", self.first))

    def ignore_others(self):
        """Events of the same form from another source, and others of IVS's."""
        event = self.relay.put[0]
        for source, changed in [("somebody.else", event), (SOURCE, event | {"detail-type": "IVS Stage Health"}),
                                (SOURCE, event | {"detail": event["detail"] | {"event_name": "Token Exchanged"}})]:
            before = self.invocations()
            self.relay.deliver(changed, source)
            time.sleep(0.5)
            self.report.equal(f"{source}, {changed['detail-type']}, {changed['detail']['event_name']}: reaches no function",
                              self.invocations(), before)

    def invocations(self):
        """Invocations of the functions that events reach."""
        return {name: self.stack.invocations(name)
                for name in ("participant-published", "participant-unpublished", "replication-changed")}

    def fail(self):
        """An event that the pattern takes and nobody can read ends with the dead letters, with the reason."""
        envelope = {"version": "0", "id": "malformed", "source": SOURCE, "detail-type": "IVS Stage Update",
                    "account": "123456789012", "time": "2026-01-01T00:00:00Z", "region": "us-east-1", "resources": [],
                    "detail": {"event_name": "Participant Published"}}
        lambda_client = self.emulator.client("lambda")
        lambda_client.invoke(FunctionName=f"{STACK}-participant-published", InvocationType="Event", Payload=json.dumps(envelope))
        queue = self.stack.outputs()["DeadLettersUrl"]
        letter = self.report.wait("an event that cannot be read becomes a dead letter", lambda: self.letter(queue), 30)
        if letter:
            self.report.equal("with its error type", letter["responsePayload"].get("errorType"), "Malformed")
            self.report.equal("and the event itself", letter["requestPayload"], envelope)

    def letter(self, queue):
        for message in self.emulator.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            body = json.loads(message["Body"])
            if body.get("requestPayload", {}).get("id") == "malformed":
                return body
        return None

    def leave(self):
        self.ivs.leave(self.source, "ann")
        self.report.wait("who leaves is replicated no more", lambda: self.is_over("ann", self.first), 20)

    def change_rule(self):
        """Another destination: the stream wakes rule-changed, and what that leaves due wakes dispatch."""
        self.ivs.publish(self.source, "bob")
        self.report.wait("another publisher is replicated", lambda: self.runs("bob", self.first), 20)
        mark = self.front.mark()
        self.table.put(rule("to-first", self.source, [self.second], revision=2))
        self.report.wait("a changed rule starts the new replica", lambda: self.runs("bob", self.second), 30)
        self.report.wait("and stops the old one", lambda: self.is_over("bob", self.first), 30)
        calls = {call.operation: call.function for call in self.front.since(mark) if call.operation in CHANGING
                 and call.body.get("participantId") == "bob"}
        self.report.equal("both by dispatch", calls, {operation: f"{STACK}-dispatch" for operation in CHANGING})
        self.report.wait("rule-changed heard of it", lambda: self.front.since(mark, f"{STACK}-rule-changed"), 10)
        self.table.delete(f"STAGE#{self.source}", "RULE#to-first")
        self.report.wait("a deleted rule stops its replica", lambda: self.is_over("bob", self.second), 30)
        self.table.put(rule("to-first", self.source, [self.second], revision=3))

    def find_lost(self):
        found = self.report.wait("who was not heard of is found by the sweep", lambda: self.runs("unheard", self.second), 150)
        if found:
            self.report.note(f"{time.monotonic() - self.lost_at:.0f} s after the lost event")
        starts = [call.function for call in self.front.since(0) if call.operation == "StartParticipantReplication"
                  and call.body["participantId"] == "unheard" and call.body["destinationStageArn"] == self.second]
        self.report.equal("and started by dispatch", starts, [f"{STACK}-dispatch"])

    def ask(self):
        """The Function URL answers who signs, and nobody else."""
        if not self.stack.of_type("AWS::Lambda::Url"):
            return self.report.skip("the Function URL", "the template has none")
        config = self.emulator.client("lambda").get_function_url_config(FunctionName=f"{STACK}-api")
        self.report.equal("the Function URL wants signatures", config["AuthType"], "AWS_IAM")
        url = f"{config['FunctionUrl']}rules?source={urllib.parse.quote(self.source, safe='')}"
        self.report.equal("unsigned, it refuses", self.stack.get(url, signed=False)[0], 403)
        status, text = self.stack.get(url, signed=True)
        self.report.equal("signed, it answers", status, 200)
        self.report.check("and tells the stage's rule", '"to-first"' in text, text)
        self.change(config["FunctionUrl"])

    def change(self, url):
        """A back end changes a rule through the Function URL, with a key, on a condition, and with a plan before."""
        report, ask = self.report, lambda method, path, *more: self.answer(method, url + path, *more)
        aside = self.ivs.stage("aside")
        body = {"id": "by-api", "source": {"stage": aside}, "destinations": [{"stage": self.first}], "reason": "a rehearsal"}
        key = {"idempotency-key": '"rehearsal-1"'}
        status, created = ask("POST", "rules", body, key)
        report.equal("a rule is created by POST", (status, created.get("revision")), (201, 1))
        report.equal("the same request again has the same answer", ask("POST", "rules", body, key), (status, created))
        report.equal("another request with its key is refused", ask("POST", "rules", body | {"id": "other"}, key)[0], 422)
        report.equal("and so is another window than 0-300 s",
                     ask("POST", "rules", body | {"id": "other", "reconnect_window_seconds": 301})[1].get("field"),
                     "reconnect_window_seconds")
        changed = body | {"priority": 60}
        report.equal("without a revision it is not replaced", ask("PUT", "rules/by-api", changed)[0], 428)
        status, replaced = ask("PUT", "rules/by-api", changed, {"if-match": '"1"'})
        report.equal("with it, it is", (status, replaced.get("revision")), (200, 2))
        status, refused = ask("PUT", "rules/by-api", changed, {"if-match": '"1"'})
        report.equal("who comes second is told the present one", (status, refused.get("current_revision")), (409, 2))
        status, plan = ask("POST", "plan", {"rules": []})
        planned = {rule["id"]: rule["change"] for rule in plan.get("rules", [])}
        report.equal("a plan tells what would go", (status, planned.get("by-api"), planned.get("to-first")), (200, "deleted", "deleted"))
        query = urllib.parse.urlencode({"stage": self.source, "participant": "ann"})
        status, told = ask("GET", f"explain?{query}")
        report.check("a participant is explained", status == 200 and told.get("replications"), told)
        status, _ = ask("DELETE", "rules/by-api?reason=over", None, {"if-match": '"2"'})
        report.equal("the rule is deleted", (status, ask("GET", "rules/by-api")[0]), (200, 404))
        history = ask("GET", "rules/by-api/history")[1].get("revisions", [])
        report.equal("and its history stays", [(entry["revision"], entry.get("reason")) for entry in history],
                     [(3, "over"), (2, "a rehearsal"), (1, "a rehearsal")])

    def answer(self, method, url, body=None, headers=None):
        status, text = self.stack.ask(method, url, body, headers)
        return status, json.loads(text or "{}")

    def update(self):
        """Other parameters on the running stack, with the stages named that it may touch."""
        report = self.report
        before = {(item["pk"], item["sk"]) for item in self.table.items() if not item["sk"].startswith("ACT#")}
        code, said = self.stack.deploy(parameters(LogLevel="warn", QuotaSharePercent=100, StageArns=EVERY_STAGE))
        report.need("sam deploy with other parameters ends well", code == 0, said)
        report.equal("the stack is updated", self.stack.describe()["StackStatus"], "UPDATE_COMPLETE")
        for name, function in self.stack.functions().items():
            variables = function["Environment"]["Variables"]
            report.equal(f"{name} has the new settings", (variables["LOG_LEVEL"], variables["QUOTA_SHARE_PERCENT"]), ("warn", "100"))
        after = {(item["pk"], item["sk"]) for item in self.table.items()}
        report.check("the table's items are still there", before <= after, before - after)
        self.ivs.publish(self.source, "cid")
        report.wait("and replication goes on", lambda: self.runs("cid", self.second), 20)

    def changing_calls(self):
        return len([call for operation in CHANGING for call in self.ivs.calls(operation)])


CHANGING = ("StartParticipantReplication", "StopParticipantReplication")


def delete(rehearsal):
    """Takes the stack away: all but the table, which holds what people have written."""
    report, stack = rehearsal.report, rehearsal.stack
    report.section("delete")
    report.check("nobody but the functions came for AWS, each as itself", not rehearsal.front.strangers, rehearsal.front.strangers)
    rehearsal.table.put(rule("to-stay", rehearsal.ivs.stage("kept"), [rehearsal.ivs.stage("kept-too")]))
    rest(rehearsal)
    before = len(rehearsal.table.items())
    cloudformation = rehearsal.emulator.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    report.wait("the stack is gone", lambda: (stack.describe() or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"] == "DELETE_COMPLETE", 60)
    left = shape.left_over(rehearsal)
    report.check("nothing of it is left but the table", not left, left)
    after = len(rehearsal.table.items())
    report.check("the table is still there, with its items", after >= before > 0, f"{after} of {before}")
    table = rehearsal.emulator.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    report.check("and protected from deletion", table.get("DeletionProtectionEnabled"), table)


def rest(rehearsal):
    """Waits until no function is at work: one that ends after the stack makes its log group again."""
    rehearsal.relay.stop()
    mark, since, end = rehearsal.front.mark(), time.monotonic(), time.monotonic() + 30
    while time.monotonic() < min(since + 2, end):
        time.sleep(0.1)
        if rehearsal.front.mark() != mark:
            mark, since = rehearsal.front.mark(), time.monotonic()
