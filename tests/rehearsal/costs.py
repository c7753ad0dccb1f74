"""What it costs, from what was counted here and from AWS's prices in `prices.json`.

Two figures: a million participants who publish and leave, under one rule with one destination, with what sweeps read of them later;
and a month in which nothing happens but the schedules. Requests, items, invocations, log lines and metrics are counted; durations are
of this machine, and what Lambda samples for traces is an estimate.
"""

import json
import pathlib
import re
import time

from units import Units, size
from world import rule

PRICES = json.loads((pathlib.Path(__file__).parent / "prices.json").read_text())
PAIRS = 8
IDLE_RUNS = 3
MEMORY_GB = 0.25
# Runs of a schedule of one minute in 30 days.
MINUTES_OF_MONTH = 30 * 24 * 60
# How long the table keeps what is over, in minutes (`RETENTION` in `aws-adapters/src/item.rs`): as many sweeps read it.
MINUTES_KEPT = 24 * 60
# X-Ray samples the first request of a second and 5 percent of the rest: all of a schedule, and few of many.
SAMPLED = 0.05
# Bytes that CloudWatch Logs counts for each line besides its text.
LINE_OVERHEAD = 26


def tell(rehearsal):
    rehearsal.report.section("costs")
    events = rehearsal.emulator.client("events")
    schedules = [entry["Name"] for entry in events.list_rules()["Rules"] if "ScheduleExpression" in entry]
    for name in schedules:
        events.disable_rule(Name=name)
    pairs(rehearsal)
    idle(rehearsal)
    for name in schedules:
        events.enable_rule(Name=name)


class Meter:
    """What is counted between two moments."""

    def __init__(self, rehearsal):
        self.rehearsal, self.mark, self.began = rehearsal, rehearsal.front.mark(), time.time()
        dynamodb = rehearsal.emulator.client("dynamodb")
        self.units = Units(dynamodb.scan(TableName=rehearsal.table.name, ConsistentRead=True)["Items"])

    def read(self, count):
        """Counts what was used since, for each of `count` things that happened."""
        calls = self.rehearsal.front.since(self.mark)
        for call in calls:
            if call.service == "dynamodb":
                self.units.take(call)
        logs = {name: self.rehearsal.stack.log(name, self.began) for name in self.rehearsal.stack.functions()}
        took = [int(found[1]) for lines in logs.values() for line in lines if (found := re.search(r"Billed Duration: (\d+) ms", line))]
        lines = [line for lines in logs.values() for line in lines]
        return {
            "reads": self.units.reads / count, "writes": self.units.writes / count,
            "index writes": self.units.index_writes / count, "invocations": len(took) / count,
            "seconds": sum(took) / 1000 / count, "log bytes": sum(len(line.encode()) + LINE_OVERHEAD for line in lines) / count,
            "IVS calls": sum(call.service == "ivs" for call in calls) / count,
        }


def pairs(rehearsal):
    """Participants who publish and leave, one after the other."""
    ivs, report = rehearsal.ivs, rehearsal.report
    source, destination = ivs.stage("paid"), ivs.stage("paid-too")
    rehearsal.table.put(rule("paid", source, [destination]))
    time.sleep(2)
    meter, events = Meter(rehearsal), len(rehearsal.relay.put)
    for number in range(PAIRS):
        ivs.publish(source, f"paid-{number}")
        phase = lambda: rehearsal.table.replica(source, f"paid-{number}", destination).get("phase")
        wait(lambda: phase() == "Active")
        time.sleep(1)
        ivs.leave(source, f"paid-{number}")
        wait(lambda: phase() == "Stopped")
    time.sleep(3)
    used = meter.read(PAIRS)
    report.note(f"counted for one participant who publishes and leaves (mean of {PAIRS}): {figures(used)}, "
                f"{(len(rehearsal.relay.put) - events) / PAIRS:.1f} events")
    items = rehearsal.emulator.client("dynamodb").scan(TableName=rehearsal.table.name, ConsistentRead=True)["Items"]
    kept = sum(size(item) for item in items if item["pk"]["S"] == f"STAGE#{source}"
               and item["sk"]["S"].startswith(("PUB#", "REP#"))) / PAIRS
    report.note(f"stored of each for {MINUTES_KEPT // 60} hours after its end: {kept:.0f} bytes")
    swept = kept / 4096 * MINUTES_KEPT
    costs = per_million(used) | {f"reads of {MINUTES_KEPT} sweeps": swept * PRICES["dynamodb_million_read_units"],
                                 "traces (estimated at 5 % sampled)": used["invocations"] * SAMPLED * PRICES["xray_million_traces"],
                                 "events (of an AWS service)": PRICES["eventbridge_million_aws_events"]}
    show(report, "a million participants who publish and leave, one rule, one destination", costs)
    events = (len(rehearsal.relay.put) - events) / PAIRS
    report.note(f"a million events of IVS, {events:.0f} for each of these: {sum(costs.values()) / events:.2f} dollars")
    report.check("publish and leave cost no more than two Starts and Stops", used["IVS calls"] <= 4, used)


