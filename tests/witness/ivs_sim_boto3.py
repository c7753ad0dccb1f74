"""Drives ivs-sim with boto3 and the AWS CLI: an outside witness that it speaks the real protocol.

Needs: boto3, awscli (`pip install boto3 awscli`; tried with 1.43.11 and 1.45.11).
Usage: python3 ivs_sim_boto3.py http://127.0.0.1:PORT

The endpoint must be a fresh simulator in us-east-1 that nobody else uses. Every operation, every modelled error that
can be reached, pages, throttling, tags and the control plane are tried; botocore checks the answers against its own
service model. The last line is "N passed, N failed"; the exit code is 0 if none failed.
"""

import datetime
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

ENDPOINT = sys.argv[1].rstrip("/") if len(sys.argv) == 2 else sys.exit(__doc__)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "witness", "AWS_SECRET_ACCESS_KEY": "witness", "AWS_DEFAULT_REGION": "us-east-1"}
os.environ.update(CREDENTIALS)
STORAGE = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh"
SEVEN_HEADERS = {
    "accessControlAllowOrigin", "accessControlExposeHeaders", "cacheControl", "contentSecurityPolicy",
    "strictTransportSecurity", "xContentTypeOptions", "xFrameOptions",
}
passed = failed = 0


def check(what, condition, detail=""):
    """Counts a check, and prints it if it failed."""
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what} {detail}")


def equal(what, actual, expected):
    check(what, actual == expected, f"is {actual!r}, not {expected!r}")


def client(**config):
    """A client that checks nothing by itself and does not retry, unless told otherwise."""
    settings = {"retries": {"total_max_attempts": 1}, "parameter_validation": False} | config
    return boto3.client("ivs-realtime", endpoint_url=ENDPOINT, config=Config(**settings))


ivs = client()
pace = {}


def call(operation, **members):
    """Calls an operation no faster than its quota allows."""
    wait = pace.get(operation, 0) + 0.21 - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    try:
        return getattr(ivs, operation)(**members)
    finally:
        pace[operation] = time.monotonic()


def refused(what, status, code, operation, **members):
    """Expects a modelled error: its exception class, status, text and request id."""
    try:
        answer = call(operation, **members)
    except ClientError as error:
        response, meta = error.response, error.response["ResponseMetadata"]
        equal(f"{what}: code", response["Error"]["Code"], code)
        equal(f"{what}: status", meta["HTTPStatusCode"], status)
        check(f"{what}: exception class", type(error).__name__ == code or code not in dir(ivs.exceptions), type(error))
        check(f"{what}: text", response.get("exceptionMessage") or response["Error"]["Message"], response)
        check(f"{what}: request id", len(meta.get("RequestId", "")) == 36, meta)
        return response
    check(what, False, f"succeeded: {answer}")
    return {}


