//! What the table holds, in numbers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Inventory;
use crate::BlockedReason;

/// What a sweep counts in the table as it reads it, before it does anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gauges {
    /// By the rule that a replication is counted under; those without anything to count are left out.
    pub by_rule: BTreeMap<String, RuleGauges>,
    /// Blocked replications by reason; reasons without any are left out.
    pub blocked: BTreeMap<BlockedReason, usize>,
    /// For how many seconds the pending operation that has been due for the longest time is due; 0 if none is.
    pub oldest_pending: u64,
}

/// What is counted for each rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleGauges {
    /// Running replicas of our own.
    pub running: usize,
    /// Replications of which a start or a stop is pending.
    pub pending: usize,
}

impl Gauges {
    /// Counts what an inventory holds at `now`.
    pub fn of(inventory: &Inventory, now: Timestamp) -> Self {
        let mut gauges = Self::default();
        for replica in inventory.replicas() {
            let (running, pending) = (replica.runs_as_ours(), replica.is_pending(now));
            if running || pending {
                let of_rule = gauges.by_rule.entry(replica.counted_under().to_owned()).or_default();
                of_rule.running += usize::from(running);
                of_rule.pending += usize::from(pending);
            }
            if let Some(blocked) = replica.blocked() {
                *gauges.blocked.entry(blocked.reason).or_default() += 1;
            }
            if let Some(due) = replica.due().filter(|due| pending && due < &now) {
                let overdue = u64::try_from(now.duration_since(due).as_secs()).unwrap_or(0);
                gauges.oldest_pending = gauges.oldest_pending.max(overdue);
            }
        }
        gauges
    }

    /// The same for all rules together.
    pub fn total(&self) -> RuleGauges {
        self.by_rule.values().fold(RuleGauges::default(), |sum, of_rule| RuleGauges {
            running: sum.running + of_rule.running,
            pending: sum.pending + of_rule.pending,
        })
    }
}
