//! The history of calls: who, what, why and with what outcome.

use jiff::Timestamp;
use replication::{CallError, Moment, Operation, Outcome, PublisherKey, RuleId, StageArn, View};

/// One call to IVS and its outcome. Kept for a limited time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When the answer came.
    pub at: Timestamp,
    /// The publisher.
    pub publisher: PublisherKey,
    /// The destination; none for a call about all of them.
    pub destination: Option<StageArn>,
    /// The IVS operation, or what an operator asked for: `Adopt`.
    pub operation: &'static str,
    /// The rule behind it.
    pub rule: Option<RuleId>,
    /// `ok`, or IVS's code and words.
    pub outcome: String,
    /// IVS's request id.
    pub request_id: Option<String>,
    /// Who called: the Lambda request id.
    pub caller: String,
}

impl Activity {
    /// The line of history for an answer.
    pub fn of(outcome: &Outcome, view: &View, took: Moment, caller: &str) -> Self {
        let failed = |error: &CallError| (error.to_string(), error.request_id.clone());
        let (operation, key, (text, request_id)) = match outcome {
            Outcome::Start(key, Ok(receipt)) => {
                (Operation::Start, Some(key), ("ok".to_owned(), receipt.request_id.clone()))
            }
            Outcome::Start(key, Err(error)) => (Operation::Start, Some(key), failed(error)),
            Outcome::Stop(key, Ok(receipt)) => {
                (Operation::Stop, Some(key), ("ok".to_owned(), receipt.request_id.clone()))
            }
            Outcome::Stop(key, Err(error)) => (Operation::Stop, Some(key), failed(error)),
            Outcome::Verify(_, Ok(listed)) => {
                (Operation::List, None, (format!("ok, {} running", listed.len()), None))
            }
            Outcome::Verify(_, Err(error)) => (Operation::List, None, failed(error)),
        };
        let replica = view.replicas.iter().find(|replica| Some(&replica.key) == key);
        Self {
            at: took.latest(),
            publisher: view.key.clone(),
            destination: key.map(|key| key.destination.clone()),
            operation: operation.name(),
            rule: replica.and_then(|replica| replica.rule.as_ref()).map(|rule| rule.id.clone()),
            outcome: text,
            request_id,
            caller: caller.to_owned(),
        }
    }
}
