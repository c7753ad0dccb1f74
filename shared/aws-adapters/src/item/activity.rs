//! One line of history.

use controller::Activity;
use serde::{Deserialize, Serialize};

use super::{HISTORY, SCHEMA, stage_pk};

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
    request_id: Option<String>,
    caller: String,
    expires_at: i64,
}

impl From<&Activity> for ActivityItem {
    fn from(activity: &Activity) -> Self {
        let destination = activity.destination.as_ref().map(ToString::to_string);
        let participant = activity.participant.as_ref().map(ToString::to_string);
        let about = |name: &Option<String>| name.clone().unwrap_or_else(|| "*".to_owned());
        Self {
            pk: stage_pk(&activity.stage),
            sk: format!("ACT#{:.9}#{}#{}", activity.at, about(&participant), about(&destination)),
            schema: SCHEMA,
            at: activity.at.to_string(),
            participant,
            activity_destination: destination,
            operation: activity.operation.to_owned(),
            rule_id: activity.rule.as_ref().map(ToString::to_string),
            outcome: activity.outcome.clone(),
            request_id: activity.request_id.clone(),
            caller: activity.caller.clone(),
            expires_at: (activity.at + HISTORY).as_second(),
        }
    }
}
