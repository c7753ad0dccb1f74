//! The store in memory, beside its port: what the port promises, in the simplest form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::budget::Book;
use replication::occupancy::PLACES;
use replication::sweep::{Asked, StageKnowledge};
use replication::{
    Budget, Control, Directory, Match, Occupant, Operation, PlaceChange, PlaceKind, Publisher, PublisherKey,
    Replica, ReplicationKey, Rule, RuleId, StageArn, Versus, VersusId, View,
};

use crate::rules::Revision;
use crate::{Activity, Due, DueClass, HistoryLine, Queue, Store, StoreError, Write};

mod explain;
mod history;
mod operator;
mod rules;
mod sweep;
mod versus;

/// A store that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    revisions: BTreeMap<RuleId, Vec<Revision>>,
    edition: u64,
    publishers: BTreeMap<PublisherKey, Publisher>,
    replicas: BTreeMap<ReplicationKey, Replica>,
    occupants: BTreeMap<StageArn, BTreeSet<Occupant>>,
    activity: Vec<Activity>,
    orders: Vec<HistoryLine>,
    budgets: BTreeMap<Operation, (Budget, Timestamp)>,
    stages: BTreeMap<StageArn, StageKnowledge>,
    directory: Arc<Directory>,
    versus: BTreeMap<VersusId, Versus>,
    listed_at: Option<Timestamp>,
    asked: BTreeMap<Option<StageArn>, Asked>,
    control: Control,
    reads: usize,
    writes: usize,
}

impl MemoryStore {
    /// A store with these rules.
    pub fn with_rules(rules: Vec<Rule>) -> Self {
        let store = Self::default();
        store.replace_rules(rules);
        store
    }

    /// Replaces all rules but those of versus sessions, without a history.
    pub fn replace_rules(&self, rules: Vec<Rule>) {
        let mut state = self.lock();
        state.rules.retain(|rule| rule.id.is_of_versus());
        state.rules.extend(rules);
    }

    /// A publisher, if it is known.
    pub fn publisher(&self, key: &PublisherKey) -> Option<Publisher> {
        self.lock().publishers.get(key).cloned()
    }

    /// Every replication.
    pub fn replicas(&self) -> Vec<Replica> {
        self.lock().replicas.values().cloned().collect()
    }

    /// Who has a place on a stage.
    pub fn occupants(&self, stage: &StageArn) -> BTreeSet<Occupant> {
        self.lock().occupants.get(stage).cloned().unwrap_or_default()
    }

    /// The whole history, oldest first.
    pub fn activity(&self) -> Vec<Activity> {
        self.lock().activity.clone()
    }

    /// Reads and writes so far.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.reads, state.writes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_now(&self, key: &PublisherKey) -> View {
        let mut state = self.lock();
        state.reads += 1;
        let of_partition = |rule: &&Rule| rule.covers(&key.stage, None) != Match::No;
        View {
            publisher: state.publishers.get(key).cloned(),
            tags: state.stages.get(&key.stage).map(|known| known.listed.tags.clone()),
            rules: state.rules.iter().filter(of_partition).cloned().collect(),
            directory: state.directory.clone(),
            replicas: state
                .replicas
                .values()
                .filter(|replica| {
                    replica.key.source == key.stage && replica.key.participant == key.participant
                })
                .cloned()
                .collect(),
            is_destination: state.occupants.contains_key(&key.stage),
            control: state.control.clone(),
            ..View::empty(key.clone())
        }
    }

    fn write_now(&self, write: &Write) -> Result<(), StoreError> {
        let mut state = self.lock();
        let publisher_stale = write.publisher.as_ref().is_some_and(|publisher| {
            state.publishers.get(&publisher.key).map_or(0, |stored| stored.version) != publisher.version
        });
        let replica_stale = write.replicas.iter().any(|replica| {
            state.replicas.get(&replica.key).map_or(0, |stored| stored.version) != replica.version
        });
        let now = write.budgets.iter().filter_map(|write| write.after.grants.last().copied()).max();
        let budget_stale = write.budgets.iter().any(|write| {
            let (version, busy_until) = match state.budgets.get(&write.operation) {
                Some((budget, busy_until)) => (budget.version, *busy_until),
                None => (0, Timestamp::MIN),
            };
            version != 0 && version != write.expected && now.is_none_or(|now| now <= busy_until)
        });
        if publisher_stale || replica_stale || budget_stale {
            return Err(StoreError::Conflict);
        }
        let full = |place: &&PlaceChange| {
            let there = state.occupants.get(&place.stage);
            let full = there.is_some_and(|there| there.len() >= PLACES && !there.contains(&place.occupant));
            place.kind == PlaceKind::TakeIfFree && full
        };
        let stages: BTreeSet<_> = write.places.iter().filter(full).map(|place| place.stage.clone()).collect();
        if !stages.is_empty() {
            return Err(StoreError::DestinationFull { stages });
        }
        for PlaceChange { stage, occupant, kind } in &write.places {
            let there = state.occupants.entry(stage.clone()).or_default();
            match kind {
                PlaceKind::Take | PlaceKind::TakeIfFree => there.insert(occupant.clone()),
                PlaceKind::Leave => there.remove(occupant),
            };
        }
        state.writes += 1;
        if let Some(publisher) = &write.publisher {
            let stored = Publisher { version: publisher.version + 1, ..publisher.clone() };
            state.publishers.insert(publisher.key.clone(), stored);
        }
        for replica in &write.replicas {
            let stored = Replica { version: replica.version + 1, ..replica.clone() };
            state.replicas.insert(replica.key.clone(), stored);
        }
        for write in &write.budgets {
            state.budgets.insert(write.operation, (write.after.clone(), write.busy_until));
        }
        if let Some(known) = &write.stage {
            state.stages.insert(known.listed.stage.clone(), known.clone());
        }
        state.activity.extend(write.activity.iter().cloned());
        Ok(())
    }
}

impl Queue for MemoryStore {
    fn due(&self, until: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, StoreError>> {
        let all = move |state: &State| {
            let sessions = state.versus.values().filter_map(Due::of_versus);
            let all = state.replicas.values().filter_map(Due::of).chain(sessions);
            let mut all: Vec<_> = all.filter(|due| due.at <= until).collect();
            all.sort_by_key(|due| due.at);
            let of = |class| all.iter().filter(move |due| due.class == class).take(limit).cloned();
            DueClass::ALL.into_iter().flat_map(of).collect()
        };
        async move { Ok(all(&self.lock())) }.boxed()
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        async { Ok(self.load_now(publisher)) }.boxed()
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        let budgets = |state: &State| {
            state.budgets.iter().map(|(operation, (budget, _))| (*operation, budget.clone())).collect()
        };
        async move { Ok(budgets(&self.lock())) }.boxed()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        let there =
            |replica: &&Replica| replica.key.destination == *destination && replica.phase.name() == phase;
        let replicas = self.lock().replicas.values().filter(there).cloned().collect();
        async { Ok(replicas) }.boxed()
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        async { self.write_now(write) }.boxed()
    }
}
