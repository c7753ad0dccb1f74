//! A small world as it is made from its numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use replication::sweep::SweepPolicy;
use replication::{
    BlockedReason, Decision, Destination, ParticipantFilter, Policy, PublisherKey, ReconnectWindow,
    ReplicationKey, Report, Rule, SessionId, Source, StageArn, Status,
};

use crate::spec::{Doing, Spec};

/// The unit of time. What happens within one tick cannot be told apart by its times. A minute, because that is what the brake counts
/// in; else it could be any span.
pub(crate) const TICK: SignedDuration = SignedDuration::from_secs(60);

/// How long a lease lasts, in ticks. A call is over before, as it is by the timeouts of the adapters.
pub(crate) const LEASE: i64 = 2;

/// How many messages are under way when somebody does something, at most.
const MAIL: usize = 3;

/// How many functions wait for IVS at one time, at most.
const BUSY: usize = 2;

/// Midnight of 2026-01-01, when every world begins.
const BEGINNING: i64 = 1_767_225_600;

/// A small world.
#[derive(Debug)]
pub struct World {
    pub(crate) spec: Spec,
    pub(crate) stages: Vec<StageArn>,
    /// Who may publish, each on a stage of their own.
    pub(crate) people: Vec<PublisherKey>,
    /// Every replication there can be: from each of the people to every other stage.
    pub(crate) replications: Vec<ReplicationKey>,
    /// The rules as they are in the beginning.
    pub(crate) rules: Vec<Rule>,
    pub(crate) policy: Policy,
    pub(crate) sweep: SweepPolicy,
    pub(crate) mail: usize,
    pub(crate) busy: usize,
    /// The decisions that were seen, as bits.
    seen: AtomicU64,
}

impl World {
    /// The world of these numbers.
    pub fn of(spec: Spec) -> Self {
        let stages: Vec<_> = (0..spec.stages.clamp(2, 26)).map(stage).collect();
        let people = (0..spec.participants).map(|i| PublisherKey {
            stage: stages[spec.layout.rule(i, stages.len()).0].clone(),
            participant: id(&format!("p{}", i + 1)),
        });
        let people: Vec<_> = people.collect();
        let replications = people.iter().flat_map(|person| {
            let others = stages.iter().filter(|stage| **stage != person.stage);
            others.map(|destination| ReplicationKey {
                source: person.stage.clone(),
                participant: person.participant.clone(),
                destination: destination.clone(),
            })
        });
        let replications = replications.collect();
        let rules = (0..spec.rules).map(|i| rule(&spec, i, &stages)).collect();
        let (policy, sweep, seen) = (policy(&spec), sweep_policy(), AtomicU64::new(0));
        Self { spec, stages, people, replications, rules, policy, sweep, mail: MAIL, busy: BUSY, seen }
    }

    /// What it is made from.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The decisions that plans came to, in the order of [`every_decision`].
    pub fn decisions(&self) -> Vec<Decision> {
        let seen = self.seen.load(Ordering::Relaxed);
        let all = every_decision().into_iter().enumerate();
        all.filter(|(bit, _)| seen & 1 << bit != 0).map(|(_, decision)| decision).collect()
    }

    pub(crate) fn saw(&self, report: &Report) {
        let seen = report.lines.iter().fold(0, |seen, line| seen | 1_u64 << number(line.decision));
        if self.seen.load(Ordering::Relaxed) & seen != seen {
            self.seen.fetch_or(seen, Ordering::Relaxed);
        }
    }

    pub(crate) fn may(&self, doing: Doing) -> bool {
        self.spec.may.contains(&doing)
    }

    /// Whether there are fewer slots or places than the rules ask for, so that one replica may be stopped for another.
    pub(crate) fn is_contested(&self) -> bool {
        self.spec.crowd > 0 || self.policy.slots_per_participant < Policy::default().slots_per_participant
    }

    /// The longest reconnect window, in ticks.
    pub(crate) fn window(&self) -> i64 {
        i64::from(self.spec.window)
    }

    /// How long ago something can have been, in ticks, such that it makes a difference how long: the longest span of time that
    /// anything is compared with, and one for the width of a moment.
    pub(crate) fn horizon(&self) -> i64 {
        let spans = [self.policy.release_grace, self.policy.restart_grace, self.sweep.settle];
        let longest = spans.into_iter().max().unwrap_or_default();
        longest.as_secs() / TICK.as_secs() + self.window() + 1
    }
}

