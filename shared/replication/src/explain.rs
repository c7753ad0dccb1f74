//! Why a participant is, or is not, on the stages that rules mean: the whole chain, as a value and in sentences.
//!
//! The judgement is the planner's own: [`explain()`] asks it what a function would do that looks at the participant now, may
//! make every call, and finds a free call for each. What is known beside that (a lease, a queue, a full destination) says why it
//! has not been done yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::occupancy::{Holder, PLACES, in_line};
use crate::planner::wants;
use crate::sweep::{Inventory, StageKnowledge};
use crate::{
    Allowance, BlockedReason, Capabilities, Context, Control, Crowd, Decision, Desired, Evidence, Line,
    Match, Mode, Occupant, Owner, Phase, Plan, Policy, Publisher, PublisherKey, Publishing, Replica,
    ReplicationKey, RuleId, StageArn, Unmatched, View, plan,
};

mod sentences;
mod unknown;
mod unmatched;
mod waits;

pub use sentences::{Sentence, ago};
pub use unknown::{ActiveStage, Unknown};
pub use waits::WaitsFor;

/// Every call: what one function may not do, another does.
const ALL: Capabilities =
    Capabilities { start: true, stop: true, verify: true, get_stage: true, get_participant: true };

/// What is known beside a publisher's own view: the stages it could appear on.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The source stage and the destinations, as far as anything is known of them.
    pub stages: BTreeMap<StageArn, StageFacts>,
}

/// What is known of one stage.
#[derive(Debug, Clone, Default)]
pub struct StageFacts {
    /// What sweeps learnt of it: its name, its tags, when it was looked at.
    pub knowledge: Option<StageKnowledge>,
    /// Who has a place there; nothing if it is no destination.
    pub occupants: Option<BTreeSet<Occupant>>,
    /// Replications to it, of those who have a place there and those who wait for one; may be empty where it is not full.
    pub replicas: Vec<Replica>,
}

/// Everything that is to be said of a participant and its replications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Who.
    pub publisher: PublisherKey,
    /// The time that everything is said of.
    pub at: Timestamp,
    /// The name of its stage, if one is known.
    pub stage_name: Option<String>,
    /// When a sweep looked at its stage last.
    pub looked_at: Option<Timestamp>,
    /// What is known of it; nothing if there is no news of it.
    pub known: Option<Publisher>,
    /// Whether it publishes, by all news together.
    pub publishing: Publishing,
    /// What is ordered for all stages.
    pub control: Control,
    /// Whether functions only observe, as far as its replications say.
    pub observing: bool,
    /// How many of its replications hold a slot now.
    pub slots_held: usize,
    /// How many slots there are.
    pub slots: usize,
    /// Rules that could mean its stage.
    pub rules: usize,
    /// Each destination that a rule wants or a replication has, in the order in which slots are given.
    pub replications: Vec<ExplainedReplication>,
    /// Rules that do not apply, or of which that is not known, and why.
    pub unmatched: Vec<UnmatchedRule>,
}

/// One destination of a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedReplication {
    /// The destination stage.
    pub destination: StageArn,
    /// Its name, if one is known.
    pub name: Option<String>,
    /// The replication as it is stored; nothing if there is none yet.
    pub replica: Option<Replica>,
    /// The rule that wants it now.
    pub wanted: Option<WantedBy>,
    /// Rules of lower rank that want it, too.
    pub wanted_too: Vec<RuleId>,
    /// What would be done with it now.
    pub decision: Decision,
    /// Why, in the planner's words.
    pub why: String,
    /// Which of the participant's slots it holds.
    pub slot: Option<Slot>,
    /// The places at the destination, if it is one of which that is known.
    pub places: Option<Places>,
    /// What it waits for, if it does.
    pub waits_for: Option<WaitsFor>,
    /// When something is done about it without any event; nothing if nothing is to do.
    pub next: Option<Timestamp>,
}

/// The rule that wants a replication, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBy {
    /// Its id.
    pub id: RuleId,
    /// Its revision.
    pub revision: u64,
    /// Its priority.
    pub priority: u8,
    /// What of the rule fits the participant and the destination, in words.
    pub because: String,
    /// When it expires.
    pub until: Option<Timestamp>,
}

/// A slot: one of the replications that IVS allows a participant, in the order in which they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// From 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// The places of publishers at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// How many are taken.
    pub taken: usize,
    /// How many there are.
    pub of: usize,
    /// Whether this replication has one of them.
    pub has_one: bool,
    /// Where it stands among those who wait for one, from 1.
    pub in_line: Option<usize>,
    /// Who has them, if all are taken; with the priority of the rule behind a replica, where that is known.
    pub holders: Vec<(Holder, Option<u8>)>,
}

/// A rule that does not apply, or of which that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedRule {
    /// Its id.
    pub id: RuleId,
    /// Why.
    pub why: Unmatched,
    /// The same in words, with what the rule says and what is the case.
    pub words: String,
}

