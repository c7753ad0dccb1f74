//! One line of history.

use controller::HistoryLine;
use serde::{Deserialize, Serialize};

use super::{ANY_STAGE, HISTORY, SCHEMA, Unreadable, check_schema, parse, parse_some, stage_pk};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ActivityItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activity_destination: Option<String>,
    operation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<String>,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    caller: String,
    expires_at: i64,
}

impl ActivityItem {
    /// How every sort key begins.
    pub(crate) const SK: &str = "ACT#";

    /// Sorts after all of them, and before everything else.
    pub(crate) const AFTER: &str = "ACT$";

    pub(crate) fn read(&self) -> Result<HistoryLine, Unreadable> {
        check_schema(self.schema)?;
        let stage = match self.pk.strip_prefix("STAGE#") {
            Some("*") => None,
            stage => Some(parse("pk", stage.unwrap_or(&self.pk))?),
        };
        Ok(HistoryLine {
            at: parse("at", &self.at)?,
            stage,
            participant: parse_some("participant", self.participant.as_ref())?,
            destination: parse_some("activity_destination", self.activity_destination.as_ref())?,
            operation: self.operation.clone(),
            rule: parse_some("rule_id", self.rule_id.as_ref())?,
            outcome: self.outcome.clone(),
            reason: self.reason.clone(),
            request_id: self.request_id.clone(),
            caller: self.caller.clone(),
        })
    }
}

impl From<&HistoryLine> for ActivityItem {
    fn from(line: &HistoryLine) -> Self {
        Self {
            pk: line.stage.as_ref().map_or(ANY_STAGE.to_owned(), stage_pk),
            sk: format!("{}{}", Self::SK, line.key().place()),
            schema: SCHEMA,
            at: line.at.to_string(),
            participant: line.participant.as_ref().map(ToString::to_string),
            activity_destination: line.destination.as_ref().map(ToString::to_string),
            operation: line.operation.clone(),
            rule_id: line.rule.as_ref().map(ToString::to_string),
            outcome: line.outcome.clone(),
            reason: line.reason.clone(),
            request_id: line.request_id.clone(),
            caller: line.caller.clone(),
            expires_at: (line.at + HISTORY).as_second(),
        }
    }
}
