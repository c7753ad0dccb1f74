//! What an event costs, counted on the wire.

#![allow(clippy::unwrap_used)]

use replication::{Destination, ParticipantFilter, ReconnectWindow, Rule, Source, Status};
use stagelink_tests::World;
use stagelink_tests::wire::Request;
use stagelink_tests::world::invoke;

fn rule(source: &str, destinations: &[&String]) -> Rule {
    Rule {
        id: "rule".parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage(source.parse().unwrap()),
        participants: ParticipantFilter::default(),
        destinations: destinations.iter().map(|stage| Destination::Stage(stage.parse().unwrap())).collect(),
        reconnect_window: ReconnectWindow::default(),
        attributes: Default::default(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

fn operations(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.operation.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_a_stage_without_rules_costs_one_query_and_no_write() {
    let mut world = World::start().await.unwrap();
    let (stage, other, third) = (world.stage("plain"), world.stage("other"), world.stage("third"));
    world.rules(&[rule(&other, &[&third])]).await.unwrap();
    let function = world.function("participant-published").await;
    world.publish(&stage).unwrap();
    let event = world.event("Participant Published").await.unwrap();

    let answer = invoke(&function, event).await.unwrap();

    assert_eq!(answer["handled"], "unconcerned");
    assert_eq!(operations(&world.recording.take()), ["Query"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_leaves_after_two_round_trips_and_its_outcome_is_one_write() {
    let mut world = World::start().await.unwrap();
    let (source, destination) = (world.stage("source"), world.stage("destination"));
    world.rules(&[rule(&source, &[&destination])]).await.unwrap();
    let function = world.function("participant-published").await;
    world.publish(&source).unwrap();
    let event = world.event("Participant Published").await.unwrap();

    let answer = invoke(&function, event).await.unwrap();

    assert_eq!(answer["handled"], "settled", "{answer}");
    let requests = world.recording.take();
    let expected = ["Query", "TransactWriteItems", "StartParticipantReplication", "TransactWriteItems"];
    assert_eq!(operations(&requests), expected);
    assert!(requests[1].ended <= requests[2].began, "the intent is stored before the call is made");
    assert_eq!(world.simulator.replicas().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_starts_share_the_two_round_trips() {
    let mut world = World::start().await.unwrap();
    let source = world.stage("source");
    let destinations: Vec<_> = (0..6).map(|i| world.stage(&format!("destination-{i}"))).collect();
    world.rules(&[rule(&source, &destinations.iter().collect::<Vec<_>>())]).await.unwrap();
    let function = world.function("participant-published").await;
    world.publish(&source).unwrap();
    let event = world.event("Participant Published").await.unwrap();

    invoke(&function, event.clone()).await.unwrap();

    let requests = world.recording.take();
    let first_start = requests.iter().position(|request| request.operation == "StartParticipantReplication");
    assert_eq!(first_start, Some(2), "{:?}", operations(&requests));
    let count = |name| operations(&requests).iter().filter(|operation| **operation == name).count();
    assert_eq!((count("StartParticipantReplication"), count("TransactWriteItems")), (5, 6));
    assert_eq!(world.simulator.replicas().len(), 5);
    let blocked: Vec<_> = world.store.replicas().await.unwrap().iter().map(|r| r.phase.to_string()).collect();
    assert_eq!(
        blocked.iter().filter(|phase| *phase == "Blocked(ParticipantSlotsFull)").count(),
        1,
        "{blocked:?}"
    );

    invoke(&function, event).await.unwrap();

    assert_eq!(operations(&world.recording.take()), ["Query"], "a repeated event changes nothing");
}