def sim(method, path, body=None):
    """A request to the control plane: status and JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ENDPOINT}/_sim/{path}", data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def publish(stage, participant, **extra):
    status, published = sim("POST", "publish", {"stageArn": stage, "participantId": participant} | extra)
    equal(f"publish {participant}", status, 200)
    return published.get("sessionId")


def faults(**setting):
    status, answer = sim("PUT", "faults", setting)
    equal(f"faults {setting}", status, 200)
    return answer


def stages():
    """CreateStage, GetStage, UpdateStage, ListStages by hand, DeleteStage."""
    made = call("create_stage", name="witness", tags={"role": "main"}, participantTokenConfigurations=[
        {"userId": "ann", "duration": 30, "attributes": {"k": "v"}, "capabilities": ["PUBLISH"]}, {}])
    stage, tokens = made["stage"], made["participantTokens"]
    equal("stage tags", stage["tags"], {"role": "main"})
    check("no session yet", "activeSessionId" not in stage, stage)
    equal("recording default", stage["autoParticipantRecordingConfiguration"], {
        "storageConfigurationArn": "", "mediaTypes": ["AUDIO_VIDEO"], "recordingReconnectWindowSeconds": 0,
        "thumbnailConfiguration": {"targetIntervalSeconds": 60, "storage": ["SEQUENTIAL"], "recordingMode": "DISABLED"},
        "hlsConfiguration": {"targetSegmentDurationSeconds": 6}, "recordParticipantReplicas": True})
    equal("endpoints", set(stage["endpoints"]), {"events", "whip", "rtmp", "rtmps"})
    equal("token", (tokens[0]["userId"], tokens[0]["duration"], tokens[0]["attributes"], tokens[0]["capabilities"]),
          ("ann", 30, {"k": "v"}, ["PUBLISH"]))
    check("expiration is a time", isinstance(tokens[1]["expirationTime"], datetime.datetime), tokens[1])
    equal("default capabilities", tokens[1]["capabilities"], ["PUBLISH", "SUBSCRIBE"])
    equal("get is create", call("get_stage", arn=stage["arn"])["stage"], stage)

    recording = {"storageConfigurationArn": STORAGE, "recordParticipantReplicas": False}
    updated = call("update_stage", arn=stage["arn"], name="renamed", autoParticipantRecordingConfiguration=recording)
    equal("updated name", updated["stage"]["name"], "renamed")
    equal("replicas not recorded", updated["stage"]["autoParticipantRecordingConfiguration"]["recordParticipantReplicas"], False)
    reset = call("update_stage", arn=stage["arn"], autoParticipantRecordingConfiguration={"storageConfigurationArn": ""})
    equal("reset by an empty ARN", reset["stage"]["autoParticipantRecordingConfiguration"],
          stage["autoParticipantRecordingConfiguration"])

    # Every field otherwise than by default, and what a writer may take for nothing: 0 and false.
    full = {"storageConfigurationArn": STORAGE, "mediaTypes": ["AUDIO_ONLY"], "recordingReconnectWindowSeconds": 0,
            "thumbnailConfiguration": {"targetIntervalSeconds": 5, "storage": ["LATEST", "SEQUENTIAL"], "recordingMode": "INTERVAL"},
            "hlsConfiguration": {"targetSegmentDurationSeconds": 10}, "recordParticipantReplicas": False}
    recorded = call("create_stage", name="recorded", autoParticipantRecordingConfiguration=full)["stage"]
    equal("created with every field", recorded["autoParticipantRecordingConfiguration"], full)
    full |= {"recordingReconnectWindowSeconds": 300, "hlsConfiguration": {"targetSegmentDurationSeconds": 2}}
    call("update_stage", arn=recorded["arn"], autoParticipantRecordingConfiguration=full)
    read = call("get_stage", arn=recorded["arn"])["stage"]["autoParticipantRecordingConfiguration"]
    equal("updated with every field", read, full)
    for wrong in ({"recordingReconnectWindowSeconds": 301}, {"hlsConfiguration": {"targetSegmentDurationSeconds": 11}},
                  {"storageConfigurationArn": "arn:aws:s3:::bucket"}):
        refused(f"update with {wrong}", 400, "ValidationException", "update_stage", arn=recorded["arn"],
                autoParticipantRecordingConfiguration=full | wrong)
    equal("and nothing was changed", call("get_stage", arn=recorded["arn"])["stage"]["autoParticipantRecordingConfiguration"], full)
    call("delete_stage", arn=recorded["arn"])

    arns = [stage["arn"]] + [call("create_stage", name=f"page{n}")["stage"]["arn"] for n in range(4)]
    seen, token = [], None
    while True:
        page = call("list_stages", maxResults=2, **({"nextToken": token} if token else {}))
        check("page size", len(page["stages"]) <= 2, page)
        seen += [row["arn"] for row in page["stages"]]
        token = page.get("nextToken")
        if not token:
            break
    equal("pages join", seen[-5:], arns)
    equal("no duplicates", len(seen), len(set(seen)))
    equal("delete", call("delete_stage", arn=arns[-1])["ResponseMetadata"]["HTTPStatusCode"], 200)
    refused("deleted", 404, "ResourceNotFoundException", "get_stage", arn=arns[-1])
    return arns[:4], tokens


def tokens_and_participants(arns, tokens):
    """CreateParticipantToken, DisconnectParticipant, sessions, participants and their events."""
    a = arns[0]
    token = call("create_participant_token", stageArn=a, userId="bob", attributes={"role": "host"})["participantToken"]
    equal("token for bob", (token["userId"], token["duration"]), ("bob", 720))
    bob = token["participantId"]
    session = publish(a, bob)
    publish(a, tokens[0]["participantId"])
    equal("active session", call("get_stage", arn=a)["stage"]["activeSessionId"], session)
    equal("sessions", [row["sessionId"] for row in call("list_stage_sessions", stageArn=a)["stageSessions"]], [session])
    got = call("get_stage_session", stageArn=a, sessionId=session)["stageSession"]
    check("session runs", isinstance(got["startTime"], datetime.datetime) and "endTime" not in got, got)
    participant = call("get_participant", stageArn=a, sessionId=session, participantId=bob)["participant"]
    equal("participant", {name: participant.get(name) for name in ("userId", "state", "published", "replicationType", "attributes", "recordingState", "recordingS3BucketName")},
          {"userId": "bob", "state": "CONNECTED", "published": True, "replicationType": "NONE", "attributes": {"role": "host"}, "recordingState": "DISABLED", "recordingS3BucketName": ""})
    names = lambda **filters: [row["participantId"] for row in call(
        "list_participants", stageArn=a, sessionId=session, **filters)["participants"]]
    equal("participants", names(), [bob, tokens[0]["participantId"]])
    equal("by user", names(filterByUserId="bob"), [bob])
    equal("by state", names(filterByState="DISCONNECTED"), [])
    equal("by published", names(filterByPublished=True), [bob, tokens[0]["participantId"]])
    equal("by recording", names(filterByRecordingState="ACTIVE"), [])
    refused("two filters", 400, "ValidationException", "list_participants", stageArn=a, sessionId=session,
            filterByUserId="bob", filterByState="CONNECTED")
    call("disconnect_participant", stageArn=a, participantId=bob, reason="witness")
    rows = call("list_participant_events", stageArn=a, sessionId=session, participantId=bob)["events"]
    equal("events", [row["name"] for row in rows], ["LEFT", "PUBLISH_STOPPED", "PUBLISH_STARTED", "JOINED"])
    check("event time", isinstance(rows[0]["eventTime"], datetime.datetime), rows[0])
    one = call("list_participant_events", stageArn=a, sessionId=session, participantId=bob, maxResults=1)
    two = call("list_participant_events", stageArn=a, sessionId=session, participantId=bob, nextToken=one["nextToken"])
    equal("pages of events", len(one["events"]) + len(two["events"]), 4)
    status, body = sim("POST", "publish", {"stageArn": a, "participantId": call(
        "create_participant_token", stageArn=a, capabilities=["SUBSCRIBE"])["participantToken"]["participantId"]})
    equal("may not publish", status, 403)


def replication(arns):
    """Start, Stop and ListParticipantReplicas, with the seven headers and the paginator."""
    a, b, c, d = arns
    session = publish(a, "host", userId="carol")
    key = {"sourceStageArn": a, "destinationStageArn": b, "participantId": "host"}
    started = call("start_participant_replication", reconnectWindowSeconds=30, attributes={"via": "a"}, **key)
    equal("headers of start", set(started) - {"ResponseMetadata"}, SEVEN_HEADERS)
    equal("a header", started["xFrameOptions"], "DENY")
    equal("no body", started["ResponseMetadata"]["HTTPHeaders"].get("content-length"), "0")
    rows = call("list_participant_replicas", sourceStageArn=a, participantId="host")["replicas"]
    destination_session = call("get_stage", arn=b)["stage"]["activeSessionId"]
    equal("replica", rows, [key | {"sourceSessionId": session, "destinationSessionId": destination_session,
                                   "replicationState": "ACTIVE"}])
    replica = call("get_participant", stageArn=b, sessionId=destination_session, participantId="host")["participant"]
    equal("replica participant", (replica["replicationType"], replica["replicationState"], replica["sourceStageArn"],
          replica["sourceSessionId"], replica["attributes"], replica["userId"]),
          ("REPLICA", "ACTIVE", a, session, {"via": "a"}, "carol"))
    source = call("list_participants", stageArn=a, sessionId=session, filterByUserId="carol")["participants"][0]
    equal("source participant", (source["replicationType"], source["replicationState"]), ("SOURCE", "ACTIVE"))

    refused("twice", 409, "ConflictException", "start_participant_replication", **key)
    refused("to itself", 400, "ValidationException", "start_participant_replication", **key | {"destinationStageArn": a})
    refused("window", 400, "ValidationException", "start_participant_replication", reconnectWindowSeconds=301, **key)
    refused("attributes", 400, "ValidationException", "start_participant_replication", attributes={"k": "x" * 1024}, **key)
    refused("nobody", 404, "ResourceNotFoundException", "start_participant_replication", **key | {"participantId": "nobody"})
    refused("elsewhere", 404, "ResourceNotFoundException", "start_participant_replication", **key | {"destinationStageArn": b + "x"})
    refused("foreign", 403, "AccessDeniedException", "start_participant_replication",
            **key | {"destinationStageArn": b.replace("123456789012", "999999999999")})
    refused("other Region", 400, "ValidationException", "start_participant_replication",
            **key | {"destinationStageArn": b.replace("us-east-1", "eu-west-1")})

    more = [call("create_stage", name=f"d{n}")["stage"]["arn"] for n in range(2)]
    for stage in [c, d, *more]:
        call("start_participant_replication", **key | {"destinationStageArn": stage})
    extra = call("create_stage")["stage"]["arn"]
    refused("the sixth", 402, "ServiceQuotaExceededException", "start_participant_replication", **key | {"destinationStageArn": extra})
    pages = list(ivs.get_paginator("list_participant_replicas").paginate(
        sourceStageArn=a, participantId="host", PaginationConfig={"PageSize": 2}))
    equal("pages of the paginator", [len(page["replicas"]) for page in pages], [2, 2, 1])
    time.sleep(1)

    stopped = call("stop_participant_replication", **key)
    equal("headers of stop", set(stopped) - {"ResponseMetadata"}, SEVEN_HEADERS)
    refused("stopped twice", 404, "ResourceNotFoundException", "stop_participant_replication", **key)
    states = {row["destinationStageArn"]: row["replicationState"] for row in
              call("list_participant_replicas", sourceStageArn=a, participantId="host")["replicas"]}
    equal("states", (states[b], states[c]), ("STOPPED", "ACTIVE"))
    names = {row["name"] for row in call(
        "list_participant_events", stageArn=a, sessionId=session, participantId="host")["events"]}
    check("events of replication", {"REPLICATION_STARTED", "REPLICATION_STOPPED"} <= names, names)

    equal("unpublish", sim("POST", "unpublish", {"stageArn": a, "participantId": "host"})[0], 200)
    answer = refused("not publishing", 404, "ResourceNotFoundException", "start_participant_replication", **key)
    equal("its text", answer.get("exceptionMessage"), "host is not publishing")
    equal("leave", sim("POST", "leave", {"stageArn": a, "participantId": "host"})[0], 200)

    for number in range(12):
        publish(extra, f"guest{number}")
    publish(a, "host")
    refused("a full stage", 402, "ServiceQuotaExceededException", "start_participant_replication", **key | {"destinationStageArn": extra})
    equal("thirteenth", sim("POST", "publish", {"stageArn": extra, "participantId": "late"})[0], 402)
    call("update_stage", arn=c, autoParticipantRecordingConfiguration={"storageConfigurationArn": STORAGE})
    call("start_participant_replication", **key | {"destinationStageArn": c})
    refused("while it is recorded", 409, "ConflictException", "update_stage", arn=c,
            autoParticipantRecordingConfiguration={"storageConfigurationArn": ""})


def events(arns):
    """The envelopes that the account's event bus got."""
    _, delivered = sim("GET", "events")
    names = {event["detail"]["event_name"] for event in delivered}
    equal("kinds", names, {"Participant Published", "Participant Unpublished", "Participant Publish Error",
                           "Participant Replication Start", "Participant Replication End"})
    for event in delivered:
        detail = event["detail"]
        equal("envelope", (event["version"], event["source"], event["detail-type"], event["account"], event["region"], len(event["resources"])),
              ("0", "aws.ivs", "IVS Stage Update", "123456789012", "us-east-1", 1))
        equal("replica and source go together", detail.get("replica", False), "source_stage_arn" in detail)
        equal("destination", "destination_stage_arn" in detail, "Replication" in detail["event_name"])
    replica = next(event for event in delivered if event["detail"].get("replica"))
    equal("a replica's stage", (replica["resources"][0], replica["detail"]["source_stage_arn"]), (arns[1], arns[0]))


