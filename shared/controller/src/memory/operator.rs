//! The operator's part of the store in memory.

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::{Control, Pause};

use super::MemoryStore;
use crate::{Operator, StoreError};

impl Operator for MemoryStore {
    fn control(&self) -> BoxFuture<'_, Result<Control, StoreError>> {
        async { Ok(self.lock().control.clone()) }.boxed()
    }

    fn pause<'a>(&'a self, pause: &'a Pause) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lock().control.pause = Some(pause.clone());
        async { Ok(()) }.boxed()
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.lock().control.pause = None;
        async { Ok(()) }.boxed()
    }

    fn release_brake(&self, until: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        self.lock().control.brake_released_until = Some(until);
        async { Ok(()) }.boxed()
    }
}
