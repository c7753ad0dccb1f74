//! What happens to a replication by itself, whatever becomes of the others: kept, held, stopped, asked about, or left alone.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::Planning;
use super::brake::Clearance;
use super::truth::{Truth, evidence_for, truth};
use super::wants::Want;
use crate::moment::later;
use crate::{
    Context, Decision, Desired, Line, Operation, Owner, Phase, Publishing, Replica, ReplicationKey, Step,
    StopReason, StopRequest,
};

/// What a replication that a rule wants came to.
pub(super) enum Settled<'a> {
    /// All is decided.
    Done,
    /// It runs as it should, and may be asked to leave its slot to others.
    Runs(&'a Replica),
    /// It has to be started, and needs a slot.
    ToStart(Box<Replica>),
}

impl<'a> Planning<'a> {
    /// Decides on a replication that a rule wants, as far as it does not depend on the others.
    pub(super) fn settle_wanted(&mut self, want: &Want<'_>) -> Settled<'a> {
        let Some(i) = self.view.position(want.destination) else {
            if matches!(self.publishing, Publishing::Yes | Publishing::Uncertain) {
                let key = ReplicationKey {
                    source: self.view.key.stage.clone(),
                    participant: self.view.key.participant.clone(),
                    destination: want.destination.clone(),
                };
                return Settled::ToStart(Box::new(want.asked_of(Replica::new(key))));
            }
            self.line(want.line(Decision::Rest, "the participant does not publish"));
            return Settled::Done;
        };
        self.wanted[i] = true;
        let known = &self.view.replicas[i];
        if self.waits_for_lease(known, Some(want)) {
            return Settled::Done;
        }
        match (truth(known, self.view.publisher.as_ref()), self.publishing) {
            (Truth::InDoubt, _) => self.verify(known, Some(want)),
            (Truth::Present, Publishing::No) => self.hold_or_stop(known, Some(want)),
            (Truth::Present, _) if known.owner_if_running() == Owner::Foreign => {
                self.leave(known, Some(want))
            }
            (Truth::Present, _) => return Settled::Runs(known),
            (Truth::Absent, Publishing::Yes | Publishing::Uncertain) => {
                let asked = want.asked_of(known.clone());
                let evidence = evidence_for(asked.reconnect_window, known, self.view.publisher.as_ref());
                // What runs there from now on, before our next Start, is somebody else's.
                let owner = if known.has_ended() { Owner::Nobody } else { known.owner };
                return Settled::ToStart(Box::new(Replica { evidence, owner, braked: None, ..asked }));
            }
            (Truth::Absent, _) => self.rest(known, Some(want), "the participant does not publish"),
        }
        Settled::Done
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
            Truth::Present => self.stop(known, None, self.why_unwanted(known)),
            Truth::Absent => self.rest(known, None, "no rule wants it"),
        }
    }

    pub(super) fn waits_for_lease(&mut self, known: &Replica, want: Option<&Want<'_>>) -> bool {
        let Some(lease) = known.lease.as_ref().filter(|_| known.is_leased(self.context.now)) else {
            return false;
        };
        self.wake(lease.until);
        let why = format!("a call by {} is under way until {}", lease.holder, lease.until);
        self.line(line(known, want, Decision::Wait, why));
        true
    }

    pub(super) fn keep(&mut self, known: &Replica, want: &Want<'_>) {
        let mut after = running(known);
        after.desired = Desired::Replicated;
        after.gives_way = None;
        after.rule = Some(want.rule_ref());
        after.braked = None;
        after.wanted_until = want.until();
        if known.unfinished().is_some() {
            after.settle(Phase::Active);
        }
        self.change(known, after);
        let until = want.until().map_or(String::new(), |end| format!(" until {end}"));
        self.line(want.line(Decision::Keep, format!("it runs{until}")));
    }

    /// It runs, and is not ours to touch.
    pub(super) fn leave(&mut self, known: &Replica, want: Option<&Want<'_>>) {
        let mut after = Replica { wanted_until: None, ..running(known) };
        if known.unfinished().is_some() {
            after.settle(Phase::Active);
        }
        self.change(known, after);
        self.line(line(known, want, Decision::Foreign, "somebody else started it"));
    }

    /// The publisher is gone. IVS ends the replica when the reconnect window is over; what it did not end by then, plus a
    /// grace, is stopped.
    pub(super) fn hold_or_stop(&mut self, known: &Replica, want: Option<&Want<'_>>) {
        if known.owner_if_running() == Owner::Foreign {
            return self.leave(known, want);
        }
        let left = self.view.publisher.as_ref().and_then(|publisher| publisher.evidence.off);
        let left = left.map_or(self.context.now, |off| off.latest());
        let release_at = later(left, known.reconnect_window.duration() + self.context.policy.release_grace);
        if release_at <= self.context.now {
            return self.stop(known, want, StopReason::PublisherGone);
        }
        if let Some(hands_off) = self.hands_off() {
            let would =
                format!("the participant may come back; {hands_off}, would be released at {release_at}");
            return self.keep_hands_off(known, want, StopReason::PublisherGone, would);
        }
        let mut after = running(known);
        after.settle(Phase::Active);
        after.desired = Desired::Released;
        after.next_attempt = Some(release_at);
        after.wanted_until = want.map_or(known.wanted_until, Want::until);
        self.wake(after.due().unwrap_or(release_at));
        self.change(known, after);
        let why = format!("the participant may come back; released at {release_at}");
        self.line(line(known, want, Decision::Hold, why));
    }