def bad_input(arns):
    """Every operation refuses what its model forbids."""
    a, session = arns[0], "st-0123456789abc"
    arn = {"arn": "nonsense"}
    for operation, members in {
        "create_stage": {"name": "a b"}, "get_stage": arn, "update_stage": arn, "delete_stage": arn,
        "list_stages": {"maxResults": 101}, "create_participant_token": {"stageArn": a, "duration": 0},
        "disconnect_participant": {"stageArn": a, "participantId": "?"}, "list_stage_sessions": {"stageArn": ""},
        "get_stage_session": {"stageArn": a, "sessionId": "short"},
        "get_participant": {"stageArn": a, "sessionId": session},
        "list_participants": {"stageArn": a, "sessionId": session, "filterByState": "ASLEEP"},
        "list_participant_events": {"stageArn": a, "sessionId": session, "participantId": "x" * 65},
        "list_participant_replicas": {"sourceStageArn": a, "participantId": "p", "maxResults": 51},
        "stop_participant_replication": {"sourceStageArn": a, "destinationStageArn": a},
        "tag_resource": {"resourceArn": a, "tags": {"k": "x" * 257}},
        "untag_resource": {"resourceArn": "nonsense", "tagKeys": ["k"]},
        "list_tags_for_resource": {"resourceArn": "nonsense"},
    }.items():
        refused(operation, 400, "ValidationException", operation, **members)
    refused("a token from nowhere", 400, "ValidationException", "list_stages", nextToken="AAAA")
    nowhere = a + "x"
    for operation, members in {
        "get_stage": {"arn": nowhere}, "update_stage": {"arn": nowhere}, "delete_stage": {"arn": nowhere},
        "create_participant_token": {"stageArn": nowhere},
        "disconnect_participant": {"stageArn": a, "participantId": "nobody"},
        "get_stage_session": {"stageArn": a, "sessionId": session},
        "get_participant": {"stageArn": a, "sessionId": session, "participantId": "p"},
        "stop_participant_replication": {"sourceStageArn": nowhere, "destinationStageArn": a, "participantId": "p"},
        "tag_resource": {"resourceArn": nowhere, "tags": {}},
        "untag_resource": {"resourceArn": nowhere, "tagKeys": ["k"]},
        "list_tags_for_resource": {"resourceArn": nowhere},
    }.items():
        refused(operation, 404, "ResourceNotFoundException", operation, **members)
    equal("an unknown stage has no sessions", call("list_stage_sessions", stageArn=nowhere)["stageSessions"], [])
    equal("nobody has no replicas", call("list_participant_replicas", sourceStageArn=a, participantId="nobody")["replicas"], [])
    refused("not simulated", 404, "UnknownOperationException", "list_compositions")
    request = urllib.request.Request(f"{ENDPOINT}/ListStages", b"{}", method="POST")
    try:
        urllib.request.urlopen(request, timeout=10)
        check("unsigned", False, "succeeded")
    except urllib.error.HTTPError as error:
        equal("unsigned", (error.code, error.headers["x-amzn-ErrorType"]), (403, "MissingAuthenticationToken"))


