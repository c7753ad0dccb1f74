//! What an operator orders for all stages at once.

use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::{Control, Pause};

use crate::StoreError;

/// The orders that hold for all stages, in the one table. Functions that keep rules for any stage for a while keep these as long,
/// so that an order is in force everywhere once that time is over.
pub trait Operator: Send + Sync {
    /// The orders as they are stored.
    fn control(&self) -> BoxFuture<'_, Result<Control, StoreError>>;

    /// From now on nothing is started and nothing is stopped. Calls under way are finished. A pause that was there is replaced.
    fn pause<'a>(&'a self, pause: &'a Pause) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Ends the pause, if there is one.
    fn resume(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes the brake on mass stops off until then.
    fn release_brake(&self, until: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;
}
