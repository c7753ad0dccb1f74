//! How many IVS calls were made.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use replication::{CallError, Operation, Refusal};

/// The calls of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallCount {
    /// Calls that were made, whatever became of them. Each page of a list is one.
    pub made: u64,
    /// Of these, calls that IVS throttled.
    pub throttled: u64,
}

/// Counts calls until somebody takes the count. A call counts when its answer is there, or it is given up.
#[derive(Debug, Default)]
pub struct CallTally(Mutex<BTreeMap<Operation, CallCount>>);

impl CallTally {
    /// The calls since the last time, by operation; and starts anew.
    pub fn take(&self) -> BTreeMap<Operation, CallCount> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn count(&self, operation: Operation, error: Option<&CallError>) {
        let throttled = error.is_some_and(|error| matches!(error.refusal, Refusal::Throttled { .. }));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(operation).or_default();
        count.made += 1;
        count.throttled += u64::from(throttled);
    }
}
