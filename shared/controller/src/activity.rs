//! The history: which calls were made, by whom, why and with what outcome.

use jiff::Timestamp;
use replication::{CallError, Moment, Operation, Outcome, ParticipantId, RuleId, StageArn, View};

/// One call to IVS and its outcome; or the intent to make one, where no item holds that. Kept for a limited time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When the answer came, or when the intent was formed.
    pub at: Timestamp,
    /// The stage: the publisher's, for a call about a publisher.
    pub stage: StageArn,
    /// The publisher; none for a call about the stage itself.
    pub participant: Option<ParticipantId>,
    /// The destination; none for a call about all of them.
    pub destination: Option<StageArn>,
    /// The IVS operation, or what an operator asked for: `Adopt`.
    pub operation: &'static str,
    /// The rule behind it.
    pub rule: Option<RuleId>,
    /// `ok`, or IVS's code and words; `intent`, and for what, before the call.
    pub outcome: String,
    /// Why, in the words of whoever ordered it; nothing for what follows from a rule.
    pub reason: Option<String>,
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
            stage: view.key.stage.clone(),
            participant: Some(view.key.participant.clone()),
            destination: key.map(|key| key.destination.clone()),
            operation: operation.name(),
            rule: replica.and_then(|replica| replica.rule.as_ref()).map(|rule| rule.id.clone()),
            outcome: text,
            reason: None,
            request_id,
            caller: caller.to_owned(),
        }
    }
}