def tags(arns):
    a = arns[0]
    call("tag_resource", resourceArn=a, tags={"show": "42", "role": "x"})
    equal("tags", call("list_tags_for_resource", resourceArn=a)["tags"], {"show": "42", "role": "x"})
    call("untag_resource", resourceArn=a, tagKeys=["role", "never"])
    equal("one tag left", call("list_tags_for_resource", resourceArn=a)["tags"], {"show": "42"})
    refused("51 tags", 400, "ValidationException", "tag_resource", resourceArn=a, tags={f"k{n}": "" for n in range(50)})
    refused("reserved", 400, "ValidationException", "tag_resource", resourceArn=a, tags={"aws:x": ""})


def throttling(arns):
    """More calls than five at once are refused, and botocore's own retries get through."""
    time.sleep(1.1)
    codes = []
    for _ in range(20):
        try:
            ivs.get_stage(arn=arns[0])
            codes.append(200)
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
    check("throttled", codes[:5] == [200] * 5 and "ThrottlingException" in codes, codes)
    patient = client(retries={"mode": "standard", "total_max_attempts": 8})
    equal("retried", [patient.get_stage(arn=arns[0])["stage"]["arn"] for _ in range(7)], [arns[0]] * 7)
    _, ledger = sim("GET", "ledger?operation=GetStage")
    check("the ledger knows", any(row["errorCode"] == "ThrottlingException" and row["key"] == arns[0] for row in ledger), ledger[-3:])


