//! A replica: one participant on one destination stage, wanted or running.

use serde::Serialize;

use crate::time;

/// A participant's replica on a destination stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Replica {
    /// The ARN of the source stage.
    pub source: String,
    /// The participant id, the same on both stages.
    pub participant: String,
    /// The ARN of the destination stage.
    pub destination: String,
    /// Where it stands.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = replication::Phase::NAMES)))]
    pub phase: &'static str,
    /// Why it is not started, and until when; there only in phase `Blocked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
    /// What the rules want.
    pub desired: Desired,
    /// Whose it is. What somebody else started is never stopped.
    pub owner: Owner,
    /// The rule behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleRef>,
    /// How long it waits for its publisher to come back, in seconds.
    pub reconnect_window_seconds: u16,
    /// Starts and stops that failed since one succeeded.
    pub attempts: u32,
    /// The last error of IVS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub next_attempt: Option<String>,
    /// Until when the call under way may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub call_until: Option<String>,
    /// When its rule ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub wanted_until: Option<String>,
    /// That the brake on mass stops keeps it running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub braked: Option<Brake>,
    /// That it leaves its place to a rule of higher priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gives_way: Option<GivesWay>,
    /// When it was last seen running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_running: Option<String>,
    /// When it was last seen to have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_ended: Option<String>,
    /// The session of the destination stage that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_session: Option<String>,
}

/// Why a replica is not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Blocked {
    /// The reason, explained in the runbook.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = replication::BlockedReason::ALL.map(replication::BlockedReason::name))))]
    pub reason: &'static str,
    /// When it is tried again; not there if only a change helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub until: Option<String>,
}

/// What the rules want of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// That it runs.
    Replicated,
    /// That it does not.
    Released,
}

/// Whose a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// It does not run.
    Nobody,
    /// Stagelink started it, or may have.
    Stagelink,
    /// Somebody else started it.
    Foreign,
}

/// The rule behind a replica, as it was when that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RuleRef {
    /// Its id.
    pub id: String,
    /// Its revision.
    pub revision: u64,
    /// Its priority.
    pub priority: u8,
}

/// What IVS last said against a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LastError {
    /// The error's name.
    pub code: String,
    /// Its text, as it came.
    pub message: String,
    /// The id of the request, for AWS Support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: String,
}

/// That the brake on mass stops keeps a replica running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Brake {
    /// Since when.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub since: String,
    /// When a sweep agreed that it has to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub confirmed_at: Option<String>,
}

/// That a replica leaves its place to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct GivesWay {
    /// The priority of the rule that needs the place.
    pub priority: u8,
    /// Until when it stays away.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub until: String,
}

impl From<&replication::Replica> for Replica {
    fn from(replica: &replication::Replica) -> Self {
        Self {
            source: replica.key.source.to_string(),
            participant: replica.key.participant.to_string(),
            destination: replica.key.destination.to_string(),
            phase: replica.phase.name(),
            blocked: replica.blocked().map(Blocked::from),
            desired: replica.desired.into(),
            owner: replica.owner.into(),
            rule: replica.rule.as_ref().map(RuleRef::from),
            reconnect_window_seconds: replica.reconnect_window.seconds(),
            attempts: replica.attempts,
            last_error: replica.last_error.as_ref().map(LastError::from),
            next_attempt: time(replica.next_attempt),
            call_until: time(replica.lease.as_ref().map(|lease| lease.until)),
            wanted_until: time(replica.wanted_until),
            braked: replica.braked.map(|braked| Brake {
                since: braked.since.to_string(),
                confirmed_at: time(braked.confirmed_at),
            }),
            gives_way: replica.gives_way.as_ref().map(|gives_way| GivesWay {
                priority: gives_way.priority,
                until: gives_way.until.to_string(),
            }),
            seen_running: replica.evidence.on.map(|at| at.to_string()),
            seen_ended: replica.evidence.off.map(|at| at.to_string()),
            destination_session: replica.destination_session.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&replication::Blocked> for Blocked {
    fn from(blocked: &replication::Blocked) -> Self {
        Self { reason: blocked.reason.name(), until: time(blocked.until) }
    }
}

impl From<replication::Desired> for Desired {
    fn from(desired: replication::Desired) -> Self {
        match desired {
            replication::Desired::Replicated => Self::Replicated,
            replication::Desired::Released => Self::Released,
        }
    }
}

impl From<replication::Owner> for Owner {
    fn from(owner: replication::Owner) -> Self {
        match owner {
            replication::Owner::Nobody => Self::Nobody,
            replication::Owner::Stagelink => Self::Stagelink,
            replication::Owner::Foreign => Self::Foreign,
        }
    }
}

impl From<&replication::RuleRef> for RuleRef {
    fn from(rule: &replication::RuleRef) -> Self {
        Self { id: rule.id.to_string(), revision: rule.revision, priority: rule.priority }
    }
}

impl From<&replication::LastError> for LastError {
    fn from(error: &replication::LastError) -> Self {
        Self {
            code: error.code.clone(),
            message: error.message.clone(),
            request_id: error.request_id.clone(),
            at: error.at.to_string(),
        }
    }
}
