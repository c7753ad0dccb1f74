//! The call budget of an IVS operation: who may call when, for all Lambdas together.
//!
//! IVS takes 5 calls per second of each operation from an account in a Region, whoever makes them. A budget is a share of that.
//! It is kept as the last few grants: a call is granted when the grant a whole budget earlier is a whole window old. So a full
//! budget may be spent at once, and still no window, wherever it begins, holds more than the budget.
//!
//! # Guarantees
//! * No window of [`Limit::window`] holds more than [`Limit::calls`] grants, whatever was asked for and when.
//! * Grants are given in the order of asking and never lie in the past.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::moment::later;
use crate::{Question, Step, Tally};

/// An IVS operation that has a budget. Each has its own quota of 5 calls per second (IVS service quotas).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// StartParticipantReplication.
    Start,
    /// StopParticipantReplication.
    Stop,
    /// ListParticipantReplicas.
    List,
    /// ListStages.
    ListStages,
    /// GetStage.
    GetStage,
    /// UpdateStage.
    UpdateStage,
    /// ListStageSessions.
    ListStageSessions,
    /// ListParticipants.
    ListParticipants,
    /// GetParticipant.
    GetParticipant,
    /// ListParticipantEvents.
    ListParticipantEvents,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 10] = [
        Self::Start,
        Self::Stop,
        Self::List,
        Self::ListStages,
        Self::GetStage,
        Self::UpdateStage,
        Self::ListStageSessions,
        Self::ListParticipants,
        Self::GetParticipant,
        Self::ListParticipantEvents,
    ];

    /// IVS's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "StartParticipantReplication",
            Self::Stop => "StopParticipantReplication",
            Self::List => "ListParticipantReplicas",
            Self::ListStages => "ListStages",
            Self::GetStage => "GetStage",
            Self::UpdateStage => "UpdateStage",
            Self::ListStageSessions => "ListStageSessions",
            Self::ListParticipants => "ListParticipants",
            Self::GetParticipant => "GetParticipant",
            Self::ListParticipantEvents => "ListParticipantEvents",
        }
    }

    /// The operation with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The operation that a step calls.
    pub fn of(step: &Step) -> Self {
        match step {
            Step::Start(_) => Self::Start,
            Step::Stop(_) => Self::Stop,
            Step::Verify(_) => Self::List,
        }
    }

    /// The operation that answers a question.
    pub fn answering(question: Question) -> Self {
        match question {
            Question::Tags => Self::GetStage,
            Question::Attributes => Self::GetParticipant,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a step is a stop that counts for the brake.
pub fn counts_for_brake(step: &Step) -> bool {
    matches!(step, Step::Stop(request) if request.counts_for_brake())
}

/// The budgets of all operations, as far as anything was called.
pub type Book = BTreeMap<Operation, Budget>;

/// How many calls of each operation a plan may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// StartParticipantReplication.
    pub start: usize,
    /// StopParticipantReplication.
    pub stop: usize,
    /// ListParticipantReplicas.
    pub list: usize,
    /// GetStage.
    pub get_stage: usize,
    /// GetParticipant.
    pub get_participant: usize,
    /// Each of the other operations, which no plan calls.
    pub others: usize,
    /// Stops of the last minute that count for the brake, whoever made them.
    pub recent_stops: usize,
}

impl Allowance {
    /// No call at all.
    pub const NONE: Self =
        Self { start: 0, stop: 0, list: 0, get_stage: 0, get_participant: 0, others: 0, recent_stops: 0 };
    /// As many as one likes.
    pub const UNLIMITED: Self = Self {
        start: usize::MAX,
        stop: usize::MAX,
        list: usize::MAX,
        get_stage: usize::MAX,
        get_participant: usize::MAX,
        others: usize::MAX,
        recent_stops: 0,
    };

    /// What is left for an operation.
    pub fn left(&mut self, operation: Operation) -> &mut usize {
        match operation {
            Operation::Start => &mut self.start,
            Operation::Stop => &mut self.stop,
            Operation::List => &mut self.list,
            Operation::GetStage => &mut self.get_stage,
            Operation::GetParticipant => &mut self.get_participant,
            Operation::ListStages
            | Operation::UpdateStage
            | Operation::ListStageSessions
            | Operation::ListParticipants
            | Operation::ListParticipantEvents => &mut self.others,
        }
    }

    /// What is left once these steps are made.
    pub fn after(mut self, steps: &[Step]) -> Self {
        for step in steps {
            let left = self.left(Operation::of(step));
            *left = left.saturating_sub(1);
            self.recent_stops += usize::from(counts_for_brake(step));
        }
        self
    }
}

/// How much of an operation's quota may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Calls in one window; at least 1.
    pub calls: usize,
    /// The window.
    pub window: SignedDuration,
}

