//! What goes wrong between IVS and its client: events that are lost, doubled, late or out of order, and calls that fail.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::SettingError;

/// Longest delay that can be asked for: 24 h, the time for which EventBridge retries.
const MAX_DELAY_MS: u64 = 86_400_000;
/// Longest latency that can be asked for, in ms: longer than any client's patience.
const MAX_LATENCY_MS: u64 = 600_000;

/// All faults. The default is a perfect world.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Seeds the dice of all faults; setting it starts their sequence anew.
    pub seed: u64,
    /// Faults of EventBridge's delivery.
    pub events: EventFaults,
    /// Faults of API calls.
    pub calls: CallFaults,
}

/// Faults on the way of an event. IVS promises best effort only: missing, hours late, out of order
/// (IVS RealTimeUserGuide, eventbridge).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventFaults {
    /// Probability 0–1 that an event never arrives.
    pub loss: f64,
    /// Probability 0–1 that an event arrives a second time, under the same id, up to `jitter_ms` (at least 1 s) later.
    pub duplicate: f64,
    /// Delay of every event in ms, 0–86 400 000.
    pub delay_ms: u64,
    /// Further delay, drawn evenly from 0 to this for each event, in ms, 0–86 400 000.
    pub jitter_ms: u64,
    /// Probability 0–1 that an event is held back and arrives after a later one (or after 5 s, if none comes).
    pub reorder: f64,
}

/// Faults of a call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallFaults {
    /// Time an HTTP answer takes in ms, 0–600 000: half before the call takes effect, half after.
    /// Calls inside the process return at once.
    pub latency_ms: u64,
    /// Probability 0–1 that a call is answered with the error of `error_code`.
    pub error_rate: f64,
    /// The error that `error_rate` is about.
    pub error_code: FaultCode,
    /// Probability 0–1 that a call takes effect, but its connection is closed without an answer.
    pub drop_rate: f64,
    /// Probability 0–1 that an accepted StartParticipantReplication fails afterwards, with a `Participant Publish Error`
    /// of code INTERNAL_SERVER_EXCEPTION at the destination.
    pub start_failure_rate: f64,
}

/// An error that a call can be made to fail with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultCode {
    /// 500; in half of the cases the call took effect all the same.
    #[default]
    InternalServerException,
    /// 403; the call took no effect.
    AccessDeniedException,
    /// 403; the call took no effect.
    PendingVerification,
    /// 400 or 429, by dialect, though the quota was not exceeded; the call took no effect.
    ThrottlingException,
}

