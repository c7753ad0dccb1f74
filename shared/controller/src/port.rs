//! What the controller needs of the world: one small trait per capability.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::budget::Book;
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    CallError, Capabilities, Desired, Listed, Operation, Phase, PlaceChange, PlaceKind, Publisher,
    PublisherKey, Receipt, Replica, ReplicationKey, SessionId, StageArn, StartRequest, Versus, VersusId,
    View, occupancy, plain,
};

use crate::{Activity, BudgetWrite};

/// Starts replications. IAM: `ivs:StartParticipantReplication` on the source and the destination stage.
pub trait StartReplication: Send + Sync {
    /// Calls StartParticipantReplication once; no retry.
    fn start_participant_replication<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>>;
}

/// Stops replications. IAM: `ivs:StopParticipantReplication` on the source and the destination stage.
pub trait StopReplication: Send + Sync {
    /// Calls StopParticipantReplication once; no retry.
    fn stop_participant_replication<'a>(
        &'a self,
        key: &'a ReplicationKey,
    ) -> BoxFuture<'a, Result<Receipt, CallError>>;
}

/// Lists replications. IAM: `ivs:ListParticipantReplicas` on the source stage.
pub trait ListReplicas: Send + Sync {
    /// Calls ListParticipantReplicas and gives its `ACTIVE` rows, of all pages.
    fn list_participant_replicas<'a>(
        &'a self,
        publisher: &'a PublisherKey,
    ) -> BoxFuture<'a, Result<Vec<Listed>, CallError>>;
}

/// Reads a stage. IAM: `ivs:GetStage`.
pub trait GetStage: Send + Sync {
    /// Calls GetStage once.
    fn get_stage<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<ListedStage, CallError>>;
}

/// Reads a participant. IAM: `ivs:GetParticipant` on its stage.
pub trait GetParticipant: Send + Sync {
    /// Calls GetParticipant once, and gives the attributes of the participant's token.
    fn get_participant<'a>(
        &'a self,
        publisher: &'a PublisherKey,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, CallError>>;
}

/// The IVS calls a function was given. What it was not given, it leaves to others.
#[derive(Clone, Default)]
pub struct Calls {
    /// StartParticipantReplication.
    pub start: Option<Arc<dyn StartReplication>>,
    /// StopParticipantReplication.
    pub stop: Option<Arc<dyn StopReplication>>,
    /// ListParticipantReplicas.
    pub list: Option<Arc<dyn ListReplicas>>,
    /// GetStage.
    pub stage: Option<Arc<dyn GetStage>>,
    /// GetParticipant.
    pub participant: Option<Arc<dyn GetParticipant>>,
}

impl Calls {
    /// The same as the planner wants to know it.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            start: self.start.is_some(),
            stop: self.stop.is_some(),
            verify: self.list.is_some(),
            get_stage: self.stage.is_some(),
            get_participant: self.participant.is_some(),
        }
    }

    /// The IAM actions that a function with these calls needs, and no other.
    pub fn iam_actions(&self) -> BTreeSet<&'static str> {
        let needed = [
            (self.start.is_some(), "ivs:StartParticipantReplication"),
            (self.stop.is_some(), "ivs:StopParticipantReplication"),
            (self.list.is_some(), "ivs:ListParticipantReplicas"),
            (self.stage.is_some(), "ivs:GetStage"),
            (self.participant.is_some(), "ivs:GetParticipant"),
        ];
        needed.into_iter().filter_map(|(given, action)| given.then_some(action)).collect()
    }
}

/// The one table.
///
/// # Guarantees
/// * A write is all or nothing, and conditional on every item still having the version it was read at.
/// * After a write, the version of every written publisher and replication is one higher.
/// * A place at a destination is taken only if one is left; else nothing is written, and it is [`StoreError::DestinationFull`].
/// * A budget is written only if it is as it was read, or has been idle since: [`BudgetWrite`].
pub trait Store: Send + Sync {
    /// All that is known around one publisher: its stage, its rules, itself and its replications. One Query.
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>>;

    /// The budgets of all operations, as they are stored. One Query.
    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>>;

    /// The replications to a stage that are in this phase. One Query of the index `by_destination`, which may lag by moments.
    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>>;

    /// Writes everything in `write`, or nothing.
    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// What waits for its time, in the index `due_work`. It may lag behind the table by moments; what is in it is a hint.
pub trait Queue: Send + Sync {
    /// What is due at `until` or before, the longest waiting first, at most `limit` of each class.
    fn due(&self, until: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, StoreError>>;
}

/// Something to do at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What kind of work it is.
    pub class: DueClass,
    /// The priority of the rule behind it, 0–100.
    pub priority: u8,
    /// When it is due.
    pub at: Timestamp,
    /// Whom or what it is about.
    pub work: Work,
}

impl Due {
    /// What is due for a replication, if anything is.
    pub fn of(replica: &Replica) -> Option<Self> {
        Some(Self {
            class: DueClass::of(replica),
            priority: replica.rule.as_ref().map_or(0, |rule| rule.priority),
            at: replica.due()?,
            work: Work::Publisher(replica.key.publisher()),
        })
    }

    /// What is due for a versus session, if anything is.
    pub fn of_versus(versus: &Versus) -> Option<Self> {
        let work = Work::Versus(versus.terms.id.clone());
        Some(Self { class: DueClass::Versus, priority: versus.terms.priority, at: versus.due()?, work })
    }
}

/// Whom or what due work is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The publisher's replications have to be brought to what the rules want.
    Publisher(PublisherKey),
    /// The session has to be judged.
    Versus(VersusId),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publisher(publisher) => publisher.fmt(f),
            Self::Versus(id) => write!(f, "versus session {id}"),
        }
    }
}

