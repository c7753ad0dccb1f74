//! What the table says in numbers at one time: a point of the page's charts.

use std::collections::BTreeMap;

use controller::{Due, DueClass};
use jiff::{SignedDuration, Timestamp};
use replication::budget::{Book, Budget};
use replication::{Limit, Operation, Owner, Phase, Publishing};
use serde::Serialize;

use crate::Reading;

/// Numbers of one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// When the table was read.
    pub at: String,
    /// Stages in the table.
    pub stages: usize,
    /// Participants who publish.
    pub publishers: usize,
    /// Replications by phase, those of others under `Foreign`; those that have ended are left out.
    pub phases: BTreeMap<&'static str, usize>,
    /// Work by class.
    pub backlog: BTreeMap<&'static str, Waiting>,
    /// For how many seconds the longest-waiting work is due.
    pub oldest_seconds: u64,
    /// Calls by operation; those never called are left out.
    pub calls: BTreeMap<&'static str, Use>,
}

/// Work of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Waiting {
    /// What could be done now.
    pub now: usize,
    /// What has a time that is yet to come.
    pub later: usize,
}

/// How much of an operation's budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Use {
    /// Calls granted in the last window of the budget, which is a second.
    pub granted: usize,
    /// Calls of each window that are set aside for a sweep.
    pub set_aside: usize,
    /// How much slower than allowed it goes because IVS throttled, in percent.
    pub strain: u32,
}

impl Sample {
    /// The numbers of a reading.
    pub fn of(reading: &Reading, limit: Limit) -> Self {
        let now = reading.at;
        let mut sample = Self {
            at: now.to_string(),
            stages: reading.inventory.stages.len(),
            publishers: 0,
            phases: BTreeMap::new(),
            backlog: BTreeMap::new(),
            oldest_seconds: 0,
            calls: calls(&reading.budgets, now, limit),
        };
        for items in reading.inventory.stages.values() {
            let publishing = |known: &&replication::Publisher| known.publishing() == Publishing::Yes;
            sample.publishers += items.publishers.values().filter(publishing).count();
        }
        for replica in reading.inventory.replicas() {
            if replica.phase != Phase::Stopped {
                let foreign = replica.owner == Owner::Foreign && replica.phase == Phase::Active;
                let phase = if foreign { "Foreign" } else { replica.phase.name() };
                *sample.phases.entry(phase).or_default() += 1;
            }
            sample.wait(Due::of(replica), now);
        }
        reading.versus.iter().for_each(|session| sample.wait(Due::of_versus(session), now));
        sample
    }

    fn wait(&mut self, due: Option<Due>, now: Timestamp) {
        let Some(due) = due else { return };
        let waiting = self.backlog.entry(due.class.name()).or_default();
        // A session that runs waits for its end; one that starts is always due, and waits for nothing but its replicas.
        if due.at > now {
            waiting.later += 1;
            return;
        }
        waiting.now += 1;
        if due.class != DueClass::Versus {
            let seconds = u64::try_from(now.duration_since(due.at).as_secs()).unwrap_or(0);
            self.oldest_seconds = self.oldest_seconds.max(seconds);
        }
    }
}

fn calls(book: &Book, now: Timestamp, limit: Limit) -> BTreeMap<&'static str, Use> {
    book.iter().map(|(operation, budget)| (Operation::name(*operation), used(budget, now, limit))).collect()
}

fn used(budget: &Budget, now: Timestamp, limit: Limit) -> Use {
    // Clocks differ by a little, so what was granted for a moment later counts too.
    let since = now.checked_sub(limit.window).unwrap_or(Timestamp::MIN);
    let until = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    Use {
        granted: budget.grants.iter().filter(|grant| since < **grant && **grant <= until).count(),
        set_aside: budget.lane.filter(|lane| now < lane.until).map_or(0, |lane| lane.calls),
        strain: budget.strain_at(now),
    }
}
