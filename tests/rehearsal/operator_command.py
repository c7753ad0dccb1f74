"""The operator's command on the deployed stack: the doctor finds what is broken, and dead letters get another try."""

import json
import os
import re
import subprocess

from emulator import ACCOUNT, REGION, SECRET, STACK
from world import SOURCE

# What the emulator's CloudFormation drops, or plays otherwise than AWS; `shape.py` holds that it was told.
NOT_PLAYED = {("table", "time to live"), ("table", "point-in-time recovery"), ("table", "deletion protection")}


class Command:
    """`stagelink`, with the credentials of the account's root."""

    def __init__(self, rehearsal, table):
        self.executable, self.table = rehearsal.arguments.stagelink, table
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(rehearsal.stack.home), "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": rehearsal.emulator.url, "AWS_ENDPOINT_URL_IVS_REALTIME": rehearsal.ivs.url}

    def run(self, *arguments):
        """Its exit code and what it printed."""
        command = [self.executable, *arguments, "--table", self.table]
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        return ran.returncode, ran.stdout + ran.stderr

    def ask(self, *arguments):
        """Its exit code and its document."""
        code, said = self.run(*arguments, "--stack", STACK, "-o", "json")
        try:
            return code, json.loads(said)
        except ValueError:
            return code, {"said": said}


def play(scene):
    """Healthy but for what was broken before; then something is switched off; then a letter that can be redriven."""
    command, report = Command(scene.rehearsal, scene.table.name), scene.report
    examine(scene, command)
    switch_off(scene, command)
    redrive(scene, command)
    code, found = command.ask("doctor")
    report.equal("at the end nothing fails", (code, failures(found)), (0, set()))


def failures(found):
    return {(finding["section"], finding["subject"]) for finding in found.get("findings", []) if finding["level"] == "failed"}


def examine(scene, command):
    report = scene.report
    code, found = command.ask("doctor")
    report.equal("the doctor fails for the dead letter, and for nothing else", (code, failures(found)), (1, {("dead_letters", "queue")}))
    findings = found.get("findings", [])
    seen = {(finding["section"], finding["subject"]) for finding in findings if finding["level"] == "ok"}
    for section, number in [("functions", 8), ("event_rules", 6), ("schedules", 2), ("stream", 2), ("permissions", 7)]:
        ok = [subject for name, subject in seen if name == section]
        report.equal(f"{number} findings of {section} are ok", len(ok), number)
    for finding in findings:
        about = (finding["section"], finding["subject"])
        if finding["level"] in ("warning", "not_checked"):
            text = f"{finding['found']}"
            if about in NOT_PLAYED:
                report.skip(f"{about[0]}, {about[1]}", text)
            else:
                report.note(f"{finding['level']}: {about[0]}, {about[1]}: {text}")
    answers = [finding for finding in findings if finding["section"] == "functions" and "answers" in finding["found"]]
    report.equal("five functions answered what was not for them", len(answers), 5)


def switch_off(scene, command):
    """A schedule is switched off. What the doctor says puts it right, word for word."""
    report, events = scene.report, scene.emulator.client("events")
    found = {finding["subject"]: finding for finding in command.ask("doctor", "--no-invoke")[1]["findings"]
             if finding["section"] == "schedules"}
    rule = re.search(r"enabled, (\S+)", found["reconcile"]["found"])[1]
    events.disable_rule(Name=rule)
    code, found = command.ask("doctor", "--no-invoke")
    remedies = [finding["remedy"] for finding in found["findings"] if (finding["section"], finding["level"]) == ("schedules", "failed")]
    report.equal("a schedule that is switched off is found, with its remedy", (code, [remedy.split(" --region")[0] for remedy in remedies]),
                 (1, [f"aws events enable-rule --name {rule}"]))
    events.enable_rule(Name=rule)


def redrive(scene, command):
    report = scene.report
    code, listed = command.ask("dead-letters", "list")
    letters = listed.get("dead_letters", [])
    told = [(letter["kind"], letter["function"], letter["why"].split(":")[0]) for letter in letters]
    report.equal("the dead letter is listed", (code, told), (0, [("invocation", "participant-published", "RetriesExhausted, Malformed")]))
    code, said = command.run("dead-letters", "redrive", "--all", "--stack", STACK)
    report.check("what nobody can read fails again, and is kept", code == 1 and "0 redriven, 0 discarded, 1 kept" in said, said)
    code, said = command.run("dead-letters", "redrive", "--all", "--discard", "--stack", STACK)
    report.check("unless it is to be discarded", code == 0 and "1 discarded" in said, said)

    # Somebody publishes whose item cannot be read, and no event tells of it but the one that fails.
    scene.relay.lost.add("dora")
    key = {"pk": f"STAGE#{scene.source}", "sk": "PUB#dora"}
    scene.table.put(key | {"schema": 99, "participant": "dora"})
    scene.ivs.publish(scene.source, "dora")
    event = next(event for event in scene.ivs.control("GET", "events") if event["detail"].get("participant_id") == "dora"
                 and event["detail"]["event_name"] == "Participant Published") | {"source": SOURCE}
    scene.emulator.client("lambda").invoke(
        FunctionName=f"{STACK}-participant-published", InvocationType="Event", Payload=json.dumps(event))
    letters = report.wait("an event on an item that cannot be read becomes a dead letter",
                          lambda: command.ask("dead-letters", "list")[1].get("dead_letters"), 60)
    if not letters:
        return
    report.check("which says so", "StoreCorrupt" in letters[0]["why"], letters[0])
    report.check("and the doctor names the item", "PUB#dora" in command.run("doctor", "--stack", STACK)[1])
    scene.table.delete(key["pk"], key["sk"])
    mark = scene.front.mark()
    code, said = command.run("dead-letters", "redrive", letters[0]["id"], "--stack", STACK)
    report.check("once that is put right, the letter is redriven", code == 0 and "1 redriven" in said, said)
    starts = [call.function for call in scene.front.since(mark) if call.operation == "StartParticipantReplication"
              and call.body["participantId"] == "dora"]
    report.equal("and its function has started the replica", starts[:1], [f"{STACK}-participant-published"])
    report.wait("which runs", lambda: scene.runs("dora", scene.second), 20)
    report.equal("nothing is left in the queue", command.ask("dead-letters", "list")[1].get("dead_letters"), [])
