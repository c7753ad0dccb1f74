//! The pure core of Stagelink: what participant replication means, without IVS, DynamoDB, Lambda or a clock.
//!
//! Read in this order: [`id`] and [`moment`] (the vocabulary), [`rule`] and [`matching`] (what a customer wants), [`publisher`] and
//! [`replica`] (what is known), [`observation`] (how knowledge grows), [`planner`] (what to do next), [`outcome`] (what a
//! call's answer means) and [`invariant`] (what must always hold). [`versus`] stands on top of it: rules that begin and end
//! together; and so does [`mod@forecast`]: what other rules would do.
//!
//! # Guarantees
//! * Everything here is a total, synchronous function of values: no async, no clock, no environment, no randomness.
//! * Nothing iterates in hash order; the same input renders to the same bytes.
//!
//! # Caveats
//! * The types are not `Serialize`: wire forms belong to the crates at the edge.

pub mod brake;
pub mod budget;
pub mod control;
pub mod explain;
pub mod forecast;
pub mod id;
pub mod invariant;
pub mod matching;
pub mod moment;
pub mod observation;
pub mod occupancy;
pub mod outcome;
mod plain;
pub mod planner;
pub mod policy;
pub mod publisher;
pub mod replica;
pub mod report;
pub mod rule;
pub mod stage;
pub mod sweep;
pub mod versus;
pub mod view;

pub use brake::{Braked, SecondWitness, StopReason, StopRequest, Tally};
pub use budget::{Allowance, Book, Budget, Limit, Operation};
pub use control::{Control, HandsOff, Mode, Pause};
pub use explain::{Explanation, Surroundings, explain};
pub use forecast::{Forecast, forecast};
pub use id::{
    IdError, ParticipantId, PublisherKey, ReplicationKey, RuleId, SessionId, StageArn, StorageArn, VersusId,
};
pub use matching::{Directory, Match};
pub use moment::{Evidence, Moment, Standing};
pub use observation::Observation;
pub use occupancy::{Crowd, Eviction, Holder, Occupant, PlaceChange, PlaceKind};
pub use outcome::{CallError, Listed, Outcome, Receipt, Refusal, Rejection};
pub use plain::{cut, is_obeyed, plain};
pub use planner::{Capabilities, Context, Plan, StartRequest, Step, plan};
pub use policy::Policy;
pub use publisher::{Publisher, Publishing};
pub use replica::{
    Blocked, BlockedReason, Desired, GiveWay, LastError, Lease, Owner, Phase, Replica, RuleRef,
};
pub use report::{Decision, Line, Question, Report, Unmatched};
pub use rule::{
    ChangeKind, Destination, FieldChange, ParticipantFilter, Pattern, ReconnectWindow, Rule, RuleChange,
    RuleConflict, RuleError, Source, Status, Tags, check_count, check_together,
};
pub use stage::{NewStage, NewToken, RecordingSettings, StageChange, StageError};
pub use versus::{Versus, VersusError, VersusState, VersusTerms};
pub use view::View;
