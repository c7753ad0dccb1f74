//! A versus session.

use std::collections::BTreeMap;

use replication::VersusState;
use replication::versus::Failure;
use serde::Serialize;

use crate::Participants;

/// Stages that replicate their publishers into each other for a while, all of them or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Versus {
    /// The customer's name for the session.
    pub id: String,
    /// How it stands.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["Starting", "Running", "Ended", "Failed"])))]
    pub state: &'static str,
    /// Why it did not come about; there only in state `Failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<VersusFailure>,
    /// The ARNs of its stages: 2-6.
    pub stages: Vec<String>,
    /// When it was asked for.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub starts_at: String,
    /// When it ends.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub ends_at: String,
    /// How long it was to last at first.
    pub duration_seconds: u32,
    /// The priority of its rules, 0-100.
    #[cfg_attr(feature = "openapi", schemars(range(max = 100)))]
    pub priority: u8,
    /// Whether it takes the slots and places of lower priorities.
    pub preempt: bool,
    /// How long a replica waits for its publisher to come back: 0-300 s.
    #[cfg_attr(feature = "openapi", schemars(range(max = 300)))]
    pub reconnect_window_seconds: u16,
    /// Which publishers of the stages are meant; all if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Participants>,
    /// Attributes of the replica participants.
    pub attributes: BTreeMap<String, String>,
    /// Grows with every change of its end, from 1.
    pub revision: u64,
}

/// For want of what a session did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct VersusFailure {
    /// In a sentence.
    pub message: String,
    /// The stage that had no publisher, or whose publisher was not replicated.
    pub stage: String,
    /// The participant who was not replicated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// The destination stage on which it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// What blocked that; not there if it merely took too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = replication::BlockedReason::ALL.map(replication::BlockedReason::name))))]
    pub reason: Option<&'static str>,
}

impl From<&replication::Versus> for Versus {
    fn from(versus: &replication::Versus) -> Self {
        let terms = &versus.terms;
        Self {
            id: terms.id.to_string(),
            state: versus.state.name(),
            failure: match &versus.state {
                VersusState::Failed(failure) => Some(failure.into()),
                _ => None,
            },
            stages: terms.stages.iter().map(ToString::to_string).collect(),
            starts_at: versus.starts_at.to_string(),
            ends_at: versus.ends_at.to_string(),
            duration_seconds: terms.duration_seconds,
            priority: terms.priority,
            preempt: terms.preempt,
            reconnect_window_seconds: terms.reconnect_window.seconds(),
            participants: Participants::of(&terms.participants),
            attributes: terms.attributes.clone(),
            revision: versus.revision,
        }
    }
}

impl From<&Failure> for VersusFailure {
    fn from(failure: &Failure) -> Self {
        let (stage, key, reason) = match failure {
            Failure::NoPublisher(stage) => (stage, None, None),
            Failure::Blocked(key, reason) => (&key.source, Some(key), Some(reason.name())),
            Failure::Late(key) => (&key.source, Some(key), None),
        };
        Self {
            message: failure.to_string(),
            stage: stage.to_string(),
            participant: key.map(|key| key.participant.to_string()),
            destination: key.map(|key| key.destination.to_string()),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use replication::versus::{Failure, Verdict};
    use replication::{ReplicationKey, StageArn, VersusTerms};
    use serde_json::{Value, json};

    use super::*;

    fn stage(id: &str) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    fn session() -> replication::Versus {
        let terms = VersusTerms::new("duel".parse().unwrap(), vec![stage("A"), stage("B")], 60);
        replication::Versus::new(terms, "2026-06-29T16:40:32Z".parse().unwrap())
    }

    fn shown(versus: &replication::Versus) -> Value {
        serde_json::to_value(Versus::from(versus)).unwrap()
    }

    #[test]
    fn a_session_without_more_is_its_stages_and_times() {
        let (a, b) = (stage("A").to_string(), stage("B").to_string());
        let expected = json!({
            "id": "duel", "state": "Starting", "stages": [a, b], "starts_at": "2026-06-29T16:40:32Z",
            "ends_at": "2026-06-29T16:41:32Z", "duration_seconds": 60, "priority": 90, "preempt": false,
            "reconnect_window_seconds": 0, "attributes": {}, "revision": 1,
        });
        assert_eq!(shown(&session()), expected);
    }

    #[test]
    fn a_failure_names_whom_it_is_about_as_far_as_it_is_about_somebody() {
        let key = ReplicationKey {
            source: stage("A"),
            participant: "p-1".parse().unwrap(),
            destination: stage("B"),
        };
        for (failure, expected) in [
            (Failure::NoPublisher(stage("A")), json!({})),
            (Failure::Late(key.clone()), json!({ "participant": "p-1", "destination": stage("B").as_str() })),
            (
                Failure::Blocked(key, replication::BlockedReason::StageGone),
                json!({ "participant": "p-1", "destination": stage("B").as_str(), "reason": "StageGone" }),
            ),
        ] {
            let mut expected = expected;
            expected["stage"] = stage("A").as_str().into();
            expected["message"] = failure.to_string().into();
            assert_eq!(shown(&session().judged(&Verdict::Failed(failure)))["failure"], expected);
        }
    }
}
