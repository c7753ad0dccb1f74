//! The places at destinations, between publishers: who is there, who has to give way, and who comes next.
//!
//! # Guarantees
//! * Nothing here starts or stops anything. It marks what is due, and each publisher is planned by itself.
//!
//! # Caveats
//! * Nothing here may fail the work it follows. What is not marked is tried again after [`Policy::full_retry`].

use std::collections::{BTreeMap, BTreeSet};

use replication::occupancy::in_line;
use replication::{
    Blocked, Crowd, Eviction, GiveWay, Holder, Occupant, Phase, PlaceChange, PlaceKind, Policy, Replica,
    ReplicationKey, StageArn,
};
use tracing::{info, warn};

use crate::{Clock, Store, StoreError, Write};

/// The store, as far as places are concerned.
pub(crate) struct Placement<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) policy: &'a Policy,
}

impl Placement<'_> {
    /// Who is at these destinations.
    pub(crate) async fn crowds(
        &self,
        stages: BTreeSet<StageArn>,
    ) -> Result<BTreeMap<StageArn, Crowd>, StoreError> {
        let mut crowds = BTreeMap::new();
        for stage in stages {
            let there = self.store.replicas_to(&stage, Phase::Active.name()).await?;
            crowds.insert(stage, Crowd::of(&there));
        }
        Ok(crowds)
    }

    /// What follows for others once this is written: those who have to give way, and those who can have the places that were left.
    pub(crate) async fn after(&self, written: &Write, evictions: &[Eviction]) {
        for eviction in evictions {
            if let Err(error) = self.evict(eviction).await {
                warn!(%error, replica = %eviction.key, "not asked to give way");
            }
        }
        for place in written.places.iter().filter(|place| is_free(place, &written.replicas)) {
            if let Err(error) = self.hand_on(&place.stage).await {
                warn!(%error, stage = %place.stage, "nobody was told of a free place");
            }
        }
    }

    /// Puts a place right that is not as its holder's row says, if it still is not.
    pub(crate) async fn correct(&self, change: &PlaceChange) -> Result<(), StoreError> {
        let Some(holder) = change.occupant.on(&change.stage) else { return Ok(()) };
        let view = self.store.load(&holder.publisher()).await?;
        if holder.holds_place(&view) == (change.kind == PlaceKind::Leave) {
            return Ok(());
        }
        info!(stage = %change.stage, occupant = %change.occupant, kind = ?change.kind, "a place is put right");
        // The holder's row is written again as it is, so that nobody can have changed it meanwhile.
        let mut write = Write { places: vec![change.clone()], ..Write::default() };
        match holder {
            Holder::Replica(key) => write.replicas.extend(view.replica(&key.destination).cloned()),
            Holder::Publisher(_) => write.publisher = view.publisher,
        }
        match self.store.write(&write).await {
            Err(StoreError::Conflict) => Ok(()),
            Ok(()) => {
                self.after(&write, &[]).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Has a running replica give way, if it still is as it was when it was chosen.
    async fn evict(&self, eviction: &Eviction) -> Result<(), StoreError> {
        let Some(known) = self.replica(&eviction.key).await? else { return Ok(()) };
        let crowd = Crowd::of([&known]);
        if crowd.weakest.is_none_or(|(_, priority)| priority >= eviction.priority) {
            return Ok(());
        }
        let now = self.clock.now();
        let until = now.saturating_add(self.policy.full_retry).unwrap_or(now);
        let gives_way = Some(GiveWay { priority: eviction.priority, until });
        info!(replica = %eviction.key, priority = eviction.priority, "has to give way");
        self.write_if_unchanged(Replica { gives_way, next_attempt: Some(now), ..known }).await
    }

    /// Makes due whoever comes next at a destination.
    pub(crate) async fn hand_on(&self, destination: &StageArn) -> Result<(), StoreError> {
        let name = Phase::Blocked(Blocked::DESTINATION_FULL).name();
        let waiting = self.store.replicas_to(destination, name).await?;
        let now = self.clock.now();
        for next in in_line(&waiting, now) {
            // The index may lag: the row itself says whether it still waits.
            let Some(known) = self.replica(&next.key).await? else { continue };
            if !in_line([&known], now).is_empty() {
                info!(replica = %known.key, "comes next, a place is free");
                let (phase, next_attempt) = (Phase::Pending, Some(now));
                return self.write_if_unchanged(Replica { phase, next_attempt, ..known }).await;
            }
        }
        Ok(())
    }

    async fn replica(&self, key: &ReplicationKey) -> Result<Option<Replica>, StoreError> {
        let view = self.store.load(&key.publisher()).await?;
        Ok(view.replica(&key.destination).cloned())
    }

    /// Whoever changed it meanwhile has planned it anew.
    async fn write_if_unchanged(&self, replica: Replica) -> Result<(), StoreError> {
        let write = Write { replicas: vec![replica], ..Write::default() };
        match self.store.write(&write).await {
            Err(StoreError::Conflict) => Ok(()),
            written => written,
        }
    }
}

/// Whether somebody else can have it. One that IVS had none for leaves what it never had.
fn is_free(place: &PlaceChange, written: &[Replica]) -> bool {
    let was_refused = |replica: &Replica| {
        replica.waits_for_place()
            && replica.key.destination == place.stage
            && Occupant::replica(&replica.key) == place.occupant
    };
    place.kind == PlaceKind::Leave && !written.iter().any(was_refused)
}
