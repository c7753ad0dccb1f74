//! The table: rows that are written if they are as they were read. It does what `MemoryStore` does, which the contract test of the
//! store holds against the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use controller::Write;
use jiff::Timestamp;
use replication::occupancy::PLACES;
use replication::sweep::Inventory;
use replication::{
    Control, Crowd, Evidence, Match, Occupant, Pause, Phase, PlaceChange, PlaceKind, Publisher, PublisherKey,
    Replica, ReplicationKey, Rule, StageArn, Tally, View,
};

use crate::ivs::{crowd, whole};
use crate::world::{World, session};

/// Everything that is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) rules: Arc<Vec<Rule>>,
    pub(crate) pause: Option<Pause>,
    pub(crate) publishers: BTreeMap<PublisherKey, Arc<Publisher>>,
    pub(crate) replicas: BTreeMap<ReplicationKey, Arc<Replica>>,
    /// Who has a place, by destination. Only kept where places are scarce.
    pub(crate) occupants: BTreeMap<StageArn, Arc<BTreeSet<Occupant>>>,
    /// The stops that count for the brake, as the budget of stops has them.
    pub(crate) stops: Tally,
}

/// The stops of a plan that count for the brake.
#[derive(Debug, Clone)]
pub(crate) struct Stops {
    pub(crate) count: usize,
    /// The tally that they were planned with. A write is made only if it still is the same.
    pub(crate) planned_with: Tally,
}

/// A write that was not made.
#[derive(Debug)]
pub(crate) enum NotWritten {
    Conflict,
    Full(BTreeSet<StageArn>),
}

impl Table {
    pub(crate) fn of(world: &World) -> Self {
        let mut table = Self { rules: Arc::new(world.rules.clone()), ..Self::default() };
        if world.spec.crowd == 0 {
            return table;
        }
        let mut there = BTreeSet::new();
        for key in crowd(world) {
            let evidence = Evidence { on: Some(whole(0)), off: None };
            let known =
                Publisher { session: Some(session()), evidence, version: 1, ..Publisher::new(key.clone()) };
            there.insert(Occupant::publisher(&key));
            table.publishers.insert(key, Arc::new(known));
        }
        table.occupants.extend(world.stages.last().map(|stage| (stage.clone(), Arc::new(there))));
        table
    }

    fn control(&self) -> Control {
        Control { pause: self.pause.clone(), ..Control::default() }
    }

    /// All that is known around one publisher.
    pub(crate) fn load(&self, key: &PublisherKey) -> View {
        let covers = |rule: &&Rule| rule.covers(&key.stage, None) != Match::No;
        View {
            publisher: self.publishers.get(key).map(|publisher| Publisher::clone(publisher)),
            rules: self.rules.iter().filter(covers).cloned().collect(),
            replicas: self.replicas_of(key).cloned().collect(),
            is_destination: self.occupants.contains_key(&key.stage),
            control: self.control(),
            ..View::empty(key.clone())
        }
    }

    pub(crate) fn replicas_of<'a>(&'a self, key: &'a PublisherKey) -> impl Iterator<Item = &'a Replica> {
        let all = self.replicas.values().map(|replica| &**replica);
        all.filter(|replica| replica.key.source == key.stage && replica.key.participant == key.participant)
    }

    /// The replications to a stage that are in a phase of this name.
    pub(crate) fn replicas_to(&self, stage: &StageArn, phase: &str) -> Vec<Replica> {
        let all = self.replicas.values().map(|replica| &**replica);
        let there = all.filter(|replica| replica.key.destination == *stage && replica.phase.name() == phase);
        there.cloned().collect()
    }

    /// Who is at these destinations.
    pub(crate) fn crowds(&self, stages: BTreeSet<StageArn>) -> BTreeMap<StageArn, Crowd> {
        let crowd = |stage: &StageArn| Crowd::of(&self.replicas_to(stage, Phase::Active.name()));
        stages.into_iter().map(|stage| (stage.clone(), crowd(&stage))).collect()
    }

    /// Everything, as a sweep reads it.
    pub(crate) fn inventory(&self) -> Inventory {
        let mut inventory =
            Inventory { rules: self.rules.to_vec(), control: self.control(), ..Inventory::default() };
        self.publishers.values().for_each(|publisher| inventory.put_publisher(Publisher::clone(publisher)));
        self.replicas.values().for_each(|replica| inventory.put_replica(Replica::clone(replica)));
        let places = self.occupants.iter();
        places.for_each(|(stage, there)| inventory.put_occupants(stage.clone(), BTreeSet::clone(there)));
        inventory
    }

    /// Writes everything, or nothing.
    pub(crate) fn write(
        &mut self,
        write: &Write,
        stops: Option<&Stops>,
        now: Timestamp,
    ) -> Result<(), NotWritten> {
        let known = |publisher: &Publisher| self.publishers.get(&publisher.key).map_or(0, |it| it.version);
        let publisher_stale =
            write.publisher.as_ref().is_some_and(|publisher| known(publisher) != publisher.version);
        let known = |replica: &Replica| self.replicas.get(&replica.key).map_or(0, |it| it.version);
        let replica_stale = write.replicas.iter().any(|replica| known(replica) != replica.version);
        let budget_stale = stops.is_some_and(|stops| stops.planned_with != self.stops);
        if publisher_stale || replica_stale || budget_stale {
            return Err(NotWritten::Conflict);
        }
        let full = |place: &&PlaceChange| {
            let there = self.occupants.get(&place.stage);
            let full = there.is_some_and(|there| there.len() >= PLACES && !there.contains(&place.occupant));
            place.kind == PlaceKind::TakeIfFree && full
        };
        let full: BTreeSet<_> = write.places.iter().filter(full).map(|place| place.stage.clone()).collect();
        if !full.is_empty() {
            return Err(NotWritten::Full(full));
        }
        for PlaceChange { stage, occupant, kind } in &write.places {
            let Some(there) = self.occupants.get_mut(stage).map(Arc::make_mut) else { continue };
            match kind {
                PlaceKind::Take | PlaceKind::TakeIfFree => there.insert(occupant.clone()),
                PlaceKind::Leave => there.remove(occupant),
            };
        }
        if let Some(publisher) = &write.publisher {
            let stored = Publisher { version: publisher.version + 1, ..publisher.clone() };
            self.publishers.insert(publisher.key.clone(), Arc::new(stored));
        }
        for replica in &write.replicas {
            let stored = Replica { version: replica.version + 1, ..replica.clone() };
            self.replicas.insert(replica.key.clone(), Arc::new(stored));
        }
        (0..stops.map_or(0, |stops| stops.count)).for_each(|_| self.stops.add(now));
        Ok(())
    }
}
