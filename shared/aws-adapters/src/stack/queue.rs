//! A queue of dead letters.
//!
//! # Guarantees
//! Only [`Stack::delete`] takes a message away. Who received one and says nothing more leaves it to come back when its
//! visibility timeout is over.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use jiff::Timestamp;

use super::{LookError, Stack, incomplete, look_error};

/// How many messages one receipt gives at most (SQS quotas).
const RECEIVED_AT_ONCE: i32 = 10;

/// How long a receipt waits for a message: without any waiting, SQS asks only some of its servers.
const WAIT_SECONDS: i32 = 1;

/// A queue, with how many messages it holds, approximately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueState {
    /// Its URL.
    pub url: String,
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that somebody has received, and that come back.
    pub in_flight: u64,
    /// How long a message is kept, in seconds.
    pub retention_seconds: u64,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Its id, which stays.
    pub id: String,
    /// What to name it by while it is received.
    pub receipt: String,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// The body.
    pub body: String,
    /// Its attributes that are text.
    pub attributes: BTreeMap<String, String>,
}

impl Stack {
    /// The queue with this ARN.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn queue(&self, arn: &str) -> Result<QueueState, LookError> {
        let url = self.queue_url(arn).await?;
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::MessageRetentionPeriod);
        let answer = attributes.send().await;
        let found = answer.map_err(|error| look_error("sqs:GetQueueAttributes", &error))?;
        let number = |name| found.attributes()?.get(&name)?.parse().ok();
        Ok(QueueState {
            visible: number(QueueAttributeName::ApproximateNumberOfMessages).unwrap_or(0),
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible).unwrap_or(0),
            retention_seconds: number(QueueAttributeName::MessageRetentionPeriod).unwrap_or(0),
            url,
        })
    }

    async fn queue_url(&self, arn: &str) -> Result<String, LookError> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _, "sqs", _, account, name] = parts[..] else {
            let message = format!("{arn} is not a queue: allowed is arn:PARTITION:sqs:REGION:ACCOUNT:NAME");
            return Err(LookError::Failed { code: "NotAQueue".to_owned(), message });
        };
        let answer =
            self.sqs.get_queue_url().queue_name(name).queue_owner_aws_account_id(account).send().await;
        let found = answer.map_err(|error| look_error("sqs:GetQueueUrl", &error))?;
        found.queue_url().map(str::to_owned).ok_or_else(|| incomplete("QueueUrl"))
    }

    /// Receives up to ten messages, which nobody else receives for this long; with 0 seconds, nobody notices.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn receive(&self, url: &str, visibility_seconds: i32) -> Result<Vec<Message>, LookError> {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(RECEIVED_AT_ONCE)
            .visibility_timeout(visibility_seconds)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All");
        let answer = receive.send().await.map_err(|error| look_error("sqs:ReceiveMessage", &error))?;
        Ok(answer.messages().iter().map(message).collect())
    }

    /// For so long from now on nobody receives this message; with 0 seconds it is given back.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn hide(&self, url: &str, receipt: &str, seconds: i32) -> Result<(), LookError> {
        let change = self.sqs.change_message_visibility().queue_url(url).receipt_handle(receipt);
        let answer = change.visibility_timeout(seconds).send().await;
        answer.map(drop).map_err(|error| look_error("sqs:ChangeMessageVisibility", &error))
    }

    /// Deletes a message for good.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn delete(&self, url: &str, receipt: &str) -> Result<(), LookError> {
        let answer = self.sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await;
        answer.map(drop).map_err(|error| look_error("sqs:DeleteMessage", &error))
    }
}

fn message(message: &aws_sdk_sqs::types::Message) -> Message {
    let system = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
    let sent = system.and_then(|sent| sent.parse().ok()).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let attributes = message.message_attributes().into_iter().flatten();
    let attributes = attributes
        .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
        .collect();
    Message {
        id: message.message_id().unwrap_or_default().to_owned(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        sent,
        body: message.body().unwrap_or_default().to_owned(),
        attributes,
    }
}
