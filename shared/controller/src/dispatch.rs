//! Does what is due, in order, at the pace of the call budget.
//!
//! Order: by class (what costs money first), then by rule priority, then by how long it has been waiting. Each publisher is
//! reconciled by the same loop that events use; so what is no longer wanted when its turn comes costs no call at all.
//!
//! # Guarantees
//! * One that fails or hangs delays no other: publishers are reconciled side by side.
//! * Stopped anywhere, nothing is lost: what is due is in the store.
//!
//! # Caveats
//! * It looks at the first [`PAGE`] of each class at a time; the order within a longer queue is by waiting time first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use replication::{Allowance, Operation, PublisherKey};
use tracing::warn;

use crate::{Controller, Due, Error, Handled, Invocation, Queue, StoreError};

/// What is read of each class at a time.
pub const PAGE: usize = 500;

/// Publishers reconciled side by side.
const SIDE_BY_SIDE: usize = 16;

/// How often the queue is read while there is something in it.
const READ_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// How long the same publisher is left alone after it was reconciled: the index may still show what is done.
const REST: SignedDuration = SignedDuration::from_millis(500);

/// How soon it is looked again whether what is ready may go, while those under way may need all calls that are free. The end
/// of one of them is another occasion.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_millis(20);

/// Does what is due.
pub struct Dispatcher {
    /// The loop, with every call it may make and without patience of its own.
    pub controller: Controller,
    /// What waits for its time.
    pub queue: Arc<dyn Queue>,
}

/// What one invocation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dispatched {
    /// Publishers that were reconciled.
    pub reconciled: usize,
    /// Of these, those that could not be finished; they stay due.
    pub unfinished: usize,
}

/// A publisher being reconciled.
type Running<'a> = FuturesUnordered<BoxFuture<'a, (PublisherKey, Result<Handled, Error>)>>;

impl Dispatcher {
    /// Works until nothing is due before the deadline, or the deadline comes.
    ///
    /// # Errors
    /// The queue cannot be read. What is under way is finished first.
    pub async fn run(&self, invocation: &Invocation) -> Result<Dispatched, StoreError> {
        let mut done = Dispatched::default();
        let mut left_alone: BTreeMap<PublisherKey, Timestamp> = BTreeMap::new();
        let mut running = Running::new();
        let mut under_way = BTreeSet::new();
        self.controller.calls_left.read(self.controller.store.budgets().await?);
        let mut queue = Vec::new();
        let mut read_at = Timestamp::MIN;
        loop {
            let now = self.controller.clock.now();
            if now >= invocation.deadline {
                break;
            }
            if now.duration_since(read_at) >= READ_EVERY || queue.is_empty() {
                queue = in_order(self.queue.due(invocation.deadline, PAGE).await?, now);
                read_at = now;
            }
            left_alone.retain(|_, until| now < *until);
            let mut wake = read_at + READ_EVERY;
            let mut waiting = Vec::new();
            let allowance = self.controller.calls_left.allowance(now);
            for due in std::mem::take(&mut queue) {
                let free = self.controller.calls_left.next_free(due.class.operation(), now);
                let ready = due.at.max(free).max(left_alone.get(&due.publisher).copied().unwrap_or(due.at));
                if under_way.contains(&due.publisher) {
                    continue;
                }
                if ready > now || running.len() >= SIDE_BY_SIDE || is_spoken_for(&due, &running, allowance) {
                    wake = wake.min(if ready > now { ready } else { now + LOOK_AGAIN });
                    waiting.push(due);
                    continue;
                }
                under_way.insert(due.publisher.clone());
                running.push(self.reconcile(due.publisher, invocation));
            }
            queue = waiting;
            if running.is_empty() && queue.is_empty() {
                break;
            }
            let pause = self.controller.clock.sleep_until(wake.min(invocation.deadline));
            if running.is_empty() {
                pause.await;
            } else if let Either::Left((Some((publisher, result)), _)) = select(running.next(), pause).await {
                done.count(&publisher, &result);
                under_way.remove(&publisher);
                left_alone.insert(publisher, self.controller.clock.now() + REST);
            }
        }
        while let Some((publisher, result)) = running.next().await {
            done.count(&publisher, &result);
        }
        Ok(done)
    }

    fn reconcile<'a>(
        &'a self,
        publisher: PublisherKey,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, (PublisherKey, Result<Handled, Error>)> {
        Box::pin(async move {
            let result = self.controller.reconcile(&publisher, None, invocation).await;
            (publisher, result)
        })
    }
}

impl Dispatched {
    fn count(&mut self, publisher: &PublisherKey, result: &Result<Handled, Error>) {
        self.reconciled += 1;
        if let Err(error) = result {
            self.unfinished += 1;
            warn!(%publisher, %error, "stays due")
        }
    }
}

/// Whether those under way may need all calls that are free.
fn is_spoken_for(due: &Due, running: &Running<'_>, mut allowance: Allowance) -> bool {
    let operation = due.class.operation();
    running.len() >= *allowance.left(operation) && operation != Operation::List
}

/// Each publisher once, in the order in which it is served: what is due already by class and priority, what is due later by time.
fn in_order(mut due: Vec<Due>, now: Timestamp) -> Vec<Due> {
    due.sort_by_key(|due| {
        let later = due.at > now;
        (later, later.then_some(due.at), due.class, std::cmp::Reverse(due.priority), due.at)
    });
    let mut seen = BTreeSet::new();
    due.retain(|due| seen.insert(due.publisher.clone()));
    due
}
