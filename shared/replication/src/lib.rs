//! The pure core of Stagelink: what participant replication means, without IVS, DynamoDB, Lambda or a clock.
//!
//! Read in this order: [`id`] and [`moment`] (the vocabulary), [`rule`] (what a customer wants), [`publisher`] and
//! [`replica`] (what is known), [`observation`] (how knowledge grows), [`planner`] (what to do next), [`outcome`] (what a
//! call's answer means) and [`invariant`] (what must always hold). [`versus`] stands on top of it: rules that begin and end
//! together.
//!
//! # Guarantees
//! * Everything here is a total, synchronous function of values: no async, no clock, no environment, no randomness.
//! * Nothing iterates in hash order; the same input renders to the same bytes.
//!
//! # Caveats
//! * The types are not `Serialize`: wire forms belong to the crates at the edge.

pub mod budget;
pub mod id;
pub mod invariant;
pub mod moment;
pub mod observation;
pub mod outcome;
pub mod planner;
pub mod policy;
pub mod publisher;
pub mod replica;
pub mod report;
pub mod rule;
pub mod sweep;
pub mod versus;
pub mod view;

pub use budget::{Allowance, Book, Budget, Limit, Operation};
pub use id::{IdError, ParticipantId, PublisherKey, ReplicationKey, RuleId, SessionId, StageArn, VersusId};
pub use moment::{Evidence, Moment, Standing};
pub use observation::Observation;
pub use outcome::{CallError, Listed, Outcome, Receipt, Refusal, Rejection};
pub use planner::{Capabilities, Context, Plan, StartRequest, Step, plan};
pub use policy::Policy;
pub use publisher::{Publisher, Publishing};
pub use replica::{Blocked, BlockedReason, Desired, LastError, Lease, Owner, Phase, Replica, RuleRef};
pub use report::{Decision, Line, Report, Unmatched};
pub use rule::{
    Destination, ParticipantFilter, Pattern, ReconnectWindow, Rule, RuleError, Source, Status, Tags,
};
pub use versus::{Versus, VersusError, VersusState, VersusTerms};
pub use view::View;
