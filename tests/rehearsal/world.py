"""IVS as the simulator plays it, with its participants, and what Stagelink's table says of them."""

import datetime
import json
import os
import threading
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from emulator import ACCOUNT, REGION, credentials
from processes import free_port

# EventBridge takes sources that begin with `aws.` from AWS only, so the stack is told to listen to this one.
SOURCE = "rehearsal.ivs"


class Ivs:
    """The simulator: its process, its API and its control plane."""

    def __init__(self, processes, executable):
        self.processes, self.executable = processes, executable
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        command = [self.executable, "--port", str(self.port), "--region", REGION, "--account", ACCOUNT, "--json"]
        self.processes.start("ivs-sim", command, {"PATH": os.environ["PATH"], "RUST_LOG": "warn"})
        self.processes.wait_for("ivs-sim", lambda: '"ivs"' in self.processes.log("ivs-sim"), 10)
        config = Config(retries={"total_max_attempts": 10, "mode": "standard"})
        # Seconds instead of minutes, so that sessions end while somebody watches.
        self.control("PUT", "faults", {"dialect": {"session_end_delay_ms": 300}})
        self.api = boto3.client("ivs-realtime", endpoint_url=self.url, config=config, **credentials())

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} /_sim/{path}: {error.read().decode()}") from error

    def stage(self, name, **tags):
        return self.api.create_stage(name=name, tags=tags)["stage"]["arn"]

    def publish(self, stage, participant, **extra):
        return self.control("POST", "publish", {"stageArn": stage, "participantId": participant} | extra)["sessionId"]

    def leave(self, stage, participant):
        self.control("POST", "leave", {"stageArn": stage, "participantId": participant})

    def replicas(self, stage, participant):
        """The destinations to which the participant is replicated now; costs no call of the quota."""
        return {row["destinationStageArn"] for row in self.control("GET", "state")["replications"]
                if (row["sourceStageArn"], row["participantId"], row["phase"]) == (stage, participant, "LIVE")}

    def calls(self, operation):
        return self.control("GET", f"ledger?operation={operation}")


class Relay:
    """Brings the simulator's events to the emulator's bus, as IVS's come to EventBridge."""

    def __init__(self, ivs, events):
        self.ivs, self.events = ivs, events
        self.taken = 0
        self.lost = set()  # participants whose events do not arrive
        self.put = []
        self.running = True
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while self.running:
            try:
                self.step()
            except Exception as error:  # told by the driver, which has to know
                self.failure = error
                return
            time.sleep(0.1)

    def step(self):
        fresh = self.ivs.control("GET", "events")[self.taken:]
        self.taken += len(fresh)
        for event in fresh:
            if event["detail"].get("participant_id") not in self.lost:
                self.deliver(event)

    def deliver(self, event, source=SOURCE):
        answer = self.events.put_events(Entries=[{
            "Source": source, "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"]),
            "Resources": event["resources"], "Time": datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))}])
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"PutEvents: {answer['Entries']}")
        self.put.append(event)

    def stop(self):
        self.running = False
        self.thread.join(5)


class Table:
    """Stagelink's table, read and written as an operator's tool does."""

    def __init__(self, dynamodb, name):
        self.dynamodb, self.name = dynamodb, name
        self.write, self.read = TypeSerializer().serialize, TypeDeserializer().deserialize

    def put(self, item):
        self.dynamodb.put_item(TableName=self.name, Item={name: self.write(value) for name, value in item.items()})

    def delete(self, pk, sk):
        self.dynamodb.delete_item(TableName=self.name, Key={"pk": {"S": pk}, "sk": {"S": sk}})

    def items(self, pk=None):
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        items = [{name: self.read(value) for name, value in item.items()} for page in pages for item in page["Items"]]
        return [item for item in items if pk in (None, item["pk"])]

    def replica(self, source, participant, destination):
        """The row of a replication; empty if there is none."""
        found = self.dynamodb.get_item(TableName=self.name, ConsistentRead=True, Key={
            "pk": {"S": f"STAGE#{source}"}, "sk": {"S": f"REP#{participant}#{destination}"}}).get("Item", {})
        return {name: self.read(value) for name, value in found.items()}


def rule(name, source, stages, revision=1, priority=50, **more):
    """A rule's item for named stages, as `aws-adapters/src/item/rule.rs` reads it; `more` are further attributes."""
    item = {
        "pk": f"STAGE#{source}" if source else "STAGE#*", "sk": f"RULE#{name}", "schema": 1, "id": name,
        "revision": revision, "priority": priority, "status": "enabled", "destination_stages": list(stages),
        "reconnect_window_seconds": 0, "attributes": {}}
    if source:
        item["source_stage"] = source
    return item | more
