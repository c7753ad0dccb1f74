// What a person would write in an afternoon: when somebody publishes, replicate them to where the stage's rules say.
//
// Clients are made once and not in the handler, and are the low-level ones: the document client is one layer more.

import { DynamoDBClient, PutItemCommand, QueryCommand } from "@aws-sdk/client-dynamodb";
import { IVSRealTimeClient, StartParticipantReplicationCommand } from "@aws-sdk/client-ivs-realtime";

const TABLE = process.env.TABLE_NAME;

const dynamodb = new DynamoDBClient({});
const ivs = new IVSRealTimeClient({});

export async function handler(event) {
  const { detail } = event;
  if (detail.event_name !== "Participant Published" || detail.replica) {
    return { started: 0 };
  }
  const [source] = event.resources;
  const participant = detail.participant_id;
  const { Items: rules } = await dynamodb.send(
    new QueryCommand({
      TableName: TABLE,
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :rule)",
      ExpressionAttributeValues: { ":pk": { S: `STAGE#${source}` }, ":rule": { S: "RULE#" } },
    }),
  );
  let started = 0;
  for (const rule of rules) {
    if (rule.status.S !== "enabled") {
      continue;
    }
    for (const destination of rule.destination_stages.L) {
      await replicate(source, participant, destination.S, rule);
      started += 1;
    }
  }
  console.log(`${participant} of ${source}: ${started} started`);
  return { started };
}

async function replicate(source, participant, destination, rule) {
  await ivs.send(
    new StartParticipantReplicationCommand({
      sourceStageArn: source,
      destinationStageArn: destination,
      participantId: participant,
      reconnectWindowSeconds: Number(rule.reconnect_window_seconds.N),
    }),
  );
  await dynamodb.send(
    new PutItemCommand({
      TableName: TABLE,
      Item: {
        pk: { S: `STAGE#${source}` },
        sk: { S: `REP#${participant}#${destination}` },
        participant: { S: participant },
        destination: { S: destination },
        rule: rule.id,
        started_at: { S: new Date().toISOString() },
      },
    }),
  );
}