impl Limit {
    /// The window that IVS counts in, and a little more, because calls that leave a second apart may arrive closer.
    const WINDOW: SignedDuration = SignedDuration::from_millis(1_020);

    /// The given share, in percent (1–100), of a quota in calls per second. Part of a call is rounded down, and made up for by a
    /// longer window where nothing would be left.
    pub fn share(quota_per_second: u32, percent: u32) -> Self {
        let hundredths = quota_per_second.max(1).saturating_mul(percent.clamp(1, 100));
        match hundredths / 100 {
            0 => Self {
                calls: 1,
                window: Self::WINDOW.saturating_mul(100) / i32::try_from(hundredths).unwrap_or(1),
            },
            calls => Self { calls: calls as usize, window: Self::WINDOW },
        }
    }

    /// The part of it that a sweep may have: half, in whole calls, and at least one.
    pub fn for_sweeping(self) -> Self {
        Self { calls: (self.calls / 2).max(1), ..self }
    }

    /// The same calls over a window that is `strain` percent longer.
    fn under(self, strain: u32) -> Self {
        let percent = i32::try_from(100 + strain).unwrap_or(i32::MAX);
        Self { window: self.window.saturating_mul(percent) / 100, ..self }
    }
}

/// A part of a budget that is set aside for one sweep for a while: the sweep keeps to it by itself, without a write for each of
/// its calls, and everybody else has that much less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Whose it is.
    pub holder: u64,
    /// How many calls of each window it takes.
    pub calls: usize,
    /// The sweep makes its last call before this time. What was set aside is free again a window later.
    pub until: Timestamp,
}

/// The grants of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget {
    /// The last grants, oldest first; no more than fit into one window.
    pub grants: Vec<Timestamp>,
    /// How much slower than allowed it goes, because IVS throttled although the budget allowed: percent of the window, at
    /// [`Budget::strained_at`].
    pub strain: u32,
    /// When it was throttled last.
    pub strained_at: Option<Timestamp>,
    /// Those of the last minute that count for the brake.
    pub tally: Tally,
    /// Until when newcomers leave free calls to those who have been waiting longer.
    pub reserved_until: Option<Timestamp>,
    /// Calls that are set aside for a sweep.
    pub lane: Option<Lane>,
    /// The stored version this was read at; 0 if it is not stored yet.
    pub version: u64,
}

impl Budget {
    /// The most it slows down: to a tenth.
    const MAX_STRAIN: u32 = 900;
    /// How long it takes for half of the strain to be forgotten.
    const RELIEF: SignedDuration = SignedDuration::from_secs(10);

    /// The next free time at or after `now`.
    pub fn next_free(&self, now: Timestamp, limit: Limit) -> Timestamp {
        let limit = limit.under(self.strain_at(now));
        let last = self.grants.last().copied().unwrap_or(Timestamp::MIN);
        let lane = self.lane.filter(|lane| now < later(lane.until, limit.window));
        let (calls, now) = match lane {
            Some(lane) if lane.calls < limit.calls => (limit.calls - lane.calls, now),
            Some(lane) => (limit.calls, later(lane.until, limit.window)),
            None => (limit.calls, now),
        };
        let before_window = self.grants.len().checked_sub(calls).map(|i| self.grants[i]);
        let window_over = before_window.and_then(|grant| grant.checked_add(limit.window).ok());
        now.max(last).max(window_over.unwrap_or(Timestamp::MIN))
    }

