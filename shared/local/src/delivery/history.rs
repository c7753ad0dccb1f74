//! What was delivered, and what could not be.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, Source, Trigger};

/// One event, or one batch of changes, on its way to one function through one trigger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// A number that is unique in this stand.
    pub number: u64,
    /// The envelope's `id`, or the `eventID` of the first change.
    pub event_id: String,
    /// What it is, for people: `detail.event_name`, `Scheduled Event`, or how many changes of items.
    pub event_name: Option<String>,
    /// The function's name.
    pub function: String,
    /// What kind of trigger.
    pub source: Source,
    /// The name of the rule, schedule or event source mapping.
    pub trigger: String,
    /// What was tried so far.
    pub attempts: Vec<Attempt>,
    /// How often it could not be tried, because as many invocations ran as the function may have.
    pub throttles: u32,
    /// Where it stands.
    pub status: Status,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is being tried, or waits to be tried again.
    Pending,
    /// The function answered.
    Delivered,
    /// All attempts failed, for all or for some of it.
    DeadLetter,
}

/// One invocation of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began, as an RFC 3339 timestamp.
    pub at: String,
    /// How long it took, in milliseconds, waiting for a free execution environment included.
    pub ms: u64,
    /// The function's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// How many deliveries that have come to an end are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(super) struct History {
    next_number: u64,
    deliveries: BTreeMap<u64, Delivery>,
    ended: VecDeque<u64>,
}

impl History {
    pub(super) fn add(&mut self, trigger: &Trigger, event_id: String, event_name: Option<String>) -> u64 {
        self.next_number += 1;
        let number = self.next_number;
        let delivery = Delivery {
            number,
            event_id,
            event_name,
            function: trigger.function.clone(),
            source: trigger.source,
            trigger: trigger.name.clone(),
            attempts: Vec::new(),
            throttles: 0,
            status: Status::Pending,
        };
        self.deliveries.insert(number, delivery);
        number
    }

    pub(super) fn get(&self, number: u64) -> Option<&Delivery> {
        self.deliveries.get(&number)
    }

    pub(super) fn last_of(&self, trigger: &str) -> Option<&Delivery> {
        self.deliveries.values().rev().find(|delivery| delivery.trigger == trigger)
    }

    pub(super) fn all(&self) -> Vec<Delivery> {
        self.deliveries.values().cloned().collect()
    }

    pub(super) fn attempted(&mut self, number: u64, attempt: Attempt) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.attempts.push(attempt);
        }
    }

    pub(super) fn throttled(&mut self, number: u64) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.throttles += 1;
        }
    }

    pub(super) fn end(&mut self, number: u64, status: Status) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.status = status;
        }
        self.ended.push_back(number);
        if self.ended.len() > REMEMBERED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.deliveries.remove(&oldest);
        }
    }
}
