//! The planner: from what is known of one publisher to what is to be done, with a reason for everything.
//!
//! # Guarantees
//! * Total: every view has a plan; nothing here can fail.
//! * Idempotent: once a plan's changes are in the view, planning again at the same time gives an empty plan.
//! * Every destination that a rule wants or a replication has gets exactly one line in the report.

mod truth;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::moment::later;
use crate::{
    Allowance, Blocked, BlockedReason, Decision, Desired, Lease, Line, Operation, Owner, Phase, Policy,
    Publishing, ReconnectWindow, Replica, ReplicationKey, Report, View,
};
use truth::{Truth, evidence_for, truth};
use wants::{Want, wants};

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
}

/// What is to be done: first write `changes`, then make the calls in `steps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Replications as they are to be stored before any call, each differing from the view.
    pub changes: Vec<Replica>,
    /// Calls to make. They touch different replications and may be made at the same time.
    pub steps: Vec<Step>,
    /// An action or a reason for none, for everything that was looked at.
    pub report: Report,
    /// When to plan again although no event comes; nothing if there is no such time.
    pub wake_at: Option<Timestamp>,
}

impl Plan {
    /// Whether there is nothing to write and nothing to call.
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
    Stop(ReplicationKey),
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
}

/// Plans for one publisher.
pub fn plan(view: &View, context: Context<'_>) -> Plan {
    let publishing = view.publisher.as_ref().map_or(Publishing::Unknown, |publisher| publisher.publishing());
    let (wants, unmatched) = wants(view, context.now);
    let mut planning = Planning {
        view,
        context,
        publishing,
        free_slots: 0,
        doubtful: Vec::new(),
        plan: Plan {
            changes: Vec::new(),
            steps: Vec::new(),
            report: Report { publisher: view.key.clone(), publishing, lines: Vec::new(), unmatched },
            wake_at: None,
        },
    };
    let wanted: BTreeSet<_> = wants.iter().map(|want| want.destination).collect();
    let mut starters = Vec::new();
    for want in &wants {
        if let Some(starter) = planning.settle_wanted(want) {
            starters.push((want, starter));
        }
    }
    for replica in view.replicas.iter().filter(|replica| !wanted.contains(&replica.key.destination)) {
        planning.settle_unwanted(replica);
    }
    planning.place(starters);
    planning.finish()
}

/// A plan in the making.
struct Planning<'a> {
    view: &'a View,
    context: Context<'a>,
    publishing: Publishing,
    free_slots: usize,
    doubtful: Vec<ReplicationKey>,
    plan: Plan,
}

