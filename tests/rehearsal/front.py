"""The one door through which the functions reach AWS: it knows who calls, lets through what their role allows, and counts.

The emulator gives every function `AWS_ENDPOINT_URL`, which points here. A request's access key says which function it is
from: the emulator gives each execution role's session a key of its own. DynamoDB requests go on to the emulator unchanged,
which checks signature and role. IVS, which the emulator does not know, is asked for here: the emulator's IAM evaluates the
role's policies (SimulatePrincipalPolicy), and what is allowed goes on to the simulator.
"""

import dataclasses
import hashlib
import http.client
import json
import re
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The signing name in the credential scope, which tells the service.
CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
STAGE = re.compile(r"arn:aws:ivs:[^:]+:\d+:stage/.+")
# The IAM action of each member of a transaction.
MEMBERS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
# Headers that are about one connection, not about the request.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclasses.dataclass
class Call:
    """A request of a function, and what became of it."""
    at: float
    function: str
    service: str
    operation: str
    needs: list  # of (action, resource ARN)
    body: dict
    status: int = 0
    denied: str = ""  # the action, if the role does not allow it
    answer: dict = dataclasses.field(default_factory=dict)


def access_key(function_arn, role_arn):
    """The key the emulator gives the function's role session."""
    return f"ASIA{hashlib.sha256(f'{function_arn}:{role_arn}'.encode()).hexdigest()[:16].upper()}"


class Front:
    """The door; it listens on a port of its own."""

    def __init__(self, emulator, simulator_port, region, account):
        self.emulator, self.simulator_port = emulator, simulator_port
        self.region, self.account = region, account
        self.functions = {}  # access key -> (function name, role ARN)
        self.calls = []
        self.strangers = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def who(self, key):
        """The function with this access key, and its role; nothing if there is none."""
        if key not in self.functions:
            pages = self.emulator.client("lambda").get_paginator("list_functions").paginate()
            self.functions = {access_key(function["FunctionArn"], function["Role"]): (
                function["FunctionName"], function["Role"]) for page in pages for function in page["Functions"]}
        return self.functions.get(key)

    def since(self, mark, function=None):
        """The calls after a mark, of one function or of all."""
        with self.lock:
            return [call for call in self.calls[mark:] if function in (None, call.function)]

    def mark(self):
        with self.lock:
            return len(self.calls)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method, path, headers, body):
        """Status, headers and body of the answer to a request."""
        found = CREDENTIAL.search(headers.get("authorization", ""))
        known = found and self.who(found["key"])
        if not known:
            with self.lock:
                self.strangers.append((method, path, found and found.groupdict()))
            return ivs_error(403, "UnrecognizedClientException", "The security token included in the request is invalid")
        function, role = known
        call = self.read(function, found["service"], path, headers, body)
        if call.service == "ivs" and (denied := self.denied(role, call.needs)):
            answer = ivs_error(403, "AccessDeniedException",
                               f"User: {role} is not authorized to perform: {denied[0]} on resource: {denied[1]}")
            call.denied = denied[0]
        else:
            port = self.simulator_port if call.service == "ivs" else self.emulator.port
            answer = forward(port, method, path, headers, body)
        call.status = answer[0]
        if call.service == "dynamodb":
            call.answer = json.loads(answer[2] or b"{}")
            if "AccessDenied" in call.answer.get("__type", ""):
                message = call.answer.get("message") or call.answer.get("Message") or ""
                named = re.search(r"perform: (\S+)", message)
                call.denied = named[1] if named else call.needs[0][0]
        with self.lock:
            self.calls.append(call)
        return answer

    def read(self, function, service, path, headers, body):
        """What is asked for, and what the role must allow for it."""
        content = json.loads(body or b"{}") if service in ("dynamodb", "ivs") else {}
        if service == "dynamodb":
            operation = headers["x-amz-target"].rpartition(".")[2]
            needs = list(self.table_needs(operation, content))
        elif service == "ivs":
            operation = urllib.parse.urlsplit(path).path.strip("/")
            stages = [value for value in content.values() if isinstance(value, str) and STAGE.fullmatch(value)]
            everywhere = f"arn:aws:ivs:{self.region}:{self.account}:stage/*"
            needs = [(f"ivs:{operation}", stage) for stage in stages or [everywhere]]
        else:
            operation, needs = path, []
        return Call(time.time(), function, service, operation, needs, content)

    def table_needs(self, operation, content):
        def arn(request):
            index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
            return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{request['TableName']}{index}"

        if operation == "TransactWriteItems":
            for item in content["TransactItems"]:
                for member, request in item.items():
                    yield f"dynamodb:{MEMBERS[member]}", arn(request)
        else:
            yield f"dynamodb:{operation}", arn(content)

    def denied(self, role, needs):
        """The first action that the role's policies do not allow, with its resource."""
        for action, resource in needs:
            results = self.emulator.client("iam").simulate_principal_policy(
                PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource])["EvaluationResults"]
            if any(result["EvalDecision"] != "allowed" for result in results):
                return action, resource
        return None


def forward(port, method, path, headers, body):
    """Passes a request on as it is: the Host header too, for it is signed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if name.lower() not in HOP:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def ivs_error(status, name, text):
    """An error as IVS gives it: the name in a header, the text in the body."""
    headers = [("x-amzn-ErrorType", name), ("x-amzn-RequestId", str(uuid.uuid4())), ("Content-Type", "application/json")]
    return status, headers, json.dumps({"exceptionMessage": text}).encode()


def _handler(front):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def serve(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answered, content = front.answer(self.command, self.path, headers, body)
            self.send_response_only(status)
            for name, value in answered:
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = serve

        def log_message(self, *_):
            pass

    return Handler
