//! Versus sessions in memory.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::BoxFuture;
use replication::{PublisherKey, StageArn, Versus, VersusId, View};

use super::MemoryStore;
use crate::{StoreError, VersusStore};

impl VersusStore for MemoryStore {
    fn versus<'a>(&'a self, id: &'a VersusId) -> BoxFuture<'a, Result<Option<Versus>, StoreError>> {
        async { Ok(self.lock().versus.get(id).cloned()) }.boxed()
    }

    fn all_versus(&self) -> BoxFuture<'_, Result<Vec<Versus>, StoreError>> {
        async { Ok(self.lock().versus.values().cloned().collect()) }.boxed()
    }

    fn views_on<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Vec<View>, StoreError>> {
        let here = |key: &PublisherKey| key.stage == *stage;
        async move {
            let state = self.lock();
            let of_replicas = state.replicas.keys().map(|key| key.publisher());
            let keys: BTreeSet<_> =
                state.publishers.keys().cloned().chain(of_replicas).filter(here).collect();
            let view = |key: PublisherKey| {
                let replicas = state.replicas.values().filter(|replica| replica.key.publisher() == key);
                let (publisher, replicas) =
                    (state.publishers.get(&key).cloned(), replicas.cloned().collect());
                View { publisher, replicas, ..View::empty(key) }
            };
            Ok(keys.into_iter().map(view).collect())
        }
        .boxed()
    }

    fn write_versus<'a>(&'a self, versus: &'a Versus) -> BoxFuture<'a, Result<(), StoreError>> {
        async {
            let mut state = self.lock();
            let id = &versus.terms.id;
            if state.versus.get(id).map_or(0, |stored| stored.version) != versus.version {
                return Err(StoreError::Conflict);
            }
            state.writes += 1;
            let rules = versus.rules();
            state.rules.retain(|rule| rules.iter().all(|own| own.id != rule.id));
            if !versus.is_over() {
                state.rules.extend(rules);
            }
            state.versus.insert(id.clone(), Versus { version: versus.version + 1, ..versus.clone() });
            Ok(())
        }
        .boxed()
    }
}
