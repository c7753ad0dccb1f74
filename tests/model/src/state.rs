//! A state of a small world: what is the case, what is stored, and what is under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::Write;
use replication::{
    Capabilities, Crowd, Lease, Moment, Observation, Outcome, Plan, PublisherKey, SecondWitness, StageArn,
    Step, View,
};

use crate::ivs::Ivs;
use crate::table::{NotWritten, Stops, Table};
use crate::world::{World, at};

/// Everything at one time.
#[derive(Debug, Clone)]
pub struct State {
    /// The time, in ticks.
    pub(crate) now: i64,
    pub(crate) ivs: Ivs,
    pub(crate) table: Arc<Table>,
    /// Messages under way. They come in any order.
    pub(crate) mail: Vec<Letter>,
    /// Functions that wait for something.
    pub(crate) runs: Vec<Arc<Run>>,
    /// How many functions there were: each has a name of its own.
    pub(crate) begun: u32,
    pub(crate) doings_left: u8,
    pub(crate) faults_left: u8,
}

impl State {
    pub(crate) fn of(world: &World) -> Self {
        Self {
            now: 0,
            ivs: Ivs::of(world),
            table: Arc::new(Table::of(world)),
            mail: Vec::new(),
            runs: Vec::new(),
            begun: 0,
            doings_left: world.spec.doings,
            faults_left: world.spec.faults,
        }
    }

    pub(crate) fn table_mut(&mut self) -> &mut Table {
        Arc::make_mut(&mut self.table)
    }

    /// Writes everything to the table, or nothing.
    pub(crate) fn write(&mut self, write: &Write, stops: Option<&Stops>) -> Result<(), NotWritten> {
        let now = at(self.now);
        self.table_mut().write(write, stops, now)
    }
}

/// What wakes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// An event of IVS.
    Event(Observation),
    /// What a sweep has read, and not handed on yet.
    Read(Observation),
    /// A rule of this stage changed.
    Rules(StageArn),
}

/// A message under way.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) message: Arc<Message>,
    /// Whether it may come at any time. If not, it comes before time passes.
    pub(crate) is_late: bool,
}

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It is over before time passes.
    Prompt,
    /// It is over before its lease is.
    Slow,
    /// It may take as long as it will.
    Late,
}

/// A function, by what it may call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) can: Capabilities,
}

const NOTHING: Capabilities =
    Capabilities { start: false, stop: false, verify: false, get_stage: false, get_participant: false };

impl Function {
    pub(crate) const DISPATCH: Self =
        Self { name: "dispatch", can: Capabilities { start: true, stop: true, verify: true, ..NOTHING } };
    pub(crate) const RECONCILE: Self = Self { name: "reconcile", can: NOTHING };
    pub(crate) const RULE_CHANGED: Self = Self { name: "rule-changed", can: NOTHING };

    /// Who is woken by an event.
    pub(crate) fn of(news: &Observation) -> Self {
        let (name, can) = match news {
            Observation::Published { .. } => {
                ("participant-published", Capabilities { start: true, verify: true, ..NOTHING })
            }
            Observation::Unpublished { .. } => {
                ("participant-unpublished", Capabilities { stop: true, verify: true, ..NOTHING })
            }
            _ => ("replication-changed", NOTHING),
        };
        Self { name, can }
    }
}

/// One function at work for one publisher, somewhere on its way from reading to the last outcome.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) holder: Arc<str>,
    pub(crate) function: Function,
    pub(crate) publisher: PublisherKey,
    pub(crate) news: Option<Observation>,
    pub(crate) witness: Option<SecondWitness>,
    /// Destinations that had no place left.
    pub(crate) full: BTreeMap<StageArn, Crowd>,
    /// When it made the plan that it is at.
    pub(crate) planned_at: i64,
    pub(crate) pace: Pace,
    pub(crate) at: At,
}

/// How far it is.
#[derive(Debug, Clone)]
pub(crate) enum At {
    /// It has a plan, and has not written it yet.
    Writing(Box<Planned>),
    /// Its calls are under way.
    Calling(Box<Calling>),
}

/// A plan, and what it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// With the plan's changes.
    pub(crate) view: View,
    pub(crate) plan: Plan,
    pub(crate) write: Write,
    pub(crate) stops: Option<Stops>,
}

/// Calls under way.
#[derive(Debug, Clone)]
pub(crate) struct Calling {
    /// As it was stored with the intents.
    pub(crate) view: View,
    /// The same with the outcomes so far.
    pub(crate) after: View,
    /// Whether somebody else wrote one of its rows meanwhile.
    pub(crate) interfered: bool,
    pub(crate) sent_at: i64,
    pub(crate) calls: Vec<Call>,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) step: Step,
    /// What it came to, once IVS answered.
    pub(crate) answer: Option<(Outcome, Moment)>,
    /// Whether that is written.
    pub(crate) is_recorded: bool,
}

impl Run {
    /// The lease its calls are made under.
    pub(crate) fn lease(&self, world: &World) -> Lease {
        Lease::taken(&self.holder, at(self.planned_at), &world.policy)
    }

    pub(crate) fn calls(&self) -> &[Call] {
        match &self.at {
            At::Writing(_) => &[],
            At::Calling(calling) => &calling.calls,
        }
    }
}
