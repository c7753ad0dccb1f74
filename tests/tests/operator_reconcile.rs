//! `stagelink reconcile` and `stagelink adopt`, with the functions' own code on the embedded table and a simulated IVS.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use controller::history::{History, Part, Wanted};
use controller::sweep::port::{AskForLooks, SweepStore};
use controller::{Operator, Store, Write};
use ivs_sim::Publish;
use jiff::{SignedDuration, Timestamp};
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Evidence, Moment, Owner, Pause, Phase, Publisher, PublisherKey, Replica, ReplicationKey, RuleRef,
};
use serde_json::json;
use stagelink_tests::rows::{self, stage};
use stagelink_tests::world::scheduled;
use stagelink_tests::{Said, World, assert_golden};

/// Stages A to D, and a rule from A to B.
async fn world() -> World {
    let world = World::start().await.unwrap();
    for id in ["A", "B", "C", "D"] {
        world.simulator.place_stage(stage(id).as_str(), &id.to_lowercase(), BTreeMap::new()).unwrap();
    }
    world.rules(&[rows::rule("to-b", stage("A").as_str(), stage("B").as_str())]).await.unwrap();
    world
}

fn publish(world: &World, id: &str, participant: &str) {
    let (stage_arn, participant_id) = (stage(id).to_string(), Some(participant.to_owned()));
    world.simulator.publish(Publish { stage_arn, participant_id, ..Publish::default() }).unwrap();
}

/// Seen so since an hour.
fn on() -> Evidence {
    let at = Timestamp::now() - SignedDuration::from_hours(1);
    Evidence { on: Some(Moment::exact(at)), off: None }
}

fn key(source: &str, participant: &str, destination: &str) -> ReplicationKey {
    let participant = participant.parse().unwrap();
    ReplicationKey { source: stage(source), participant, destination: stage(destination) }
}

fn foreign(source: &str, participant: &str, destination: &str) -> Replica {
    let replica = Replica::new(key(source, participant, destination));
    Replica { owner: Owner::Foreign, phase: Phase::Active, evidence: on(), ..replica }
}

async fn put(world: &World, replicas: Vec<Replica>) {
    world.store.write(&Write { replicas, ..Write::default() }).await.unwrap();
}

async fn stored(world: &World, key: &ReplicationKey) -> Replica {
    let view = world.store.load(&key.publisher()).await.unwrap();
    view.replica(&key.destination).unwrap().clone()
}

/// The schedule: a sweep that begins a moment later, and what it leaves due.
async fn schedule(world: &World) {
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.sweep().await.unwrap();
    world.dispatch().handle(scheduled()).await.unwrap();
}

/// What a command says while the schedule works.
async fn during_schedule(world: &World, arguments: &[&str]) -> Said {
    // A sweep waits for its turn, if the one before has just ended.
    let mut console = world.console();
    console.deployment.pace.sweep = Duration::from_secs(60);
    console.deployment.pace.settle = Duration::from_secs(20);
    tokio::join!(console.run(arguments), schedule(world)).0
}

/// How long things took is not for a golden.
fn masked(said: &Said) -> String {
    let mut text = said.text.clone();
    if let Some((before, after)) = text.split_once(" in ").map(|(a, b)| (a.to_owned(), b.to_owned())) {
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        text = format!("{before} in N{after}");
    }
    text
}

