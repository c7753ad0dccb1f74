//! Does what is due, in order, at the pace of the call budget.
//!
//! Order: by class (what costs money first), then by rule priority, then by how long it has been waiting. Each publisher is
//! reconciled by the same loop that events use; so what is no longer wanted when its turn comes costs no call at all. Versus
//! sessions are judged ([`Judge::attend`]), and the publishers they are about are reconciled at once.
//!
//! # Guarantees
//! * One that fails or hangs delays no other: publishers are reconciled side by side.
//! * Stopped anywhere, nothing is lost: what is due is in the store.
//! * What falls due before its deadline is done when it falls due, not later: it is known before, and waited for.
//!
//! # Caveats
//! * It looks at the first [`PAGE`] of each class at a time; the order within a longer queue is by waiting time first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use replication::{Allowance, Operation};
use tracing::{debug, warn};

use crate::versus::Judge;
use crate::{Controller, Due, Error, Invocation, Queue, StoreError, Work, with_causes};

/// What is read of each class at a time.
pub const PAGE: usize = 500;

/// Publishers reconciled, or sessions judged, side by side.
const SIDE_BY_SIDE: usize = 16;

/// How often the queue is read while there is something in it.
const READ_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// How long the same publisher is left alone after it was reconciled: the index may still show what is done. A session that
/// starts is judged again after this time.
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
    /// Judges versus sessions.
    pub versus: Judge,
}

/// What one invocation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dispatched {
    /// Publishers that were reconciled, and sessions that were judged.
    pub reconciled: usize,
    /// Of these, those that could not be finished; they stay due.
    pub unfinished: usize,
}

/// Work being done.
type Running<'a> = FuturesUnordered<BoxFuture<'a, (Work, Result<(), Error>)>>;

impl Dispatcher {
    /// Works until nothing is due before the deadline, or the deadline comes.
    ///
    /// # Errors
    /// The queue cannot be read. What is under way is finished first.
    pub async fn run(&self, invocation: &Invocation) -> Result<Dispatched, StoreError> {
        let mut done = Dispatched::default();
        let mut left_alone: BTreeMap<Work, Timestamp> = BTreeMap::new();
        let mut running = Running::new();
        let mut under_way: BTreeMap<Work, Option<Operation>> = BTreeMap::new();
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
                let operation = due.class.operation();
                let free =
                    operation.map_or(now, |operation| self.controller.calls_left.next_free(operation, now));
                let ready = due.at.max(free).max(left_alone.get(&due.work).copied().unwrap_or(due.at));
                if under_way.contains_key(&due.work) {
                    continue;
                }
                if ready > now || running.len() >= SIDE_BY_SIDE || is_spoken_for(&due, &under_way, allowance)
                {
                    wake = wake.min(if ready > now { ready } else { now + LOOK_AGAIN });
                    waiting.push(due);
                    continue;
                }
                under_way.insert(due.work.clone(), due.class.operation());
                running.push(self.start(due.work, invocation));
            }
            queue = waiting;
            if running.is_empty() && queue.is_empty() {
                break;
            }
            let pause = self.controller.clock.sleep_until(wake.min(invocation.deadline));
            if running.is_empty() {
                pause.await;
            } else if let Either::Left((Some((work, result)), _)) = select(running.next(), pause).await {
                done.count(&work, &result);
                under_way.remove(&work);
                left_alone.insert(work, self.controller.clock.now() + REST);
            }
        }
        while let Some((work, result)) = running.next().await {
            done.count(&work, &result);
        }
        Ok(done)
    }

    fn start<'a>(
        &'a self,
        work: Work,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, (Work, Result<(), Error>)> {
        Box::pin(async move {
            let result = match &work {
                Work::Publisher(publisher) => {
                    self.controller.reconcile(publisher, None, invocation).await.map(drop)
                }
                Work::Versus(id) => self.versus.attend(id, &self.controller, invocation).await,
            };
            (work, result)
        })
    }
}

impl Dispatched {
    fn count(&mut self, work: &Work, result: &Result<(), Error>) {
        self.reconciled += 1;
        if let Err(error) = result {
            self.unfinished += 1;
            match error {
                // Mostly another run's call is under way for it.
                Error::Unsettled { .. } => debug!(%work, %error, "stays due"),
                _ => warn!(%work, error = with_causes(error), "stays due"),
            }
        }
    }
}

/// Whether those under way may need all calls of its kind that are free.
fn is_spoken_for(due: &Due, under_way: &BTreeMap<Work, Option<Operation>>, mut allowance: Allowance) -> bool {
    match due.class.operation() {
        None | Some(Operation::List) => false,
        needed => needed.is_some_and(|operation| {
            let same = under_way.values().filter(|other| **other == needed).count();
            same >= *allowance.left(operation)
        }),
    }
}

/// Each publisher and session once, in the order in which it is served: what is due already by class and priority, what is
/// due later by time.
fn in_order(mut due: Vec<Due>, now: Timestamp) -> Vec<Due> {
    due.sort_by_key(|due| {
        let later = due.at > now;
        (later, later.then_some(due.at), due.class, std::cmp::Reverse(due.priority), due.at)
    });
    let mut seen = BTreeSet::new();
    due.retain(|due| seen.insert(due.work.clone()));
    due
}
