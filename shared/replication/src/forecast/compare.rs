//! What differs between the table as it settles under the rules as they are, and under the new ones.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::settle::{Made, Settled};
use super::{Adjusted, Backlog, Brake, Change, Effect, Obstacle, Running};
use crate::brake::limit;
use crate::sweep::Inventory;
use crate::{
    BlockedReason, Operation, Owner, Phase, Policy, Replica, ReplicationKey, Rule, RuleId, StopReason,
};

/// What a replication came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It does not run, and nobody wants it.
    Absent,
    /// It runs.
    Runs,
    /// It is wanted, and not to be had.
    Blocked(BlockedReason),
    /// It will be started when a wait is over.
    Waits,
    /// Only IVS can tell.
    InDoubt,
}

impl Settled {
    fn replica(&self, key: &ReplicationKey) -> Option<&Replica> {
        self.views.get(&key.publisher())?.replica(&key.destination)
    }

    fn fate(&self, key: &ReplicationKey) -> Fate {
        match self.replica(key).map(|replica| &replica.phase) {
            None | Some(Phase::Stopped) => Fate::Absent,
            Some(Phase::Active) => Fate::Runs,
            Some(Phase::Blocked(blocked)) => Fate::Blocked(blocked.reason),
            Some(Phase::Pending) => Fate::Waits,
            Some(Phase::Starting | Phase::Stopping) => Fate::InDoubt,
        }
    }

    /// The calls of a replication; what waits for its start will have one.
    fn made(&self, key: &ReplicationKey) -> Made {
        let mut made = self.calls.get(key).cloned().unwrap_or_default();
        made.starts += usize::from(self.fate(key) == Fate::Waits);
        made
    }

    fn keys(&self) -> impl Iterator<Item = &ReplicationKey> {
        self.views.values().flat_map(|view| &view.replicas).map(|replica| &replica.key)
    }

    fn runs_as_ours(&self, key: &ReplicationKey) -> bool {
        let ours = self.replica(key).is_some_and(|replica| replica.owner == Owner::Stagelink);
        matches!(self.fate(key), Fate::Runs | Fate::Waits) && (ours || self.fate(key) == Fate::Waits)
    }
}

fn all_keys<'a>(before: &'a Settled, after: &'a Settled) -> BTreeSet<&'a ReplicationKey> {
    before.keys().chain(after.keys()).collect()
}

/// What becomes of each replication for which something changes.
pub(super) fn changes(
    inventory: &Inventory,
    before: &Settled,
    after: &Settled,
    rules: &[Rule],
) -> Vec<Change> {
    let change = |key: &ReplicationKey| {
        let effect = effect(key, before, after, rules)?;
        let wanted = after.replica(key).filter(|_| after.fate(key) != Fate::Absent);
        let last = wanted.or(before.replica(key)).or(inventory.replica(key));
        Some(Change {
            key: key.clone(),
            user_id: inventory
                .publisher(&key.publisher())
                .map_or_else(String::new, |known| known.user_id.clone()),
            rule: last.and_then(rule_of).cloned(),
            effect,
        })
    };
    all_keys(before, after).into_iter().filter_map(change).collect()
}

fn rule_of(replica: &Replica) -> Option<&RuleId> {
    replica.rule.as_ref().map(|rule| &rule.id)
}

fn effect(key: &ReplicationKey, before: &Settled, after: &Settled, rules: &[Rule]) -> Option<Effect> {
    let (made, other) = (after.made(key), before.made(key));
    let (fate, fate_before) = (after.fate(key), before.fate(key));
    let blocked = |reason| Some(Effect::Block { reason, by: obstacle(key, reason, after) });
    let starts = made.starts > other.starts;
    // What is stopped for want of a slot was to be stopped for want of a rule: it is the last stop that tells why.
    let stopped = made.stops.last().filter(|_| made.stops.len() > other.stops.len());
    match (stopped, fate) {
        (Some(reason), Fate::Runs | Fate::Waits) if fate_before == Fate::Runs => {
            return Some(Effect::Restart { reason: *reason });
        }
        (Some(reason), _) if made.starts == 0 => {
            return Some(Effect::Stop { reason: *reason, wanted: matches!(fate, Fate::Blocked(_)) });
        }
        _ => {}
    }
    if fate == fate_before && !starts {
        return (fate == Fate::Runs).then(|| adjusted(key, before, after, rules)).flatten();
    }
    match fate {
        Fate::Runs | Fate::Waits if starts => {
            Some(Effect::Start { until: after.replica(key).and_then(|replica| replica.wanted_until) })
        }
        Fate::Runs | Fate::Waits => Some(Effect::Spare),
        Fate::Blocked(reason) => blocked(reason),
        Fate::Absent => Some(Effect::Withdraw),
        Fate::InDoubt => None,
    }
}

