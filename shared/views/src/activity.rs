//! A line of history.

use controller::HistoryLine;
use serde::Serialize;

/// What was called or ordered, by whom, why and with what outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Activity {
    /// When the answer came, when the intent was formed, or when it was ordered.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// The ARN of the stage; not there for an order for all stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The participant id, if it is about a participant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// The ARN of the destination stage, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The IVS operation, or what an operator ordered.
    pub operation: String,
    /// The rule behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, in the words of whoever ordered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it went: `ok`, or the error's code and words.
    pub outcome: String,
    /// The id of IVS's request, for AWS Support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The id of the Lambda request that called, or who ordered it.
    pub caller: String,
}

impl From<&HistoryLine> for Activity {
    fn from(line: &HistoryLine) -> Self {
        Self {
            at: line.at.to_string(),
            stage: line.stage.as_ref().map(ToString::to_string),
            participant: line.participant.as_ref().map(ToString::to_string),
            destination: line.destination.as_ref().map(ToString::to_string),
            operation: line.operation.clone(),
            rule: line.rule.as_ref().map(ToString::to_string),
            reason: line.reason.clone(),
            outcome: line.outcome.clone(),
            request_id: line.request_id.clone(),
            caller: line.caller.clone(),
        }
    }
}
