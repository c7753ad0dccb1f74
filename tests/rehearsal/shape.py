"""What was deployed, as the emulator tells it, against what the template is meant to say."""

import json

from emulator import ACCOUNT, REGION, STACK
from world import SOURCE

# Timeout in seconds, and reserved concurrency, where there is one.
FUNCTIONS = {
    "participant-published": (15, None), "participant-unpublished": (15, None), "replication-changed": (15, None),
    "rule-changed": (60, None), "dispatch": (75, 3), "reconcile": (60, 1), "api": (15, None),
}
# What happens to an asynchronous invocation that failed: repeated attempts, and seconds.
ASYNCHRONOUS = {
    "participant-published": (2, 3600), "participant-unpublished": (2, 3600), "replication-changed": (2, 3600),
    "dispatch": (0, 3600), "reconcile": (0, 3600),
}
# EventBridge rules of each function: attempts and seconds of their targets.
RULES = {
    "participant-published": [(30, 3600)] * 2, "participant-unpublished": [(30, 3600)] * 2,
    "replication-changed": [(30, 3600)] * 2, "dispatch": [(2, 60)], "reconcile": [(2, 60)],
}
# Event source mappings: batch size, window, attempts, and a word of the filter.
MAPPINGS = {"rule-changed": (100, 1, 5, "RULE#"), "dispatch": (1000, 1, 2, "due_class")}


def check(rehearsal, parameters):
    table(rehearsal, parameters)
    functions = rehearsal.stack.functions()
    rehearsal.report.equal("the functions", sorted(functions), sorted(FUNCTIONS))
    for name, (timeout, concurrency) in FUNCTIONS.items():
        if name in functions:
            function(rehearsal, name, functions[name], timeout, concurrency, parameters)
    dead_letters = queue_arn(rehearsal)
    asynchronous(rehearsal, dead_letters)
    event_rules(rehearsal, dead_letters)
    mappings(rehearsal, dead_letters)
    watch(rehearsal)