/// Kinds of work, in the order in which they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DueClass {
    /// A versus session has to be judged: what follows from it is more urgent than anything else, and it costs no call.
    Versus,
    /// A replica has to be stopped, now or when its rule expires: it costs money while it waits.
    Release,
    /// IVS has to be asked whether a replica runs.
    Verify,
    /// A replica has to be started, of somebody who has just begun to publish.
    Start,
    /// A replica has to be started, of somebody who has been publishing since long: after a rule changed, or after an end.
    Backfill,
    /// Somebody's lease ends: if it is still there then, its call has no outcome.
    Lease,
}

impl DueClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Versus, Self::Release, Self::Verify, Self::Start, Self::Backfill, Self::Lease];

    /// What is due for a replication, if anything is.
    pub fn of(replica: &Replica) -> Self {
        match (&replica.phase, replica.desired) {
            _ if replica.lease.is_some() => Self::Lease,
            (Phase::Starting | Phase::Stopping, _) => Self::Verify,
            (_, Desired::Released) => Self::Release,
            (Phase::Active, _) if replica.gives_way.is_some() => Self::Release,
            _ if replica.due() == replica.wanted_until => Self::Release,
            (_, Desired::Replicated) if replica.backfill => Self::Backfill,
            (_, Desired::Replicated) => Self::Start,
        }
    }

    /// The operation it mostly needs, if it needs one.
    pub fn operation(self) -> Option<Operation> {
        match self {
            Self::Versus => None,
            Self::Release => Some(Operation::Stop),
            Self::Start | Self::Backfill => Some(Operation::Start),
            Self::Verify | Self::Lease => Some(Operation::List),
        }
    }

    /// The class as one word, as stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Versus => "versus",
            Self::Release => "release",
            Self::Verify => "verify",
            Self::Start => "start",
            Self::Backfill => "backfill",
            Self::Lease => "lease",
        }
    }
}

/// One conditional write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Write {
    /// The publisher, with the version it was read at.
    pub publisher: Option<Publisher>,
    /// Replications, each with the version it was read at.
    pub replicas: Vec<Replica>,
    /// Places at destinations that are taken and left.
    pub places: Vec<PlaceChange>,
    /// History, appended without a condition.
    pub activity: Vec<Activity>,
    /// Budgets, each on its own condition.
    pub budgets: Vec<BudgetWrite>,
    /// The publisher's stage as IVS just gave it. Without a condition: at worst, its next look comes early.
    pub stage: Option<StageKnowledge>,
}

impl Write {
    /// What has to be written to turn `before`, as it is stored, into `after`.
    pub fn between(before: &View, after: &View) -> Self {
        let places = occupancy::changes(before, after);
        // Somebody was seen to run whom nobody counted: who gives the participant's last slot away meanwhile has to find that out.
        let seen = places.iter().any(|place| place.kind == PlaceKind::Take);
        let publisher =
            after.publisher.as_ref().filter(|publisher| seen || before.publisher.as_ref() != Some(publisher));
        let changed = |replica: &&Replica| !before.replicas.contains(replica);
        Self {
            publisher: publisher.cloned(),
            replicas: after.replicas.iter().filter(changed).cloned().collect(),
            places,
            ..Self::default()
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.publisher.is_none()
            && self.replicas.is_empty()
            && self.places.is_empty()
            && self.activity.is_empty()
            && self.budgets.is_empty()
            && self.stage.is_none()
    }

    /// The view as it is stored once this is written.
    pub fn stored(&self, mut view: View) -> View {
        if let Some(publisher) = &self.publisher {
            view.publisher = Some(Publisher { version: publisher.version + 1, ..publisher.clone() });
        }
        for replica in &self.replicas {
            view.put(Replica { version: replica.version + 1, ..replica.clone() });
        }
        view
    }
}

/// A store that could not do it. What it says holds nothing that a terminal would obey, whatever is in the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else wrote one of the items since it was read: read again and plan again.
    #[error("an item changed since it was read")]
    Conflict,
    /// No place is left at these destinations.
    #[error("no place is left at {}", stages.iter().map(StageArn::as_str).collect::<Vec<_>>().join(", "))]
    DestinationFull {
        /// The destinations.
        stages: BTreeSet<StageArn>,
    },
    /// The store cannot be reached, is throttled or fails: try again later.
    #[error("the table {table} cannot be used: {code}: {}", plain(.message))]
    Unavailable {
        /// The table.
        table: String,
        /// The store's own code, or ours for a request without an answer: `Timeout`, `NotSent`, `Connection`.
        code: Box<str>,
        /// What the store said.
        message: String,
    },
    /// The store does not let us, or has no such table: somebody has to change something.
    #[error("the table {table} refused: {code}: {}", plain(.message))]
    Refused {
        /// The table.
        table: String,
        /// The store's own code, such as `ResourceNotFoundException`, or ours for what cannot be written: `NotWritable`.
        code: Box<str>,
        /// What the store said.
        message: String,
    },
    /// An item is not as it must be.
    #[error("item {} {}: {}", plain(.pk), plain(.sk), plain(.message))]
    Corrupt {
        /// The item's partition key.
        pk: String,
        /// The item's sort key.
        sk: String,
        /// Which attribute, its value, and what is allowed.
        message: String,
    },
}

/// Time.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Waits until `at`; no time at all if that is past.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()>;
}
