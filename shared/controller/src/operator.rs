//! What an operator orders for all stages at once.

use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::{Control, Pause};

use crate::StoreError;
use crate::history::HistoryLine;

/// The orders that hold for all stages, in the one table. Functions that keep rules for any stage for a while keep these as long,
/// so that an order is in force everywhere once that time is over.
///
/// # Guarantees
/// * An order and its line of history are written together or not at all. The line wakes nobody.
pub trait Operator: Send + Sync {
    /// The orders as they are stored.
    fn control(&self) -> BoxFuture<'_, Result<Control, StoreError>>;

    /// From now on nothing is started and nothing is stopped. Calls under way are finished. A pause that was there is replaced.
    fn pause<'a>(&'a self, pause: &'a Pause) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Ends the pause, if there is one.
    fn resume<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Takes the brake on mass stops off until then.
    fn release_brake<'a>(
        &'a self,
        until: Timestamp,
        order: &'a Order,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Who orders something, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Who.
    pub by: String,
    /// Why; nothing if that was not said.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Order {
    /// The order behind a pause.
    pub fn of_pause(pause: &Pause) -> Self {
        let Pause { reason, by, at } = pause.clone();
        Self { by, reason: Some(reason), at }
    }

    /// The line of history for an order that concerns all stages: what was ordered, and how it went.
    pub fn line(&self, operation: &str, outcome: String) -> HistoryLine {
        HistoryLine {
            at: self.at,
            stage: None,
            participant: None,
            destination: None,
            operation: operation.to_owned(),
            rule: None,
            outcome,
            reason: self.reason.clone(),
            request_id: None,
            caller: self.by.clone(),
        }
    }
}
