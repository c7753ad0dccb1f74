//! The places at destinations, as a sweep finds them in the table.

use std::collections::BTreeSet;

use replication::sweep::Inventory;
use replication::{Blocked, Evidence, Occupant, Owner, Phase, PlaceKind, Publisher, PublisherKey, Replica};

use crate::build::{moment, publisher, session, stage, to};

/// Somebody who publishes on B, by their name.
fn on_b(name: &str) -> PublisherKey {
    PublisherKey { stage: stage("B"), participant: name.parse().unwrap() }
}

fn publishing(key: PublisherKey) -> Publisher {
    let evidence = Evidence { on: Some(moment("00:00:05")), off: None };
    Publisher { evidence, session: Some(session("st-2")), ..Publisher::new(key) }
}

fn in_phase(destination: &str, phase: Phase) -> Replica {
    Replica { phase, owner: Owner::Stagelink, ..Replica::new(to(destination)) }
}

#[test]
fn a_free_place_that_somebody_waits_for_is_found() {
    let waits = |id: &str| in_phase(id, Phase::Blocked(Blocked::DESTINATION_FULL));
    let occupants = |count: usize| (0..count).map(|i| Occupant::publisher(&on_b(&format!("o{i}")))).collect();
    let mut inventory = Inventory::default();
    for (id, count) in [("B", 12), ("C", 11), ("D", 0)] {
        inventory.put_replica(waits(id));
        inventory.put_occupants(stage(id), occupants(count));
    }
    inventory.put_replica(waits("unheard-of"));
    inventory.put_replica(in_phase("nobody-waits", Phase::Stopped));
    inventory.put_occupants(stage("nobody-waits"), BTreeSet::new());
    let free: Vec<_> = inventory.with_free_places().map(|stage| stage.resource_id()).collect();
    assert_eq!(free, ["C", "D", "unheard-of"]);
}

#[test]
fn a_place_is_as_publishers_and_replications_say() {
    let mut inventory = Inventory::default();
    inventory.put_replica(in_phase("B", Phase::Active));
    inventory.put_publisher(publishing(on_b("host")));
    inventory.put_publisher(Publisher::new(on_b("gone")));
    let (replica, host) = (Occupant::replica(&to("B")), Occupant::publisher(&on_b("host")));
    inventory.put_occupants(stage("B"), [replica.clone(), host.clone()].into());
    assert_eq!(inventory.misplaced(), []);
    assert_eq!(inventory.occupants(&stage("B")).map(BTreeSet::len), Some(2));
    assert_eq!(inventory.occupants(&stage("C")), None);

    let gone = Occupant::publisher(&on_b("gone"));
    inventory.put_occupants(stage("B"), [replica, gone.clone()].into());
    let wrong: Vec<_> =
        inventory.misplaced().into_iter().map(|it| (it.stage, it.occupant, it.kind)).collect();
    assert_eq!(wrong, [(stage("B"), host, PlaceKind::Take), (stage("B"), gone, PlaceKind::Leave)]);

    inventory.put_occupants(stage("B"), BTreeSet::new());
    inventory.put_replica(in_phase("B", Phase::Stopped));
    assert_eq!(inventory.misplaced().len(), 1, "only the host takes one");
    inventory.put_publisher(publishing(publisher()));
    assert_eq!(inventory.misplaced().len(), 1, "on a stage to which nothing is replicated, nobody counts");
}

#[test]
fn what_somebody_else_started_is_told_while_it_runs() {
    let on = Evidence { on: Some(moment("00:00:05")), off: None };
    let off = Evidence { off: Some(moment("00:00:09")), ..on };
    let mut inventory = Inventory::default();
    for (id, owner, evidence) in [
        ("B", Owner::Foreign, on),
        ("C", Owner::Foreign, off),
        ("D", Owner::Stagelink, on),
        ("E", Owner::Nobody, on),
    ] {
        inventory.put_replica(Replica { owner, evidence, ..in_phase(id, Phase::Active) });
    }
    assert_eq!(inventory.foreign().collect::<Vec<_>>(), [&to("B")]);
}
