//! The pace of the sweep: a part of the call budget of each read, set aside in the table for some seconds at a time.
//!
//! # Guarantees
//! * Whoever else calls IVS, sweeps at the same time included, stays inside the same budget.
//! * The sweep has at most half of a budget, so that it never takes what others need: releases and starts ask
//!   ListParticipantReplicas too.
//! * A sweep of a minute writes a budget eight times at most, however many calls it makes.
//!
//! # Caveats
//! * What is set aside and not used is lost.
//! * A budget of one call per window cannot be divided: there the sweep has it for a window, and leaves it alone for two.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::budget::Lane;
use replication::{Budget, Limit, Operation};
use tracing::warn;

use crate::calls_left::stamp;
use crate::sweep::port::Pace;
use crate::{BudgetWrite, Clock, Store, StoreError, Write};

/// How long calls are set aside first; twice as long each time that more are asked for at once.
const SHORTEST: SignedDuration = SignedDuration::from_secs(2);

/// How long calls are set aside at most. A sweep that was killed keeps the next one waiting no longer.
const LONGEST: SignedDuration = SignedDuration::from_secs(10);

/// How often a lost race for a budget is run again.
const MAX_CONFLICTS: u32 = 20;

/// A part of the quota of every read, shared with all who call IVS.
pub struct SharedPace {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    limit: Limit,
    holder: u64,
    taken: Mutex<BTreeMap<Operation, Taken>>,
}

/// What was set aside last, and what was made of it.
#[derive(Debug, Clone)]
struct Taken {
    own: Budget,
    from: Timestamp,
    until: Timestamp,
    span: SignedDuration,
}

/// What came of asking for a lane.
enum Asked {
    Taken,
    /// It is somebody else's turn until then.
    Wait(Timestamp),
}

impl SharedPace {
    /// The sweep's part of the given share, in percent (1–100), of 5 calls per second (IVS service quotas), of every
    /// operation.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, percent: u32) -> Self {
        // Each holder is another one; the hasher's keys are drawn at random.
        let holder = RandomState::new().hash_one("sweep");
        Self { store, clock, limit: Limit::share(5, percent), holder, taken: Mutex::default() }
    }

    /// Waits for the time of the next call; nothing if that is not before `until`.
    async fn next(&self, read: Operation, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let now = self.clock.now();
            if let Some(at) = self.grant(read, now, until) {
                return Ok(Some(at));
            }
            let ready = self.ready(read, now);
            if ready > until {
                return Ok(None);
            }
            if ready > now {
                self.clock.sleep_until(ready).await;
                continue;
            }
            if let Asked::Wait(free) = self.ask(read, until).await? {
                if free >= until {
                    return Ok(None);
                }
                self.clock.sleep_until(free).await;
            }
        }
    }

    /// A call within what is set aside.
    fn grant(&self, read: Operation, now: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut taken = self.lock();
        let taken = taken.get_mut(&read)?;
        let until = until.min(taken.until.checked_sub(SignedDuration::from_nanos(1)).ok()?);
        taken.own.grant(now.max(taken.from), until, self.limit.for_sweeping())
    }

    /// From when on it is worth asking for more: when the next call is due by what was made already.
    fn ready(&self, read: Operation, now: Timestamp) -> Timestamp {
        let taken = self.lock();
        let Some(taken) = taken.get(&read) else { return now };
        if self.is_undivided() {
            let rest = self.limit.window.saturating_mul(2);
            return taken.until.checked_add(rest).unwrap_or(taken.until).max(now);
        }
        taken.own.next_free(now.max(taken.from), self.limit.for_sweeping())
    }

    fn is_undivided(&self) -> bool {
        self.limit.for_sweeping().calls >= self.limit.calls
    }

    /// Sets calls aside from now on, as the budget in the table lets it.
    async fn ask(&self, read: Operation, until: Timestamp) -> Result<Asked, StoreError> {
        for _ in 0..MAX_CONFLICTS {
            let mut budget = self.store.budgets().await?.remove(&read).unwrap_or_default();
            let now = self.clock.now();
            let span = self.span(read, now);
            let end = now.checked_add(span).unwrap_or(now);
            let lane = Lane {
                holder: self.holder,
                calls: self.limit.for_sweeping().calls,
                // Who asks for a call at once or not at all has it set aside as others do.
                until: if now < until { end.min(until) } else { end },
            };
            let expected = budget.version;
            let from = match budget.set_aside(lane, now, self.limit) {
                Ok(from) => from,
                Err(free) => return Ok(Asked::Wait(free)),
            };
            if self.write(read, expected, &mut budget, now).await? {
                let mut taken = self.lock();
                let own = taken.remove(&read).map(|taken| taken.own).unwrap_or_default();
                let Budget { strain, strained_at, .. } = budget;
                let own = Budget { strain, strained_at, ..own };
                taken.insert(read, Taken { own, from, until: lane.until, span });
                return Ok(Asked::Taken);
            }
        }
        Err(StoreError::Conflict)
    }

    fn span(&self, read: Operation, now: Timestamp) -> SignedDuration {
        if self.is_undivided() {
            return self.limit.window;
        }
        let taken = self.lock();
        let last = taken.get(&read).filter(|last| now.duration_since(last.until) <= self.limit.window);
        last.map_or(SHORTEST, |last| last.span.saturating_mul(2).min(LONGEST))
    }

    async fn slow_down(&self, read: Operation) -> Result<(), StoreError> {
        for _ in 0..MAX_CONFLICTS {
            let mut budget = self.store.budgets().await?.remove(&read).unwrap_or_default();
            let (now, expected) = (self.clock.now(), budget.version);
            budget.throttled(now);
            if self.write(read, expected, &mut budget, now).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether it was written; if not, somebody else was faster.
    async fn write(
        &self,
        read: Operation,
        expected: u64,
        budget: &mut Budget,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let who = self.holder.to_le_bytes().into_iter().chain(read.name().bytes());
        budget.version = stamp(who, now);
        let busy_until = budget.busy_until(self.limit);
        let write = BudgetWrite { operation: read, after: budget.clone(), expected, busy_until };
        match self.store.write(&Write { budgets: vec![write], ..Write::default() }).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Operation, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for SharedPace {
    fn take(&self, read: Operation, until: Timestamp) -> BoxFuture<'_, bool> {
        async move {
            match self.next(read, until).await {
                Ok(Some(at)) => {
                    self.clock.sleep_until(at).await;
                    true
                }
                Ok(None) => false,
                Err(error) => {
                    warn!(%error, %read, "no calls could be set aside");
                    false
                }
            }
        }
        .boxed()
    }

    fn throttled(&self, read: Operation) -> BoxFuture<'_, ()> {
        async move {
            if let Some(taken) = self.lock().get_mut(&read) {
                taken.own.throttled(self.clock.now());
            }
            if let Err(error) = self.slow_down(read).await {
                warn!(%error, %read, "the others were not told to go slower");
            }
        }
        .boxed()
    }

    fn calls_in(&self, span: SignedDuration) -> usize {
        let windows = span.as_millis().max(0) / self.limit.window.as_millis().max(1);
        let calls = self.limit.for_sweeping().calls;
        usize::try_from(windows).unwrap_or(usize::MAX).saturating_mul(calls).max(1)
    }
}