def table(rehearsal, parameters):
    report, client, name = rehearsal.report, rehearsal.emulator.client("dynamodb"), parameters["TableName"]
    found = client.describe_table(TableName=name)["Table"]
    report.equal("the table is billed by request", found.get("BillingModeSummary", {}).get("BillingMode"), "PAY_PER_REQUEST")
    report.equal("its indexes", sorted(index["IndexName"] for index in found["GlobalSecondaryIndexes"]), ["by_destination", "due_work"])
    report.equal("its stream", found.get("StreamSpecification"), {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    told = processed(rehearsal)["Table"]
    sse = (found.get("SSEDescription") or {}).get("Status") == "ENABLED"
    report.played("its encryption", sse, True, told["SSESpecification"]["SSEEnabled"])
    report.check("its protection from deletion", found.get("DeletionProtectionEnabled"), found)
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    seen = {"AttributeName": ttl.get("AttributeName"), "Enabled": ttl["TimeToLiveStatus"] == "ENABLED"}
    report.played("its time to live", seen, {"AttributeName": "expires_at", "Enabled": True}, told["TimeToLiveSpecification"])
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    seen = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    report.played("its recovery to a point in time", seen, True,
                  told["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])


def processed(rehearsal):
    """The properties that CloudFormation was told of each resource, after SAM's transform."""
    body = rehearsal.emulator.client("cloudformation").get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
    body = json.loads(body) if isinstance(body, str) else body
    return {name: chosen(resource.get("Properties", {})) for name, resource in body["Resources"].items()}


def chosen(value):
    """A value with the first of every choice: what the parameters of the rehearsal choose."""
    if isinstance(value, dict):
        return chosen(value["Fn::If"][1]) if "Fn::If" in value else {name: chosen(inner) for name, inner in value.items()}
    return [chosen(inner) for inner in value] if isinstance(value, list) else value


def function(rehearsal, name, found, timeout, concurrency, parameters):
    report, client = rehearsal.report, rehearsal.emulator.client("lambda")
    seen = (found.get("Runtime"), found.get("Architectures"), found.get("Timeout"), found.get("TracingConfig", {}).get("Mode"))
    report.equal(f"{name}: runtime, architecture, timeout, tracing", seen,
                 ("provided.al2023", [parameters["Architecture"]], timeout, "Active"))
    logging = found.get("LoggingConfig", {})
    report.equal(f"{name}: logs", (logging.get("LogFormat"), logging.get("LogGroup")), ("JSON", f"/aws/lambda/{STACK}-{name}"))
    expected = {"TABLE_NAME": parameters["TableName"], "EVENT_SOURCES": SOURCE, "MODE": "enforce", "LOG_LEVEL": "info",
                "QUOTA_SHARE_PERCENT": "80", "BRAKE_PERCENT": "30"}
    variables = found.get("Environment", {}).get("Variables", {})
    report.equal(f"{name}: settings", {key: variables.get(key) for key in expected}, expected)
    reserved = client.get_function_concurrency(FunctionName=found["FunctionName"]).get("ReservedConcurrentExecutions")
    resource = next(logical for logical, physical in rehearsal.stack.of_type("AWS::Lambda::Function").items()
                    if physical == found["FunctionName"])
    report.played(f"{name}: reserved concurrency", reserved, concurrency,
                  processed(rehearsal)[resource].get("ReservedConcurrentExecutions"))


def queue_arn(rehearsal):
    url = rehearsal.stack.outputs()["DeadLettersUrl"]
    return rehearsal.emulator.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def asynchronous(rehearsal, dead_letters):
    client = rehearsal.emulator.client("lambda")
    for name, (attempts, seconds) in ASYNCHRONOUS.items():
        found = client.get_function_event_invoke_config(FunctionName=f"{STACK}-{name}", Qualifier="$LATEST")
        seen = (found.get("MaximumRetryAttempts"), found.get("MaximumEventAgeInSeconds"),
                found.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        rehearsal.report.equal(f"{name}: failed asynchronous invocations", seen, (attempts, seconds, dead_letters))


def event_rules(rehearsal, dead_letters):
    client = rehearsal.emulator.client("events")
    for name, expected in RULES.items():
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-{name}"
        targets, enabled = [], []
        for rule_name in client.list_rule_names_by_target(TargetArn=arn)["RuleNames"]:
            described = client.describe_rule(Name=rule_name)
            enabled.append(described["State"])
            if pattern := described.get("EventPattern"):
                rehearsal.report.equal(f"{rule_name}: its sources", json.loads(pattern)["source"], [SOURCE])
            targets += client.list_targets_by_rule(Rule=rule_name)["Targets"]
        seen = [(target.get("RetryPolicy", {}).get("MaximumRetryAttempts"), target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds"))
                for target in targets]
        rehearsal.report.equal(f"{name}: rules of EventBridge", seen, expected)
        rehearsal.report.equal(f"{name}: enabled", enabled, ["ENABLED"] * len(expected))
        rehearsal.report.equal(f"{name}: dead letters of its rules",
                               {target.get("DeadLetterConfig", {}).get("Arn") for target in targets}, {dead_letters})


def mappings(rehearsal, dead_letters):
    client = rehearsal.emulator.client("lambda")
    for name, (batch, window, attempts, word) in MAPPINGS.items():
        found = client.list_event_source_mappings(FunctionName=f"{STACK}-{name}")["EventSourceMappings"]
        if not rehearsal.report.equal(f"{name}: reads the table's stream", len(found), 1):
            continue
        mapping = found[0]
        seen = (mapping.get("BatchSize"), mapping.get("MaximumBatchingWindowInSeconds"), mapping.get("MaximumRetryAttempts"),
                mapping.get("StartingPosition"), mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        rehearsal.report.equal(f"{name}: batches, attempts, start, dead letters", seen,
                               (batch, window, attempts, "TRIM_HORIZON", dead_letters))
        patterns = [entry["Pattern"] for entry in mapping.get("FilterCriteria", {}).get("Filters", [])]
        rehearsal.report.check(f"{name}: filter", len(patterns) == 1 and word in patterns[0], patterns)


def watch(rehearsal):
    """Alarms, where they tell, and the dashboard."""
    report, client, told = rehearsal.report, rehearsal.emulator.client("cloudwatch"), rehearsal.stack.resources
    (topic,) = rehearsal.stack.of_type("AWS::SNS::Topic").values()
    alarms = client.describe_alarms()["MetricAlarms"]
    wanted = sorted(name for name, (kind, _) in told.items() if kind == "AWS::CloudWatch::Alarm")
    report.equal("alarms", len(alarms), len(wanted))
    report.check("each alarm tells the topic, and when it is over",
                 alarms and all(alarm["AlarmActions"] == alarm["OKActions"] == [topic] for alarm in alarms), alarms)
    subscriptions = rehearsal.emulator.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    report.equal("the topic writes to", [entry["Endpoint"] for entry in subscriptions], ["operator@example.com"])
    for name in rehearsal.stack.of_type("AWS::CloudWatch::Dashboard").values():
        body = json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"])
        report.check(f"dashboard {name} can be read, and shows something", body.get("widgets"), body)


def left_over(rehearsal):
    """What is still there of the stack once it was deleted."""
    client = rehearsal.emulator.client
    left = [function["FunctionName"] for function in client("lambda").list_functions()["Functions"]]
    left += [mapping["UUID"] for mapping in client("lambda").list_event_source_mappings()["EventSourceMappings"]]
    left += [entry["Name"] for entry in client("events").list_rules()["Rules"]]
    left += [role["RoleName"] for role in client("iam").list_roles()["Roles"] if role["RoleName"].startswith(STACK)]
    left += client("sqs").list_queues().get("QueueUrls", [])
    left += [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]]
    left += [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]]
    left += [alarm["AlarmName"] for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]]
    return left
