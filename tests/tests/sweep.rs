//! The sweep end to end, with no event delivered at all: what events missed is found and repaired, and nothing else is
//! touched. The dispatcher does what the sweep leaves due.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ivs_sim::{Config, Dialect, Publish};
use replication::{
    Destination, Owner, ParticipantFilter, Phase, Publishing, ReconnectWindow, Rule, Source, StageArn, Status,
};
use serde_json::json;
use stagelink_tests::in_process::{InProcess, Lie};

/// A world with stages by name.
struct Town {
    world: Arc<InProcess>,
    stages: BTreeMap<&'static str, StageArn>,
}

impl Town {
    fn new(dialect: Dialect, stages: &[&'static str]) -> Self {
        let world = InProcess::new(Config { dialect, ..Config::default() });
        let stages = stages.iter().map(|name| {
            let arn = world.simulator.create_stage(name, BTreeMap::new());
            (*name, arn.parse().unwrap())
        });
        let stages = stages.collect();
        Self { world, stages }
    }

    /// Everybody on A appears on B and C.
    fn overflow(dialect: Dialect) -> Self {
        let town = Self::new(dialect, &["A", "B", "C", "D"]);
        town.world.rules(vec![town.rule("overflow", "A", &["B", "C"])]);
        town
    }

    fn rule(&self, id: &str, source: &str, destinations: &[&str]) -> Rule {
        Rule {
            id: id.parse().unwrap(),
            revision: 1,
            priority: 50,
            status: Status::Enabled,
            source: Source::Stage(self.stages[source].clone()),
            participants: ParticipantFilter::default(),
            destinations: destinations.iter().map(|id| Destination::Stage(self.stages[id].clone())).collect(),
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            preempt: false,
            record_replicas: None,
            expires_at: None,
        }
    }

    fn publish(&self, stage: &str, participant: &str) {
        let publish = Publish {
            stage_arn: self.stages[stage].to_string(),
            participant_id: Some(participant.to_owned()),
            ..Publish::default()
        };
        self.world.simulator.publish(publish).unwrap();
    }

    fn unpublish(&self, stage: &str, participant: &str) {
        self.world.simulator.unpublish(self.stages[stage].as_str(), participant).unwrap();
    }

    fn leave(&self, stage: &str, participant: &str) {
        self.world.simulator.leave(self.stages[stage].as_str(), participant).unwrap();
    }

    /// Somebody else calls Start or Stop.
    fn by_hand(&self, operation: &str, source: &str, participant: &str, destination: &str) {
        let input = json!({"sourceStageArn": self.stages[source].as_str(), "participantId": participant,
            "destinationStageArn": self.stages[destination].as_str()});
        self.world.simulator.call(operation, input).unwrap();
    }

    fn delete(&self, stage: &str) {
        self.world.simulator.call("DeleteStage", json!({"arn": self.stages[stage].as_str()})).unwrap();
    }

    /// What runs: `A p1 B`, …
    fn running(&self) -> Vec<String> {
        let name = |arn: &String| {
            let known = self.stages.iter().find(|(_, stage)| stage.as_str() == arn);
            known.map_or("?", |(name, _)| *name)
        };
        let running = self.world.running();
        let mut running: Vec<_> =
            running.iter().map(|(from, who, to)| format!("{} {who} {}", name(from), name(to))).collect();
        running.sort();
        running
    }

    async fn minutes(&self, minutes: usize) {
        for _ in 0..minutes {
            self.world.minute().await.unwrap();
        }
    }

    /// P1: it stays. Two more sweeps make no mutating call.
    async fn assert_at_rest(&self) {
        let (mutations, running) = (self.world.mutations(), self.running());
        self.minutes(2).await;
        assert_eq!(
            self.world.mutations(),
            mutations,
            "not at rest: {:?}",
            self.world.store.activity().last()
        );
        assert_eq!(self.running(), running);
    }

    async fn assert_becomes(&self, expected: &[&str]) {
        self.minutes(3).await;
        assert_eq!(self.running(), expected, "{:#?}", self.world.store.activity());
        self.assert_at_rest().await;
    }
}

/// Every option of every switch, alone, and a few pairs that bite each other.
fn dialects() -> Vec<(String, Dialect)> {
    let mut dialects = vec![("default".to_owned(), Dialect::default())];
    for switch in Dialect::switches() {
        for option in switch.options.iter().filter(|option| **option != switch.default) {
            let dialect = Dialect::default().with(switch.name, option).unwrap();
            dialects.push((format!("{}={option}", switch.name), dialect));
        }
    }
    let both = |settings: &[(&str, serde_json::Value)]| {
        let mut dialect = Dialect::default();
        for (name, value) in settings {
            dialect = dialect.with(name, value).unwrap();
        }
        (format!("{settings:?}"), dialect)
    };
    dialects.push(both(&[
        ("source_stops", json!("stays")),
        ("list_events_order", json!("oldest_first")),
        ("list_replicas_stopped", json!("every_session")),
    ]));
    dialects.push(both(&[
        ("session_ends_after", json!("last_publisher_stops")),
        ("session_end_delay_ms", json!(0)),
        ("list_events_time", json!("millis")),
    ]));
    dialects.push(both(&[
        ("list_unknown_resource", json!("validation")),
        ("list_replicas_unknown_participant", json!("validation")),
        ("stop_not_replicated", json!("conflict")),
    ]));
    dialects
}

/// Publishers come and go, nobody says so, and the end state is what the rules want; in every dialect.
#[tokio::test]
async fn nothing_delivered_and_all_as_the_rules_want() {
    for (name, dialect) in dialects() {
        let slow = dialect.replication_start_delay_ms.0.max(dialect.list_replicas_lag_ms.0) > 60_000;
        let refuses_empty = name.starts_with("empty_destination");
        let town = Town::overflow(dialect);
        if refuses_empty {
            town.publish("B", "guest-b");
            town.publish("C", "guest-c");
        }
        town.publish("A", "p1");
        town.publish("A", "p2");
        town.minutes(if slow { 8 } else { 2 }).await;
        assert_eq!(town.running(), ["A p1 B", "A p1 C", "A p2 B", "A p2 C"], "{name}");
        town.assert_at_rest().await;

        town.leave("A", "p1");
        town.publish("A", "p3");
        town.minutes(if slow { 12 } else { 4 }).await;
        assert_eq!(town.running(), ["A p2 B", "A p2 C", "A p3 B", "A p3 C"], "{name}");

        town.by_hand("StopParticipantReplication", "A", "p3", "C");
        town.minutes(if slow { 12 } else { 4 }).await;
        assert_eq!(town.running(), ["A p2 B", "A p2 C", "A p3 B", "A p3 C"], "{name}");
        town.assert_at_rest().await;
    }
}

/// Somebody stops publishing and stays connected. Mostly IVS ends the replicas; if it does not, the confirmation finds it.
#[tokio::test]
async fn who_stops_publishing_and_stays_is_released() {
    for (name, dialect) in dialects() {
        let town = Town::overflow(dialect);
        if name.starts_with("empty_destination") {
            town.publish("B", "guest-b");
            town.publish("C", "guest-c");
        }
        town.publish("A", "p1");
        town.minutes(8).await;
        town.unpublish("A", "p1");
        town.minutes(14).await;
        assert_eq!(town.running(), Vec::<String>::new(), "{name}");
        town.assert_at_rest().await;
        town.publish("A", "p1");
        town.minutes(8).await;
        assert_eq!(town.running(), ["A p1 B", "A p1 C"], "{name}");
        town.assert_at_rest().await;
    }
}

/// Whole seconds cannot tell what came first; the list's order can.
#[tokio::test]
async fn a_tie_within_one_second_is_resolved() {
    for order in ["newest_first", "oldest_first"] {
        let town = Town::overflow(Dialect::default().with("list_events_order", &json!(order)).unwrap());
        town.publish("A", "p1");
        town.unpublish("A", "p1");
        town.assert_becomes(&[]).await;
        assert_eq!(town.world.mutations(), 0, "{order}: nobody was ever seen to publish");

        town.publish("A", "p1");
        town.unpublish("A", "p1");
        town.publish("A", "p1");
        town.assert_becomes(&["A p1 B", "A p1 C"]).await;
        let (publisher, _) = known(&town, "A", "p1");
        assert_eq!(publisher, Some(Publishing::Yes));
    }
}

fn known(town: &Town, stage: &str, participant: &str) -> (Option<Publishing>, Vec<Phase>) {
    let key = replication::PublisherKey {
        stage: town.stages[stage].clone(),
        participant: participant.parse().unwrap(),
    };
    let load = controller::Store::load(&*town.world.store, &key);
    let view = futures::executor::block_on(load).unwrap();
    let phases = view.replicas.iter().map(|replica| replica.phase.clone()).collect();
    (view.publisher.map(|publisher| publisher.publishing()), phases)
}

#[tokio::test]
async fn rules_that_changed_while_nobody_listened_are_obeyed() {
    let town = Town::overflow(Dialect::default());
    town.publish("A", "p1");
    town.assert_becomes(&["A p1 B", "A p1 C"]).await;
    town.world.rules(vec![town.rule("overflow", "A", &["B"])]);
    town.assert_becomes(&["A p1 B"]).await;
    town.world.rules(vec![town.rule("overflow", "A", &["B", "D"])]);
    town.assert_becomes(&["A p1 B", "A p1 D"]).await;
    town.world.rules(Vec::new());
    town.assert_becomes(&[]).await;
}

/// P8, also where it goes to a stage that a rule wants, and to one that none does.
#[tokio::test]
async fn foreign_replicas_stay_and_are_reported() {
    for (_, dialect) in dialects().into_iter().filter(|(name, _)| {
        !name.starts_with("empty_destination") && !name.starts_with("replication_start_delay")
    }) {
        let town = Town::overflow(dialect);
        town.publish("A", "p1");
        town.by_hand("StartParticipantReplication", "A", "p1", "B");
        town.publish("D", "p9");
        town.by_hand("StartParticipantReplication", "D", "p9", "C");
        town.minutes(10).await;
        assert_eq!(town.running(), ["A p1 B", "A p1 C", "D p9 C"]);
        town.assert_at_rest().await;
        let swept = town.world.sweep().await.unwrap();
        assert_eq!(swept.foreign, 2);
        let owners: Vec<_> = town.world.store.replicas().iter().map(|replica| replica.owner).collect();
        assert!(owners.contains(&Owner::Foreign) && owners.contains(&Owner::Stagelink));

        town.world.rules(Vec::new());
        town.minutes(6).await;
        assert_eq!(town.running(), ["A p1 B", "D p9 C"], "what is not ours is left");
        town.assert_at_rest().await;
    }
}

/// P7: a replica on a stage that is a source itself is replicated no further.
#[tokio::test]
async fn two_stages_that_replicate_into_each_other_do_not_loop() {
    for option in ["allowed", "not_found", "conflict", "validation"] {
        let dialect = Dialect::default().with("replica_as_source", &json!(option)).unwrap();
        let town = Town::new(dialect, &["A", "B", "C"]);
        town.world.rules(vec![town.rule("ab", "A", &["B"]), town.rule("ba", "B", &["A", "C"])]);
        town.publish("A", "p1");
        town.publish("B", "p2");
        town.assert_becomes(&["A p1 B", "B p2 A", "B p2 C"]).await;
    }
}

#[tokio::test]
async fn a_deleted_stage_does_no_harm() {
    for (name, dialect) in dialects().into_iter().filter(|(name, _)| !name.starts_with("delete_active_stage"))
    {
        let town = Town::overflow(dialect);
        if name.starts_with("empty_destination") {
            town.publish("B", "guest-b");
            town.publish("C", "guest-c");
        }
        town.world.rules(vec![town.rule("overflow", "A", &["B", "C"]), town.rule("other", "D", &["B"])]);
        town.publish("A", "p1");
        town.publish("D", "p2");
        town.minutes(8).await;
        assert_eq!(town.running(), ["A p1 B", "A p1 C", "D p2 B"], "{name}");
        town.delete("A");
        town.minutes(8).await;
        assert_eq!(town.running(), ["D p2 B"], "{name}");
        town.assert_at_rest().await;
        assert_eq!(known(&town, "A", "p1").0, Some(Publishing::No), "{name}");
    }
}

/// P9: whatever lists say too little, nothing is stopped for it.
#[tokio::test]
async fn lists_that_say_too_little_stop_nothing() {
    let all = [
        "ListStages",
        "ListStageSessions",
        "ListParticipants",
        "ListParticipantEvents",
        "ListParticipantReplicas",
    ];
    for lie in [Lie::Empty, Lie::Truncated, Lie::Fails] {
        let sets = all.iter().map(|operation| vec![*operation]).chain([all.to_vec()]);
        for lying in sets {
            let town = Town::overflow(Dialect::default());
            for participant in ["p1", "p2", "p3"] {
                town.publish("A", participant);
            }
            town.minutes(3).await;
            let running = town.running();
            assert_eq!(running.len(), 6);
            let before = town.world.simulator.ledger().len();
            lying.iter().for_each(|operation| town.world.lie(operation, Some(lie)));
            town.minutes(15).await;
            let ledger = town.world.simulator.ledger();
            let stops = ledger[before..].iter().filter(|entry| entry.operation.starts_with("Stop"));
            assert_eq!(stops.count(), 0, "{lie:?} {lying:?}");
            assert_eq!(town.running(), running, "{lie:?} {lying:?}");
            lying.iter().for_each(|operation| town.world.lie(operation, None));
            town.assert_becomes(&running.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
    }
}

/// P10: a stage whose reads fail keeps no other from being looked at, and its age is told.
#[tokio::test]
async fn the_age_of_the_oldest_knowledge_grows_while_reads_fail() {
    let town = Town::overflow(Dialect::default());
    town.publish("A", "p1");
    town.minutes(2).await;
    let fresh = town.world.minute().await.unwrap();
    assert!(fresh.oldest_knowledge < 60 && fresh.skipped == 0, "{fresh:?}");
    town.world.lie("ListParticipants", Some(Lie::Fails));
    town.minutes(3).await;
    let old = town.world.minute().await.unwrap();
    assert!(old.oldest_knowledge >= 180 && old.skipped == 3, "{old:?}");
    town.world.lie("ListParticipants", None);
    assert!(town.world.minute().await.unwrap().oldest_knowledge < 60);
}

/// P10: a stage on which more have stopped publishing, and stay, than one sweep can ask about keeps no other from being looked at;
/// and each of them is asked about.
#[tokio::test]
async fn a_stage_with_too_much_to_read_for_one_sweep_takes_turns() {
    let town = Town::new(Dialect::default(), &["A", "B", "C", "D"]);
    // Of stages that nobody has looked at, that with the first ARN has its turn first.
    let (many, one) = if town.stages["A"] < town.stages["D"] { ("A", "D") } else { ("D", "A") };
    town.world.rules(vec![town.rule("hands", many, &["B"]), town.rule("late", one, &["C"])]);
    let hands: Vec<_> = (0..150).map(|i| format!("hand-{i:03}")).collect();
    for hand in &hands {
        town.publish(many, hand);
        town.unpublish(many, hand);
    }
    town.minutes(3).await;
    town.publish(one, "late");
    town.minutes(4).await;
    assert_eq!(town.running(), [format!("{one} late C")]);
    let again = [&hands[0], &hands[75], &hands[149]];
    again.iter().for_each(|hand| town.publish(many, hand));
    town.minutes(8).await;
    let of_many = |hand: &&String| town.running().contains(&format!("{many} {hand} B"));
    assert!(again.iter().all(of_many), "{:?}", town.running());
}

/// Killed after any await, the next sweep finds all the same.
#[tokio::test]
async fn a_sweep_may_be_killed_anywhere() {
    for steps in 0..60 {
        let town = Town::overflow(Dialect::default());
        town.publish("A", "p1");
        town.publish("A", "p2");
        let sweeper = town.world.sweeper();
        let invocation = town.world.invocation("killed", 55);
        let mut run = Box::pin(sweeper.run(&invocation));
        for _ in 0..steps {
            if futures::poll!(&mut run).is_ready() {
                break;
            }
        }
        drop(run);
        town.assert_becomes(&["A p1 B", "A p1 C", "A p2 B", "A p2 C"]).await;
    }
}

/// The function itself, over HTTP and on DynamoDB: what it finds is in the table, and looked at again nothing is news.
#[tokio::test]
async fn the_function_finds_a_publisher_over_the_wire() {
    let world = stagelink_tests::World::start().await.unwrap();
    let stages: Vec<StageArn> = ["A", "B"].map(|name| world.stage(name).parse().unwrap()).to_vec();
    let town = Town {
        world: InProcess::new(Config::default()),
        stages: BTreeMap::from([("A", stages[0].clone()), ("B", stages[1].clone())]),
    };
    world.rules(&[town.rule("ab", "A", &["B"])]).await.unwrap();
    world.publish(stages[0].as_str()).unwrap();
    let swept = world.sweep().await.unwrap();
    assert_eq!(
        (&swept["looked_at"], &swept["news"], &swept["skipped"]),
        (&json!(1), &json!(1), &json!(0)),
        "{swept}"
    );
    let replicas = world.store.replicas().await.unwrap();
    assert_eq!(replicas.iter().map(|replica| replica.phase.name()).collect::<Vec<_>>(), ["Pending"]);
    assert!(replicas[0].due().is_some());
    let operations: Vec<_> = world.recording.take().into_iter().map(|request| request.operation).collect();
    for read in ["Scan", "ListStages", "ListParticipants", "ListParticipantEvents"] {
        assert_eq!(operations.iter().filter(|operation| *operation == read).count(), 1, "{operations:?}");
    }
    assert!(!operations.iter().any(|operation| operation.starts_with("St")), "{operations:?}");

    let again = world.sweep().await.unwrap();
    assert_eq!(
        (&again["looked_at"], &again["news"], &again["planned_again"]),
        (&json!(1), &json!(0), &json!(0))
    );
    // One write for each read sets its calls aside, and nothing else is written.
    let operations: Vec<_> = world.recording.take().into_iter().map(|request| request.operation).collect();
    let reads: BTreeSet<_> = operations.iter().filter(|name| name.starts_with("List")).collect();
    let writes = operations.iter().filter(|name| *name == "TransactWriteItems").count();
    assert_eq!(writes, reads.len(), "{operations:?}");
}

/// Somebody's rule still names a stage that is gone.
#[tokio::test]
async fn a_deleted_destination_is_found() {
    for (name, dialect) in dialects() {
        let unlike =
            ["delete_active_stage", "empty_destination", "replication_start_delay", "list_replicas_lag"];
        if unlike.iter().any(|switch| name.starts_with(switch)) {
            continue;
        }
        let stays = name.starts_with("destination_deleted");
        let town = Town::overflow(dialect);
        town.publish("A", "p1");
        town.minutes(2).await;
        town.delete("B");
        town.minutes(3).await;
        if !stays {
            assert_eq!(town.running(), ["A p1 C"], "{name}");
            let phases = known(&town, "A", "p1").1;
            assert!(phases.iter().any(|phase| matches!(phase, Phase::Blocked(_))), "{name}: {phases:?}");
        }
        town.world.rules(vec![town.rule("overflow", "A", &["C"])]);
        town.minutes(2).await;
        assert_eq!(town.running(), ["A p1 C"], "{name}");
        town.assert_at_rest().await;
    }
}