def idle(rehearsal):
    """The schedules' runs while nobody is there."""
    report = rehearsal.report
    clear(rehearsal)
    for _ in range(2):
        rehearsal.stack.invoke("reconcile", {})
    time.sleep(2)
    parts = {}
    for name in ("reconcile", "dispatch"):
        meter = Meter(rehearsal)
        failed = [answer for error, answer in (rehearsal.stack.invoke(name, {}) for _ in range(IDLE_RUNS)) if error]
        report.check(f"idle runs of {name} succeed", not failed, failed)
        time.sleep(0.5)
        parts[name] = meter.read(IDLE_RUNS)
        report.note(f"counted for an idle run of {name}: {figures(parts[name])}")
    month = {}
    for name, used in parts.items():
        for what, cost in per_million(used).items():
            month[f"{name}: {what}"] = cost * MINUTES_OF_MONTH / 1e6
        month[f"{name}: traces, all sampled"] = PRICES["xray_million_traces"] * MINUTES_OF_MONTH / 1e6
    alarmed = len(rehearsal.stack.of_type("AWS::CloudWatch::Alarm")) + rehearsal.stack.alarmed_by_math
    dashboards = len(rehearsal.stack.of_type("AWS::CloudWatch::Dashboard"))
    month |= {f"{alarmed} metrics with alarms": alarmed * PRICES["alarm_metric_month"],
              f"{dashboards} dashboard": dashboards * PRICES["dashboard_month"]}
    metrics = seen_metrics(rehearsal)
    month[f"{len(metrics)} custom metrics that were seen in the logs"] = len(metrics) * PRICES["metric_month"]
    show(report, "a month of schedules, nobody there", month)


def clear(rehearsal):
    """Everybody leaves, and their sessions end."""
    ivs = rehearsal.ivs
    for stage in ivs.control("GET", "state")["stages"]:
        for participant in [found for session in stage["sessions"] for found in session["participants"]
                            if found["state"] == "CONNECTED" and not found["replica"]]:
            ivs.leave(stage["arn"], participant["participantId"])
    wait(lambda: not any(stage["activeSessionId"] for stage in ivs.control("GET", "state")["stages"]))
    time.sleep(3)


def seen_metrics(rehearsal):
    """Custom metrics in CloudWatch's embedded format: each name with each set of dimensions."""
    seen = set()
    for name in rehearsal.stack.functions():
        for line in rehearsal.stack.log(name):
            entry = json.loads(line) if line.startswith("{") else {}
            for directive in entry.get("_aws", {}).get("CloudWatchMetrics", []):
                for metric in directive["Metrics"]:
                    for dimensions in directive["Dimensions"]:
                        seen.add((metric["Name"], *[(key, entry.get(key)) for key in dimensions]))
    return seen


def per_million(used):
    """Cost of a million of what was used once."""
    return {
        "writes to the table": used["writes"] * PRICES["dynamodb_million_write_units"],
        "writes to its indexes": used["index writes"] * PRICES["dynamodb_million_write_units"],
        "reads": used["reads"] * PRICES["dynamodb_million_read_units"],
        "invocations": used["invocations"] * PRICES["lambda_million_requests"],
        "Lambda's time (as measured here)": used["seconds"] * MEMORY_GB * PRICES["lambda_gb_second_arm64"] * 1e6,
        "logs": used["log bytes"] / 1e9 * 1e6 * PRICES["logs_gb_ingested"],
    }


def figures(used):
    return ", ".join(f"{amount:.2f} {what}" if amount < 100 else f"{amount:.0f} {what}" for what, amount in used.items())


def show(report, title, costs):
    report.note(f"{title}: {sum(costs.values()):.2f} dollars ({PRICES['region']}, prices of {PRICES['as_of']})")
    for what, cost in costs.items():
        report.note(f"  {cost:8.2f}  {what}")


def wait(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what costs are counted of did not happen")
        time.sleep(0.05)
