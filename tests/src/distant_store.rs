//! The store in memory, as far away as a table is: between what somebody reads and what he writes, others write too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use controller::{Clock, Due, MemoryStore, Queue, Store, StoreError, Write};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::budget::Book;
use replication::{PublisherKey, Replica, StageArn, View};

use crate::virtual_time::JumpingClock;

/// A table on virtual time. Each request takes a little time on the way there and on the way back.
pub struct DistantStore {
    /// The table.
    pub table: MemoryStore,
    /// Time.
    pub clock: Arc<JumpingClock>,
    /// The time of one way, in ms; with 0, nobody comes between.
    pub way_ms: i64,
    conflicts: AtomicUsize,
}

impl DistantStore {
    /// A table at this distance.
    pub fn new(table: MemoryStore, clock: Arc<JumpingClock>, way_ms: i64) -> Self {
        Self { table, clock, way_ms, conflicts: AtomicUsize::new(0) }
    }

    /// Writes so far that lost a race.
    pub fn conflicts(&self) -> usize {
        self.conflicts.load(Ordering::Relaxed)
    }

    async fn there_and_back<T>(&self, request: impl Future<Output = T>) -> T {
        self.travel().await;
        let answer = request.await;
        self.travel().await;
        answer
    }

    async fn travel(&self) {
        self.clock.sleep_until(self.clock.now() + SignedDuration::from_millis(self.way_ms)).await;
    }
}

impl Store for DistantStore {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        self.there_and_back(self.table.load(publisher)).boxed()
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        self.there_and_back(self.table.budgets()).boxed()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        self.there_and_back(self.table.replicas_to(destination, phase)).boxed()
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let written = self.there_and_back(self.table.write(write)).await;
            if matches!(written, Err(StoreError::Conflict)) {
                self.conflicts.fetch_add(1, Ordering::Relaxed);
            }
            written
        }
        .boxed()
    }
}

impl Queue for DistantStore {
    fn due(&self, until: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, StoreError>> {
        self.there_and_back(self.table.due(until, limit)).boxed()
    }
}
