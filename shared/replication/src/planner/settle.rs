//! What happens to a replication by itself, whatever becomes of the others: kept, held, stopped, asked about, or left alone.

use jiff::{SignedDuration, Timestamp};

use super::Planning;
use super::truth::{Truth, evidence_for, truth};
use super::wants::Want;
use crate::moment::later;
use crate::{
    Context, Decision, Desired, Line, Operation, Owner, Phase, Publishing, Replica, ReplicationKey, Step,
};

impl Planning<'_> {
    /// Decides on a replication that a rule wants. One that has to be started is given back: it must be placed.
    pub(super) fn settle_wanted(&mut self, want: &Want<'_>) -> Option<Replica> {
        let Some(i) = self.view.position(want.destination) else {
            if matches!(self.publishing, Publishing::Yes | Publishing::Uncertain) {
                let key = ReplicationKey {
                    source: self.view.key.stage.clone(),
                    participant: self.view.key.participant.clone(),
                    destination: want.destination.clone(),
                };
                return Some(want.asked_of(Replica::new(key)));
            }
            self.line(want.line(Decision::Rest, "the participant does not publish".to_owned()));
            return None;
        };
        self.wanted[i] = true;
        let known = &self.view.replicas[i];
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
    pub(super) fn settle_unwanted(&mut self, known: &Replica) {
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
