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
use std::pin::pin;
use std::sync::Arc;

use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use replication::{Allowance, Operation};
use tracing::{debug, warn};

use crate::versus::Judge;
use crate::{Clock, Controller, Due, Error, Invocation, Queue, StoreError, Work, with_causes};

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

impl Dispatcher {
    /// Works until nothing is due before the deadline, or the deadline comes. While the queue cannot be read, what was read of it
    /// before is done.
    ///
    /// # Errors
    /// The queue could not be read the last time. What is under way is finished first.
    pub async fn run(&self, invocation: &Invocation) -> Result<Dispatched, StoreError> {
        self.controller.calls_left.read(self.controller.store.budgets().await?);
        let mut in_hand = InHand::new(&*self.controller.clock);
        let mut queue = Vec::new();
        let mut read_at = Timestamp::MIN;
        let mut unread = None;
        loop {
            let mut now = self.controller.clock.now();
            if now >= invocation.deadline {
                break;
            }
            if now.duration_since(read_at) >= READ_EVERY || queue.is_empty() {
                read_at = now;
                let read = in_hand.meanwhile(self.queue.due(invocation.deadline, PAGE)).await;
                now = self.controller.clock.now();
                match read {
                    Ok(due) => (queue, unread) = (in_order(due, now), None),
                    Err(error) => {
                        warn!(%error, left = queue.len(), "the queue is not read anew");
                        unread = Some(error);
                    }
                }
            }
            in_hand.left_alone.retain(|_, until| now < *until);
            let mut wake = read_at + READ_EVERY;
            let mut waiting = Vec::new();
            let allowance = self.controller.calls_left.allowance(now);
            for due in std::mem::take(&mut queue) {
                let operation = due.class.operation();
                let free =
                    operation.map_or(now, |operation| self.controller.calls_left.next_free(operation, now));
                let rested = in_hand.left_alone.get(&due.work).copied().unwrap_or(due.at);
                let ready = due.at.max(free).max(rested);
                if in_hand.under_way.contains_key(&due.work) {
                    continue;
                }
                if ready > now || in_hand.is_full() || is_spoken_for(&due, &in_hand.under_way, allowance) {
                    wake = wake.min(if ready > now { ready } else { now + LOOK_AGAIN });
                    waiting.push(due);
                    continue;
                }
                in_hand.under_way.insert(due.work.clone(), operation);
                in_hand.running.push(self.start(due.work, invocation));
            }
            queue = waiting;
            if in_hand.running.is_empty() && queue.is_empty() {
                break;
            }
            in_hand.next_or(self.controller.clock.sleep_until(wake.min(invocation.deadline))).await;
        }
        let done = in_hand.finish().await;
        unread.map_or(Ok(done), Err)
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

/// What is done side by side, and what came of it.
struct InHand<'a> {
    clock: &'a dyn Clock,
    running: FuturesUnordered<BoxFuture<'a, (Work, Result<(), Error>)>>,
    /// What is running, with the call that each is for.
    under_way: BTreeMap<Work, Option<Operation>>,
    /// What was running, and until when it rests.
    left_alone: BTreeMap<Work, Timestamp>,
    done: Dispatched,
}

impl<'a> InHand<'a> {
    fn new(clock: &'a dyn Clock) -> Self {
        let (running, under_way, left_alone, done) = Default::default();
        Self { clock, running, under_way, left_alone, done }
    }

    fn is_full(&self) -> bool {
        self.running.len() >= SIDE_BY_SIDE
    }

    /// Goes on with it until `other` is there.
    async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        while !self.running.is_empty() {
            match select(other.as_mut(), self.running.next()).await {
                Either::Left((other, _)) => return other,
                Either::Right((ended, _)) => self.end(ended),
            }
        }
        other.await
    }

    /// Goes on with it until something ends, or `pause` does.
    async fn next_or(&mut self, pause: BoxFuture<'_, ()>) {
        if self.running.is_empty() {
            pause.await;
        } else if let Either::Left((ended, _)) = select(self.running.next(), pause).await {
            self.end(ended);
        }
    }

    /// Goes on with it until all of it ends.
    async fn finish(mut self) -> Dispatched {
        while !self.running.is_empty() {
            let ended = self.running.next().await;
            self.end(ended);
        }
        self.done
    }

    fn end(&mut self, ended: Option<(Work, Result<(), Error>)>) {
        let Some((work, result)) = ended else { return };
        self.done.count(&work, &result);
        self.under_way.remove(&work);
        self.left_alone.insert(work, self.clock.now() + REST);
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
