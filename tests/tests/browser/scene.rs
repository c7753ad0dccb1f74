//! A world that has something of everything, and a big one.

use controller::sweep::port::SweepStore;
use controller::{MemoryStore, Store};
use jiff::SignedDuration;
use replication::{BlockedReason, Destination, Operation, Owner, Phase, Publisher, Replica};
use stagelink_tests::rows;

use crate::world::{World, blocked, called, last_error, publisher, replica, stage, writes};

/// A show with its overflows, a duel, a wall, a stage of somebody else's replica and two where nothing happens.
pub(crate) async fn show(world: &World) {
    for (id, name, role) in [
        ("Host1", "friday-main", "main"),
        ("Over1", "friday-overflow-1", "overflow"),
        ("Over2", "friday-overflow-2", "overflow"),
        ("Over3", "friday-overflow-3", "overflow"),
        ("Wall", "monitoring-wall", "wall"),
        ("DuelA", "duel-red", "duel"),
        ("DuelB", "duel-blue", "duel"),
        ("Lobby", "lobby", "lobby"),
        ("Spare1", "spare-1", "spare"),
        ("Spare2", "spare-2", "spare"),
    ] {
        world.stage(id, name, &[("role", role), ("show", "friday")]).await;
    }
    let minutes = SignedDuration::from_mins;
    let (anna, ben) = ("aB3dE5fG7hJ9", "kL2mN4pQ6rS8");
    let publishers = vec![
        publisher("Host1", anna, "host-anna", minutes(42)),
        publisher("Host1", ben, "host-ben", minutes(17)),
        publisher("DuelA", "tU1vW3xY5zA7", "red-captain", minutes(6)),
        publisher("DuelB", "bC9dE7fG5hJ3", "blue-captain", minutes(6)),
        publisher("Lobby", "kM1nP2qR3sT4", "", minutes(1)),
    ];
    let overflow = |participant, destination, phase| {
        replica("Host1", participant, destination, "main-to-overflow", phase)
    };
    let to_wall =
        |source, participant, phase| replica(source, participant, "Wall", "everything-to-wall", phase);
    let refused = Replica {
        last_error: last_error(
            "ConflictException",
            "the destination stage has a replica of this participant",
        ),
        attempts: 2,
        ..overflow(ben, "Over3", blocked(BlockedReason::Rejected))
    };
    let foreign =
        Replica { owner: Owner::Foreign, rule: None, ..to_wall("Lobby", "kM1nP2qR3sT4", Phase::Active) };
    let replicas = vec![
        overflow(anna, "Over1", Phase::Active),
        overflow(anna, "Over2", Phase::Active),
        overflow(anna, "Over3", Phase::Active),
        to_wall("Host1", anna, Phase::Active),
        overflow(ben, "Over1", Phase::Active),
        overflow(ben, "Over2", Phase::Starting),
        refused.clone(),
        to_wall("Host1", ben, Phase::Pending),
        replica("DuelA", "tU1vW3xY5zA7", "DuelB", "versus.friday.1", Phase::Active),
        replica("DuelB", "bC9dE7fG5hJ3", "DuelA", "versus.friday.2", Phase::Stopping),
        to_wall("DuelA", "tU1vW3xY5zA7", blocked(BlockedReason::DestinationFull)),
        foreign,
    ];
    let arn = |id| rows::stage(id).to_string();
    let mut main = rows::rule("main-to-overflow", &arn("Host1"), &arn("Over1"));
    main.destinations.extend(["Over2", "Over3"].map(|id| Destination::Stage(rows::stage(id))));
    let wall = rows::rule("everything-to-wall", &arn("Host1"), &arn("Wall"));
    world.table.store.replace_rules(&[main, wall]).await.unwrap();
    for (i, replica) in replicas.iter().take(6).enumerate() {
        world.note(called(replica, Operation::Start, "ok", 20 + 35 * i64::try_from(i).unwrap())).await;
    }
    let refusal = "ConflictException: the destination stage has a replica of this participant";
    world.note(called(&refused, Operation::Start, refusal, 5)).await;
    world.put(publishers, replicas).await;
    world.call(Operation::Start, 3).await;
    world.call(Operation::ListParticipants, 2).await;
    world.call(Operation::Stop, 1).await;
}

/// 1,000 stages and 5,000 replicas: a hundred shows with six hosts each on five overflows, and sixty-seven duels of six stages. In
/// memory, because the embedded table takes seconds to be read with as much in it.
pub(crate) async fn a_thousand_stages(store: &MemoryStore) -> (usize, usize) {
    let (mut stages, mut publishers, mut replicas) = (Vec::new(), Vec::<Publisher>::new(), Vec::new());
    let since = SignedDuration::from_mins(5);
    for show in 0..100 {
        let id = |i: usize| format!("S{show:03}x{i}");
        stages.push((id(0), format!("show-{show:03}-main")));
        stages.extend((1..6).map(|i| (id(i), format!("show-{show:03}-overflow-{i}"))));
        for host in 0..6 {
            let participant = format!("h{show:03}n{host}");
            publishers.push(publisher(&id(0), &participant, &format!("host-{show:03}-{host}"), since));
            for i in 1..6 {
                let phase = phase_of(show * 30 + host * 5 + i);
                replicas.push(replica(&id(0), &participant, &id(i), "main-to-overflow", phase));
            }
        }
    }
    for duel in 0..67 {
        let id = |i: usize| format!("D{duel:03}x{i}");
        stages.extend((0..6).map(|i| (id(i), format!("duel-{duel:03}-{i}"))));
        for i in 0..6 {
            let participant = format!("d{duel:03}n{i}");
            publishers.push(publisher(&id(i), &participant, &format!("captain-{duel:03}-{i}"), since));
            for j in (0..6).filter(|j| *j != i) {
                let phase = phase_of(duel * 36 + i * 6 + j);
                replicas.push(replica(&id(i), &participant, &id(j), "versus.all.1", phase));
            }
        }
    }
    let counted = (stages.len(), replicas.len());
    for (id, name) in &stages {
        store.remember_stage(&stage(id, name, &[("show", name)])).await.unwrap();
    }
    for write in writes(publishers, &replicas) {
        store.write(&write).await.unwrap();
    }
    counted
}

/// Nearly all run, as it is on a good day.
fn phase_of(i: usize) -> Phase {
    match i % 97 {
        3 => Phase::Pending,
        17 => Phase::Starting,
        40 => Phase::Stopping,
        71 => blocked(BlockedReason::DestinationFull),
        _ => Phase::Active,
    }
}
