"""AWS as the emulator `ministack` plays it, with execution roles enforced, and the stack on it."""

import http.client
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.parse
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from processes import free_port

REGION = "us-east-1"
# The account of the simulated IVS; the emulator takes a key of twelve digits for the root of the account of that number.
ACCOUNT = "123456789012"
SECRET = "rehearsal"
STACK = "stagelink-rehearsal"

# An alarm on metric math, which the emulator's CloudFormation refuses, and what stands in for it: an alarm on one metric.
MATH = re.compile(r"^      Metrics:\n(?:        .*\n)+", re.MULTILINE)
STAND_IN = "      Namespace: Stagelink\n      MetricName: Calls\n      Statistic: Sum\n      Period: 300\n"


def credentials():
    return {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": SECRET, "region_name": REGION}


class Emulator:
    """The emulator's process and clients for it, as the account's root."""

    def __init__(self, processes, executable, directory):
        self.processes, self.executable, self.directory = processes, executable, pathlib.Path(directory)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clients, self.lock = {}, threading.Lock()

    def start(self, functions_call):
        """Starts it; functions get `functions_call` as the address of AWS."""
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "TMPDIR": str(self.directory),
            "AUTH": "true", "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION, "AWS_ENDPOINT_URL": functions_call,
            "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET,
            # Seconds before an asynchronous invocation is repeated; on AWS a minute.
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
        }
        self.processes.start("ministack", [self.executable], environment)
        self.processes.wait_for("ministack", self.is_ready, 30)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def client(self, service):
        with self.lock:
            return self._client(service)

    def _client(self, service):
        if service not in self.clients:
            config = Config(retries={"total_max_attempts": 3}, max_pool_connections=20, read_timeout=100)
            self.clients[service] = boto3.client(service, endpoint_url=self.url, config=config, **credentials())
        return self.clients[service]


class Stack:
    """The deployed template."""

    def __init__(self, emulator, sam, template, code, directory):
        self.emulator, self.sam = emulator, sam
        # A copy of its own beside the same code and files, where sam finds no other configuration.
        template, home = pathlib.Path(template).resolve(), pathlib.Path(directory) / "deploy"
        (home / "infra").mkdir(parents=True)
        (home / "target").mkdir()
        (home / "target" / "lambda").symlink_to(pathlib.Path(code).resolve())
        for file in template.parent.parent.iterdir():
            if file.is_file() and not file.name.startswith("."):
                (home / file.name).symlink_to(file)
        text, self.stand_ins = MATH.subn(STAND_IN, template.read_text())
        # Metrics that such alarms watch beyond one each.
        self.alarmed_by_math = sum(found.count("MetricStat:") - 1 for found in MATH.findall(template.read_text()))
        (home / "infra" / template.name).write_text(text)
        self.home, self.template = home, home / "infra" / template.name
        self.resources = {}

    def deploy(self, parameters):
        """Runs `sam deploy`; gives its exit code and what it printed."""
        command = [
            self.sam, "deploy", "--template-file", str(self.template), "--stack-name", STACK, "--resolve-s3",
            "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar", "--region", REGION,
            "--parameter-overrides", *[f"{name}={value}" for name, value in parameters.items()]]
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "SAM_CLI_TELEMETRY": "0",
            "AWS_ENDPOINT_URL": self.emulator.url, "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        ran = subprocess.run(command, env=environment, cwd=self.home / "infra", capture_output=True, text=True, timeout=180)
        return ran.returncode, "\n".join([*self.reasons(), (ran.stdout + ran.stderr)[-1500:]])

    def reasons(self):
        """Why resources could not be made or changed."""
        client = self.emulator.client("cloudformation")
        if not self.describe():
            return []
        events = client.describe_stack_events(StackName=STACK)["StackEvents"]
        return [f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}" for event in events
                if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")]

    def describe(self):
        """The stack as CloudFormation tells it; nothing if there is none."""
        client = self.emulator.client("cloudformation")
        try:
            return client.describe_stacks(StackName=STACK)["Stacks"][0]
        except client.exceptions.ClientError:
            return None

    def outputs(self):
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe().get("Outputs", [])}

    def read_resources(self):
        """Takes the physical ids by logical id, and gives them."""
        pages = self.emulator.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
        self.resources = {
            resource["LogicalResourceId"]: (resource["ResourceType"], resource["PhysicalResourceId"])
            for page in pages for resource in page["StackResourceSummaries"]}
        return self.resources

    def of_type(self, resource_type):
        return {name: physical for name, (kind, physical) in self.resources.items() if kind == resource_type}

    def functions(self):
        """Lambda's configurations by the name without the stack's."""
        client = self.emulator.client("lambda")
        names = self.of_type("AWS::Lambda::Function").values()
        found = [client.get_function_configuration(FunctionName=name) for name in names]
        return {function["FunctionName"].removeprefix(f"{STACK}-"): function for function in found}

    def log(self, function, since=0):
        """What a function has logged since a moment, in seconds since 1970, with Lambda's own lines."""
        pages = self.emulator.client("logs").get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{STACK}-{function}", startTime=int(since * 1000))
        return [event["message"] for page in pages for event in page["events"]]

    def invocations(self, function):
        return sum(line.startswith("START ") for line in self.log(function))

    def invoke(self, function, event, kind="RequestResponse"):
        """Invokes a function by its short name; gives the error's type, or nothing, and the answer."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=f"{STACK}-{function}", InvocationType=kind, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read() or b"null")
        error = payload.get("errorType", "unknown") if "FunctionError" in answer else None
        return error, payload

    def get(self, url, signed):
        """Asks a Function URL of the emulator; gives the status and the answer's text."""
        return self.ask("GET", url, signed=signed)

    def ask(self, method, url, body=None, headers=None, signed=True):
        """The same with another method, a body of JSON, and headers."""
        host = urllib.parse.urlsplit(url).netloc
        headers = {"host": host} | (headers or {})
        data = None
        if body is not None:
            data, headers["content-type"] = json.dumps(body), "application/json"
        request = AWSRequest(method, url, data=data, headers=headers)
        if signed:
            SigV4Auth(boto3.Session(**credentials()).get_credentials(), "lambda", REGION).add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.emulator.port, timeout=30)
        try:
            connection.request(method, url.partition(host)[2] or "/", body=data, headers=dict(request.headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
