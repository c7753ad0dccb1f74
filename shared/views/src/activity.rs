//! History: what was called and ordered.

use serde::Serialize;

/// One line of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Activity {
    /// When the answer came, when the intent was formed, or when it was ordered.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// The stage; not there for an order for all stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The publisher, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// The destination stage, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The IVS operation, or what an operator ordered.
    pub operation: String,
    /// The rule behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How it went: `ok`, or the error's code and words.
    pub outcome: String,
    /// Why, in the words of whoever ordered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// IVS's request id, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who called: the Lambda request id; or who ordered it.
    pub caller: String,
}

impl From<&controller::HistoryLine> for Activity {
    fn from(line: &controller::HistoryLine) -> Self {
        Self {
            at: line.at.to_string(),
            stage: line.stage.as_ref().map(ToString::to_string),
            participant: line.participant.as_ref().map(ToString::to_string),
            destination: line.destination.as_ref().map(ToString::to_string),
            operation: line.operation.clone(),
            rule: line.rule.as_ref().map(ToString::to_string),
            outcome: line.outcome.clone(),
            reason: line.reason.clone(),
            request_id: line.request_id.clone(),
            caller: line.caller.clone(),
        }
    }
}