    /// Sets `lane` aside at `now`: gives the time from which its holder may call, when the calls that others have made leave room
    /// for it. Another's lane has to be over first; then it gives nothing, and the time at which to try again.
    ///
    /// # Errors
    /// The time at which the lane that is there is free.
    pub fn set_aside(&mut self, lane: Lane, now: Timestamp, limit: Limit) -> Result<Timestamp, Timestamp> {
        let window = limit.under(self.strain_at(now)).window;
        let free =
            self.lane.filter(|other| other.holder != lane.holder).map(|other| later(other.until, window));
        if let Some(free) = free.filter(|free| now < *free) {
            return Err(free);
        }
        let others = Self { lane: None, ..self.clone() };
        let left = limit.calls.saturating_sub(lane.calls) + 1;
        self.lane = Some(lane);
        Ok(others.next_free(now, Limit { calls: left, ..limit }))
    }

    /// How many calls may be made at `now`.
    pub fn free(&self, now: Timestamp, limit: Limit) -> usize {
        let mut budget = self.clone();
        std::iter::from_fn(|| budget.grant(now, now, limit)).take(limit.calls).count()
    }

    /// From when on nothing of its past matters: all calls are free, nothing is reserved, none counts for the brake, and no strain
    /// is left to speak of.
    pub fn busy_until(&self, limit: Limit) -> Timestamp {
        let last = self.grants.last().copied().unwrap_or(Timestamp::MIN);
        let window = limit.under(self.strain).window;
        let strained = self.strained_at.map(|at| later(at, Self::RELIEF.saturating_mul(3)));
        let lane_over = self.lane.map(|lane| later(lane.until, window));
        later(last, window)
            .max(lane_over.unwrap_or(Timestamp::MIN))
            .max(strained.unwrap_or(Timestamp::MIN))
            .max(self.reserved_until.unwrap_or(Timestamp::MIN))
            .max(self.tally.counts_until())
    }

    /// Grants one call, if it may be made no later than `until`: gives the time at which to make it.
    pub fn grant(&mut self, now: Timestamp, until: Timestamp, limit: Limit) -> Option<Timestamp> {
        let at = self.next_free(now, limit);
        if at > until {
            return None;
        }
        self.grants.push(at);
        let surplus = self.grants.len().saturating_sub(limit.calls);
        self.grants.drain(..surplus);
        Some(at)
    }

    /// IVS throttled a call that the budget had allowed: somebody else is calling too. Throttled calls of the same half second
    /// count once.
    pub fn throttled(&mut self, at: Timestamp) {
        let recent =
            self.strained_at.is_some_and(|last| at.duration_since(last) < SignedDuration::from_millis(500));
        if !recent {
            self.strain = (self.strain_at(at) * 3 / 2 + 50).min(Self::MAX_STRAIN);
            self.strained_at = Some(at);
        }
    }

    /// The strain that is left at `now`.
    pub fn strain_at(&self, now: Timestamp) -> u32 {
        let Some(since) = self.strained_at else { return 0 };
        let halvings = now.duration_since(since).as_millis() / Self::RELIEF.as_millis();
        let rest = (now.duration_since(since).as_millis() % Self::RELIEF.as_millis()).max(0);
        let halved = self.strain >> u32::try_from(halvings.max(0)).unwrap_or(u32::MAX).min(31);
        // Between two halvings it falls evenly.
        halved - u32::try_from(i128::from(halved / 2) * rest / Self::RELIEF.as_millis()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000_000_000 + ms).unwrap()
    }

    fn most_in_a_window(grants: &[Timestamp], window: SignedDuration) -> usize {
        let within = |from: &Timestamp| {
            grants.iter().filter(|at| *at >= from && at.duration_since(*from) < window).count()
        };
        grants.iter().map(within).max().unwrap_or(0)
    }

