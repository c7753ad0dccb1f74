//! The call budget as one Lambda sees it: what it read or wrote last. Whether that is still so, the write of the intent tells.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use replication::budget::{Book, counts_for_brake};
use replication::policy::fnv1a;
use replication::{Allowance, Budget, Limit, Operation, Step};

/// Who may take the calls that are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// Newcomers take what is free, unless it is reserved for those who have been waiting longer.
    #[default]
    Newcomer,
    /// Those who have been waiting longer. With every call, what is free soon is reserved for them.
    Queue,
}

/// The budgets that were read or written last.
#[derive(Debug, Default)]
pub struct CallsLeft {
    /// How much of an operation's quota may be used; no limit at all if there is none.
    pub limit: Option<Limit>,
    /// Whose turn it is.
    pub turn: Turn,
    book: Mutex<Book>,
}

/// One budget as it has to be written with the intents of the calls it grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetWrite {
    /// Which.
    pub operation: Operation,
    /// The budget after these calls; its version is the one it will have.
    pub after: Budget,
    /// Only if it has this version still (0: is not stored), or has been idle.
    pub expected: u64,
    /// From when on it is idle, if nobody calls any more.
    pub busy_until: Timestamp,
}

/// A version for budgets that nobody else writes: FNV-1a of who calls, and when.
pub(crate) fn stamp(who: impl Iterator<Item = u8>, now: Timestamp) -> u64 {
    fnv1a(who.chain(now.as_nanosecond().to_le_bytes())).max(1)
}

impl CallsLeft {
    /// How long a queue reserves what is free next.
    const RESERVATION: SignedDuration = SignedDuration::from_secs(2);

    /// At most this share of the quota of 5 calls per second and operation (IVS service quotas), in percent, 1–100.
    pub fn share(percent: u32, turn: Turn) -> Self {
        Self { limit: Some(Limit::share(5, percent)), turn, book: Mutex::default() }
    }

    /// Takes in what is stored.
    pub fn read(&self, book: Book) {
        *self.lock() = book;
    }

    /// How many calls may be made at `now`.
    pub fn allowance(&self, now: Timestamp) -> Allowance {
        let mut allowance = Allowance::UNLIMITED;
        let Some(limit) = self.limit else { return allowance };
        let book = self.lock();
        allowance.recent_stops =
            book.get(&Operation::Stop).map_or(0, |budget| budget.tally.within_a_minute(now));
        for operation in Operation::ALL {
            let budget = book.get(&operation).cloned().unwrap_or_default();
            let reserved =
                self.turn == Turn::Newcomer && budget.reserved_until.is_some_and(|until| now < until);
            *allowance.left(operation) = if reserved { 0 } else { budget.free(now, limit) };
        }
        allowance
    }

    /// When a call of `operation` may be made, by what is known.
    pub fn next_free(&self, operation: Operation, now: Timestamp) -> Timestamp {
        let Some(limit) = self.limit else { return now };
        self.lock().get(&operation).map_or(now, |budget| budget.next_free(now, limit))
    }

    /// What has to be written for these calls. `stamp` becomes the version of what is written; it is like no other.
    pub fn spend(&self, calls: &[Operation], now: Timestamp, stamp: u64) -> Vec<BudgetWrite> {
        let Some(limit) = self.limit else { return Vec::new() };
        let book = self.lock();
        let spent = |operation| {
            let calls = calls.iter().filter(|call| **call == operation).count();
            let before = book.get(&operation).cloned().unwrap_or_default();
            let mut after = before.clone();
            for _ in 0..calls {
                after.grant(now, now, limit);
            }
            if self.turn == Turn::Queue {
                after.reserved_until = now.checked_add(Self::RESERVATION).ok();
            }
            (calls > 0).then(|| self.write(operation, before.version, Budget { version: stamp, ..after }))
        };
        Operation::ALL.into_iter().filter_map(spent).collect()
    }

    /// What has to be written for these steps. Stops that count for the brake are counted.
    pub fn spend_on(&self, steps: &[Step], now: Timestamp, stamp: u64) -> Vec<BudgetWrite> {
        let calls: Vec<_> = steps.iter().map(Operation::of).collect();
        let mut writes = self.spend(&calls, now, stamp);
        if let Some(stops) = writes.iter_mut().find(|write| write.operation == Operation::Stop) {
            steps.iter().filter(|step| counts_for_brake(step)).for_each(|_| stops.after.tally.add(now));
            *stops = self.write(stops.operation, stops.expected, stops.after.clone());
        }
        writes
    }

    /// What has to be written when IVS throttled `operation` at `now` although the budget had allowed the call.
    pub fn throttled(&self, operation: Operation, now: Timestamp, stamp: u64) -> Option<BudgetWrite> {
        self.limit?;
        let before = self.lock().get(&operation).cloned().unwrap_or_default();
        let mut after = Budget { version: stamp, ..before.clone() };
        after.throttled(now);
        Some(self.write(operation, before.version, after))
    }

    /// Takes in what was written.
    pub fn written(&self, writes: &[BudgetWrite]) {
        let mut book = self.lock();
        for write in writes {
            book.insert(write.operation, write.after.clone());
        }
    }

    fn write(&self, operation: Operation, expected: u64, after: Budget) -> BudgetWrite {
        let busy_until = self.limit.map_or(Timestamp::MIN, |limit| after.busy_until(limit));
        BudgetWrite { operation, after, expected, busy_until }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