impl Planning<'_> {
    /// Decides on a replication that a rule wants. One that has to be started is given back: it must be placed.
    fn settle_wanted(&mut self, want: &Want<'_>) -> Option<Replica> {
        let key = ReplicationKey {
            source: self.view.key.stage.clone(),
            participant: self.view.key.participant.clone(),
            destination: want.destination.clone(),
        };
        let known = self.view.replicas.iter().find(|replica| replica.key == key);
        let Some(known) = known else {
            if matches!(self.publishing, Publishing::Yes | Publishing::Uncertain) {
                return Some(want.asked_of(Replica::new(key)));
            }
            self.line(want.line(Decision::Rest, "the participant does not publish".to_owned()));
            return None;
        };
        if self.waits_for_lease(known, Some(want)) {
            return None;
        }
        match (truth(known, self.view.publisher.as_ref()), self.publishing) {
            (Truth::InDoubt, _) => self.verify(known, Some(want)),
            (Truth::Present, Publishing::No) => self.hold_or_stop(known, want),
            (Truth::Present, _) => self.keep(known, want),
            (Truth::Absent, Publishing::Yes | Publishing::Uncertain) => {
                let asked = want.asked_of(known.clone());
                let evidence = evidence_for(asked.reconnect_window, known, self.view.publisher.as_ref());
                return Some(Replica { evidence, ..asked });
            }
            (Truth::Absent, _) => self.rest(known, Some(want), "the participant does not publish"),
        }
        None
    }

    /// Decides on a replication that no rule wants. That its reconnect window is over does not prove its end: one that
    /// was not seen to end is stopped, or it might reappear with its publisher.
    fn settle_unwanted(&mut self, known: &Replica) {
        if self.waits_for_lease(known, None) {
            return;
        }
        match truth(known, None) {
            Truth::InDoubt => self.verify(known, None),
            Truth::Present if known.owner_if_running() == Owner::Foreign => self.leave(known, None),
            Truth::Present => self.stop(known, None, "no rule wants it"),
            Truth::Absent => self.rest(known, None, "no rule wants it"),
        }
    }

    fn waits_for_lease(&mut self, known: &Replica, want: Option<&Want<'_>>) -> bool {
        let Some(lease) = known.lease.as_ref().filter(|lease| self.context.now < lease.until) else {
            return false;
        };
        self.wake(lease.until);
        let why = format!("a call by {} is under way until {}", lease.holder, lease.until);
        self.line(line(known, want, Decision::Wait, &why));
        true
    }

    fn keep(&mut self, known: &Replica, want: &Want<'_>) {
        if known.owner_if_running() == Owner::Foreign {
            return self.leave(known, Some(want));
        }
        let mut after = running(known);
        after.desired = Desired::Replicated;
        after.rule = Some(want.rule_ref());
        if known.due().is_some() {
            after.settle(Phase::Active);
        }
        self.change(known, after);
        self.line(want.line(Decision::Keep, "it runs".to_owned()));
    }

    /// It runs, and is not ours to touch.
    fn leave(&mut self, known: &Replica, want: Option<&Want<'_>>) {
        let mut after = running(known);
        if known.due().is_some() {
            after.settle(Phase::Active);
        }
        self.change(known, after);
        self.line(line(known, want, Decision::Foreign, "somebody else started it"));
    }

    /// The publisher is gone. IVS ends the replica when the reconnect window is over; what it did not end by then, plus a
    /// grace, is stopped.
    fn hold_or_stop(&mut self, known: &Replica, want: &Want<'_>) {
        if known.owner_if_running() == Owner::Foreign {
            return self.leave(known, Some(want));
        }
        let left = self.view.publisher.as_ref().and_then(|publisher| publisher.evidence.off);
        let left = left.map_or(self.context.now, |off| off.latest());
        let release_at = later(left, known.reconnect_window.duration() + self.context.policy.release_grace);
        if release_at <= self.context.now {
            return self.stop(
                known,
                Some(want),
                "the participant does not publish, and its reconnect window is over",
            );
        }
        let mut after = running(known);
        after.settle(Phase::Active);
        after.desired = Desired::Released;
        after.next_attempt = Some(release_at);
        self.change(known, after);
        self.wake(release_at);
        self.line(
            want.line(Decision::Hold, format!("the participant may come back; released at {release_at}")),
        );
    }

    fn stop(&mut self, known: &Replica, want: Option<&Want<'_>>, why: &str) {
        let now = self.context.now;
        if let Some(at) = known.next_attempt.filter(|at| known.attempts > 0 && now < *at) {
            self.change(known, Replica { lease: None, ..known.clone() });
            self.wake(at);
            return self.line(line(known, want, Decision::Wait, &format!("{why}; tried again at {at}")));
        }
        if !self.may(Operation::Stop) {
            let due = known.next_attempt.filter(|_| known.desired == Desired::Released);
            let due = due.map_or(now, |due| due.min(now));
            let after = Replica {
                desired: Desired::Released,
                next_attempt: Some(due),
                lease: None,
                ..running(known)
            };
            self.change(known, after);
            return self.line(line(
                known,
                want,
                Decision::Defer,
                &format!("{why}; to be stopped since {due}"),
            ));
        }
        let after = Replica {
            phase: Phase::Stopping,
            desired: Desired::Released,
            attempts: known.attempts + 1,
            next_attempt: None,
            lease: Some(self.lease()),
            ..running(known)
        };
        self.change(known, after);
        self.call(Step::Stop(known.key.clone()));
        self.line(line(known, want, Decision::Stop, why));
    }

    fn rest(&mut self, known: &Replica, want: Option<&Want<'_>>, why: &str) {
        let mut after = Replica { desired: Desired::Released, owner: Owner::Nobody, ..known.clone() };
        if known.phase != Phase::Stopped || known.due().is_some() {
            after.settle(Phase::Stopped);
        }
        self.change(known, after);
        self.line(line(known, want, Decision::Rest, why));
    }

    /// Nobody can tell whether it runs: an earlier call has no recorded outcome, or was refused, or the news cannot be told
    /// apart in time.
    fn verify(&mut self, known: &Replica, want: Option<&Want<'_>>) {
        let due = match known.next_attempt {
            Some(retry_at) if known.attempts > 0 => retry_at,
            other => self.worth_asking_at(known).min(other.unwrap_or(Timestamp::MAX)),
        };
        let owner = if known.is_unrecorded_start() { Owner::Stagelink } else { known.owner };
        if self.context.now < due {
            self.change(known, Replica { owner, next_attempt: Some(due), lease: None, ..known.clone() });
            self.wake(due);
            return self.line(line(known, want, Decision::Wait, &format!("in doubt; asked of IVS at {due}")));
        }
        if !self.may(Operation::List) && self.doubtful.is_empty() {
            self.change(known, Replica { next_attempt: Some(due), ..known.clone() });
            let why = "in doubt; left to a function that may ask IVS";
            return self.line(line(known, want, Decision::Defer, why));
        }
        self.change(known, Replica { owner, next_attempt: None, lease: Some(self.lease()), ..known.clone() });
        self.doubtful.push(known.key.clone());
        self.line(line(known, want, Decision::Verify, "in doubt"));
    }

    /// From when on the answer of IVS is newer than the news that left the doubt. Until a second is over, nothing seen in
    /// it is newer than an event of that whole second.
    fn worth_asking_at(&self, known: &Replica) -> Timestamp {
        let Context { now, policy, .. } = self.context;
        if matches!(known.phase, Phase::Starting | Phase::Stopping) {
            return now;
        }
        let newest = known.evidence.on.max(known.evidence.off).map_or(now, |newest| newest.latest());
        later(newest, SignedDuration::from_nanos(1)).clamp(now, later(now, policy.backoff_cap))
    }

    /// Gives the free slots to those that have to be started, highest priority first.
    fn place(&mut self, starters: Vec<(&Want<'_>, Replica)>) {
        let starting: BTreeSet<_> = starters.iter().map(|(_, replica)| &replica.key).collect();
        let changed = |replica: &Replica| {
            let change = self.plan.changes.iter().find(|change| change.key == replica.key);
            change.unwrap_or(replica).holds_slot()
        };
        let held =
            self.view.replicas.iter().filter(|r| !starting.contains(&r.key)).filter(|r| changed(r)).count();
        self.free_slots = self.context.policy.slots_per_participant.saturating_sub(held);
        for (want, replica) in starters {
            self.start(want, replica);
        }
    }

    fn start(&mut self, want: &Want<'_>, asked: Replica) {
        let (now, policy) = (self.context.now, self.context.policy);
        let known = self.view.replicas.iter().find(|replica| replica.key == asked.key).cloned();
        let known = known.unwrap_or_else(|| Replica::new(asked.key.clone()));
        let wait = self.wait_before_start(&known);
        if let Some((at, why)) = wait.filter(|(at, _)| now < *at) {
            let mut after = Replica { next_attempt: None, lease: None, ..asked };
            if !matches!(after.phase, Phase::Blocked(_)) {
                after.phase = Phase::Pending;
                after.next_attempt = Some(at);
            }
            if after.will_be_tried_soon() {
                self.free_slots = self.free_slots.saturating_sub(1);
            }
            self.change(&known, after);
            self.wake(at);
            return self.line(want.line(Decision::Wait, format!("{why}; tried again at {at}")));
        }
        if self.free_slots == 0 {
            let reason = BlockedReason::ParticipantSlotsFull;
            let phase = Phase::Blocked(Blocked { reason, until: None });
            self.change(&known, Replica { phase, next_attempt: None, lease: None, ..asked });
            let slots = policy.slots_per_participant;
            let why = format!("all {slots} concurrent replications of the participant are taken");
            return self.line(want.line(Decision::Block(reason), why));
        }
        self.free_slots -= 1;
        if !self.may(Operation::Start) {
            let due = known.next_attempt.filter(|_| known.phase == Phase::Pending).unwrap_or(now);
            let phase = Phase::Pending;
            self.change(&known, Replica { phase, next_attempt: Some(due), lease: None, ..asked });
            return self.line(want.line(Decision::Defer, format!("to be started since {due}")));
        }
        let after = Replica {
            phase: Phase::Starting,
            attempts: known.attempts + 1,
            next_attempt: None,
            lease: Some(self.lease()),
            last_error: None,
            ..asked
        };
        let Replica { key, reconnect_window, attributes, .. } = after.clone();
        self.call(Step::Start(StartRequest { key, reconnect_window, attributes }));
        self.change(&known, after);
        let why = match self.publishing {
            Publishing::Uncertain => "it may publish; the answer will tell",
            _ => "it publishes",
        };
        self.line(want.line(Decision::Start, why.to_owned()));
    }

    /// Until when a start has to wait, and why.
    fn wait_before_start(&self, known: &Replica) -> Option<(Timestamp, &'static str)> {
        let published = self.view.publisher.as_ref().and_then(|publisher| publisher.evidence.on);
        match &known.phase {
            Phase::Blocked(Blocked { reason: BlockedReason::NotPublishing, .. })
                if published.map(|on| on.earliest()) > known.last_error.as_ref().map(|error| error.at) =>
            {
                None
            }
            Phase::Blocked(blocked) => blocked.until.map(|until| (until, blocked.reason.name())),
            Phase::Active => {
                // It ended although nobody wanted that. Mostly its publisher has just left, and that news is on its way.
                let ended = known.evidence.off?;
                let came_back = published.is_some_and(|on| ended.certainly_before(on));
                let restart_at = later(ended.latest(), self.context.policy.restart_grace);
                (!came_back).then_some((restart_at, "it ended by itself"))
            }
            Phase::Pending | Phase::Stopped => known.next_attempt.map(|at| (at, "a wait is not over")),
            Phase::Starting | Phase::Stopping => None,
        }
    }

    /// Whether the executor may make one more call of this kind, and the budget has one left.
    fn may(&mut self, operation: Operation) -> bool {
        let can = self.context.can;
        let given = match operation {
            Operation::Start => can.start,
            Operation::Stop => can.stop,
            Operation::List => can.verify,
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
        let stored = self.view.replicas.iter().any(|replica| replica.key == before.key);
        if !stored || *before != after {
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
        self.plan
    }
}

/// The replication as it is once it is known to run.
fn running(known: &Replica) -> Replica {
    let mut running = Replica { owner: known.owner_if_running(), ..known.clone() };
    if known.phase != Phase::Active {
        running.settle(Phase::Active);
    }
    running
}

fn line(known: &Replica, want: Option<&Want<'_>>, decision: Decision, why: &str) -> Line {
    match want {
        Some(want) => want.line(decision, why.to_owned()),
        None => {
            Line { destination: known.key.destination.clone(), rule: None, decision, why: why.to_owned() }
        }
    }
}