/// Every decision there is.
pub fn every_decision() -> Vec<Decision> {
    let blocked = BlockedReason::ALL.map(Decision::Block);
    let others = [
        Decision::Start,
        Decision::Stop,
        Decision::Verify,
        Decision::Keep,
        Decision::Hold,
        Decision::Brake,
        Decision::Wait,
        Decision::Defer,
        Decision::Rest,
        Decision::Foreign,
    ];
    blocked.into_iter().chain(others).collect()
}

/// Its place among them.
fn number(decision: Decision) -> usize {
    let after_blocked = match decision {
        Decision::Block(reason) => {
            return BlockedReason::ALL.into_iter().position(|one| one == reason).unwrap_or_default();
        }
        Decision::Start => 0,
        Decision::Stop => 1,
        Decision::Verify => 2,
        Decision::Keep => 3,
        Decision::Hold => 4,
        Decision::Brake => 5,
        Decision::Wait => 6,
        Decision::Defer => 7,
        Decision::Rest => 8,
        Decision::Foreign => 9,
    };
    BlockedReason::ALL.len() + after_blocked
}

/// The time of a tick.
pub(crate) fn at(tick: i64) -> Timestamp {
    Timestamp::from_second(BEGINNING + tick * TICK.as_secs()).unwrap_or(Timestamp::MAX)
}

/// The tick of a time, and how far into it that is, in nanoseconds.
pub(crate) fn tick_of(time: Timestamp) -> (i64, i64) {
    let seconds = time.as_second() - BEGINNING;
    let into = seconds.rem_euclid(TICK.as_secs()) * 1_000_000_000 + i64::from(time.subsec_nanosecond());
    (seconds.div_euclid(TICK.as_secs()), into)
}

/// All spans of time are as short as they can be to come one after the other, so that all orders of their ends are seen in few
/// ticks.
fn policy(spec: &Spec) -> Policy {
    let never = SignedDuration::from_hours(24 * 365);
    Policy {
        slots_per_participant: spec.slots,
        lease: SignedDuration::from_secs(LEASE * TICK.as_secs()),
        release_grace: TICK,
        restart_grace: TICK,
        backoff_base: TICK,
        backoff_cap: TICK,
        full_retry: TICK,
        stage_gone_retry: TICK,
        access_denied_retry: TICK,
        // Of backfill nothing depends but the order in which `dispatch` works, and here that is any.
        live_for: never,
        brake_percent: if spec.brake.is_some() { 1 } else { 100 },
        brake_floor: spec.brake.unwrap_or_default(),
        ..Policy::default()
    }
}

fn sweep_policy() -> SweepPolicy {
    SweepPolicy {
        settle: TICK,
        // Every sweep makes sure that those who publish still do.
        confirm_after: SignedDuration::ZERO,
        // Sweeps come in time.
        after_end: SignedDuration::from_hours(24 * 365),
        ..SweepPolicy::default()
    }
}

/// The stage of this number: `A`, `B`, …
fn stage(number: usize) -> StageArn {
    let name = char::from(b'A' + u8::try_from(number).unwrap_or_default());
    id(&format!("arn:aws:ivs:us-east-1:123456789012:stage/{name}"))
}

fn rule(spec: &Spec, number: usize, stages: &[StageArn]) -> Rule {
    let (from, to) = spec.layout.rule(number, stages.len());
    let is_last = number + 1 == spec.rules;
    let window = u64::from(spec.window) * TICK.as_secs().unsigned_abs();
    Rule {
        id: id(&format!("r{}", number + 1)),
        revision: 1,
        priority: 50 + u8::try_from(number).unwrap_or_default(),
        status: Status::Enabled,
        source: Source::Stage(stages[from].clone()),
        participants: ParticipantFilter::default(),
        destinations: vec![Destination::Stage(stages[to].clone())],
        reconnect_window: ReconnectWindow::from_seconds(window).unwrap_or_default(),
        attributes: BTreeMap::new(),
        preempt: spec.preempts,
        record_replicas: None,
        expires_at: spec.expires.filter(|_| is_last).map(|tick| at(tick.into())),
    }
}

/// The session of every stage: somebody watches all the time, so that it never ends.
pub(crate) fn session() -> SessionId {
    id("st-1")
}

/// An identifier that is written here, and so is one.
#[allow(clippy::expect_used, reason = "written here")]
pub(crate) fn id<T: FromStr<Err: fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an identifier")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_is_at_its_place() {
        for (place, decision) in every_decision().into_iter().enumerate() {
            assert_eq!(number(decision), place, "{decision}");
        }
    }
}
