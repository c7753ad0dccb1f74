//! The way of an event from IVS to its subscribers, and what goes wrong on it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::dice::Dice;
use crate::faults::EventFaults;

/// How long an event that is held back waits for a later one.
const HOLD: SignedDuration = SignedDuration::from_secs(5);
/// Least spread of a duplicate, so that it can arrive after something else.
const DUPLICATE_SPREAD_MS: u64 = 1_000;

/// Envelopes on their way, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    on_the_way: BTreeMap<(Timestamp, u64), Parcel>,
    sent: u64,
}

#[derive(Debug)]
struct Parcel {
    envelope: Value,
    /// Waits to be overtaken by a later event.
    held_back: bool,
}

impl Delivery {
    /// Sends an envelope off at `now`.
    pub(super) fn send(&mut self, envelope: Value, now: Timestamp, faults: &EventFaults, dice: &mut Dice) {
        if dice.roll(faults.loss) {
            return;
        }
        let arrival = now + milliseconds(faults.delay_ms) + milliseconds(dice.up_to(faults.jitter_ms));
        if dice.roll(faults.duplicate) {
            let spread = dice.up_to(faults.jitter_ms.max(DUPLICATE_SPREAD_MS));
            self.put(arrival + milliseconds(spread), envelope.clone(), false);
        }
        if dice.roll(faults.reorder) {
            self.put(arrival + HOLD, envelope, true);
        } else {
            self.put(arrival, envelope, false);
            self.release_behind(arrival);
        }
    }

    /// What has arrived by `now`, in order.
    pub(super) fn arrived(&mut self, now: Timestamp) -> Vec<Value> {
        let mut arrived = Vec::new();
        while let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= now) {
            arrived.push(entry.remove().envelope);
        }
        arrived
    }

    /// When the next envelope arrives.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.on_the_way.keys().next().map(|(at, _)| *at)
    }

    /// Lets everything that was held back arrive right behind an event that arrives at `arrival`.
    fn release_behind(&mut self, arrival: Timestamp) {
        let held: Vec<_> =
            self.on_the_way.iter().filter(|(_, parcel)| parcel.held_back).map(|(key, _)| *key).collect();
        for key in held {
            if let Some(parcel) = self.on_the_way.remove(&key) {
                self.put(arrival.max(key.0 - HOLD), parcel.envelope, false);
            }
        }
    }

    fn put(&mut self, at: Timestamp, envelope: Value, held_back: bool) {
        self.sent += 1;
        self.on_the_way.insert((at, self.sent), Parcel { envelope, held_back });
    }
}

/// A span that the faults' ranges keep far below the limits of time.
fn milliseconds(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    /// Sends events 1 to `count` at 0, 1, 2 … ms, and returns what arrives within ten minutes.
    fn deliver(count: u64, faults: EventFaults) -> Vec<Value> {
        let (mut delivery, mut dice) = (Delivery::default(), Dice::new(3));
        for event in 1..=count {
            delivery.send(json!(event), at(event.cast_signed()), &faults, &mut dice);
        }
        delivery.arrived(at(600_000))
    }

    #[test]
    fn without_faults_events_arrive_at_once_and_in_order() {
        assert_eq!(deliver(3, EventFaults::default()), [1, 2, 3]);
    }

    #[test]
    fn loss_and_duplication_are_total_at_one() {
        assert!(deliver(9, EventFaults { loss: 1.0, ..EventFaults::default() }).is_empty());
        let twice = deliver(9, EventFaults { duplicate: 1.0, ..EventFaults::default() });
        assert_eq!(twice.len(), 18);
        for event in 1..=9 {
            assert_eq!(twice.iter().filter(|seen| **seen == json!(event)).count(), 2);
        }
    }

    #[test]
    fn a_delay_keeps_the_order_and_postpones_the_arrival() {
        let faults = EventFaults { delay_ms: 2_000, ..EventFaults::default() };
        let (mut delivery, mut dice) = (Delivery::default(), Dice::new(3));
        delivery.send(json!(1), at(0), &faults, &mut dice);
        delivery.send(json!(2), at(1), &faults, &mut dice);
        assert_eq!(delivery.next_due(), Some(at(2_000)));
        assert!(delivery.arrived(at(1_999)).is_empty());
        assert_eq!(delivery.arrived(at(2_000)), [1]);
        assert_eq!(delivery.arrived(at(9_000)), [2]);
    }

    #[test]
    fn an_event_held_back_arrives_after_a_later_one_or_alone_after_five_seconds() {
        let (mut delivery, mut dice) = (Delivery::default(), Dice::new(3));
        let reorder = EventFaults { reorder: 1.0, ..EventFaults::default() };
        delivery.send(json!(1), at(0), &reorder, &mut dice);
        assert_eq!(delivery.next_due(), Some(at(5_000)));
        delivery.send(json!(2), at(10), &EventFaults::default(), &mut dice);
        assert_eq!(delivery.arrived(at(10)), [2, 1]);
        delivery.send(json!(3), at(20), &reorder, &mut dice);
        assert_eq!(delivery.arrived(at(5_020)), [3]);
    }

    #[test]
    fn rates_between_lose_some_and_keep_some_and_a_seed_repeats_them() {
        let faults =
            EventFaults { loss: 0.3, duplicate: 0.3, reorder: 0.3, jitter_ms: 50, ..EventFaults::default() };
        let first = deliver(200, faults.clone());
        assert_eq!(first, deliver(200, faults));
        let mut distinct: Vec<u64> = first.iter().map(|event| event.as_u64().unwrap()).collect();
        let sorted = distinct.is_sorted();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(!sorted && distinct.len() > 100 && distinct.len() < 200 && first.len() > distinct.len());
    }
}
