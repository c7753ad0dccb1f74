"""What a person would write in an afternoon: when somebody publishes, replicate them to where the stage's rules say.

Clients are made once and not in the handler, and are the low-level ones: boto3's resources begin later and take longer.
"""

import datetime
import os

import boto3

TABLE = os.environ["TABLE_NAME"]

dynamodb = boto3.client("dynamodb")
ivs = boto3.client("ivs-realtime")


def handler(event, context):
    detail = event["detail"]
    if detail["event_name"] != "Participant Published" or detail.get("replica"):
        return {"started": 0}
    source, participant = event["resources"][0], detail["participant_id"]
    rules = dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :rule)",
        ExpressionAttributeValues={":pk": {"S": f"STAGE#{source}"}, ":rule": {"S": "RULE#"}},
    )["Items"]
    started = 0
    for rule in rules:
        if rule["status"]["S"] != "enabled":
            continue
        for destination in rule["destination_stages"]["L"]:
            replicate(source, participant, destination["S"], rule)
            started += 1
    print(f"{participant} of {source}: {started} started")
    return {"started": started}


def replicate(source, participant, destination, rule):
    ivs.start_participant_replication(
        sourceStageArn=source,
        destinationStageArn=destination,
        participantId=participant,
        reconnectWindowSeconds=int(rule["reconnect_window_seconds"]["N"]),
    )
    dynamodb.put_item(
        TableName=TABLE,
        Item={
            "pk": {"S": f"STAGE#{source}"},
            "sk": {"S": f"REP#{participant}#{destination}"},
            "participant": {"S": participant},
            "destination": {"S": destination},
            "rule": rule["id"],
            "started_at": {"S": datetime.datetime.now(datetime.timezone.utc).isoformat()},
        },
    )
