//! Why a participant is where it is: reads what an explanation needs, by Queries only.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use replication::explain::StageFacts;
use replication::occupancy::PLACES;
use replication::{Explanation, Policy, PublisherKey, StageArn, Surroundings};

use crate::{Store, StoreError};

/// Stages of which something is read for one explanation: more destinations than that are told without their places.
const STAGES: usize = 50;

/// How many of them are read at the same time.
const AT_ONCE: usize = 8;

/// What the table knows of a stage beside its publishers and their replications.
pub trait StageReader: Send + Sync {
    /// What sweeps learnt of it, and who has a place there; no replications. One Query.
    fn stage_facts<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<StageFacts, StoreError>>;
}

/// Explains what is known around a publisher. One Query for it, one for each of its destinations, and three more for each that
/// is full.
///
/// # Errors
/// [`StoreError`], if the table cannot be read.
pub async fn explain(
    store: &(impl Store + StageReader),
    publisher: &PublisherKey,
    policy: &Policy,
    now: Timestamp,
) -> Result<Explanation, StoreError> {
    let view = store.load(publisher).await?;
    let alone = replication::explain(&view, &Surroundings::default(), policy, now);
    // All at hand before the first is awaited: a closure that is held meanwhile would keep this from moving between threads.
    let reads: Vec<_> = alone.stages().take(STAGES).map(|stage| facts(store, stage)).collect();
    let stages: BTreeMap<_, _> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(replication::explain(&view, &Surroundings { stages }, policy, now))
}

async fn facts(
    store: &(impl Store + StageReader),
    stage: &StageArn,
) -> Result<(StageArn, StageFacts), StoreError> {
    let mut facts = store.stage_facts(stage).await?;
    if facts.occupants.as_ref().is_some_and(|there| there.len() >= PLACES) {
        for phase in ["Active", "Starting", "Blocked"] {
            facts.replicas.extend(store.replicas_to(stage, phase).await?);
        }
    }
    Ok((stage.clone(), facts))
}
