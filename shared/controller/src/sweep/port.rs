//! What the sweep needs of the world: one trait per IVS call, its own part of the table, and leave to call.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::sweep::{
    Asked, Inventory, ListedEvent, ListedParticipant, ListedSession, ListedStage, Recording, StageKnowledge,
};
use replication::{CallError, Operation, ParticipantId, Receipt, SessionId, StageArn, Tags};

use crate::{GetParticipant, GetStage, ListReplicas, StoreError};

/// One page of a list, and the token that leads to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// The token of the next page; nothing if this is the last.
    pub next: Option<String>,
}

/// Lists the stages. IAM: `ivs:ListStages`.
pub trait ListStages: Send + Sync {
    /// Calls ListStages once, for up to 100 stages.
    fn list_stages(&self, token: Option<String>) -> BoxFuture<'_, Result<Page<ListedStage>, CallError>>;
}

/// Lists the sessions of a stage, the newest first. IAM: `ivs:ListStageSessions`.
pub trait ListStageSessions: Send + Sync {
    /// Calls ListStageSessions once, for up to 100 sessions.
    fn list_stage_sessions<'a>(
        &'a self,
        stage: &'a StageArn,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedSession>, CallError>>;
}

/// Lists those who published in a session at some time. IAM: `ivs:ListParticipants`.
pub trait ListParticipants: Send + Sync {
    /// Calls ListParticipants once, with `filterByPublished`, for up to 100 participants.
    fn list_participants<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedParticipant>, CallError>>;
}

/// Lists what happened to a participant in a session. IAM: `ivs:ListParticipantEvents`.
pub trait ListParticipantEvents: Send + Sync {
    /// Calls ListParticipantEvents once, for up to 100 events, in the order of IVS.
    fn list_participant_events<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        participant: &'a ParticipantId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedEvent>, CallError>>;
}

/// The IVS reads of the sweep.
#[derive(Clone)]
pub struct Reads {
    /// ListStages.
    pub stages: Arc<dyn ListStages>,
    /// GetStage.
    pub stage: Arc<dyn GetStage>,
    /// ListStageSessions.
    pub sessions: Arc<dyn ListStageSessions>,
    /// ListParticipants.
    pub participants: Arc<dyn ListParticipants>,
    /// ListParticipantEvents.
    pub events: Arc<dyn ListParticipantEvents>,
    /// ListParticipantReplicas.
    pub replicas: Arc<dyn ListReplicas>,
    /// GetParticipant.
    pub participant: Arc<dyn GetParticipant>,
}

impl Reads {
    /// The IAM actions that all of them need.
    pub const IAM_ACTIONS: [&str; 7] = [
        "ivs:GetParticipant",
        "ivs:GetStage",
        "ivs:ListParticipantEvents",
        "ivs:ListParticipantReplicas",
        "ivs:ListParticipants",
        "ivs:ListStageSessions",
        "ivs:ListStages",
    ];

    /// One that can do it all.
    pub fn all_of<T>(ivs: Arc<T>) -> Self
    where
        T: ListStages
            + GetStage
            + ListStageSessions
            + ListParticipants
            + ListParticipantEvents
            + ListReplicas
            + GetParticipant
            + 'static,
    {
        Self {
            stages: ivs.clone(),
            stage: ivs.clone(),
            sessions: ivs.clone(),
            participants: ivs.clone(),
            events: ivs.clone(),
            replicas: ivs.clone(),
            participant: ivs,
        }
    }
}

/// Reads how a stage records. IAM: `ivs:GetStage`.
pub trait GetRecording: Send + Sync {
    /// Calls GetStage once.
    fn get_recording<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Recording, CallError>>;
}

/// Changes how a stage records. IAM: `ivs:UpdateStage`.
pub trait SetRecording: Send + Sync {
    /// Calls UpdateStage once, no retry: all of `recording` as it was read, but for the recording of replicas.
    fn set_record_replicas<'a>(
        &'a self,
        stage: &'a StageArn,
        recording: &'a Recording,
        record_replicas: bool,
    ) -> BoxFuture<'a, Result<Receipt, CallError>>;
}

/// The calls about a stage's recording.
#[derive(Clone)]
pub struct RecordingCalls {
    /// GetStage.
    pub get: Arc<dyn GetRecording>,
    /// UpdateStage.
    pub set: Arc<dyn SetRecording>,
}

impl RecordingCalls {
    /// The IAM actions that both need.
    pub const IAM_ACTIONS: [&str; 2] = ["ivs:GetStage", "ivs:UpdateStage"];

    /// One that can do both.
    pub fn both_of<T: GetRecording + SetRecording + 'static>(ivs: Arc<T>) -> Self {
        Self { get: ivs.clone(), set: ivs }
    }
}

/// Leave to call IVS, so that the sweep keeps to its share of each quota.
pub trait Pace: Send + Sync {
    /// Waits until the next call may be made. False if that is not before `until`, or nobody can tell.
    fn take(&self, read: Operation, until: Timestamp) -> BoxFuture<'_, bool>;

    /// IVS throttled a call although it was allowed.
    fn throttled(&self, read: Operation) -> BoxFuture<'_, ()>;

    /// How many calls of one operation there is leave for in `span`.
    fn calls_in(&self, span: jiff::SignedDuration) -> usize;
}

/// The sweep's part of the one table.
pub trait SweepStore: Send + Sync {
    /// All rules, publishers, replications and what is known of stages, without history.
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, StoreError>>;

    /// Keeps what is known of a stage.
    fn remember_stage<'a>(&'a self, stage: &'a StageKnowledge) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Changes the directory of stages that rules can select as destinations: gives a stage these tags, or takes it out.
    fn remember_destinations<'a>(
        &'a self,
        changes: &'a BTreeMap<StageArn, Option<Tags>>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Keeps when all stages were listed, to the end, once what is known of them is kept.
    fn remember_listing(&self, at: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Keeps how many replicas of our own run, for [`Control::running`](replication::Control::running).
    fn remember_running(&self, running: usize) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Asks sweeps for looks, and sees what became of it.
pub trait AskForLooks: Send + Sync {
    /// Asks for a look at a stage before all else; at every stage, if none is named. What was asked there before is forgotten.
    fn ask_for_look<'a>(
        &'a self,
        stage: Option<&'a StageArn>,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// When the stages were listed last, to the end. What is known of a stage is at least as new if it is read later.
    fn listed_at(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;

    /// What sweeps know of a stage.
    fn knowledge<'a>(
        &'a self,
        stage: &'a StageArn,
    ) -> BoxFuture<'a, Result<Option<StageKnowledge>, StoreError>>;
}