def control_plane(arns):
    """Faults and dialect; bad input changes nothing."""
    for body, field in [({"events": {"loss": 2}}, "events.loss"), ({"calls": {"latency_ms": "x"}}, "calls.latency_ms"),
                        ({"dialect": {"same_stage": "x"}}, "dialect.same_stage"), ({"nothing": 1}, "nothing")]:
        status, answer = sim("PUT", "faults", body)
        equal(f"refused {body}", (status, answer.get("field")), (400, field))
        check("it says what is allowed", field in answer["error"] and answer["allowed"], answer)
    setting = faults(dialect={"start_not_publishing": "conflict", "throttling_status": "429"}, seed=3)
    equal("merged", setting["dialect"]["start_not_publishing"], "conflict")
    publish(arns[0], "quiet")
    sim("POST", "unpublish", {"stageArn": arns[0], "participantId": "quiet"})
    refused("by dialect", 409, "ConflictException", "start_participant_replication",
            sourceStageArn=arns[0], destinationStageArn=arns[1], participantId="quiet")
    faults(dialect={"stop_not_replicated": "conflict"})
    refused("an error that the model lacks", 409, "ConflictException", "stop_participant_replication",
            sourceStageArn=arns[0], destinationStageArn=arns[1], participantId="quiet")
    for where in ("message", "header", "exception_message"):
        faults(dialect={"error_text": where})
        try:
            call("get_stage", arn=arns[0] + "x")
        except ClientError as error:
            header = error.response["ResponseMetadata"]["HTTPHeaders"].get("x-amzn-errormessage")
            texts = {"message": error.response["Error"]["Message"], "header": header,
                     "exception_message": error.response.get("exceptionMessage")}
            check(f"text in {where}", "does not exist" in (texts[where] or ""), texts)
    faults(calls={"error_rate": 1})
    refused("failing", 500, "InternalServerException", "start_participant_replication",
            sourceStageArn=arns[0], destinationStageArn=arns[1], participantId="quiet")
    faults(calls={"error_rate": 0, "drop_rate": 1})
    try:
        call("tag_resource", resourceArn=arns[0], tags={"dropped": "yes"})
        check("dropped", False, "answered")
    except ConnectionClosedError:
        check("dropped", True)
    faults(calls={"drop_rate": 0, "latency_ms": 300})
    began = time.monotonic()
    equal("it took effect", call("list_tags_for_resource", resourceArn=arns[0])["tags"].get("dropped"), "yes")
    check("latency", time.monotonic() - began >= 0.3)
    faults(calls={"latency_ms": 0}, events={"loss": 1})
    before = len(sim("GET", "events")[1])
    publish(arns[0], "unheard")
    equal("lost", len(sim("GET", "events")[1]), before)
    faults(events={"loss": 0})
    _, state = sim("GET", "state")
    found = [row["participantId"] for stage in state["stages"] if stage["arn"] == arns[0]
             for session in stage["sessions"] for row in session["participants"] if row["publishing"]]
    check("state", "unheard" in found, found)
    check("switches", len(sim("GET", "dialect")[1]) > 30)
    equal("bad publish", sim("POST", "publish", {"stageArn": "x"})[0], 400)
    equal("unknown stage", sim("POST", "publish", {"stageArn": arns[0] + "x"})[0], 404)


