//! Who gets a slot: what has to be started, against what IVS allows a participant.

use jiff::Timestamp;

use super::wants::Want;
use super::{Planning, StartRequest, Step};
use crate::moment::later;
use crate::{Blocked, BlockedReason, Decision, Operation, Phase, Publishing, Replica};

impl Planning<'_> {
    /// Gives the free slots to those that have to be started, highest priority first.
    pub(super) fn place(&mut self, starters: Vec<(&Want<'_>, Replica)>) {
        let holding = self.plan.changes.iter().filter(|change| change.holds_slot()).count();
        let elsewhere = |replica: &Replica| {
            let is_it = |other: &Replica| other.key.destination == replica.key.destination;
            self.plan.changes.iter().any(is_it) || starters.iter().any(|(_, starter)| is_it(starter))
        };
        // Few hold a slot, however many there are; so each of these may be looked for.
        let unchanged = self.view.replicas.iter().filter(|r| r.holds_slot() && !elsewhere(r)).count();
        let held = holding + unchanged;
        self.free_slots = self.context.policy.slots_per_participant.saturating_sub(held);
        for (want, replica) in starters {
            self.start(want, replica);
        }
    }

    fn start(&mut self, want: &Want<'_>, asked: Replica) {
        let (now, policy) = (self.context.now, self.context.policy);
        let new = Replica::new(asked.key.clone());
        let known = self.view.replica(&asked.key.destination).unwrap_or(&new);
        let wait = self.wait_before_start(known);
        if let Some((at, why)) = wait.filter(|(at, _)| now < *at) {
            let mut after = Replica { next_attempt: None, lease: None, ..asked };
            if !matches!(after.phase, Phase::Blocked(_)) {
                after.phase = Phase::Pending;
                after.next_attempt = Some(at);
            }
            if after.will_be_tried_soon() {
                self.free_slots = self.free_slots.saturating_sub(1);
            }
            self.change(known, after);
            self.wake(at);
            return self.line(want.line(Decision::Wait, format!("{why}; tried again at {at}")));
        }
        if self.free_slots == 0 {
            let reason = BlockedReason::ParticipantSlotsFull;
            let phase = Phase::Blocked(Blocked { reason, until: None });
            self.change(known, Replica { phase, next_attempt: None, lease: None, ..asked });
            let slots = policy.slots_per_participant;
            let why = format!("all {slots} concurrent replications of the participant are taken");
            return self.line(want.line(Decision::Block(reason), why));
        }
        self.free_slots -= 1;
        if !self.may(Operation::Start) {
            let due = known.next_attempt.filter(|_| known.phase == Phase::Pending).unwrap_or(now);
            let phase = Phase::Pending;
            self.change(known, Replica { phase, next_attempt: Some(due), lease: None, ..asked });
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
        self.change(known, after);
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
}