    #[test]
    fn a_share_is_never_more_than_its_part_of_the_quota() {
        assert_eq!(Limit::share(5, 100).calls, 5);
        assert_eq!(Limit::share(5, 80).calls, 4);
        assert_eq!(Limit::share(5, 79).calls, 3);
        let small = Limit::share(5, 10);
        assert_eq!((small.calls, small.window.as_millis()), (1, 2_040));
    }

    #[test]
    fn a_rested_budget_may_be_spent_at_once_and_not_more() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 80));
        let granted: Vec<_> = (0..5).filter_map(|_| budget.grant(at(0), at(0), limit)).collect();
        assert_eq!(granted, [at(0); 4]);
        assert_eq!(budget.next_free(at(0), limit), at(1_020));
        assert_eq!(budget.next_free(at(5_000), limit), at(5_000));
    }

    #[test]
    fn no_window_holds_more_than_the_budget() {
        let limit = Limit::share(5, 100);
        for step in [1, 7, 50, 199, 210, 350] {
            let mut budget = Budget::default();
            let grants: Vec<_> =
                (0..300).filter_map(|i| budget.grant(at(i * step), at(1_000_000), limit)).collect();
            assert_eq!(grants.len(), 300);
            assert!(grants.is_sorted());
            assert!(most_in_a_window(&grants, SignedDuration::from_secs(1)) <= 5, "step {step}");
        }
    }

    #[test]
    fn a_thousand_calls_take_little_longer_than_the_quota_needs() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 100));
        let last = (0..1000).filter_map(|_| budget.grant(at(0), at(1_000_000), limit)).last().unwrap();
        assert!(last <= at(204_000), "{last}");
    }

    #[test]
    fn a_clock_that_runs_behind_takes_its_turn_after_the_last_grant() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 100));
        budget.grant(at(1_000), at(2_000), limit).unwrap();
        assert_eq!(budget.grant(at(400), at(2_000), limit), Some(at(1_000)));
    }

    #[test]
    fn throttling_slows_it_down_and_time_relieves_it() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 100));
        budget.throttled(at(0));
        budget.throttled(at(100));
        assert_eq!(budget.strain, 50, "throttled calls of one moment count once");
        for i in 1..40 {
            budget.throttled(at(i * 1_000));
        }
        let mut again = Budget::default();
        again.throttled(at(0));
        again.throttled(at(499));
        assert_eq!(again.strain, 50);
        again.throttled(at(500));
        assert_eq!(again.strain, 123, "half as much again as was left, and 50");
        assert!(budget.strain_at(at(39_000)) > 300 && budget.strain <= Budget::MAX_STRAIN);
        let slow = budget.strain_at(at(39_000));
        let once = Budget { strain: 400, strained_at: Some(at(0)), ..Budget::default() };
        let left = [0, 5_000, 10_000, 15_000, 20_000].map(|ms| once.strain_at(at(ms)));
        assert_eq!(left, [400, 300, 200, 150, 100], "half of it is gone every ten seconds");
        assert!(budget.strain_at(at(44_000)) < slow);
        assert!(budget.strain_at(at(49_000)) <= slow / 2);
        assert_eq!(budget.strain_at(at(400_000)), 0);
        assert!(budget.strain_at(at(-5_000)) <= budget.strain, "an earlier clock does no harm");
        for _ in 0..5 {
            budget.grant(at(40_000), at(40_000), limit).unwrap();
        }
        assert!(budget.next_free(at(40_000), limit) > at(40_000 + 3_000));
    }

    #[test]
    fn what_is_free_can_be_granted_and_no_more() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 80));
        assert_eq!(budget.free(at(0), limit), 4);
        budget.grant(at(0), at(0), limit).unwrap();
        assert_eq!(budget.free(at(500), limit), 3);
        assert_eq!(budget.free(at(1_020), limit), 4);
    }

    #[test]
    fn it_is_busy_until_nothing_of_its_past_matters() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 80));
        budget.grant(at(0), at(0), limit).unwrap();
        assert_eq!(budget.busy_until(limit), at(1_020));
        budget.reserved_until = Some(at(2_000));
        assert_eq!(budget.busy_until(limit), at(2_000));
        budget.throttled(at(0));
        assert_eq!(budget.busy_until(limit), at(30_000));
    }

    fn lane(holder: u64, calls: usize, until: Timestamp) -> Lane {
        Lane { holder, calls, until }
    }

    #[test]
    fn what_is_set_aside_is_not_for_others_until_a_window_after_its_end() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 80));
        assert_eq!(budget.set_aside(lane(1, 2, at(5_000)), at(0), limit), Ok(at(0)));
        assert_eq!(budget.free(at(0), limit), 2);
        assert_eq!(budget.free(at(6_019), limit), 2, "the last call of the lane may be just over");
        assert_eq!(budget.free(at(6_020), limit), 4);
        assert_eq!(budget.busy_until(limit), at(6_020));
    }

    #[test]
    fn who_takes_a_lane_waits_for_the_calls_that_others_have_made() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 80));
        for _ in 0..4 {
            budget.grant(at(0), at(0), limit).unwrap();
        }
        assert_eq!(budget.set_aside(lane(1, 2, at(5_000)), at(100), limit), Ok(at(1_020)));
        let mut rested = Budget::default();
        rested.grant(at(0), at(0), limit).unwrap();
        assert_eq!(
            rested.set_aside(lane(1, 2, at(5_000)), at(100), limit),
            Ok(at(100)),
            "there is room for both"
        );
        let mut half = Budget::default();
        (0..3).for_each(|_| assert_eq!(half.grant(at(0), at(0), limit), Some(at(0))));
        assert_eq!(half.set_aside(lane(1, 2, at(5_000)), at(100), limit), Ok(at(1_020)));
    }

    #[test]
    fn one_lane_at_a_time() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 80));
        budget.set_aside(lane(1, 2, at(5_000)), at(0), limit).unwrap();
        assert_eq!(budget.set_aside(lane(2, 2, at(9_000)), at(1_000), limit), Err(at(6_020)));
        assert!(budget.set_aside(lane(1, 2, at(9_000)), at(1_000), limit).is_ok(), "its holder may go on");
        assert!(budget.set_aside(lane(2, 2, at(15_000)), at(10_020), limit).is_ok());
        budget.grant(at(10_100), at(10_100), limit).unwrap();
        let longer = budget.set_aside(lane(2, 2, at(20_000)), at(10_100), limit);
        assert_eq!(longer, Ok(at(10_100)), "its own lane is not in its way");
    }

    #[test]
    fn what_a_lane_leaves_is_for_others() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 80));
        budget.set_aside(lane(1, 1, at(5_000)), at(0), limit).unwrap();
        assert_eq!(budget.free(at(0), limit), 3);
    }

    #[test]
    fn a_sweep_may_have_half_in_whole_calls_and_at_least_one() {
        let calls = |percent| Limit::share(5, percent).for_sweeping().calls;
        assert_eq!([100, 80, 60, 20].map(calls), [2, 2, 1, 1]);
    }

    #[test]
    fn an_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_name(operation.name()), Some(operation));
        }
        assert_eq!(Operation::from_name("DeleteStage"), None);
    }

    #[test]
    fn a_lane_of_the_whole_budget_leaves_nothing_until_it_is_over() {
        let (mut budget, limit) = (Budget::default(), Limit::share(5, 20));
        assert_eq!((limit.calls, limit.for_sweeping().calls), (1, 1));
        budget.set_aside(lane(1, 1, at(1_000)), at(0), limit).unwrap();
        assert_eq!(budget.free(at(500), limit), 0);
        assert_eq!(budget.next_free(at(500), limit), at(2_020));
    }
}
