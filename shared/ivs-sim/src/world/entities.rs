//! What the world is made of: stages with their sessions and participants, and replications.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::recording::Recording;

/// String attributes or tags, in order.
pub(super) type Strings = BTreeMap<String, String>;

/// A stage, with everything that ever happened in it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) tags: Strings,
    pub(super) recording: Recording,
    /// First label of the ingest host names.
    pub(super) endpoint: String,
    /// Place in the order of creation.
    pub(super) order: u64,
    /// Belongs to another account: replicas may go there, nothing else is visible here.
    pub(super) foreign: bool,
    pub(super) tokens: BTreeMap<String, Token>,
    /// Oldest first. Only the last can be active.
    pub(super) sessions: Vec<Session>,
    /// Moves on whenever the planned end of the session is called off.
    pub(super) idle_generation: u64,
    /// The end of the session is planned.
    pub(super) idle: bool,
}

impl Stage {
    pub(super) fn active_session(&self) -> Option<&Session> {
        self.sessions.last().filter(|session| session.ended.is_none())
    }

    pub(super) fn active_session_mut(&mut self) -> Option<&mut Session> {
        self.sessions.last_mut().filter(|session| session.ended.is_none())
    }

    pub(super) fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// Whether the participant has a token here, or was in a session.
    pub(super) fn knows(&self, participant: &str) -> bool {
        self.tokens.contains_key(participant)
            || self.sessions.iter().rev().any(|session| session.participants.contains_key(participant))
    }
}

/// A token that was given out. Its participant id is its identity.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) user_id: String,
    pub(super) attributes: Strings,
    pub(super) capabilities: BTreeSet<Capability>,
    pub(super) expires: Timestamp,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Capability {
    Publish,
    Subscribe,
}

/// From the first participant's joining until all have been gone for a while.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) order: u64,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) participants: BTreeMap<String, Participant>,
}

/// A participant of one session.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) user_id: String,
    pub(super) attributes: Strings,
    pub(super) order: u64,
    pub(super) first_join: Timestamp,
    pub(super) connected: bool,
    /// Publishes now.
    pub(super) publishing: bool,
    /// Ever published in this session.
    pub(super) published: bool,
    /// Its publishing ended, but the news waits for the reconnect window.
    pub(super) unpublish_deferred: bool,
    /// Has been replicated from here.
    pub(super) source: bool,
    /// Where it comes from, if it is a replica.
    pub(super) origin: Option<Origin>,
    /// Time of the recording's start; none if the participant was never recorded.
    pub(super) recorded_since: Option<Timestamp>,
    pub(super) events: Vec<ParticipantEvent>,
}

/// The source of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) stage_arn: String,
    pub(super) session_id: String,
}

/// A row of ListParticipantEvents.
#[derive(Debug)]
pub(super) struct ParticipantEvent {
    pub(super) order: u64,
    pub(super) at: Timestamp,
    pub(super) name: EventName,
    pub(super) error: Option<EventErrorCode>,
    pub(super) destination: Option<Origin>,
}

/// Name of a row of ListParticipantEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum EventName {
    Joined,
    Left,
    PublishStarted,
    PublishStopped,
    PublishError,
    ReplicationStarted,
    ReplicationStopped,
}

/// Why a participant could not publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum EventErrorCode {
    InsufficientCapabilities,
    QuotaExceeded,
    PublisherNotFound,
    InternalServerException,
}

/// The identity of a replication: one participant in one direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationKey {
    /// Stage where the participant publishes.
    pub source_stage_arn: String,
    /// The replicated participant, and the replica: both have the same id.
    pub participant_id: String,
    /// Stage where the replica appears.
    pub destination_stage_arn: String,
}

/// A replication that was started and has not ended.
#[derive(Debug)]
pub(super) struct Replication {
    /// Tells it from an earlier one under the same key.
    pub(super) id: u64,
    pub(super) reconnect_window_seconds: u16,
    /// Given to Start; merged over the source's.
    pub(super) attributes: Strings,
    pub(super) source_session: String,
    pub(super) destination_session: String,
    /// When it became ACTIVE.
    pub(super) since: Timestamp,
    pub(super) phase: Phase,
}

/// Where a replication stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Start was answered, the replica has not appeared.
    Starting,
    /// ACTIVE, and the source publishes.
    Live,
    /// ACTIVE, but the source does not publish; it ends at that time, or with none when it is stopped.
    Held(Option<Timestamp>),
}

/// A replication that ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) order: u64,
    pub(super) source_session: String,
    pub(super) destination_session: String,
    pub(super) since: Timestamp,
    pub(super) ended: Timestamp,
}