impl Surroundings {
    /// What an inventory knows of these stages.
    pub fn of<'a>(inventory: &Inventory, stages: impl IntoIterator<Item = &'a StageArn>) -> Self {
        let facts = |stage: &StageArn| {
            let items = inventory.stages.get(stage);
            StageFacts {
                knowledge: items.and_then(|items| items.knowledge.clone()),
                occupants: items.and_then(|items| items.occupants.clone()),
                replicas: inventory.replicas_to(stage).cloned().collect(),
            }
        };
        Self { stages: stages.into_iter().map(|stage| (stage.clone(), facts(stage))).collect() }
    }

    /// The name of a stage, if one is known.
    pub fn name(&self, stage: &StageArn) -> Option<String> {
        let known = self.stages.get(stage)?.knowledge.as_ref()?;
        Some(known.listed.name.clone()).filter(|name| !name.is_empty())
    }
}

/// Explains everything that is known around one publisher, at `now`.
pub fn explain(view: &View, around: &Surroundings, policy: &Policy, now: Timestamp) -> Explanation {
    let observing = view.replicas.iter().any(|replica| is_blocked(replica, BlockedReason::Observing));
    let mode = if observing { Mode::Observe } else { policy.mode };
    let policy = Policy { mode, ..policy.clone() };
    let view = &View { full: full(view, around), ..view.clone() };
    let context = Context {
        now,
        policy: &policy,
        can: ALL,
        allowance: Allowance::UNLIMITED,
        holder: "explain",
        witness: None,
    };
    let plan = plan(view, context);
    let knowledge = around.stages.get(&view.key.stage).and_then(|facts| facts.knowledge.as_ref());
    Explanation {
        publisher: view.key.clone(),
        at: now,
        stage_name: around.name(&view.key.stage),
        looked_at: knowledge.and_then(|known| known.looked_at),
        known: view.publisher.clone(),
        publishing: plan.report.publishing,
        control: view.control.clone(),
        observing,
        slots_held: view.replicas.iter().filter(|replica| replica.holds_slot()).count(),
        slots: policy.slots_per_participant,
        rules: view.rules.len(),
        replications: replications(view, around, &plan, &policy, now),
        unmatched: unmatched::rules(view, &plan.report.unmatched),
    }
}

/// The same of a publisher in an inventory, which has everything around it.
pub fn explain_in(
    inventory: &Inventory,
    publisher: &PublisherKey,
    policy: &Policy,
    now: Timestamp,
) -> Explanation {
    // Also the rules that select their stages and do not mean this one: as a function reads them.
    let rules = inventory.rules.iter().filter(|rule| rule.covers(&publisher.stage, None) != Match::No);
    let view = View { rules: rules.cloned().collect(), ..inventory.view(publisher) };
    let alone = explain(&view, &Surroundings::default(), policy, now);
    explain(&view, &Surroundings::of(inventory, alone.stages()), policy, now)
}

impl Explanation {
    /// The stages that it speaks of: its publisher's, and the destinations in the order in which slots are given.
    pub fn stages(&self) -> impl Iterator<Item = &StageArn> {
        [&self.publisher.stage].into_iter().chain(self.replications.iter().map(|of| &of.destination))
    }

    /// What is said of one destination only.
    pub fn only(mut self, destination: &StageArn) -> Self {
        self.replications.retain(|of| of.destination == *destination);
        self
    }

    /// When something is done next although no event comes.
    pub fn next(&self) -> Option<Timestamp> {
        self.replications.iter().filter_map(|of| of.next).min()
    }

    /// News of the participant's publishing.
    pub fn evidence(&self) -> Evidence {
        self.known.as_ref().map(|known| known.evidence).unwrap_or_default()
    }
}

impl ExplainedReplication {
    /// How what runs differs from what the rules want, if it does.
    pub fn drift(&self) -> Option<Drift> {
        match self.decision {
            Decision::Start | Decision::Block(_) => Some(Drift::Missing),
            Decision::Stop | Decision::Brake => Some(Drift::Unwanted),
            Decision::Keep | Decision::Foreign | Decision::Rest => None,
            Decision::Verify | Decision::Hold | Decision::Wait | Decision::Defer => {
                self.replica.as_ref().and_then(Drift::of)
            }
        }
    }
}

/// How a replication differs from what is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drift {
    /// It should run and does not.
    Missing,
    /// It runs, and should not.
    Unwanted,
}

impl Drift {
    /// What a stored replication says of itself.
    pub fn of(replica: &Replica) -> Option<Self> {
        match (replica.desired, &replica.phase) {
            (Desired::Replicated, Phase::Active) => None,
            (Desired::Replicated, _) => Some(Self::Missing),
            (Desired::Released, Phase::Active | Phase::Stopping) if replica.owner != Owner::Foreign => {
                Some(Self::Unwanted)
            }
            (Desired::Released, _) => None,
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "wanted, does not run",
            Self::Unwanted => "runs, not wanted",
        })
    }
}

/// Destinations without a free place for who has none there, as a function would find them that asks for one.
fn full(view: &View, around: &Surroundings) -> BTreeMap<StageArn, Crowd> {
    let full = around.stages.iter().filter(|(stage, facts)| {
        let taken = facts.occupants.as_ref().map_or(0, BTreeSet::len);
        let has_one = view.replica(stage).is_some_and(Replica::holds_slot);
        taken >= PLACES && !has_one
    });
    full.map(|(stage, facts)| (stage.clone(), Crowd::of(&facts.replicas))).collect()
}

