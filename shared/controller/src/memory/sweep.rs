//! The sweep's part of the store in memory.

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::sweep::{Inventory, StageKnowledge};

use super::MemoryStore;
use crate::StoreError;
use crate::sweep::port::SweepStore;

impl SweepStore for MemoryStore {
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, StoreError>> {
        let state = self.lock();
        let mut inventory = Inventory {
            rules: state.rules.clone(),
            listed_at: state.listed_at,
            control: state.control.clone(),
            ..Inventory::default()
        };
        state.stages.values().cloned().for_each(|stage| inventory.put_knowledge(stage));
        state.publishers.values().cloned().for_each(|publisher| inventory.put_publisher(publisher));
        state.replicas.values().cloned().for_each(|replica| inventory.put_replica(replica));
        async move { Ok(inventory) }.boxed()
    }

    fn remember_stage<'a>(&'a self, stage: &'a StageKnowledge) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lock().stages.insert(stage.listed.stage.clone(), stage.clone());
        async { Ok(()) }.boxed()
    }

    fn remember_listing(&self, at: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        self.lock().listed_at = Some(at);
        async { Ok(()) }.boxed()
    }

    fn remember_running(&self, running: usize) -> BoxFuture<'_, Result<(), StoreError>> {
        self.lock().control.running = Some(running);
        async { Ok(()) }.boxed()
    }
}
