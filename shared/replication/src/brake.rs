//! The brake on mass stops: how many replicas may be stopped within a minute on the word of one reading alone.
//!
//! A wrong reading of the table, or of IVS, can look like the end of every replication at once. So only so many Stops are made
//! before a second witness agrees, and the rest keep running until then. A mass stop that is right is late by a sweep or two.
//!
//! # Guarantees
//! * In no minute are more than [`limit`] replicas stopped without a second witness, an operator, or an end that was announced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::moment::later;
use crate::{Control, Policy, ReplicationKey, StageArn};

/// Why a replica is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Its publisher does not publish, the reconnect window is over, and IVS did not end it.
    PublisherGone,
    /// No rule wants it.
    Unwanted,
    /// The rule that wanted it has expired.
    Expired,
    /// A rule of this priority needs the participant's slot.
    Outranked {
        /// 0-100.
        priority: u8,
    },
    /// A rule of this priority needs the place at the destination.
    GivesWay {
        /// 0-100.
        priority: u8,
    },
}

impl StopReason {
    /// Whether it was told ahead, or another replica is started for it: the brake does not hold it back.
    pub fn is_announced(self) -> bool {
        match self {
            Self::Expired | Self::Outranked { .. } | Self::GivesWay { .. } => true,
            Self::PublisherGone | Self::Unwanted => false,
        }
    }
}

impl StopReason {
    /// Whether it is stopped for a rule of a higher priority than that which wants it.
    pub(crate) fn is_for_a_higher_priority(self) -> bool {
        match self {
            Self::Outranked { .. } | Self::GivesWay { .. } => true,
            Self::PublisherGone | Self::Unwanted | Self::Expired => false,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublisherGone => {
                f.write_str("the participant does not publish, and its reconnect window is over")
            }
            Self::Unwanted => f.write_str("no rule wants it"),
            Self::Expired => f.write_str("its rule has expired"),
            Self::Outranked { priority } => write!(f, "a rule of priority {priority} needs the slot"),
            Self::GivesWay { priority } => {
                write!(f, "a rule of priority {priority} needs the place at the destination")
            }
        }
    }
}

/// What StopParticipantReplication is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRequest {
    /// The replication.
    pub key: ReplicationKey,
    /// Why it is stopped.
    pub reason: StopReason,
    /// Whether a second witness or an operator agrees.
    pub confirmed: bool,
}

impl StopRequest {
    /// Whether it is one of those of which only so many may be made within a minute.
    pub fn counts_for_brake(&self) -> bool {
        !self.confirmed && !self.reason.is_announced()
    }
}

/// A replica that should be stopped and that the brake keeps running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Braked {
    /// Since when.
    pub since: Timestamp,
    /// When a second witness agreed that it should be stopped; nothing while it waits for one.
    pub confirmed_at: Option<Timestamp>,
}

/// What a sweep says of a publisher's replications, from readings of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecondWitness {
    /// Destinations that no rule wants, by a reading of all rules.
    pub unwanted: BTreeSet<StageArn>,
    /// When a look found that the publisher does not publish any more; nothing if none did.
    pub gone_at: Option<Timestamp>,
}

/// How many stops that count for the brake were made lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// By the beginning of the ten seconds in which they were made.
    pub stops: BTreeMap<Timestamp, u32>,
}

impl Tally {
    const TEN_SECONDS: i64 = 10;
    /// How long a stop counts: a minute, and the ten seconds whose part it is.
    const COUNTS_FOR: SignedDuration = SignedDuration::from_secs(60 + Self::TEN_SECONDS);

    /// Adds a stop.
    pub fn add(&mut self, at: Timestamp) {
        self.stops.retain(|from, _| at < later(*from, Self::COUNTS_FOR));
        let into = at.as_second().rem_euclid(Self::TEN_SECONDS);
        let from = Timestamp::from_second(at.as_second() - into).unwrap_or(Timestamp::MIN);
        *self.stops.entry(from).or_default() += 1;
    }

    /// Stops within the last minute, and a little more.
    pub fn within_a_minute(&self, now: Timestamp) -> usize {
        let recent = self.stops.iter().filter(|(from, _)| now < later(**from, Self::COUNTS_FOR));
        recent.map(|(_, stops)| *stops as usize).sum()
    }

    /// From when on none of them counts.
    pub fn counts_until(&self) -> Timestamp {
        self.stops.keys().next_back().map_or(Timestamp::MIN, |from| later(*from, Self::COUNTS_FOR))
    }
}

/// How many stops a minute may see that nobody else vouches for; nothing if the brake is off.
pub fn limit(policy: &Policy, control: &Control, now: Timestamp) -> Option<usize> {
    let released = control.brake_released_until.is_some_and(|until| now < until);
    (policy.brake_percent < 100 && !released).then(|| limit_for(policy, control.running))
}

/// The limit while so many replicas of our own run.
pub(crate) fn limit_for(policy: &Policy, running: Option<usize>) -> usize {
    let share = running.unwrap_or(0).saturating_mul(policy.brake_percent as usize) / 100;
    share.max(policy.brake_floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_stop_counts_for_a_minute_at_least_and_70_seconds_at_most() {
        let mut tally = Tally::default();
        (0..10).for_each(|second| tally.add(at(second)));
        tally.add(at(10));
        assert_eq!(tally.within_a_minute(at(10)), 11);
        assert_eq!(tally.within_a_minute(at(69)), 11);
        assert_eq!(tally.within_a_minute(at(70)), 1);
        assert_eq!(tally.within_a_minute(at(80)), 0);
        assert_eq!(tally.counts_until(), at(80));
        let mut later = tally.clone();
        later.add(at(80));
        assert_eq!(later.stops.len(), 1, "nor is what just ceased to count");
        tally.add(at(300));
        assert_eq!(tally.stops.len(), 1, "what does not count any more is forgotten");
    }

    #[test]
    fn no_time_is_too_early_or_too_late() {
        let mut tally = Tally::default();
        tally.add(Timestamp::MIN);
        tally.add(Timestamp::MAX);
        assert!(tally.within_a_minute(Timestamp::MAX) <= 1);
    }

    #[test]
    fn the_limit_is_a_share_and_never_less_than_the_floor() {
        let policy = Policy::default();
        let of = |running| limit(&policy, &Control { running, ..Control::default() }, at(0));
        assert_eq!(of(None), Some(20));
        assert_eq!(of(Some(66)), Some(20));
        assert_eq!(of(Some(1_000)), Some(300));
    }

    #[test]
    fn an_operator_and_a_share_of_all_take_the_brake_off() {
        let policy = Policy::default();
        let released = Control { brake_released_until: Some(at(60)), ..Control::default() };
        assert_eq!(limit(&policy, &released, at(59)), None);
        assert_eq!(limit(&policy, &released, at(60)), Some(20));
        let off = Policy { brake_percent: 100, ..policy };
        assert_eq!(limit(&off, &Control::default(), at(0)), None);
    }
}
