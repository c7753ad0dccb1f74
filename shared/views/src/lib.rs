//! The JSON forms of what Stagelink knows, as the API answers them and `-o json` prints them.
//!
//! Each is a plain structure with `From<&…>` of the core type that it shows. Core types are not `Serialize`, so that what a
//! program reads does not change with what the core calls things.
//!
//! # Guarantees
//! * Fields of rules have the names of the rules file. What is not there is left out, never `null`.
//! * Times are RFC 3339 text. What was seen within an interval is `from/to`, both included.
//! * Of the attributes of a participant's token only the keys are told: their values are the customer's own, and may be about a
//!   person.
//!
//! # Caveats
//! * Texts of IVS and of users (user ids, error messages, reasons) are as they came: JSON escapes control characters, a terminal
//!   or a page has to as well.

mod activity;
mod explanation;
mod forecast;
mod order;
mod publisher;
mod replica;
mod revision;
mod rule;
mod unreadable;
mod versus;

use jiff::Timestamp;

pub use activity::Activity;
pub use explanation::{ExplainedReplication, Explanation, PlaceHolder, Places, UnmatchedRule, WantedBy};
pub use forecast::{
    Backlog, Cost, FieldChange, Forecast, HeldBack, NotKnown, Occupant, Recording, ReplicationChange,
    RuleChange, Running,
};
pub use order::Pause;
pub use publisher::{Publisher, Publishing};
pub use replica::{Blocked, Brake, Desired, GivesWay, LastError, Owner, Replica, RuleRef};
pub use revision::Revision;
pub use rule::{Destination, Participants, Rule, Source, Status};
pub use unreadable::Unreadable;
pub use versus::{Versus, VersusFailure};

/// Time as text.
fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// Whether something is off, and not worth a line.
fn is_empty<K, V>(map: &std::collections::BTreeMap<K, V>) -> bool {
    map.is_empty()
}
