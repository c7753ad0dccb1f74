//! Who gets a slot: what has to be started, against what IVS allows a participant and a destination.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::wants::Want;
use super::{Planning, StartRequest, Step};
use crate::brake::StopReason;
use crate::moment::later;
use crate::occupancy::PLACES;
use crate::{
    Blocked, BlockedReason, Decision, Eviction, Operation, Owner, Phase, Publishing, Replica, ReplicationKey,
};

/// A replication that runs as a rule wants it.
type Runner<'w, 'a> = (&'w Want<'w>, &'a Replica);

impl<'a> Planning<'a> {
    /// Keeps what runs and gives the free slots to those that have to be started, highest priority first. A rule that may
    /// pre-empt gets the slot of what runs for a lower priority.
    pub(super) fn place(&mut self, runners: &[Runner<'_, 'a>], starters: Vec<(&Want<'_>, Replica)>) {
        self.free_slots = self.free_slots_beside(runners, &starters);
        let (outranked, by) = self.outranked(runners, &starters);
        for (want, known) in runners {
            if outranked.contains(&known.key) {
                self.stop(known, Some(want), StopReason::Outranked { priority: by });
            } else if let Some(priority) = self.gives_way(want, known) {
                self.stop(known, Some(want), StopReason::GivesWay { priority });
            } else {
                self.keep(known, want);
            }
        }
        for (want, replica) in starters {
            self.start(want, replica);
        }
    }

    /// The slots that nothing takes but those who have to be started.
    fn free_slots_beside(&self, runners: &[Runner<'_, 'a>], starters: &[(&Want<'_>, Replica)]) -> usize {
        let holding = self.plan.changes.iter().filter(|change| change.holds_slot()).count();
        let found_running = runners.iter().filter(|(_, known)| !known.holds_slot()).count();
        let elsewhere = |replica: &Replica| {
            let is_it = |other: &Replica| other.key.destination == replica.key.destination;
            self.plan.changes.iter().any(is_it) || starters.iter().any(|(_, starter)| is_it(starter))
        };
        // Few hold a slot, however many there are; so each of these may be looked for.
        let unchanged = self.view.replicas.iter().filter(|r| r.holds_slot() && !elsewhere(r)).count();
        self.context.policy.slots_per_participant.saturating_sub(holding + found_running + unchanged)
    }

    /// Of what runs, those with the lowest priorities that have to leave their slots to starters that may pre-empt, and
    /// the highest priority of these.
    fn outranked(
        &self,
        runners: &[Runner<'_, 'a>],
        starters: &[(&Want<'_>, Replica)],
    ) -> (BTreeSet<ReplicationKey>, u8) {
        let stopping = |replica: &&Replica| {
            replica.phase == Phase::Stopping && replica.owner_if_running() == Owner::Stagelink
        };
        let mut free = self.free_slots + self.as_planned().filter(stopping).count();
        let mut lowest_first = runners.iter().rev().peekable();
        let (mut outranked, mut by) = (BTreeSet::new(), 0);
        for (want, asked) in starters.iter().filter(|(want, asked)| self.would_start(want, asked)) {
            if free > 0 {
                free -= 1;
                continue;
            }
            // One that was refused before, but for want of a slot, or found its destination full, does not push out what runs:
            // it would be in vain again.
            let refused = self.would_be_refused(asked) && !self.lacked_a_slot(asked, runners);
            if !want.preempts() || refused || self.waits_for_place(want) {
                continue;
            }
            if let Some((_, known)) = lowest_first.next_if(|(other, _)| other.priority() < want.priority()) {
                outranked.insert(known.key.clone());
                by = by.max(want.priority());
            }
        }
        (outranked, by)
    }

    /// Whether nothing but a slot is missing for it to be started, now or soon.
    fn would_start(&self, want: &Want<'_>, asked: &Replica) -> bool {
        let wait = self.wait_before_start(want, asked).filter(|(at, _)| self.context.now < *at);
        wait.is_none_or(|(at, _)| waiting(asked.clone(), at).will_be_tried_soon())
            && !self.finds_destination_full(asked)
            && self.hands_off().is_none()
    }

    /// Whether IVS refused it when it was tried last, and would again, as far as is known. That nobody published then says nothing of
    /// now; nor does a refusal from before its participant published.
    fn would_be_refused(&self, asked: &Replica) -> bool {
        let published = self.view.publisher.as_ref().and_then(|publisher| publisher.evidence.on);
        let is_older = published.map(|on| on.earliest()) > asked.last_error.as_ref().map(|error| error.at);
        asked.was_refused() && !asked.was_refused_as_not_publishing() && !is_older
    }

    /// Whether it was refused for want of a slot: IVS said so, or all slots had been given by then to those that have them still.
    fn lacked_a_slot(&self, asked: &Replica, runners: &[Runner<'_, 'a>]) -> bool {
        let Some(refused) = asked.last_error.as_ref().map(|error| error.at) else { return false };
        let has_one = |known: &&Replica| {
            known.holds_slot() || runners.iter().any(|(_, runner)| runner.key == known.key)
        };
        let had_one =
            |known: &&Replica| known.begun_if_running().is_some_and(|begun| begun.earliest() <= refused);
        let taken = self.as_planned().filter(has_one).filter(had_one).count();
        asked.was_refused_a_slot() || taken >= self.context.policy.slots_per_participant
    }

    /// The replications as they will be by what is planned so far.
    fn as_planned(&self) -> impl Iterator<Item = &Replica> {
        let planned = |replica: &&Replica| self.plan.changes.iter().any(|change| change.key == replica.key);
        let unchanged = self.view.replicas.iter().filter(move |replica| !planned(replica));
        self.plan.changes.iter().chain(unchanged)
    }

    /// The priority that a running replica has to give way to at its destination.
    fn gives_way(&self, want: &Want<'_>, known: &Replica) -> Option<u8> {
        let gives_way = known.gives_way.as_ref().filter(|gives_way| self.context.now < gives_way.until)?;
        // Without news of its publisher it could not come back.
        let known_to_publish = self.publishing != Publishing::Unknown;
        (known_to_publish && want.priority() < gives_way.priority).then_some(gives_way.priority)
    }

    /// Whether it was planned for this rule before and found no place at its destination.
    fn waits_for_place(&self, want: &Want<'_>) -> bool {
        let known = self.view.replica(want.destination);
        known.is_some_and(|known| known.waits_for_place() && known.rule == Some(want.rule_ref()))
    }

    /// Whether another rule, or another revision of it, found no place before: this one asks for itself.
    fn asks_anew(&self, want: &Want<'_>) -> bool {
        let known = self.view.replica(want.destination);
        let waits = known.filter(|known| known.waits_for_place() && known.gives_way.is_none());
        waits.is_some_and(|known| known.rule != Some(want.rule_ref()))
    }

    fn finds_destination_full(&self, known: &Replica) -> bool {
        self.view.full.contains_key(&known.key.destination)
    }

    fn start(&mut self, want: &Want<'_>, asked: Replica) {
        let (now, policy) = (self.context.now, self.context.policy);
        let new;
        let known = match self.view.replica(&asked.key.destination) {
            Some(known) => known,
            None => {
                new = Replica::new(asked.key.clone());
                &new
            }
        };
        let hands_off = self.hands_off();
        // Hands off, nothing has an end either: nobody would have anything to do then.
        let wanted_until = asked.wanted_until.filter(|_| hands_off.is_none());
        let asked = Replica { wanted_until, ..asked };
        let wait = self.wait_before_start(want, known).filter(|_| hands_off.is_none());
        if let Some((at, why)) = wait.filter(|(at, _)| now < *at) {
            let after = waiting(asked, at);
            if after.will_be_tried_soon() {
                self.free_slots = self.free_slots.saturating_sub(1);
            }
            self.wake(after.due().unwrap_or(at));
            self.change(known, after);
            return self.line(want.line(Decision::Wait, format!("{why}; tried again at {at}")));
        }
        if self.free_slots == 0 && hands_off.is_none() && self.waits_for_place(want) {
            return self.wait_for_place(want, known, asked);
        }
        if self.free_slots == 0 {
            let reason = BlockedReason::ParticipantSlotsFull;
            let phase = Phase::Blocked(Blocked { reason, until: None });
            self.change(known, Replica { phase, next_attempt: None, lease: None, ..asked });
            let slots = policy.slots_per_participant;
            let why = format!("all {slots} concurrent replications of the participant are taken");
            return self.line(want.line(Decision::Block(reason), why));
        }
        if hands_off.is_none() && self.finds_destination_full(known) {
            return self.wait_for_place(want, known, asked);
        }
        self.free_slots -= 1;
        if let Some(hands_off) = hands_off {
            let reason = hands_off.blocked();
            let phase = Phase::Blocked(Blocked { reason, until: None });
            self.change(known, Replica { phase, next_attempt: None, lease: None, ..asked });
            let why = format!("{hands_off}; would be started: {}", self.why_start());
            return self.line(want.line(Decision::Block(reason), why));
        }
        if !self.may(Operation::Start) {
            let since = known.next_attempt.filter(|_| known.phase == Phase::Pending);
            let waits_as = if since.is_some() { known.backfill } else { self.is_backfill_at(now) };
            // A versus session cannot wait.
            let backfill = waits_as && !want.is_of_versus();
            let (phase, due) = (Phase::Pending, since.unwrap_or(now));
            self.change(known, Replica { phase, next_attempt: Some(due), backfill, lease: None, ..asked });
            return self.line(want.line(Decision::Defer, format!("to be started since {due}")));
        }
        let after = Replica {
            phase: Phase::Starting,
            attempts: known.attempts + 1,
            next_attempt: None,
            lease: Some(self.lease()),
            last_error: None,
            gives_way: None,
            backfill: false,
            ..asked
        };
        let Replica { key, reconnect_window, attributes, .. } = after.clone();
        let waiting_since = self.waiting_since(known);
        self.call(Step::Start(StartRequest { key, reconnect_window, attributes, waiting_since }));
        self.change(known, after);
        self.line(want.line(Decision::Start, self.why_start()));
    }

    fn why_start(&self) -> &'static str {
        match self.publishing {
            Publishing::Uncertain => "it may publish; the answer will tell",
            _ => "it publishes",
        }
    }

    /// Whether its publisher had been publishing for so long by then that others may go first.
    fn is_backfill_at(&self, at: Timestamp) -> bool {
        let since = self.view.publisher.as_ref().and_then(|publisher| publisher.evidence.on);
        since.is_some_and(|since| later(since.latest(), self.context.policy.live_for) < at)
    }

    /// Since when, at the earliest, its publisher has been publishing without it. None if it ran since then, was not wanted or
    /// not known to be while the publish was live, or was kept from starting by a limit or by an order.
    fn waiting_since(&self, known: &Replica) -> Option<Timestamp> {
        let published = self.view.publisher.as_ref()?.evidence.on?;
        let ran = known.evidence.on.is_some_and(|on| !on.certainly_before(published));
        let kept_back = known.blocked().is_some_and(|blocked| blocked.reason.waits_for_others());
        let wanted_since = known.next_attempt.filter(|_| known.phase == Phase::Pending);
        let late = known.backfill || self.is_backfill_at(wanted_since.unwrap_or(self.context.now));
        (!ran && !late && !kept_back).then(|| published.earliest())
    }

    /// The destination has no place left. If the rule may pre-empt, the weakest there has to give way.
    fn wait_for_place(&mut self, want: &Want<'_>, known: &Replica, asked: Replica) {
        // What IVS refused for another reason than want of a place, it would refuse again.
        let may_preempt = want.preempts() && (!self.would_be_refused(&asked) || known.waits_for_place());
        let weakest = self.view.full.get(&asked.key.destination).and_then(|crowd| crowd.weakest.as_ref());
        let weakest = weakest.filter(|(_, priority)| may_preempt && *priority < want.priority());
        let mut why = format!("the destination has all its {} publishers", PLACES);
        if let Some((key, priority)) = weakest {
            why = format!("{why}; the replica of {} with priority {priority} gives way", key.publisher());
            self.plan.evictions.push(Eviction { key: key.clone(), priority: want.priority() });
        }
        let until = later(self.context.now, self.context.policy.full_retry);
        let phase = destination_full(until);
        self.change(known, Replica { phase, next_attempt: None, lease: None, gives_way: None, ..asked });
        self.wake(until);
        self.line(want.line(Decision::Block(BlockedReason::DestinationFull), why));
    }

    /// Until when a start has to wait, and why.
    fn wait_before_start(&self, want: &Want<'_>, known: &Replica) -> Option<(Timestamp, &'static str)> {
        if self.asks_anew(want) {
            return None;
        }
        let published = self.view.publisher.as_ref().and_then(|publisher| publisher.evidence.on);
        if let Some(gives_way) = known.gives_way.as_ref().filter(|_| known.phase == Phase::Stopped) {
            return Some((gives_way.until, "it gave way to a higher priority"));
        }
        match &known.phase {
            Phase::Blocked(Blocked { reason: BlockedReason::NotPublishing, .. })
                if published.map(|on| on.earliest()) > known.last_error.as_ref().map(|error| error.at) =>
            {
                None
            }
            Phase::Blocked(blocked) => blocked.until.map(|until| (until, blocked.reason.in_words())),
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

/// The replication as it waits to be started at this time.
fn waiting(asked: Replica, at: Timestamp) -> Replica {
    let (phase, next_attempt) = match asked.phase {
        Phase::Blocked(_) => (asked.phase, None),
        Phase::Stopped if asked.gives_way.is_some() => (destination_full(at), None),
        _ => (Phase::Pending, Some(at)),
    };
    Replica { phase, next_attempt, lease: None, ..asked }
}

fn destination_full(until: Timestamp) -> Phase {
    Phase::Blocked(Blocked { until: Some(until), ..Blocked::DESTINATION_FULL })
}
