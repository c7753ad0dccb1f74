//! The sweep's part of the store in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::sweep::{Asked, Inventory, StageKnowledge};
use replication::{StageArn, Tags};

use super::MemoryStore;
use crate::StoreError;
use crate::sweep::port::{AskForLooks, SweepStore};

impl SweepStore for MemoryStore {
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, StoreError>> {
        let state = self.lock();
        let mut inventory = Inventory {
            rules: state.rules.clone(),
            listed_at: state.listed_at,
            directory: state.directory.clone(),
            control: state.control.clone(),
            ..Inventory::default()
        };
        state.stages.values().cloned().for_each(|stage| inventory.put_knowledge(stage));
        state.publishers.values().cloned().for_each(|publisher| inventory.put_publisher(publisher));
        state.replicas.values().cloned().for_each(|replica| inventory.put_replica(replica));
        let occupied = state.occupants.iter().map(|(stage, there)| (stage.clone(), there.clone()));
        occupied.for_each(|(stage, there)| inventory.put_occupants(stage, there));
        let asked = state.asked.iter().map(|(stage, asked)| (stage.clone(), asked.clone()));
        asked.for_each(|(stage, asked)| inventory.put_asked(stage, asked));
        async move { Ok(inventory) }.boxed()
    }

    fn remember_stage<'a>(&'a self, stage: &'a StageKnowledge) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lock().stages.insert(stage.listed.stage.clone(), stage.clone());
        async { Ok(()) }.boxed()
    }

    fn remember_destinations<'a>(
        &'a self,
        changes: &'a BTreeMap<StageArn, Option<Tags>>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.lock();
        let directory = Arc::make_mut(&mut state.directory);
        for (stage, tags) in changes {
            match tags {
                Some(tags) => drop(directory.insert(stage.clone(), tags.clone())),
                None => drop(directory.remove(stage)),
            }
        }
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

impl AskForLooks for MemoryStore {
    fn ask_for_look<'a>(
        &'a self,
        stage: Option<&'a StageArn>,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lock().asked.insert(stage.cloned(), asked.clone());
        async { Ok(()) }.boxed()
    }

    fn listed_at(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        async { Ok(self.lock().listed_at) }.boxed()
    }

    fn knowledge<'a>(
        &'a self,
        stage: &'a StageArn,
    ) -> BoxFuture<'a, Result<Option<StageKnowledge>, StoreError>> {
        async { Ok(self.lock().stages.get(stage).cloned()) }.boxed()
    }
}