fn replications(
    view: &View,
    around: &Surroundings,
    plan: &Plan,
    policy: &Policy,
    now: Timestamp,
) -> Vec<ExplainedReplication> {
    let (order, _) = wants(view, now);
    let rank = |stage: &StageArn| order.iter().position(|want| want.destination == stage);
    let mut lines: Vec<_> = plan.report.lines.iter().collect();
    // What no rule wants has the slots that are left.
    lines.sort_by_key(|line| (rank(&line.destination).unwrap_or(usize::MAX), &line.destination));
    let slots = slots(view, policy, now);
    let explained = lines.into_iter().map(|line| {
        let destination = &line.destination;
        let replica = view.replica(destination).cloned();
        let planned = plan.changes.iter().find(|change| change.key.destination == *destination);
        let planned = planned.or(replica.as_ref());
        let want = order.iter().find(|want| want.destination == destination);
        let too = view.rules.iter().filter(|rule| {
            want.is_some_and(|want| want.rule.id != rule.id)
                && rule.wants(view, destination, now) == Match::Yes
        });
        let places = around.stages.get(destination).and_then(|facts| {
            let key = ReplicationKey {
                source: view.key.stage.clone(),
                participant: view.key.participant.clone(),
                destination: destination.clone(),
            };
            places(&key, facts, now)
        });
        ExplainedReplication {
            destination: destination.clone(),
            name: around.name(destination),
            wanted: wanted_by(line, want.is_some(), view),
            wanted_too: too.map(|rule| rule.id.clone()).collect(),
            decision: line.decision,
            why: line.why.clone().into_owned(),
            slot: slots.get(destination).copied(),
            places,
            waits_for: waits::of(line, replica.as_ref(), planned, &view.control, now),
            next: next(line.decision, replica.as_ref(), planned, now),
            replica,
        }
    });
    explained.collect()
}

/// The slots that the participant's replications hold, numbered in the order in which slots are given: by the rules that want
/// them, then those that no rule wants.
pub fn slots(view: &View, policy: &Policy, now: Timestamp) -> BTreeMap<StageArn, Slot> {
    let (order, _) = wants(view, now);
    let rank = |stage: &StageArn| order.iter().position(|want| want.destination == stage);
    let holding = view.replicas.iter().filter(|replica| replica.holds_slot());
    let mut holding: Vec<_> = holding.map(|replica| &replica.key.destination).collect();
    holding.sort_by_key(|stage| (rank(stage).unwrap_or(usize::MAX), *stage));
    let of = policy.slots_per_participant;
    let numbered = holding.into_iter().enumerate();
    numbered.map(|(i, stage)| (stage.clone(), Slot { number: i + 1, of })).collect()
}

/// The rule that a line of the report is about. Where it is not decided on, it is still the reason for leaving things as they are.
fn wanted_by(line: &Line, decided: bool, view: &View) -> Option<WantedBy> {
    let rule = view.rules.iter().find(|rule| Some(&rule.id) == line.rule.as_ref())?;
    Some(WantedBy {
        id: rule.id.clone(),
        revision: rule.revision,
        priority: rule.priority,
        because: match decided {
            true => unmatched::because(rule, view, &line.destination),
            false => "that cannot be decided yet".to_owned(),
        },
        until: rule.expires_at,
    })
}

/// When something is done about a replication. What could be done now, and is not, is due.
fn next(
    decision: Decision,
    stored: Option<&Replica>,
    planned: Option<&Replica>,
    now: Timestamp,
) -> Option<Timestamp> {
    match decision {
        Decision::Start | Decision::Stop | Decision::Verify | Decision::Defer => {
            Some(stored.and_then(Replica::due).map_or(now, |due| due.max(now)))
        }
        _ => planned.and_then(Replica::due),
    }
}

fn places(key: &ReplicationKey, facts: &StageFacts, now: Timestamp) -> Option<Places> {
    let occupants = facts.occupants.as_ref()?;
    let waiting = in_line(&facts.replicas, now);
    let priority = |holder: &Holder| {
        let Holder::Replica(key) = holder else { return None };
        let replica = facts.replicas.iter().find(|replica| replica.key == *key)?;
        replica.rule.as_ref().map(|rule| rule.priority)
    };
    let holders = occupants.iter().filter(|_| occupants.len() >= PLACES);
    let holders = holders.filter_map(|occupant| occupant.on(&key.destination));
    Some(Places {
        taken: occupants.len(),
        of: PLACES,
        has_one: occupants.contains(&Occupant::replica(key)),
        in_line: waiting.iter().position(|replica| replica.key == *key).map(|i| i + 1),
        holders: holders.map(|holder| (holder.clone(), priority(&holder))).collect(),
    })
}

fn is_blocked(replica: &Replica, reason: BlockedReason) -> bool {
    replica.blocked().is_some_and(|blocked| blocked.reason == reason)
}