impl Faults {
    /// Merges a partial setting, such as `{"events": {"loss": 0.1}}`, into this one.
    ///
    /// # Errors
    /// [`SettingError`] for an unknown field, or a value out of range; then nothing is changed.
    pub fn merge(&mut self, patch: &Value) -> Result<(), SettingError> {
        let mut merged = self.clone();
        for (field, value) in object(patch, "faults")? {
            match field.as_str() {
                "seed" => merged.seed = whole(field, value, u64::MAX)?,
                "events" => merged.events.merge(object(value, field)?).map_err(|error| error.under(field))?,
                "calls" => merged.calls.merge(object(value, field)?).map_err(|error| error.under(field))?,
                _ => return Err(unknown(field, value, "seed, events, calls or dialect")),
            }
        }
        *self = merged;
        Ok(())
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// [`SettingError`] for the first value out of range.
    pub fn check(&self) -> Result<(), SettingError> {
        let own = serde_json::to_value(self).unwrap_or_default();
        Self::default().merge(&own)
    }
}

impl EventFaults {
    fn merge(&mut self, patch: &Map<String, Value>) -> Result<(), SettingError> {
        for (field, value) in patch {
            match field.as_str() {
                "loss" => self.loss = probability(field, value)?,
                "duplicate" => self.duplicate = probability(field, value)?,
                "delay_ms" => self.delay_ms = whole(field, value, MAX_DELAY_MS)?,
                "jitter_ms" => self.jitter_ms = whole(field, value, MAX_DELAY_MS)?,
                "reorder" => self.reorder = probability(field, value)?,
                _ => return Err(unknown(field, value, "loss, duplicate, delay_ms, jitter_ms or reorder")),
            }
        }
        Ok(())
    }
}

impl CallFaults {
    fn merge(&mut self, patch: &Map<String, Value>) -> Result<(), SettingError> {
        for (field, value) in patch {
            match field.as_str() {
                "latency_ms" => self.latency_ms = whole(field, value, MAX_LATENCY_MS)?,
                "error_rate" => self.error_rate = probability(field, value)?,
                "error_code" => {
                    self.error_code = FaultCode::deserialize(value).map_err(|_| {
                        let allowed = "one of \"InternalServerException\", \"AccessDeniedException\", \
                                       \"PendingVerification\", \"ThrottlingException\"";
                        SettingError::new(field, value, allowed)
                    })?;
                }
                "drop_rate" => self.drop_rate = probability(field, value)?,
                "start_failure_rate" => self.start_failure_rate = probability(field, value)?,
                _ => {
                    return Err(unknown(
                        field,
                        value,
                        "latency_ms, error_rate, error_code, drop_rate or start_failure_rate",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The members of a JSON object.
pub(crate) fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, SettingError> {
    value.as_object().ok_or_else(|| SettingError::new(field, value, "a JSON object"))
}

/// The refusal of a field that does not exist.
pub(crate) fn unknown(field: &str, value: &Value, fields: &str) -> SettingError {
    SettingError::new(field, value, format!("nothing, there is no such field (there is {fields})"))
}

fn probability(field: &str, value: &Value) -> Result<f64, SettingError> {
    value
        .as_f64()
        .filter(|p| (0.0..=1.0).contains(p))
        .ok_or_else(|| SettingError::new(field, value, "a number from 0 to 1"))
}

fn whole(field: &str, value: &Value, max: u64) -> Result<u64, SettingError> {
    value
        .as_u64()
        .filter(|n| *n <= max)
        .ok_or_else(|| SettingError::new(field, value, format!("a whole number from 0 to {max}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let mut faults = Faults::default();
        faults.merge(&json!({"events": {"loss": 0.5, "delay_ms": 20}, "seed": 9})).unwrap();
        faults.merge(&json!({"events": {"loss": 0}, "calls": {"error_rate": 1}})).unwrap();
        assert_eq!((faults.seed, faults.events.loss, faults.events.delay_ms), (9, 0.0, 20));
        assert_eq!(faults.calls.error_rate, 1.0);
    }

    #[test]
    fn a_bad_patch_changes_nothing_and_names_the_field() {
        let cases = [
            (json!({"events": {"loss": 0.5, "duplicate": 1.01}}), "events.duplicate", "a number from 0 to 1"),
            (json!({"events": {"loss": "x"}}), "events.loss", "a number from 0 to 1"),
            (json!({"calls": {"latency_ms": -1}}), "calls.latency_ms", "a whole number from 0 to 600000"),
            (
                json!({"calls": {"error_code": "Oops"}}),
                "calls.error_code",
                "one of \"InternalServerException\", ",
            ),
            (json!({"events": {"lost": 1}}), "events.lost", "nothing, there is no such field"),
            (json!({"event": {}}), "event", "nothing, there is no such field"),
            (json!({"events": 3}), "events", "a JSON object"),
            (json!([]), "faults", "a JSON object"),
        ];
        for (patch, field, allowed) in cases {
            let mut faults = Faults::default();
            let error = faults.merge(&patch).unwrap_err();
            assert_eq!(error.field, field, "{patch}");
            assert!(error.allowed.starts_with(allowed), "{patch}: {}", error.allowed);
            assert_eq!(faults, Faults::default(), "{patch}");
        }
    }

    #[test]
    fn values_set_in_code_are_checked_like_values_sent() {
        let events = EventFaults { loss: 2.0, ..EventFaults::default() };
        let error = Faults { events, ..Faults::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "events.loss cannot be 2.0: allowed is a number from 0 to 1");
    }
}