/// What changes about a replica that runs under both sets of rules.
fn adjusted(key: &ReplicationKey, before: &Settled, after: &Settled, rules: &[Rule]) -> Option<Effect> {
    let (was, is) = (before.replica(key)?, after.replica(key)?);
    if is.owner != Owner::Stagelink {
        return None;
    }
    let rule = rules.iter().find(|rule| Some(&rule.id) == rule_of(is));
    let revision_before = was.rule.as_ref().map(|rule| (&rule.id, rule.revision));
    let asked_anew = is.rule.as_ref().map(|rule| (&rule.id, rule.revision)) != revision_before;
    let mut as_started = Vec::new();
    if let Some(rule) = rule.filter(|_| asked_anew) {
        if rule.reconnect_window != is.reconnect_window {
            as_started.push("reconnect_window_seconds");
        }
        if rule.attributes != is.attributes {
            as_started.push("attributes");
        }
    }
    let adjusted = Adjusted {
        was_under: rule_of(was).filter(|id| Some(*id) != rule_of(is)).cloned(),
        as_started,
        ends: (was.wanted_until != is.wanted_until).then_some((was.wanted_until, is.wanted_until)),
    };
    (adjusted != Adjusted::default()).then_some(Effect::RunsOn(adjusted))
}

fn obstacle(key: &ReplicationKey, reason: BlockedReason, settled: &Settled) -> Obstacle {
    match reason {
        BlockedReason::ParticipantSlotsFull => {
            let replicas = settled.views.get(&key.publisher()).into_iter().flat_map(|view| &view.replicas);
            let taken = replicas.filter(|replica| replica.holds_slot() || replica.phase == Phase::Pending);
            Obstacle::Slots(taken.map(|replica| replica.key.destination.clone()).collect())
        }
        BlockedReason::DestinationFull => {
            let there = settled.occupants.get(&key.destination).into_iter().flatten();
            Obstacle::Places(there.filter_map(|occupant| occupant.on(&key.destination)).collect())
        }
        _ => Obstacle::Other,
    }
}

/// Starts and stops that the change costs.
pub(super) fn calls(before: &Settled, after: &Settled) -> BTreeMap<Operation, usize> {
    let mut calls = BTreeMap::new();
    for key in all_keys(before, after) {
        let (made, other) = (after.made(key), before.made(key));
        let of = [
            (Operation::Start, made.starts.saturating_sub(other.starts)),
            (Operation::Stop, made.stops.len().saturating_sub(other.stops.len())),
        ];
        for (operation, more) in of.into_iter().filter(|(_, more)| *more > 0) {
            *calls.entry(operation).or_default() += more;
        }
    }
    calls
}

/// Starts and stops that are due under both sets of rules.
pub(super) fn backlog(before: &Settled, after: &Settled) -> Backlog {
    let made = all_keys(before, after).into_iter().map(|key| (before.made(key), after.made(key)));
    made.fold(Backlog::default(), |sum, (one, other)| Backlog {
        starts: sum.starts + one.starts.min(other.starts),
        stops: sum.stops + one.stops.len().min(other.stops.len()),
    })
}

/// Running replicas of ours that run on, untouched.
pub(super) fn staying(inventory: &Inventory, before: &Settled, after: &Settled) -> usize {
    let untouched = |key: &ReplicationKey| {
        after.runs_as_ours(key) && after.made(key) == Made::default() && before.runs_as_ours(key)
    };
    inventory.replicas().filter(|replica| replica.runs_as_ours() && untouched(&replica.key)).count()
}

pub(super) fn running(before: &Settled, after: &Settled, changes: &[Change], now: Timestamp) -> Running {
    let count = |settled: &Settled| settled.keys().filter(|key| settled.runs_as_ours(key)).count();
    let ends = changes.iter().filter_map(|change| match change.effect {
        Effect::Start { until } => until,
        _ => None,
    });
    let spans: Vec<_> = ends.map(|end| end.duration_since(now)).collect();
    let until_end = spans.iter().fold(SignedDuration::ZERO, |sum, span| sum.saturating_add(*span));
    Running { before: count(before), after: count(after), ending: spans.len(), until_end }
}

/// Whether the brake will hold stops of the change back.
pub(super) fn brake(
    inventory: &Inventory,
    before: &Settled,
    after: &Settled,
    policy: &Policy,
    now: Timestamp,
) -> Option<Brake> {
    let counting = |settled: &Settled| {
        let stops = settled
            .calls
            .iter()
            .flat_map(|(key, made)| made.stops.iter().map(move |stop| (key.clone(), *stop)));
        stops.filter(|(_, reason)| counts(*reason)).collect::<Vec<_>>()
    };
    let (stops, anyway) = (counting(after), counting(before));
    let at_once = limit(policy, &inventory.control, now)?;
    let is_new = stops.iter().any(|stop| !anyway.contains(stop));
    (is_new && stops.len() > at_once).then_some(Brake { stops: stops.len(), at_once })
}

fn counts(reason: StopReason) -> bool {
    !reason.is_announced()
}
