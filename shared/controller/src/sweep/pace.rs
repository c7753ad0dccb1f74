//! The pace of one sweep, kept in memory: enough as long as only one sweep runs at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::{Budget, Limit};

use crate::Clock;
use crate::sweep::port::{Pace, Read};

/// A share of the quota of every call.
pub struct SteadyPace {
    clock: Arc<dyn Clock>,
    limit: Limit,
    budgets: Mutex<BTreeMap<Read, Budget>>,
}

impl SteadyPace {
    /// The share that is taken if nothing else is said, in percent: the rest is the customer's own.
    pub const SHARE: u32 = 50;

    /// A share in percent (1–100) of 5 calls per second (IVS service quotas), of every operation.
    pub fn new(clock: Arc<dyn Clock>, percent: u32) -> Self {
        Self { clock, limit: Limit::share(5, percent), budgets: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Read, Budget>> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for SteadyPace {
    fn take(&self, read: Read, until: Timestamp) -> BoxFuture<'_, bool> {
        let now = self.clock.now();
        let granted = self.lock().entry(read).or_default().grant(now, until, self.limit);
        async move {
            let Some(at) = granted else { return false };
            if at > now {
                self.clock.sleep_until(at).await;
            }
            true
        }
        .boxed()
    }

    fn throttled(&self, read: Read) {
        self.lock().entry(read).or_default().throttled(self.clock.now());
    }

    fn calls_in(&self, span: SignedDuration) -> usize {
        let windows = span.as_millis().max(0) / self.limit.window.as_millis().max(1);
        usize::try_from(windows).unwrap_or(usize::MAX).saturating_mul(self.limit.calls).max(1)
    }
}