def cli(arns):
    """The AWS CLI, as a person would use it."""
    def aws(*words):
        command = ["aws", "ivs-realtime", *words, "--endpoint-url", ENDPOINT, "--output", "json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"AWS_PAGER": ""})

    publish(arns[0], "cli")
    key = ["--source-stage-arn", arns[0], "--destination-stage-arn", arns[1], "--participant-id", "cli"]
    started = aws("start-participant-replication", *key, "--reconnect-window-seconds", "10", "--attributes", "via=cli")
    equal("cli start", (started.returncode, set(json.loads(started.stdout or "{}"))), (0, SEVEN_HEADERS))
    listed = aws("list-participant-replicas", "--source-stage-arn", arns[0], "--participant-id", "cli")
    equal("cli list", json.loads(listed.stdout)["replicas"][0]["replicationState"], "ACTIVE")
    equal("cli stop", aws("stop-participant-replication", *key).returncode, 0)
    tagged = aws("tag-resource", "--resource-arn", arns[0], "--tags", "from=cli")
    equal("cli tag", tagged.returncode, 0)
    shown = aws("list-tags-for-resource", "--resource-arn", arns[0])
    equal("cli tags", json.loads(shown.stdout)["tags"].get("from"), "cli")
    check("cli stages", len(json.loads(aws("list-stages").stdout)["stages"]) > 4)
    missing = aws("get-stage", "--arn", arns[0] + "x")
    check("cli error", missing.returncode != 0 and "ResourceNotFoundException" in missing.stderr, missing.stderr)


def main():
    arns, tokens = stages()
    tokens_and_participants(arns, tokens)
    replication(arns)
    events(arns)
    bad_input(arns)
    tags(arns)
    throttling(arns)
    control_plane(arns)
    cli(arns)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
