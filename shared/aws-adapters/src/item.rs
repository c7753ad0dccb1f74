//! How items are written: the wire form of the one table.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | rule | `STAGE#<source>`, or `STAGE#*` for a rule that selects its stages | `RULE#<id>` |
//! | stage that rules can select as a destination | `STAGE#*` | `DEST#<stage>` |
//! | publisher | `STAGE#<source>` | `PUB#<participant>` |
//! | replica | `STAGE#<source>` | `REP#<participant>#<destination>` |
//! | stage | `STAGE#<stage>` | `STAGE` |
//! | that somebody asks for a look at a stage, or at every stage | `STAGE#<stage>`, or `STAGE#*` | `ASKED` |
//! | who has a place on a destination | `STAGE#<destination>` | `STAGE#OCCUPANCY` |
//! | when all stages were listed | `STAGE#*` | `STAGE` |
//! | orders for all stages | `STAGE#*` | `CONTROL` |
//! | how many replicas run | `STAGE#*` | `COUNT` |
//! | budget | `BUDGET` | the IVS operation |
//! | activity | `STAGE#<stage>`, or `STAGE#*` for an order for all stages | `ACT#<time>#<participant>#<destination>`, with `*` for none |
//! | versus session | `VERSUS#<id>` | `VERSUS` |
//! | answer to a request that may come again | `KEY#<key>` | `ANSWER` |
//! | a revision of a rule | `HISTORY#<rule>` | `REV#<ten digits>` |
//! | edition of all rules | `HISTORY` | `EDITION` |
//!
//! Times are RFC 3339 text; `expires_at` is seconds since 1970, as DynamoDB's TTL wants it. `ACT#` sorts before everything
//! the planner reads, so that one Query leaves history out.

mod activity;
mod asked;
mod budget;
mod control;
mod destination;
mod history;
mod kept;
mod occupancy;
mod publisher;
mod replica;
mod rule;
mod stage;
mod versus;

use std::fmt::Display;
use std::str::FromStr;

use controller::StoreError;
use jiff::{SignedDuration, Timestamp};
use replication::StageArn;

pub(crate) use activity::ActivityItem;
pub(crate) use asked::AskedItem;
pub(crate) use budget::{BUDGETS, BudgetItem};
pub(crate) use control::{ControlItem, CountItem};
pub(crate) use destination::DestinationItem;
pub(crate) use history::{EditionItem, HistoryItem, history_pk};
pub(crate) use kept::{KeptItem, kept_pk};
pub(crate) use occupancy::OccupancyItem;
pub(crate) use publisher::PublisherItem;
pub(crate) use replica::ReplicaItem;
pub(crate) use rule::RuleItem;
pub(crate) use stage::{ListingItem, StageItem};
pub(crate) use versus::{VersusItem, versus_pk};

/// The version of this wire form. Items of a later one are not read.
pub(crate) const SCHEMA: u8 = 1;

/// The first sort key the planner reads: everything but `ACT#…`.
pub(crate) const FIRST_STATE_SK: &str = "PUB#";

/// The partition of rules that select their stages, and of what they can select.
pub(crate) const ANY_STAGE: &str = "STAGE#*";

/// How long what is over stays readable: 24 h, the longest a participant can publish (IVS service quotas).
const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// How long history is kept: 7 days.
const HISTORY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How much of a value that cannot be read is repeated, in characters.
const SHOWN: usize = 200;

/// A stage's partition.
pub(crate) fn stage_pk(stage: &StageArn) -> String {
    format!("STAGE#{stage}")
}

/// A value of an item that cannot be read: the attribute, its value, and what is allowed.
#[derive(Debug)]
pub(crate) struct Unreadable(String);

impl Unreadable {
    pub(crate) fn new(attribute: &str, value: impl Display, allowed: impl Display) -> Self {
        let value: String = value.to_string().chars().take(SHOWN).collect();
        Self(format!("attribute {attribute} is {value}: allowed is {allowed}"))
    }

    pub(crate) fn of(self, pk: &str, sk: &str) -> StoreError {
        StoreError::Corrupt { pk: pk.to_owned(), sk: sk.to_owned(), message: self.0 }
    }
}

fn parse<T: FromStr>(attribute: &str, value: &str) -> Result<T, Unreadable>
where
    T::Err: Display,
{
    value.parse().map_err(|error| Unreadable::new(attribute, value, error))
}

fn parse_some<T: FromStr>(attribute: &str, value: Option<&String>) -> Result<Option<T>, Unreadable>
where
    T::Err: Display,
{
    value.map(|value| parse(attribute, value)).transpose()
}

fn check_schema(schema: u8) -> Result<(), Unreadable> {
    if schema == SCHEMA {
        return Ok(());
    }
    Err(Unreadable::new("schema", schema, SCHEMA))
}
