//! The planner: from what is known of one publisher to what is to be done, with a reason for everything.
//!
//! # Guarantees
//! * Total: every view has a plan; nothing here can fail.
//! * Idempotent: once a plan's changes are in the view, planning again at the same time gives an empty plan.
//! * Every destination that a rule wants or a replication has gets exactly one line in the report.

mod brake;
mod place;
mod settle;
mod truth;
mod undecided;
mod wants;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    Allowance, Eviction, HandsOff, Lease, Line, Operation, Policy, Publishing, Question, ReconnectWindow,
    Replica, ReplicationKey, Report, SecondWitness, StopRequest, View,
};
use settle::Settled;
use undecided::undecided;
pub(crate) use wants::wants;

/// What the planner needs to know beside the view.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The present time.
    pub now: Timestamp,
    /// Limits and spans of time.
    pub policy: &'a Policy,
    /// The calls the executor may make; other work is left to be done by somebody who may.
    pub can: Capabilities,
    /// How many of these calls the budget has left; other work waits for its turn.
    pub allowance: Allowance,
    /// Who will hold the leases: the Lambda request id.
    pub holder: &'a str,
    /// What a sweep says of the publisher beside what the view does, if it says anything.
    pub witness: Option<&'a SecondWitness>,
}

/// The IVS calls that an executor may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// StartParticipantReplication.
    pub start: bool,
    /// StopParticipantReplication.
    pub stop: bool,
    /// ListParticipantReplicas.
    pub verify: bool,
    /// GetStage.
    pub get_stage: bool,
    /// GetParticipant.
    pub get_participant: bool,
}

/// What is to be done: first ask what is in `asks`, and plan again; else write `changes`, then make the calls in `steps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the executor may ask IVS, and the plan depends on.
    pub asks: Vec<Question>,
    /// Replications as they are to be stored before any call, each differing from the view.
    pub changes: Vec<Replica>,
    /// Calls to make. They touch different replications and may be made at the same time.
    pub steps: Vec<Step>,
    /// Running replicas of other publishers that have to give way, because their destination is full.
    pub evictions: Vec<Eviction>,
    /// An action or a reason for none, for everything that was looked at.
    pub report: Report,
    /// When to plan again although no event comes; nothing if there is no such time. The end of a rule under which a
    /// replica runs is none: it may be hours away, and is in the store for whoever does what is due.
    pub wake_at: Option<Timestamp>,
}

impl Plan {
    /// Whether there is nothing to write and nothing to call, questions aside.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.steps.is_empty()
    }
}

/// One IVS call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// StartParticipantReplication.
    Start(StartRequest),
    /// StopParticipantReplication.
    Stop(StopRequest),
    /// One ListParticipantReplicas for the publisher, to learn of these replications.
    Verify(Vec<ReplicationKey>),
}

/// What StartParticipantReplication is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRequest {
    /// The replication.
    pub key: ReplicationKey,
    /// How long IVS keeps the replica when its publisher drops out.
    pub reconnect_window: ReconnectWindow,
    /// Attributes of the replica participant; at most 1 KB.
    pub attributes: BTreeMap<String, String>,
    /// Since when its publisher has been publishing without it, if this is the first one since then, was asked for while that
    /// was live ([`Policy::live_for`]), and waited for nobody but Stagelink and IVS. Until IVS accepts, that is the replication
    /// latency.
    pub waiting_since: Option<Timestamp>,
}

/// Plans for one publisher.
pub fn plan(view: &View, context: Context<'_>) -> Plan {
    let publishing = view.publisher.as_ref().map_or(Publishing::Unknown, |publisher| publisher.publishing());
    let (wants, unmatched) = wants(view, context.now);
    let mut planning = Planning {
        view,
        context,
        publishing,
        wanted: vec![false; view.replicas.len()],
        free_slots: 0,
        doubtful: Vec::new(),
        plan: Plan {
            asks: Vec::new(),
            changes: Vec::new(),
            steps: Vec::new(),
            evictions: Vec::new(),
            report: Report { publisher: view.key.clone(), publishing, lines: Vec::new(), unmatched },
            wake_at: None,
        },
    };
    let (mut runners, mut starters) = (Vec::new(), Vec::new());
    for want in &wants {
        match planning.settle_wanted(want) {
            Settled::Runs(known) => runners.push((want, known)),
            Settled::ToStart(asked) => starters.push((want, *asked)),
            Settled::Done => {}
        }
    }
    for (i, replica) in view.replicas.iter().enumerate() {
        if planning.wanted[i] {
            continue;
        }
        match undecided(view, replica, context.now) {
            Some((want, why)) => planning.settle_undecided(replica, Some(&want), why.to_string()),
            None if view.is_of_unreadable_rule(replica, context.now) => {
                planning.settle_undecided(replica, None, "its rule cannot be read".to_owned());
            }
            None => planning.settle_unwanted(replica),
        }
    }
    planning.place(&runners, starters);
    planning.finish()
}

/// A plan in the making.
struct Planning<'a> {
    view: &'a View,
    context: Context<'a>,
    publishing: Publishing,
    /// Which of the view's replications a rule wants.
    wanted: Vec<bool>,
    free_slots: usize,
    doubtful: Vec<ReplicationKey>,
    plan: Plan,
}

impl<'a> Planning<'a> {
    /// Why nothing may be started or stopped, if so.
    fn hands_off(&self) -> Option<HandsOff<'a>> {
        HandsOff::of(self.context.policy, &self.view.control)
    }

    /// Whether the executor may make one more call of this kind, and the budget has one left.
    fn may(&mut self, operation: Operation) -> bool {
        let can = self.context.can;
        let given = match operation {
            Operation::Start => can.start,
            Operation::Stop => can.stop,
            Operation::List => can.verify,
            Operation::GetStage => can.get_stage,
            Operation::GetParticipant => can.get_participant,
            Operation::ListStages
            | Operation::UpdateStage
            | Operation::ListStageSessions
            | Operation::ListParticipants
            | Operation::ListParticipantEvents => false,
        };
        given && *self.context.allowance.left(operation) > 0
    }

    fn call(&mut self, step: Step) {
        self.context.allowance = self.context.allowance.after(std::slice::from_ref(&step));
        self.plan.steps.push(step);
    }

    fn lease(&self) -> Lease {
        Lease::taken(self.context.holder, self.context.now, self.context.policy)
    }

    fn change(&mut self, before: &Replica, after: Replica) {
        if *before != after {
            self.plan.changes.push(after);
        }
    }

    fn line(&mut self, line: Line) {
        self.plan.report.lines.push(line);
    }

    fn wake(&mut self, at: Timestamp) {
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |other| other.min(at)));
    }

    fn finish(mut self) -> Plan {
        if !self.doubtful.is_empty() {
            let doubtful = std::mem::take(&mut self.doubtful);
            self.call(Step::Verify(doubtful));
        }
        self.plan.asks = self.asks();
        self.plan
    }
}