    pub(super) fn stop(&mut self, known: &Replica, want: Option<&Want<'_>>, reason: StopReason) {
        let (now, why) = (self.context.now, reason);
        if let Some(hands_off) = self.hands_off() {
            let would = format!("{hands_off}; would be stopped: {why}");
            return self.keep_hands_off(known, want, reason, would);
        }
        if let Some(at) = known.next_attempt.filter(|at| known.attempts > 0 && now < *at) {
            self.change(known, Replica { lease: None, wanted_until: None, ..known.clone() });
            self.wake(at);
            return self.line(line(known, want, Decision::Wait, format!("{why}; tried again at {at}")));
        }
        let Clearance { braked, confirmed } = match self.brake(known, reason) {
            Ok(clearance) => clearance,
            Err(braked) => return self.hold_back(known, want, reason, braked),
        };
        if !self.may(Operation::Stop) {
            let due = known.next_attempt.filter(|_| known.desired == Desired::Released);
            let due = due.map_or(now, |due| due.min(now));
            let after = Replica {
                desired: Desired::Released,
                next_attempt: Some(due),
                wanted_until: None,
                lease: None,
                braked,
                ..running(known)
            };
            self.change(known, after);
            return self.line(line(
                known,
                want,
                Decision::Defer,
                format!("{why}; to be stopped since {due}"),
            ));
        }
        let after = Replica {
            phase: Phase::Stopping,
            desired: Desired::Released,
            attempts: known.attempts + 1,
            next_attempt: None,
            wanted_until: None,
            lease: Some(self.lease()),
            braked,
            ..running(known)
        };
        self.change(known, after);
        self.call(Step::Stop(StopRequest { key: known.key.clone(), reason, confirmed }));
        self.line(line(known, want, Decision::Stop, why.to_string()));
    }

    pub(super) fn rest(
        &mut self,
        known: &Replica,
        want: Option<&Want<'_>>,
        why: impl Into<Cow<'static, str>>,
    ) {
        let (desired, owner) = (Desired::Released, Owner::Nobody);
        let mut after = Replica { desired, owner, wanted_until: None, ..known.clone() };
        if known.phase != Phase::Stopped || known.unfinished().is_some() {
            after.settle(Phase::Stopped);
        }
        self.change(known, after);
        self.line(line(known, want, Decision::Rest, why));
    }

    /// Nobody can tell whether it runs: an earlier call has no recorded outcome, or was refused, or the news cannot be told
    /// apart in time.
    pub(super) fn verify(&mut self, known: &Replica, want: Option<&Want<'_>>) {
        let due = match known.next_attempt {
            Some(retry_at) if known.attempts > 0 => retry_at,
            other => self.worth_asking_at(known).min(other.unwrap_or(Timestamp::MAX)),
        };
        let (wanted_until, begun) = (want.and_then(Want::until), known.begun_if_running());
        let asked = Replica { wanted_until, begun, ..known.clone() };
        if self.context.now < due {
            let after = Replica { next_attempt: Some(due), lease: None, ..asked };
            self.wake(after.due().unwrap_or(due));
            self.change(known, after);
            return self.line(line(known, want, Decision::Wait, format!("in doubt; asked of IVS at {due}")));
        }
        if !self.may(Operation::List) && self.doubtful.is_empty() {
            self.change(known, Replica { next_attempt: Some(due), ..asked });
            let why = "in doubt; left to a function that may ask IVS";
            return self.line(line(known, want, Decision::Defer, why));
        }
        let owner = if known.is_unrecorded_start() { Owner::Stagelink } else { known.owner };
        self.change(known, Replica { owner, next_attempt: None, lease: Some(self.lease()), ..asked });
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
pub(super) fn running(known: &Replica) -> Replica {
    let (owner, begun) = (known.owner_if_running(), known.begun_if_running());
    let mut running = Replica { owner, begun, ..known.clone() };
    if known.phase != Phase::Active {
        running.settle(Phase::Active);
    }
    running
}

pub(super) fn line(
    known: &Replica,
    want: Option<&Want<'_>>,
    decision: Decision,
    why: impl Into<Cow<'static, str>>,
) -> Line {
    match want {
        Some(want) => want.line(decision, why),
        None => Line { destination: known.key.destination.clone(), rule: None, decision, why: why.into() },
    }
}
