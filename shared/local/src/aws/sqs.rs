//! SQS: the queue of dead letters.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Answer, Aws, Refusal, text, unknown_operation};
use crate::{
    dead_letters::{Message, NotReceived},
    template::Queue,
};

/// How long a message is hidden if nothing else is said (SQS's default).
const VISIBILITY: u64 = 30;

/// How often a receiver who waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Aws {
    pub(super) async fn sqs(&self, operation: &str, request: &Value) -> Answer {
        if operation == "GetQueueUrl" {
            let queue = self.queue(text(request, "QueueName")?)?;
            return Ok(json!({ "QueueUrl": self.queue_url(queue) }));
        }
        let url = text(request, "QueueUrl")?;
        let queue = self.queue(url.rsplit('/').next().unwrap_or_default())?;
        let letters = self.deliveries.queue();
        let receipt = || text(request, "ReceiptHandle");
        match operation {
            "GetQueueAttributes" => Ok(json!({ "Attributes": self.attributes(queue, request) })),
            "SendMessage" => {
                let attributes = attributes_sent(&request["MessageAttributes"])?;
                let id = letters.send(text(request, "MessageBody")?.to_owned(), attributes);
                Ok(json!({ "MessageId": id }))
            }
            "ReceiveMessage" => self.receive(request).await,
            "ChangeMessageVisibility" => {
                let seconds = seconds(request, "VisibilityTimeout", 43_200)?;
                let seconds = seconds.ok_or_else(|| missing("VisibilityTimeout"))?;
                letters.hide(receipt()?, Duration::from_secs(seconds)).map_err(not_received)?;
                Ok(json!({}))
            }
            "DeleteMessage" => letters.delete(receipt()?).map(|()| json!({})).map_err(not_received),
            "PurgeQueue" => {
                letters.purge();
                Ok(json!({}))
            }
            _ => Err(unknown_operation(operation)),
        }
    }

    async fn receive(&self, request: &Value) -> Answer {
        let most = match &request["MaxNumberOfMessages"] {
            Value::Null => 1,
            number => {
                let most = number.as_u64().filter(|most| (1..=10).contains(most));
                most.ok_or_else(|| Refusal::not_valid("MaxNumberOfMessages", number, "1 to 10"))?
            }
        };
        let hide = Duration::from_secs(seconds(request, "VisibilityTimeout", 43_200)?.unwrap_or(VISIBILITY));
        let wait = Duration::from_secs(seconds(request, "WaitTimeSeconds", 20)?.unwrap_or(0));
        let until = Instant::now() + wait;
        loop {
            let received = self.deliveries.queue().receive(most as usize, hide);
            if !received.is_empty() {
                return Ok(json!({ "Messages": received.iter().map(told).collect::<Vec<_>>() }));
            }
            if Instant::now() >= until {
                return Ok(json!({}));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn queue(&self, name: &str) -> Result<&Queue, Refusal> {
        self.template.queue.as_ref().filter(|queue| queue.name == name).ok_or_else(|| {
            let message = format!("The specified queue does not exist: {name}");
            Refusal::bad_request("com.amazonaws.sqs#QueueDoesNotExist", message)
        })
    }

    fn queue_url(&self, queue: &Queue) -> String {
        format!("{}/{}/{}", self.url, self.deployment.account, queue.name)
    }

    /// Those that were asked for.
    fn attributes(&self, queue: &Queue, request: &Value) -> Map<String, Value> {
        let asked: Vec<&str> =
            request["AttributeNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (visible, hidden) = self.deliveries.queue().count();
        let all = [
            ("ApproximateNumberOfMessages", visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", hidden.to_string()),
            ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
            ("MessageRetentionPeriod", queue.retention.as_secs().to_string()),
            ("QueueArn", queue.arn.clone()),
            ("VisibilityTimeout", VISIBILITY.to_string()),
        ];
        let told = all.into_iter().filter(|(name, _)| asked.contains(name) || asked.contains(&"All"));
        told.map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

/// All that there is of a message, whatever was asked for.
fn told(message: &Message) -> Value {
    let mut told = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "Attributes": {
            "SentTimestamp": message.sent_ms.to_string(),
            "ApproximateReceiveCount": message.receipts.to_string(),
        },
    });
    if !message.attributes.is_empty() {
        let text = |(name, value): (&String, &String)| {
            (name.clone(), json!({ "DataType": "String", "StringValue": value }))
        };
        told["MessageAttributes"] = message.attributes.iter().map(text).collect::<Map<_, _>>().into();
    }
    told
}

fn attributes_sent(attributes: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let text = |(name, value): (&String, &Value)| {
        let text = value["StringValue"].as_str();
        let refused = || Refusal::not_valid("MessageAttributes", value, "attributes of the type String");
        Ok((name.clone(), text.ok_or_else(refused)?.to_owned()))
    };
    attributes.as_object().into_iter().flatten().map(text).collect()
}

fn seconds(request: &Value, field: &str, most: u64) -> Result<Option<u64>, Refusal> {
    if request[field].is_null() {
        return Ok(None);
    }
    let seconds = request[field].as_u64().filter(|seconds| *seconds <= most);
    let refused = || Refusal::not_valid(field, &request[field], &format!("0 to {most} seconds"));
    seconds.ok_or_else(refused).map(Some)
}

fn missing(field: &str) -> Refusal {
    Refusal::bad_request("com.amazonaws.sqs#MissingRequiredParameterException", format!("{field} is missing"))
}

fn not_received(_: NotReceived) -> Refusal {
    let message = "The receipt handle is of no message that is being received.".to_owned();
    Refusal::bad_request("com.amazonaws.sqs#ReceiptHandleIsInvalid", message)
}
