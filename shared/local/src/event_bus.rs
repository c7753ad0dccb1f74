//! The event bus: takes envelopes and delivers each to the functions whose rules match.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::{delivery::Deliveries, event_rules::EventRules};

/// The bus of a stand.
pub struct EventBus {
    rules: EventRules,
    deliveries: Arc<Deliveries>,
}

/// An envelope that EventBridge would never deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("field `{field}`: {value} is not valid: allowed is {allowed}")]
pub struct InvalidEnvelope {
    /// The field.
    pub field: &'static str,
    /// Its value, as JSON.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl EventBus {
    /// A bus with these rules.
    pub fn new(rules: EventRules, deliveries: Arc<Deliveries>) -> Self {
        Self { rules, deliveries }
    }

    /// Puts an envelope on the bus, and returns the numbers of its deliveries: one for each rule that
    /// matches.
    ///
    /// # Errors
    /// When the envelope lacks something that EventBridge puts into each.
    pub fn put(&self, envelope: &Value) -> Result<Vec<u64>, InvalidEnvelope> {
        validate(envelope)?;
        let mut targets = self.rules.matching(envelope);
        targets.retain(|target| self.deliveries.is_on(&target.trigger.name));
        Ok(self.deliveries.begin(envelope, &targets))
    }

    /// What is and was delivered.
    pub fn deliveries(&self) -> &Arc<Deliveries> {
        &self.deliveries
    }
}

/// Checks that an envelope has what EventBridge puts into each.
///
/// # Errors
/// The first field that is missing or not as it must be.
pub fn validate(envelope: &Value) -> Result<(), InvalidEnvelope> {
    let invalid = |field, value: &Value, allowed| {
        let value = value.to_string().chars().take(200).collect();
        Err(InvalidEnvelope { field, value, allowed })
    };
    if !envelope.is_object() {
        return invalid("envelope", envelope, "a JSON object");
    }
    for field in ["id", "detail-type", "source", "account", "time", "region"] {
        if envelope[field].as_str().is_none_or(str::is_empty) {
            return invalid(field, &envelope[field], "a text, as in every EventBridge envelope");
        }
    }
    if envelope["time"].as_str().is_none_or(|time| time.parse::<jiff::Timestamp>().is_err()) {
        return invalid("time", &envelope["time"], "an RFC 3339 timestamp");
    }
    let resources = envelope["resources"].as_array();
    if resources.is_none_or(|resources| !resources.iter().all(Value::is_string)) {
        return invalid("resources", &envelope["resources"], "a list of ARNs");
    }
    if !envelope["detail"].is_object() {
        return invalid("detail", &envelope["detail"], "a JSON object");
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn envelope() -> Value {
        json!({
            "version": "0",
            "id": "12345678-1a23-4567-a1bc-1a2b34567890",
            "detail-type": "IVS Stage Update",
            "source": "aws.ivs",
            "account": "123456789012",
            "time": "2025-11-18T16:40:32Z",
            "region": "us-east-1",
            "resources": ["arn:aws:ivs:us-east-1:123456789012:stage/AbCdef1G2hij"],
            "detail": { "event_name": "Participant Published" },
        })
    }

    #[test]
    fn an_envelope_as_eventbridge_sends_it_is_valid() {
        assert_eq!(validate(&envelope()), Ok(()));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (field, value) in [
            ("id", json!(null)),
            ("source", json!("")),
            ("detail-type", json!(5)),
            ("time", json!("yesterday")),
            ("resources", json!("arn")),
            ("detail", json!([])),
        ] {
            let mut envelope = envelope();
            envelope[field] = value;
            assert_eq!(validate(&envelope).unwrap_err().field, field);
        }
        assert_eq!(validate(&json!([])).unwrap_err().field, "envelope");
    }
}
