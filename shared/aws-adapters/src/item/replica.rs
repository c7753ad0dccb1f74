//! A replication.

use std::collections::BTreeMap;

use controller::DueClass;
use replication::{
    Blocked, BlockedReason, Braked, Desired, Evidence, GiveWay, LastError, Lease, Owner, Phase,
    ReconnectWindow, Rejection, Replica, ReplicationKey, RuleRef,
};
use serde::{Deserialize, Serialize};

use super::{RETENTION, SCHEMA, Timestamp, Unreadable, check_schema, parse, parse_some, stage_pk};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReplicaItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    source: String,
    pub(crate) participant: String,
    destination: String,
    phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_until: Option<String>,
    desired: String,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleRefItem>,
    reconnect_window_seconds: u64,
    attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_running: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_session: Option<String>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted_until: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    backfill: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<LastErrorItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gives_way: Option<GiveWayItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    braked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_confirmed_at: Option<String>,
    version: u64,
    changed_at: String,
    /// Key of the sparse index `due_work`; there only while something is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RuleRefItem {
    id: String,
    revision: u64,
    priority: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct LeaseItem {
    holder: String,
    since: String,
    until: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct GiveWayItem {
    priority: u8,
    until: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct LastErrorItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<String>,
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    at: String,
}

impl ReplicaItem {
    pub(crate) fn sk(key: &ReplicationKey) -> String {
        format!("REP#{}#{}", key.participant, key.destination)
    }

    /// As it is stored by a write that read it at `replica.version`.
    pub(crate) fn next(replica: &Replica, now: Timestamp) -> Self {
        let blocked = match &replica.phase {
            Phase::Blocked(blocked) => Some(blocked),
            _ => None,
        };
        let due = replica.due();
        Self {
            pk: stage_pk(&replica.key.source),
            sk: Self::sk(&replica.key),
            schema: SCHEMA,
            source: replica.key.source.to_string(),
            participant: replica.key.participant.to_string(),
            destination: replica.key.destination.to_string(),
            phase: replica.phase.name().to_owned(),
            blocked_reason: blocked.map(|blocked| blocked.reason.name().to_owned()),
            blocked_until: blocked.and_then(|blocked| blocked.until).map(|until| until.to_string()),
            desired: desired_name(replica.desired).to_owned(),
            owner: owner_name(replica.owner).to_owned(),
            rule: replica.rule.as_ref().map(|rule| RuleRefItem {
                id: rule.id.to_string(),
                revision: rule.revision,
                priority: rule.priority,
            }),
            reconnect_window_seconds: replica.reconnect_window.seconds().into(),
            attributes: replica.attributes.clone(),
            seen_running: replica.evidence.on.map(|at| at.to_string()),
            seen_ended: replica.evidence.off.map(|at| at.to_string()),
            begun: replica.begun.map(|at| at.to_string()),
            destination_session: replica.destination_session.as_ref().map(ToString::to_string),
            attempts: replica.attempts,
            next_attempt: replica.next_attempt.map(|at| at.to_string()),
            backfill: replica.backfill,
            wanted_until: replica.wanted_until.map(|at| at.to_string()),
            lease: replica.lease.as_ref().map(|lease| LeaseItem {
                holder: lease.holder.clone(),
                since: lease.since.to_string(),
                until: lease.until.to_string(),
            }),
            last_error: replica.last_error.as_ref().map(LastErrorItem::from),
            gives_way: replica.gives_way.as_ref().map(|gives_way| GiveWayItem {
                priority: gives_way.priority,
                until: gives_way.until.to_string(),
            }),
            braked_at: replica.braked.map(|braked| braked.since.to_string()),
            release_confirmed_at: replica.braked.and_then(|b| b.confirmed_at).map(|at| at.to_string()),
            version: replica.version + 1,
            changed_at: now.to_string(),
            due_class: due.map(|_| DueClass::of(replica).name().to_owned()),
            // A fixed number of digits, so that text order is time order in the index.
            due_at: due.map(|at| format!("{at:.9}")),
            expires_at: (replica.phase == Phase::Stopped).then(|| (now + RETENTION).as_second()),
        }
    }

    pub(crate) fn read(&self) -> Result<Replica, Unreadable> {
        check_schema(self.schema)?;
        let window = self.reconnect_window_seconds;
        Ok(Replica {
            key: ReplicationKey {
                source: parse("source", &self.source)?,
                participant: parse("participant", &self.participant)?,
                destination: parse("destination", &self.destination)?,
            },
            phase: self.phase()?,
            desired: match self.desired.as_str() {
                "Replicated" => Desired::Replicated,
                "Released" => Desired::Released,
                other => return Err(Unreadable::new("desired", other, "Replicated, Released")),
            },
            owner: match self.owner.as_str() {
                "Nobody" => Owner::Nobody,
                "Stagelink" => Owner::Stagelink,
                "Foreign" => Owner::Foreign,
                other => return Err(Unreadable::new("owner", other, "Nobody, Stagelink, Foreign")),
            },
            rule: self.rule.as_ref().map(RuleRefItem::read).transpose()?,
            reconnect_window: ReconnectWindow::from_seconds(window)
                .ok_or_else(|| Unreadable::new("reconnect_window_seconds", window, "0-300"))?,
            attributes: self.attributes.clone(),
            evidence: Evidence {
                on: parse_some("seen_running", self.seen_running.as_ref())?,
                off: parse_some("seen_ended", self.seen_ended.as_ref())?,
            },
            begun: parse_some("begun", self.begun.as_ref())?,
            destination_session: parse_some("destination_session", self.destination_session.as_ref())?,
            attempts: self.attempts,
            next_attempt: parse_some("next_attempt", self.next_attempt.as_ref())?,
            backfill: self.backfill,
            wanted_until: parse_some("wanted_until", self.wanted_until.as_ref())?,
            lease: self.lease.as_ref().map(LeaseItem::read).transpose()?,
            last_error: self.last_error.as_ref().map(LastErrorItem::read).transpose()?,
            gives_way: self.gives_way.as_ref().map(GiveWayItem::read).transpose()?,
            braked: self.braked()?,
            version: self.version,
        })
    }

    fn braked(&self) -> Result<Option<Braked>, Unreadable> {
        let confirmed_at = parse_some("release_confirmed_at", self.release_confirmed_at.as_ref())?;
        let since = parse_some("braked_at", self.braked_at.as_ref())?;
        Ok(since.map(|since| Braked { since, confirmed_at }))
    }

    fn phase(&self) -> Result<Phase, Unreadable> {
        Ok(match self.phase.as_str() {
            "Pending" => Phase::Pending,
            "Starting" => Phase::Starting,
            "Active" => Phase::Active,
            "Stopping" => Phase::Stopping,
            "Stopped" => Phase::Stopped,
            "Blocked" => {
                let name = self.blocked_reason.as_deref().unwrap_or("missing");
                let reason = BlockedReason::from_name(name)
                    .ok_or_else(|| Unreadable::new("blocked_reason", name, names(&BlockedReason::ALL)))?;
                let until = parse_some("blocked_until", self.blocked_until.as_ref())?;
                Phase::Blocked(Blocked { reason, until })
            }
            other => return Err(Unreadable::new("phase", other, Phase::NAMES.join(", "))),
        })
    }
}

impl RuleRefItem {
    fn read(&self) -> Result<RuleRef, Unreadable> {
        Ok(RuleRef { id: parse("rule.id", &self.id)?, revision: self.revision, priority: self.priority })
    }
}

impl LeaseItem {
    fn read(&self) -> Result<Lease, Unreadable> {
        Ok(Lease {
            holder: self.holder.clone(),
            since: parse("lease.since", &self.since)?,
            until: parse("lease.until", &self.until)?,
        })
    }
}

impl GiveWayItem {
    fn read(&self) -> Result<GiveWay, Unreadable> {
        Ok(GiveWay { priority: self.priority, until: parse("gives_way.until", &self.until)? })
    }
}

impl From<&LastError> for LastErrorItem {
    fn from(error: &LastError) -> Self {
        Self {
            rejection: error.rejection.map(|rejection| rejection.code().to_owned()),
            code: error.code.clone(),
            message: error.message.chars().take(1000).collect(),
            request_id: error.request_id.clone(),
            at: error.at.to_string(),
        }
    }
}

impl LastErrorItem {
    fn read(&self) -> Result<LastError, Unreadable> {
        let known = |name: &String| {
            let found = Rejection::ALL.into_iter().find(|rejection| rejection.code() == name);
            found.ok_or_else(|| Unreadable::new("last_error.rejection", name, "a modelled error"))
        };
        Ok(LastError {
            rejection: self.rejection.as_ref().map(known).transpose()?,
            code: self.code.clone(),
            message: self.message.clone(),
            request_id: self.request_id.clone(),
            at: parse("last_error.at", &self.at)?,
        })
    }
}

fn desired_name(desired: Desired) -> &'static str {
    match desired {
        Desired::Replicated => "Replicated",
        Desired::Released => "Released",
    }
}

fn owner_name(owner: Owner) -> &'static str {
    match owner {
        Owner::Nobody => "Nobody",
        Owner::Stagelink => "Stagelink",
        Owner::Foreign => "Foreign",
    }
}

fn names(reasons: &[BlockedReason]) -> String {
    reasons.iter().map(|reason| reason.name()).collect::<Vec<_>>().join(", ")
}
