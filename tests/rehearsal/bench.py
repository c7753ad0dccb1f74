"""A quiet stack to try one function at a time: nothing is invoked but what a test invokes."""

import datetime
import json
import pathlib
import time
import urllib.parse

from world import SOURCE, rule

# Seconds that functions are given, so that those who wait for something give up soon. The others begin nothing in their last six.
TIMEOUT, LONGER = 4, 12
PACED = ("dispatch", "reconcile")
# Seconds between two publishers, so that nobody has to wait for a call: five a second are the quota.
PACE = 0.4

# Envelopes and requests as they reach functions.
EVENTS = pathlib.Path(__file__).resolve().parents[2] / "events"


class Bench:
    """Stages, participants and rows for one step, and the invocations."""

    def __init__(self, rehearsal):
        self.ivs, self.table, self.stack, self.front = rehearsal.ivs, rehearsal.table, rehearsal.stack, rehearsal.front
        self.emulator = rehearsal.emulator
        self.here = []
        self.pool, self.free = [], []
        self.number = 0
        self.published_at = 0

    def quiet(self):
        """Switches schedules and streams off, and gives functions that wait for their time little of it."""
        events, functions = self.emulator.client("events"), self.emulator.client("lambda")
        for entry in events.list_rules()["Rules"]:
            events.disable_rule(Name=entry["Name"])
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        for name in self.stack.of_type("AWS::Lambda::Function").values():
            timeout = LONGER if name.endswith(PACED) else TIMEOUT
            functions.update_function_configuration(FunctionName=name, Timeout=timeout)

    def clear(self):
        """Everybody leaves, and the table is emptied, also of the budgets: calls are few, and shall not wait for those of before."""
        for stage, participant in self.here:
            try:
                self.ivs.leave(stage, participant)
            except RuntimeError:
                pass  # gone already
        self.here = []
        self.free = list(self.pool)
        for item in self.table.items():
            self.table.delete(item["pk"], item["sk"])

    def stages(self, count):
        """Stages that nobody else uses in this step; made once, for the quota is small."""
        while len(self.free) < count:
            self.pool.append(self.ivs.stage(f"bench-{len(self.pool)}"))
            self.free.append(self.pool[-1])
        return [self.free.pop(0) for _ in range(count)]

    def somebody(self):
        """A participant who was never there before."""
        self.number += 1
        return f"p{self.number}"

    def publish(self, stage, participant, **extra):
        """Somebody publishes; gives the event of it."""
        time.sleep(max(0, self.published_at + PACE - time.monotonic()))
        self.published_at = time.monotonic()
        self.ivs.publish(stage, participant, **extra)
        self.here.append((stage, participant))
        return self.event("Participant Published", stage, participant)

    def leave(self, stage, participant):
        self.ivs.leave(stage, participant)
        return self.event("Participant Unpublished", stage, participant)

    def event(self, name, stage, participant):
        """The latest event of this name, as EventBridge would bring it."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            for event in reversed(self.ivs.control("GET", "events")):
                detail = event["detail"]
                if (detail["event_name"], event["resources"][0], detail["participant_id"]) == (name, stage, participant):
                    return event | {"source": SOURCE}
            time.sleep(0.05)
        raise RuntimeError(f"the simulator told no {name} of {participant}")

    def rule(self, source, stages, **more):
        """A rule from a source to named stages; `more` are further attributes of its item."""
        self.table.put(rule("r", source, stages, **more))

    def tag(self, stage, **tags):
        self.ivs.api.tag_resource(resourceArn=stage, tags=tags)

    def record(self, stage, storage):
        """Has the participants of a stage recorded there; nowhere, if that is empty."""
        self.ivs.api.update_stage(arn=stage, autoParticipantRecordingConfiguration={"storageConfigurationArn": storage})

    def session_ends(self, stage):
        """Waits until the stage's session, which everybody has left, is over."""
        end = time.monotonic() + 15
        while time.monotonic() < end:
            stages = self.ivs.control("GET", "state")["stages"]
            if not next(found for found in stages if found["arn"] == stage)["activeSessionId"]:
                return
            time.sleep(0.1)
        raise RuntimeError(f"the session of {stage} does not end")

    def now(self):
        """The times of an event that happens now."""
        return {"event_time": moment(), "event_time_precise": moment()}

    def invoke(self, function, event=None):
        """Invokes a function and gives its answer; a failure is an answer too."""
        return self.stack.invoke(function, event or {})

    def request(self, path, method="GET", body=None, headers=None, **query):
        """A request to the Function URL, as it reaches the function."""
        event = json.loads((EVENTS / "api-request.json").read_text())
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["requestContext"]["http"]["method"] = method
        event["headers"] |= headers or {}
        if body is not None:
            event["headers"]["content-type"] = "application/json"
            event["body"] = json.dumps(body)
        return event | {"rawQueryString": urllib.parse.urlencode(query), "queryStringParameters": query}

    def replicated(self, count=1, window=0):
        """Somebody on a stage, replicated to others by a rule; gives source, participant and destinations."""
        (source, *destinations), participant = self.stages(1 + count), self.somebody()
        self.rule(source, destinations, reconnect_window_seconds=window)
        answer = self.invoke("participant-published", self.publish(source, participant))
        if self.ivs.replicas(source, participant) != set(destinations):
            raise RuntimeError(f"{participant} is not replicated: {answer}")
        return source, participant, destinations

    def select(self, source, destination):
        """A rule that depends on the source's tags and the token's attributes, and a directory that says where it can lead."""
        tags = {"role": "overflow", "show": "1"}
        self.tag(source, show="1")
        self.tag(destination, **tags)
        self.table.put({"pk": "STAGE#*", "sk": f"DEST#{destination}", "schema": 1, "stage": destination, "tags": tags})
        by_tag = {"tags": {"role": "overflow"}, "same": ["show"]}
        self.table.put(rule("by-tag", source, []) | {"schema": 2, "destinations": [by_tag], "participant_attributes": {"role": "host"}})

    def rules_changed(self, source):
        """What the table's stream tells of a changed rule."""
        keys = {"pk": {"S": f"STAGE#{source}" if source else "STAGE#*"}, "sk": {"S": "RULE#r"}}
        return {"Records": [{"eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": {"Keys": keys}}]}


def moment(seconds=0):
    """A time so many seconds from now, as the table has it."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.isoformat().replace("+00:00", "Z")
