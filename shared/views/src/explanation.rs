//! Why a participant is where it is.

use replication::occupancy;
use replication::{BlockedReason, Decision};
use serde::Serialize;

use crate::{Pause, Publisher, Publishing, Replica, time};

/// Everything that is to be said of a participant and its replications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Explanation {
    /// The participant id.
    pub participant: String,
    /// The ARN of its stage.
    pub stage: String,
    /// The name of its stage, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_name: Option<String>,
    /// The time that everything is said of.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// The whole chain in words, one sentence under what it belongs to.
    pub sentences: Vec<Sentence>,
    /// What is known of it; not there if there is no news of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<Publisher>,
    /// Whether it publishes, by all news together.
    pub publishing: Publishing,
    /// When a sweep looked at its stage last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub looked_at: Option<String>,
    /// That nothing is started or stopped, by an operator's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Whether functions only observe.
    pub observing: bool,
    /// Slots that its replications hold.
    pub slots_held: usize,
    /// Slots that there are.
    pub slots: usize,
    /// Each destination that a rule wants or a replication has, in the order in which slots are given.
    pub replications: Vec<ExplainedReplication>,
    /// Rules that do not apply, or of which that is not known.
    pub unmatched: Vec<UnmatchedRule>,
    /// When something is done next although no event comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub next: Option<String>,
}

/// A sentence under what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Sentence {
    /// How deep: 0 is the participant, 1 a destination or a rule, 2 what is said of a destination.
    pub depth: usize,
    /// The words.
    pub text: String,
}

/// One destination of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ExplainedReplication {
    /// The ARN of the destination stage.
    pub destination: String,
    /// Its name, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What would be done with it now.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = [
        "start", "stop", "verify", "keep", "hold", "brake", "wait", "defer", "block", "rest", "foreign"
    ])))]
    pub decision: &'static str,
    /// Why it is not to be had; there only if it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = BlockedReason::ALL.map(BlockedReason::name))))]
    pub reason: Option<&'static str>,
    /// Why that is done, in words.
    pub why: String,
    /// How what runs differs from what the rules want, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    /// The replication as it is stored; not there if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Replica>,
    /// The rule that wants it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_by: Option<WantedBy>,
    /// Rules of lower rank that want it, too.
    pub wanted_too: Vec<String>,
    /// Which of the participant's slots it holds, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<usize>,
    /// The places of publishers at the destination, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<Places>,
    /// What it waits for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// When something is done about it without any event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub next: Option<String>,
}

/// The rule that wants a replication, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct WantedBy {
    /// Its id.
    pub id: String,
    /// Its revision.
    pub revision: u64,
    /// Its priority.
    pub priority: u8,
    /// What of the rule fits the participant and the destination.
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
    pub holders: Vec<Holder>,
}

/// Who has a place at a destination: a participant of the stage itself, or a replica of one of another stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Holder {
    /// The participant id.
    pub participant: String,
    /// The ARN of the stage on which it publishes.
    pub stage: String,
    /// The priority of the rule behind a replica, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

/// A rule that does not apply, or of which that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UnmatchedRule {
    /// Its id.
    pub id: String,
    /// Why, in words.
    pub why: String,
    /// Whether more knowledge can still make it apply.
    pub open: bool,
}

impl From<&replication::Explanation> for Explanation {
    fn from(explained: &replication::Explanation) -> Self {
        let sentences = explained.sentences().into_iter();
        let unmatched = explained.unmatched.iter().map(|rule| UnmatchedRule {
            id: rule.id.to_string(),
            why: rule.words.clone(),
            open: rule.why.is_open(),
        });
        Self {
            participant: explained.publisher.participant.to_string(),
            stage: explained.publisher.stage.to_string(),
            stage_name: explained.stage_name.clone(),
            at: explained.at.to_string(),
            sentences: sentences.map(|told| Sentence { depth: told.depth, text: told.text }).collect(),
            publisher: explained.known.as_ref().map(Publisher::from),
            publishing: explained.publishing.into(),
            looked_at: time(explained.looked_at),
            paused: explained.control.pause.as_ref().map(Pause::from),
            observing: explained.observing,
            slots_held: explained.slots_held,
            slots: explained.slots,
            replications: explained.replications.iter().map(ExplainedReplication::from).collect(),
            unmatched: unmatched.collect(),
            next: time(explained.next()),
        }
    }
}

impl From<&replication::explain::ExplainedReplication> for ExplainedReplication {
    fn from(explained: &replication::explain::ExplainedReplication) -> Self {
        let (decision, reason) = decision(explained.decision);
        Self {
            destination: explained.destination.to_string(),
            name: explained.name.clone(),
            decision,
            reason: reason.map(BlockedReason::name),
            why: explained.why.clone(),
            drift: explained.drift().map(|drift| drift.to_string()),
            replica: explained.replica.as_ref().map(Replica::from),
            wanted_by: explained.wanted.as_ref().map(|rule| WantedBy {
                id: rule.id.to_string(),
                revision: rule.revision,
                priority: rule.priority,
                because: rule.because.clone(),
                until: time(rule.until),
            }),
            wanted_too: explained.wanted_too.iter().map(ToString::to_string).collect(),
            slot: explained.slot.map(|slot| slot.number),
            places: explained.places.as_ref().map(Places::from),
            waits_for: explained.waits_for.as_ref().map(ToString::to_string),
            next: time(explained.next),
        }
    }
}

impl From<&replication::explain::Places> for Places {
    fn from(places: &replication::explain::Places) -> Self {
        let holders = places
            .holders
            .iter()
            .map(|(holder, priority)| Holder { priority: *priority, ..Holder::from(holder) });
        Self {
            taken: places.taken,
            of: places.of,
            has_one: places.has_one,
            in_line: places.in_line,
            holders: holders.collect(),
        }
    }
}

impl From<&occupancy::Holder> for Holder {
    fn from(holder: &occupancy::Holder) -> Self {
        let publisher = holder.publisher();
        Self {
            participant: publisher.participant.to_string(),
            stage: publisher.stage.to_string(),
            priority: None,
        }
    }
}

/// A decision as one word, and the reason if it is one of not having what is wanted.
fn decision(decision: Decision) -> (&'static str, Option<BlockedReason>) {
    match decision {
        Decision::Start => ("start", None),
        Decision::Stop => ("stop", None),
        Decision::Verify => ("verify", None),
        Decision::Keep => ("keep", None),
        Decision::Hold => ("hold", None),
        Decision::Brake => ("brake", None),
        Decision::Wait => ("wait", None),
        Decision::Defer => ("defer", None),
        Decision::Block(reason) => ("block", Some(reason)),
        Decision::Rest => ("rest", None),
        Decision::Foreign => ("foreign", None),
    }
}