/// IVS ended a replica behind our back, and no event told of it: the look finds that, and it is started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_drifted_replica_is_put_right() {
    let world = world().await;
    publish(&world, "A", "p-1");
    world.sweep().await.unwrap();
    let known = stored(&world, &key("A", "p-1", "B")).await;
    let rule = RuleRef { id: "to-b".parse().unwrap(), revision: 1, priority: 50 };
    let lost =
        Replica { version: known.version, evidence: on(), ..rows::replica(rule, "p-1", "B", Phase::Active) };
    put(&world, vec![lost]).await;
    assert!(world.simulator.replicas().is_empty());

    let said = during_schedule(&world, &["reconcile", stage("A").as_str(), "--by", "kim"]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(world.simulator.replicas().len(), 1);
    assert_golden("operator_reconcile/drifted.txt", &masked(&said));
    assert!(said.text.contains("had ended, and was started again"), "{}", said.text);

    let wanted = Wanted::since(Timestamp::UNIX_EPOCH);
    let page =
        world.store.history(Some(&stage("A")), &wanted, Part { limit: 50, before: None }).await.unwrap();
    let lines = page.found.into_iter().map(|entry| entry.line.unwrap());
    let asked: Vec<_> = lines.filter(|line| line.operation == "Reconcile").collect();
    assert_eq!((asked.len(), asked[0].caller.as_str()), (1, "kim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stage_is_looked_at() {
    let world = world().await;
    for (id, participant) in [("A", "p-1"), ("B", "p-2"), ("C", "p-3")] {
        publish(&world, id, participant);
    }
    let said = during_schedule(&world, &["reconcile"]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_golden("operator_reconcile/every_stage.txt", &masked(&said));
    let again = during_schedule(&world, &["reconcile"]).await;
    assert!(again.code == 0 && again.text.ends_with("nothing has changed.\n"), "{}", again.text);
}

/// A stage with nobody on it, one that no rule concerns, and one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_nothing_to_look_at_is_said() {
    let world = world().await;
    publish(&world, "C", "p-3");
    let [c, d, z] = ["C", "D", "Z"].map(|id| stage(id).to_string());
    let said = during_schedule(&world, &["reconcile", &c, &d, &z]).await;
    assert_eq!(said.code, 1, "{}", said.text);
    assert_golden("operator_reconcile/nothing_to_look_at.txt", &masked(&said));
    assert_eq!(world.console().run(&["reconcile", "arn:x"]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sweep_the_schedule_is_doubted() {
    let world = world().await;
    let said = world.console().run(&["reconcile", stage("A").as_str()]).await;
    assert_eq!(said.code, 1);
    assert_golden("operator_reconcile/no_sweep.txt", &said.text);
    let asked = world.store.inventory().await.unwrap().stages[&stage("A")].asked.clone();
    assert!(asked.is_some(), "it stays asked for");
    let mut patient = world.console();
    patient.deployment.pace.sweep = Duration::from_secs(90);
    let said = patient.run(&["reconcile", "--timeout", "1s"]).await;
    assert!(said.code == 1 && said.text.contains("Wait for longer: --timeout 2m"), "{}", said.text);
}

/// Sweeps come, and do not get to a stage.
#[tokio::test(flavor = "multi_thread")]
async fn when_time_is_over_what_is_left_is_named() {
    let world = world().await;
    let listed = ListedStage {
        stage: stage("A"),
        name: "a".to_owned(),
        tags: BTreeMap::new(),
        active_session: Some("st-1CVugbu2cf2n8".parse().unwrap()),
    };
    world.store.remember_stage(&StageKnowledge::new(listed, Timestamp::now())).await.unwrap();
    world.store.remember_listing(Timestamp::now() + SignedDuration::from_mins(1)).await.unwrap();
    let pause = Pause {
        reason: "a fire".to_owned(),
        by: "kim".to_owned(),
        at: "2026-06-29T16:40:32Z".parse().unwrap(),
    };
    world.store.pause(&pause).await.unwrap();
    let said = world.console().run(&["reconcile", stage("A").as_str(), "--timeout", "1s"]).await;
    assert_eq!(said.code, 1);
    assert_golden("operator_reconcile/time_is_over.txt", &said.text);
}

/// A table of an earlier version, whose sweeps know nothing of what is asked: they answer it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_knows_nothing_of_it_answers_it_too() {
    let world = world().await;
    let console = world.console();
    let earlier = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let listed = ListedStage {
            stage: stage("A"),
            name: "a".to_owned(),
            tags: BTreeMap::new(),
            active_session: None,
        };
        let known = StageKnowledge {
            looked_at: Some(Timestamp::now()),
            ..StageKnowledge::new(listed, Timestamp::now())
        };
        world.store.remember_stage(&known).await.unwrap();
    };
    let a = stage("A").to_string();
    let arguments = ["reconcile", &a];
    let (said, ()) = tokio::join!(console.run(&arguments), earlier);
    assert!(said.code == 0 && said.text.contains("Looked at 1 of 1 stage"), "{}", said.text);
    assert!(world.store.knowledge(&stage("A")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_somebody_else_is_adopted_with_a_reason() {
    let world = world().await;
    put(&world, vec![foreign("A", "p-1", "B"), foreign("C", "p-2", "D")]).await;
    let publisher = PublisherKey { stage: stage("A"), participant: "p-1".parse().unwrap() };
    let publisher = Publisher { evidence: on(), ..Publisher::new(publisher) };
    world.store.write(&Write { publisher: Some(publisher), ..Write::default() }).await.unwrap();
    let stopped = Replica { evidence: Evidence { on: None, off: on().on }, ..foreign("A", "p-3", "B") };
    put(&world, vec![Replica { phase: Phase::Stopped, ..stopped }]).await;
    let [a, b, c, d] = ["A", "B", "C", "D"].map(|id| stage(id).to_string());

    let mut text = String::new();
    for (code, arguments) in [
        (0, &[&a, "p-1", &b][..]),
        (1, &[&a, "p-1", &b]),
        (0, &[&c, "p-2", &d]),
        (1, &[&a, "p-9", &b]),
        (1, &[&a, "p-3", &b]),
        (1, &["main", "p-3", &b]),
        (1, &[&a, "a b", &b]),
        (1, &[&a, "p-3"]),
    ] {
        let ordered = ["adopt", "--reason", "ours by right", "--by", "kim"]
            .into_iter()
            .chain(arguments.iter().copied());
        let arguments: Vec<&str> = ordered.collect();
        let said = world.console().run(&arguments).await;
        text += &format!("$ stagelink {}\n{}\n", arguments.join(" "), said.text);
        assert_eq!(said.code, code, "{}", said.text);
    }
    let said = world.console().run(&["adopt", &a, "p-1", &b]).await;
    assert!(said.code == 1 && said.text.contains("--reason"), "{}", said.text);
    assert_golden("operator_reconcile/adopt.txt", &text);

    let kept = stored(&world, &key("A", "p-1", "B")).await;
    assert_eq!((kept.owner, kept.phase), (Owner::Stagelink, Phase::Active));
    let unwanted = stored(&world, &key("C", "p-2", "D")).await;
    assert!(unwanted.owner == Owner::Stagelink && unwanted.due().is_some(), "{unwanted:?}");
    let wanted = Wanted::since(Timestamp::UNIX_EPOCH);
    let page =
        world.store.history(Some(&stage("A")), &wanted, Part { limit: 50, before: None }).await.unwrap();
    let line = page
        .found
        .into_iter()
        .map(|entry| entry.line.unwrap())
        .find(|line| line.operation == "Adopt")
        .unwrap();
    assert_eq!((line.caller.as_str(), line.reason.as_deref()), ("kim", Some("ours by right")));
    // No call of IVS was made, and what follows is left to the functions.
    assert!(world.simulator.ledger().is_empty());
}

/// What the functions make of it: a replica that no rule wants is stopped once it is ours.
#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_replica_that_no_rule_wants_is_stopped() {
    let world = world().await;
    publish(&world, "C", "p-2");
    let of = key("C", "p-2", "D");
    let input = json!({"sourceStageArn": of.source.as_str(), "participantId": "p-2", "destinationStageArn": of.destination.as_str()});
    world.simulator.call("StartParticipantReplication", input).unwrap();
    put(&world, vec![foreign("C", "p-2", "D")]).await;
    world.sweep().await.unwrap();
    assert_eq!(world.simulator.replicas().len(), 1, "it is not ours");
    let said = world
        .console()
        .run(&["adopt", of.source.as_str(), "p-2", of.destination.as_str(), "--reason", "a test"])
        .await;
    assert_eq!(said.code, 0, "{}", said.text);
    world.dispatch().handle(scheduled()).await.unwrap();
    assert!(world.simulator.replicas().is_empty(), "{:?}", stored(&world, &of).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_adopted_after_a_yes() {
    let world = world().await;
    put(&world, vec![foreign("A", "p-1", "B"), foreign("C", "p-2", "D"), foreign("C", "p-4", "B")]).await;
    let all = ["adopt", "--all", "--reason", "ours by right", "--by", "kim"];
    let mut text = String::new();
    let [b, c] = ["B", "C"].map(|id| stage(id).to_string());
    let mut told = |arguments: &[&str], said: &Said| {
        text += &format!("$ stagelink {}\n{}\n", arguments.join(" "), said.text)
    };

    let unasked = world.console().run(&all).await;
    told(&all, &unasked);
    let no = world.console().answering("no\n", &all).await;
    told(&all, &no);
    assert_eq!((unasked.code, no.code), (1, 1));
    let owners = async || {
        let replicas = world.store.replicas().await.unwrap();
        replicas.iter().filter(|replica| replica.owner == Owner::Foreign).count()
    };
    assert_eq!(owners().await, 3);
    let of_c = [&all[..], &["--source", &c, "--destination", &b, "--yes"]].concat();
    let one = world.console().run(&of_c).await;
    told(&of_c, &one);
    assert_eq!((one.code, owners().await), (0, 2));
    let yes = world.console().answering("yes\n", &all).await;
    told(&all, &yes);
    assert_eq!((yes.code, owners().await), (0, 0));
    let none = world.console().run(&all).await;
    told(&all, &none);
    assert_eq!(none.code, 0);
    let mixed = [&all[..], &[b.as_str(), "p-1", c.as_str()]].concat();
    assert_eq!(world.console().run(&mixed).await.code, 1);
    assert_golden("operator_reconcile/adopt_all.txt", &text);
}
