//! The pace of who makes few calls: each is a grant of the shared call budget, with a write of its own.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::Operation;
use tracing::warn;

use super::port::Pace;
use crate::calls_left::stamp;
use crate::{CallsLeft, Clock, Store, StoreError, Turn, Write};

/// How often a lost race for a budget is run again.
const MAX_CONFLICTS: u32 = 20;

/// How long who finds a budget reserved, or lost a race for it, lets others go first.
const ASIDE: SignedDuration = SignedDuration::from_millis(50);

/// Takes what is free for anybody. So it does not have to wait for the sweep, which has but half of each budget.
pub struct SinglePace {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    calls_left: CallsLeft,
    holder: u64,
}

impl SinglePace {
    /// Within the given share, in percent (1–100), of 5 calls per second (IVS service quotas), of every operation.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, percent: u32) -> Self {
        // Each holder is another one; the hasher's keys are drawn at random.
        let holder = RandomState::new().hash_one("single");
        Self { store, clock, calls_left: CallsLeft::share(percent, Turn::Newcomer), holder }
    }

    async fn next(&self, read: Operation, until: Timestamp) -> Result<bool, StoreError> {
        let mut conflicts = 0;
        loop {
            self.calls_left.read(self.store.budgets().await?);
            let now = self.clock.now();
            let reserved = *self.calls_left.allowance(now).left(read) == 0;
            let aside = now.checked_add(ASIDE).unwrap_or(now);
            let at = self.calls_left.next_free(read, now);
            let at = if at <= now && reserved { aside } else { at };
            if at > until {
                return Ok(false);
            }
            if at > now {
                self.clock.sleep_until(at).await;
                continue;
            }
            let budgets = self.calls_left.spend(&[read], now, self.stamp(now));
            match self.store.write(&Write { budgets, ..Write::default() }).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Conflict) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    self.clock.sleep_until(aside).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn slow_down(&self, read: Operation) -> Result<(), StoreError> {
        self.calls_left.read(self.store.budgets().await?);
        let now = self.clock.now();
        let budgets = self.calls_left.throttled(read, now, self.stamp(now)).into_iter().collect();
        match self.store.write(&Write { budgets, ..Write::default() }).await {
            // Whoever was faster may have been throttled too.
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn stamp(&self, now: Timestamp) -> u64 {
        stamp(self.holder.to_le_bytes().into_iter(), now)
    }
}

impl Pace for SinglePace {
    fn take(&self, read: Operation, until: Timestamp) -> BoxFuture<'_, bool> {
        async move {
            self.next(read, until).await.unwrap_or_else(|error| {
                warn!(%error, %read, "no call could be taken");
                false
            })
        }
        .boxed()
    }

    fn throttled(&self, read: Operation) -> BoxFuture<'_, ()> {
        async move {
            if let Err(error) = self.slow_down(read).await {
                warn!(%error, %read, "the others were not told to go slower");
            }
        }
        .boxed()
    }

    fn calls_in(&self, span: SignedDuration) -> usize {
        let Some(limit) = self.calls_left.limit else { return usize::MAX };
        let windows = span.as_millis().max(0) / limit.window.as_millis().max(1);
        usize::try_from(windows).unwrap_or(usize::MAX).saturating_mul(limit.calls).max(1)
    }
}
