//! A versus session.

use std::collections::BTreeMap;

use controller::Due;
use replication::versus::Failure;
use replication::{
    BlockedReason, ParticipantFilter, ReconnectWindow, ReplicationKey, StageArn, Versus, VersusId,
    VersusState, VersusTerms,
};
use serde::{Deserialize, Serialize};

use super::{RETENTION, SCHEMA, Timestamp, Unreadable, check_schema, parse, parse_some};

/// A session's partition.
pub(crate) fn versus_pk(id: &VersusId) -> String {
    format!("VERSUS#{id}")
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VersusItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    id: String,
    stages: Vec<String>,
    duration_seconds: u32,
    priority: u8,
    preempt: bool,
    reconnect_window_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    participant_attributes: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureItem>,
    revision: u64,
    version: u64,
    changed_at: String,
    /// Key of the sparse index `due_work`; there only while the session is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

/// What was missing: a stage alone lacked a publisher, a replication was blocked if there is a reason and late if there is none.
#[derive(Debug, Serialize, Deserialize)]
struct FailureItem {
    stage: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication: Option<FailedReplicationItem>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FailedReplicationItem {
    participant: String,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_reason: Option<String>,
}

impl VersusItem {
    /// The sort key.
    pub(crate) const SK: &str = "VERSUS";

    /// As it is stored by a write that read it at `versus.version`.
    pub(crate) fn next(versus: &Versus, now: Timestamp) -> Self {
        let VersusTerms { id, participants, .. } = &versus.terms;
        let filters = participants.attributes.iter();
        let due = Due::of_versus(versus);
        Self {
            pk: versus_pk(id),
            sk: Self::SK.to_owned(),
            schema: SCHEMA,
            id: id.to_string(),
            stages: versus.terms.stages.iter().map(ToString::to_string).collect(),
            duration_seconds: versus.terms.duration_seconds,
            priority: versus.terms.priority,
            preempt: versus.terms.preempt,
            reconnect_window_seconds: versus.terms.reconnect_window.seconds().into(),
            user_id: participants.user_id.as_ref().map(ToString::to_string),
            participant_attributes: filters.map(|(key, value)| (key.clone(), value.to_string())).collect(),
            attributes: versus.terms.attributes.clone(),
            starts_at: versus.starts_at.to_string(),
            ends_at: versus.ends_at.to_string(),
            state: versus.state.name().to_owned(),
            failure: match &versus.state {
                VersusState::Failed(failure) => Some(FailureItem::from(failure)),
                _ => None,
            },
            revision: versus.revision,
            version: versus.version + 1,
            changed_at: now.to_string(),
            due_class: due.as_ref().map(|due| due.class.name().to_owned()),
            due_at: due.map(|due| format!("{:.9}", due.at)),
            expires_at: versus.is_over().then(|| (now + RETENTION).as_second()),
        }
    }

    pub(crate) fn read(&self) -> Result<Versus, Unreadable> {
        check_schema(self.schema)?;
        let window = self.reconnect_window_seconds;
        let filters = self.participant_attributes.iter();
        Ok(Versus {
            terms: VersusTerms {
                id: parse("id", &self.id)?,
                stages: self.stages.iter().map(|stage| parse("stages", stage)).collect::<Result<_, _>>()?,
                duration_seconds: self.duration_seconds,
                priority: self.priority,
                preempt: self.preempt,
                reconnect_window: ReconnectWindow::from_seconds(window)
                    .ok_or_else(|| Unreadable::new("reconnect_window_seconds", window, "0-300"))?,
                participants: ParticipantFilter {
                    user_id: parse_some("user_id", self.user_id.as_ref())?,
                    attributes: filters
                        .map(|(key, value)| Ok((key.clone(), parse("participant_attributes", value)?)))
                        .collect::<Result<_, _>>()?,
                },
                attributes: self.attributes.clone(),
            },
            starts_at: parse("starts_at", &self.starts_at)?,
            ends_at: parse("ends_at", &self.ends_at)?,
            state: match (self.state.as_str(), &self.failure) {
                ("Starting", _) => VersusState::Starting,
                ("Running", _) => VersusState::Running,
                ("Ended", _) => VersusState::Ended,
                ("Failed", Some(failure)) => VersusState::Failed(failure.read()?),
                ("Failed", None) => return Err(Unreadable::new("failure", "missing", "what was missing")),
                (other, _) => {
                    return Err(Unreadable::new("state", other, "Starting, Running, Ended, Failed"));
                }
            },
            revision: self.revision,
            version: self.version,
        })
    }
}

impl From<&Failure> for FailureItem {
    fn from(failure: &Failure) -> Self {
        let (stage, replication) = match failure {
            Failure::NoPublisher(stage) => (stage, None),
            Failure::Blocked(key, reason) => (&key.source, Some((key, Some(reason)))),
            Failure::Late(key) => (&key.source, Some((key, None))),
        };
        let replication = replication.map(|(key, reason)| FailedReplicationItem {
            participant: key.participant.to_string(),
            destination: key.destination.to_string(),
            blocked_reason: reason.map(|reason| reason.name().to_owned()),
        });
        Self { stage: stage.to_string(), replication }
    }
}

impl FailureItem {
    fn read(&self) -> Result<Failure, Unreadable> {
        let stage: StageArn = parse("failure.stage", &self.stage)?;
        let Some(replication) = &self.replication else { return Ok(Failure::NoPublisher(stage)) };
        let key = ReplicationKey {
            source: stage,
            participant: parse("failure.replication.participant", &replication.participant)?,
            destination: parse("failure.replication.destination", &replication.destination)?,
        };
        let Some(name) = &replication.blocked_reason else { return Ok(Failure::Late(key)) };
        let reason = BlockedReason::from_name(name).ok_or_else(|| {
            let allowed = BlockedReason::ALL.map(BlockedReason::name).join(", ");
            Unreadable::new("failure.replication.blocked_reason", name, allowed)
        })?;
        Ok(Failure::Blocked(key, reason))
    }
}
