//! What the store in memory knows of a stage.

use futures::FutureExt;
use futures::future::BoxFuture;
use replication::StageArn;
use replication::explain::StageFacts;

use super::MemoryStore;
use crate::StoreError;
use crate::explain::StageReader;

impl StageReader for MemoryStore {
    fn stage_facts<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<StageFacts, StoreError>> {
        let state = self.lock();
        let facts = StageFacts {
            knowledge: state.stages.get(stage).cloned(),
            occupants: state.occupants.get(stage).cloned(),
            replicas: Vec::new(),
        };
        async { Ok(facts) }.boxed()
    }
}
