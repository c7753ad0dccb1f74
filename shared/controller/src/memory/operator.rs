//! The operator's part of the store in memory.

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::{Control, Pause};

use super::MemoryStore;
use crate::{Operator, Order, StoreError};

impl Operator for MemoryStore {
    fn control(&self) -> BoxFuture<'_, Result<Control, StoreError>> {
        async { Ok(self.lock().control.clone()) }.boxed()
    }

    fn pause<'a>(&'a self, pause: &'a Pause) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.lock();
        state.control.pause = Some(pause.clone());
        state.orders.push(Order::of_pause(pause).line("Pause", "ok".to_owned()));
        async { Ok(()) }.boxed()
    }

    fn resume<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.lock();
        state.control.pause = None;
        state.orders.push(order.line("Resume", "ok".to_owned()));
        async { Ok(()) }.boxed()
    }

    fn release_brake<'a>(
        &'a self,
        until: Timestamp,
        order: &'a Order,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.lock();
        state.control.brake_released_until = Some(until);
        state.orders.push(order.line("ReleaseBrake", format!("ok, until {until}")));
        async { Ok(()) }.boxed()
    }
}
