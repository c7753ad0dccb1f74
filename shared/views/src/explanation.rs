//! Why a participant is, or is not, on the stages that rules mean.

use replication::explain;
use replication::occupancy::Holder;
use serde::Serialize;

use crate::{Pause, Publisher, Publishing, Replica, time};

/// Everything that is to be said of a participant and its replications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Explanation {
    /// The ARN of its stage.
    pub stage: String,
    /// The name of its stage, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_name: Option<String>,
    /// The participant id.
    pub participant: String,
    /// The time that everything is said of.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// Whether it publishes, by all news together.
    pub publishing: Publishing,
    /// What is known of it; not there if there is no news of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<Publisher>,
    /// When a sweep looked at its stage last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub stage_looked_at: Option<String>,
    /// The pause during which nothing is started or stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Whether the deployment only observes, as far as the participant's replications say.
    pub observing: bool,
    /// How many of its slots are taken.
    pub slots_taken: usize,
    /// How many slots IVS gives a participant.
    pub slots: usize,
    /// Each destination that a rule wants or a replication has, in the order in which slots are given.
    pub replications: Vec<ExplainedReplication>,
    /// Rules that do not apply, or of which that is not known yet.
    pub unmatched_rules: Vec<UnmatchedRule>,
    /// The same in sentences, each indented under what it belongs to. Nothing in them would be obeyed by a terminal.
    pub sentences: Vec<String>,
}

/// One destination of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ExplainedReplication {
    /// The ARN of the destination stage.
    pub destination: String,
    /// Its name, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_name: Option<String>,
    /// What would be done with it now, in one word.
    pub decision: String,
    /// Why.
    pub why: String,
    /// The rule that wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_by: Option<WantedBy>,
    /// Rules of lower rank that want it, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub wanted_too_by: Vec<String>,
    /// The replica as it stands; not there if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Replica>,
    /// How what runs differs from what is wanted, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    /// Which of the participant's slots it has, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<usize>,
    /// The places of publishers at the destination, if they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<Places>,
    /// What it waits for, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// When something is done about it although no event comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub next: Option<String>,
}

/// The rule that wants a replication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct WantedBy {
    /// Its id.
    pub id: String,
    /// Its revision.
    pub revision: u64,
    /// Its priority.
    pub priority: u8,
    /// What of it fits the participant and the destination.
    pub because: String,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub until: Option<String>,
}

/// The places of publishers at a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Places {
    /// How many are taken.
    pub taken: usize,
    /// How many there are.
    pub of: usize,
    /// Whether this replication has one of them.
    pub has_one: bool,
    /// Where it stands among those who wait for one, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_line: Option<usize>,
    /// Who has them, if all are taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub holders: Vec<PlaceHolder>,
}

/// Who has a place at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PlaceHolder {
    /// The participant id.
    pub participant: String,
    /// The stage it publishes to; not there for a participant of the stage itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The priority of the rule behind a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

/// A rule that does not apply, or of which that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UnmatchedRule {
    /// Its id.
    pub id: String,
    /// Whether more knowledge can still make it apply.
    pub undecided: bool,
    /// Why.
    pub why: String,
}

impl From<&explain::Explanation> for Explanation {
    fn from(told: &explain::Explanation) -> Self {
        Self {
            stage: told.publisher.stage.to_string(),
            stage_name: told.stage_name.clone(),
            participant: told.publisher.participant.to_string(),
            at: told.at.to_string(),
            publishing: told.publishing.into(),
            publisher: told.known.as_ref().map(Publisher::from),
            stage_looked_at: time(told.looked_at),
            pause: told.control.pause.as_ref().map(Pause::from),
            observing: told.observing,
            slots_taken: told.slots_held,
            slots: told.slots,
            replications: told.replications.iter().map(ExplainedReplication::from).collect(),
            unmatched_rules: told.unmatched.iter().map(UnmatchedRule::from).collect(),
            sentences: told.sentences().iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&explain::ExplainedReplication> for ExplainedReplication {
    fn from(of: &explain::ExplainedReplication) -> Self {
        Self {
            destination: of.destination.to_string(),
            destination_name: of.name.clone(),
            decision: of.decision.to_string(),
            why: of.why.clone(),
            wanted_by: of.wanted.as_ref().map(WantedBy::from),
            wanted_too_by: of.wanted_too.iter().map(ToString::to_string).collect(),
            replica: of.replica.as_ref().map(Replica::from),
            drift: of.drift().map(|drift| drift.to_string()),
            slot: of.slot.map(|slot| slot.number),
            places: of.places.as_ref().map(Places::from),
            waits_for: of.waits_for.as_ref().map(ToString::to_string),
            next: time(of.next),
        }
    }
}

impl From<&explain::WantedBy> for WantedBy {
    fn from(rule: &explain::WantedBy) -> Self {
        Self {
            id: rule.id.to_string(),
            revision: rule.revision,
            priority: rule.priority,
            because: rule.because.clone(),
            until: time(rule.until),
        }
    }
}

impl From<&explain::Places> for Places {
    fn from(places: &explain::Places) -> Self {
        let holder = |(holder, priority): &(Holder, Option<u8>)| PlaceHolder {
            participant: holder.publisher().participant.to_string(),
            source: match holder {
                Holder::Replica(key) => Some(key.source.to_string()),
                Holder::Publisher(_) => None,
            },
            priority: *priority,
        };
        Self {
            taken: places.taken,
            of: places.of,
            has_one: places.has_one,
            in_line: places.in_line,
            holders: places.holders.iter().map(holder).collect(),
        }
    }
}

impl From<&explain::UnmatchedRule> for UnmatchedRule {
    fn from(rule: &explain::UnmatchedRule) -> Self {
        Self { id: rule.id.to_string(), undecided: rule.why.is_open(), why: rule.words.clone() }
    }
}
