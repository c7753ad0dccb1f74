"""Drives the local stand's Lambda, EventBridge, SQS and STS with boto3 and the AWS CLI: an outside witness of their protocols.

Needs: boto3, awscli (`pip install boto3 awscli`).
Usage: cargo local up --json --retry-delays 0.1,0.1 > READY; python3 local_stand_boto3.py READY

The stand must be fresh. What is switched off is switched on again, and what is put into the queue is taken out. Answers in JSON are held
against their shapes in botocore's service models. The last line is "N passed, N failed"; the exit code is 0 if none failed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import checks
import shapes
from checks import check, equal

READY = json.load(open(sys.argv[1])) if len(sys.argv) == 2 else sys.exit(__doc__)
os.environ.update({
    "AWS_ACCESS_KEY_ID": "witness", "AWS_SECRET_ACCESS_KEY": "witness", "AWS_DEFAULT_REGION": READY["region"], "AWS_PAGER": ""})
ACCOUNT = "123456789012"
FUNCTIONS = {
    "api", "dispatch", "participant-published", "participant-unpublished", "reconcile", "replication-changed", "rule-changed"}
FOREIGN = {"id": "w", "source": "witness", "detail-type": "Other", "detail": {}}


def client(service):
    made = boto3.client(service, endpoint_url=READY["aws"], config=Config(retries={"total_max_attempts": 1}))
    made.meta.events.register("before-parse", answered)
    return made


def answered(operation_model, response_dict, **_):
    """Holds an answer in JSON against its shape; what a function returns has none."""
    shape = operation_model.output_shape
    is_json = operation_model.service_model.resolved_protocol in ("json", "rest-json")
    if response_dict["status_code"] < 300 and is_json and shape is not None and "payload" not in shape.serialization:
        problems = [f"{path} {words}" for path, words in shapes.of_body(shape, response_dict["body"] or b"{}")]
        check(f"answer to {operation_model.name}:", not problems, "; ".join(problems))


sts, functions, events, queues = client("sts"), client("lambda"), client("events"), client("sqs")


def refused(what, code, exception, operation, **members):
    """Expects a modelled error."""
    try:
        answer = operation(**members)
    except ClientError as error:
        equal(f"{what}: code", error.response["Error"]["Code"], code)
        equal(f"{what}: exception class", type(error).__name__, exception)
        check(f"{what}: text", error.response["Error"]["Message"], error.response)
    else:
        check(what, False, f"succeeded: {answer}")


def name(function):
    return f"stagelink-{function}"


def invoke(function, event, **members):
    answer = functions.invoke(FunctionName=name(function), Payload=json.dumps(event), **members)
    return answer.get("FunctionError"), json.loads(answer["Payload"].read() or b"null"), answer["StatusCode"]


def caller():
    equal("account", sts.get_caller_identity()["Account"], ACCOUNT)


def configurations():
    for function in sorted(FUNCTIONS):
        found = functions.get_function_configuration(FunctionName=name(function))
        equal(f"{function}: state", (found["State"], found["LastUpdateStatus"]), ("Active", "Successful"))
        equal(f"{function}: table", found["Environment"]["Variables"]["TABLE_NAME"], READY["table"])
        equal(f"{function}: by its ARN", functions.get_function_configuration(FunctionName=found["FunctionArn"])["FunctionName"],
              found["FunctionName"])
    asynchronous = functions.get_function_event_invoke_config(FunctionName=name("participant-published"))
    equal("retries", asynchronous["MaximumRetryAttempts"], 2)
    check("failures go to a queue", asynchronous["DestinationConfig"]["OnFailure"]["Destination"].startswith("arn:aws:sqs:"))
    equal("reserved", functions.get_function_concurrency(FunctionName=name("dispatch")).get("ReservedConcurrentExecutions"), 3)
    refused("no such function", "ResourceNotFoundException", "ResourceNotFoundException",
            functions.get_function_configuration, FunctionName="stagelink-nobody")


def invocations():
    error, answer, status = invoke("participant-published", FOREIGN)
    equal("an event of somebody else", (error, answer.get("handled"), status), (None, "ignored", 200))
    broken = {"id": "w", "source": "aws.ivs", "detail-type": "IVS Stage Update", "detail": []}
    error, answer, status = invoke("participant-published", broken)
    equal("a failure", (error, answer.get("errorType"), status), ("Unhandled", "Malformed", 200))
    equal("a dry run", invoke("dispatch", {}, InvocationType="DryRun")[2], 204)
    functions.put_function_concurrency(FunctionName=name("api"), ReservedConcurrentExecutions=0)
    refused("switched off", "TooManyRequestsException", "TooManyRequestsException",
            functions.invoke, FunctionName=name("api"), Payload=b"{}")
    functions.delete_function_concurrency(FunctionName=name("api"))
    check("switched on", "ReservedConcurrentExecutions" not in functions.get_function_concurrency(FunctionName=name("api")))
    refused("no such kind of invocation", "InvalidParameterValueException", "InvalidParameterValueException",
            functions.invoke, FunctionName=name("api"), InvocationType="Event", Payload=b"{}")


def mappings():
    found = functions.list_event_source_mappings(FunctionName=name("rule-changed"))["EventSourceMappings"]
    equal("one mapping", len(found), 1)
    uuid, states = found[0]["UUID"], []
    for enabled in (False, True):
        functions.update_event_source_mapping(UUID=uuid, Enabled=enabled)
        states.append(functions.list_event_source_mappings(FunctionName=name("rule-changed"))["EventSourceMappings"][0]["State"])
    equal("switched off and on", states, ["Disabled", "Enabled"])
    equal("all mappings", len(functions.list_event_source_mappings()["EventSourceMappings"]), 2)
    check("its filter", "RULE#" in found[0]["FilterCriteria"]["Filters"][0]["Pattern"], found)


def rules():
    listed = {rule["Name"]: rule for rule in events.list_rules(NamePrefix="stagelink-")["Rules"]}
    equal("rules and schedules", len(listed), 8)
    arn = functions.get_function_configuration(FunctionName=name("reconcile"))["FunctionArn"]
    names = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    equal("what leads to reconcile", len(names), 1)
    schedule = events.describe_rule(Name=names[0])
    equal("its schedule", (schedule["ScheduleExpression"], schedule["State"]), ("rate(1 minute)", "ENABLED"))
    target = events.list_targets_by_rule(Rule=names[0])["Targets"][0]
    check("its target", target["Arn"] == arn and target["DeadLetterConfig"]["Arn"].startswith("arn:aws:sqs:"), target)
    states = []
    for switch in (events.disable_rule, events.enable_rule):
        switch(Name=names[0])
        states.append(events.describe_rule(Name=names[0])["State"])
    equal("switched off and on", states, ["DISABLED", "ENABLED"])
    patterns = [json.loads(rule["EventPattern"]) for rule in listed.values() if "EventPattern" in rule]
    check("patterns", len(patterns) == 6 and all(pattern["source"] == ["aws.ivs"] for pattern in patterns), patterns)
    refused("no such rule", "ResourceNotFoundException", "ResourceNotFoundException", events.describe_rule, Name="nobody")


def messages():
    arn = functions.get_function_event_invoke_config(FunctionName=name("dispatch"))["DestinationConfig"]["OnFailure"]["Destination"]
    url = queues.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    equal("its ARN", attributes["QueueArn"], arn)
    equal("empty", attributes["ApproximateNumberOfMessages"], "0")
    queues.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes={
        "ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"}})
    received = queues.receive_message(
        QueueUrl=url, VisibilityTimeout=60, MessageAttributeNames=["All"], AttributeNames=["SentTimestamp"])["Messages"]
    equal("received", (received[0]["Body"], received[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"]), ("hello", "NO_PERMISSIONS"))
    check("sent now", abs(int(received[0]["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 60, received)
    check("hidden", "Messages" not in queues.receive_message(QueueUrl=url, WaitTimeSeconds=1))
    receipt = received[0]["ReceiptHandle"]
    queues.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    again = queues.receive_message(QueueUrl=url)["Messages"]
    equal("given back", again[0]["MessageId"], received[0]["MessageId"])
    refused("an old receipt", "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid",
            queues.change_message_visibility, QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    queues.delete_message(QueueUrl=url, ReceiptHandle=again[0]["ReceiptHandle"])
    counted = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    equal("deleted", (counted["ApproximateNumberOfMessages"], counted["ApproximateNumberOfMessagesNotVisible"]), ("0", "0"))
    refused("no such queue", "QueueDoesNotExist", "QueueDoesNotExist", queues.get_queue_url, QueueName="nobody")
    return url


def a_dead_letter(url):
    """An event that no function can read is given up, and kept as Lambda keeps it."""
    event = {
        "version": "0", "id": "broken", "detail-type": "IVS Stage Update", "source": "aws.ivs", "account": ACCOUNT,
        "time": "2026-07-01T18:00:00Z", "region": READY["region"], "resources": [],
        "detail": {"event_name": "Participant Published", "participant_id": ""}}
    request = urllib.request.Request(f"{READY['control']}/events?wait=true", json.dumps(event).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        equal("given up", json.load(answer)["deliveries"][0]["status"], "dead_letter")
    message = queues.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]
    record = json.loads(message["Body"])
    equal("its event", record["requestPayload"], event)
    equal("its end", (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]), ("RetriesExhausted", 3))
    check("its function", record["requestContext"]["functionArn"].endswith(":stagelink-participant-published:$LATEST"), record)
    equal("its error", record["responsePayload"]["errorType"], "Malformed")
    queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def aws(*arguments):
    command = ["aws", *arguments, "--endpoint-url", READY["aws"], "--output", "json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def cli(url):
    """As the runbook and the doctor write commands."""
    sent = aws("sqs", "send-message", "--queue-url", url, "--message-body", "from the CLI")
    equal("cli send", sent.returncode, 0)
    received = aws("sqs", "receive-message", "--queue-url", url, "--max-number-of-messages", "10", "--message-attribute-names", "All",
                   "--visibility-timeout", "0")
    equal("cli receive", [message["Body"] for message in json.loads(received.stdout or "{}").get("Messages", [])], ["from the CLI"])
    equal("cli purge", aws("sqs", "purge-queue", "--queue-url", url).returncode, 0)
    equal("cli enable-rule", aws("events", "enable-rule", "--name", "stagelink-DispatchEveryMinute").returncode, 0)
    with tempfile.NamedTemporaryFile() as answer:
        invoked = aws("lambda", "invoke", "--function-name", name("replication-changed"), "--cli-binary-format", "raw-in-base64-out",
                      "--payload", json.dumps(FOREIGN), answer.name)
        if "cli-binary-format" in invoked.stderr:  # version 1 of the CLI has no such option, and needs none
            invoked = aws("lambda", "invoke", "--function-name", name("replication-changed"), "--payload", json.dumps(FOREIGN), answer.name)
        equal("cli invoke", (invoked.returncode, json.load(open(answer.name)).get("handled")), (0, "ignored"))
    equal("cli caller", json.loads(aws("sts", "get-caller-identity").stdout)["Account"], ACCOUNT)


def main():
    caller()
    configurations()
    invocations()
    mappings()
    rules()
    url = messages()
    a_dead_letter(url)
    cli(url)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
