//! Hands off, the brake on mass stops, and adoption, end to end on a simulated IVS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::{Operator, Order, Queue, Store};
use ivs_sim::{Config, Dialect, Publish};
use jiff::SignedDuration;
use replication::{
    Destination, Mode, Moment, Observation, Owner, ParticipantFilter, Pause, Phase, Policy, PublisherKey,
    ReconnectWindow, Rule, Source, StageArn, Status,
};
use serde_json::json;
use stagelink_tests::in_process::{InProcess, Lie};
use stagelink_tests::rows::order;

/// Two source stages with six publishers each, who all appear on five stages: 60 replicas.
struct Festival {
    world: Arc<InProcess>,
    rules: Vec<Rule>,
    sources: Vec<StageArn>,
}

const REPLICAS: usize = 60;

/// The brake's floor.
const LIMIT: usize = 20;

impl Festival {
    async fn running(dialect: Dialect) -> Self {
        let festival = Self::new(dialect);
        for _ in 0..3 {
            festival.minute().await;
        }
        assert_eq!(festival.replicas(), REPLICAS);
        festival
    }

    fn new(dialect: Dialect) -> Self {
        let world = InProcess::new(Config { dialect, ..Config::default() });
        let stage =
            |name: String| world.simulator.create_stage(&name, BTreeMap::new()).parse::<StageArn>().unwrap();
        let (mut rules, mut sources) = (Vec::new(), Vec::new());
        for half in ["A", "B"] {
            let source = stage(half.to_owned());
            let destinations = (0..5).map(|i| Destination::Stage(stage(format!("{half}{i}")))).collect();
            for i in 0..6 {
                let publish = Publish {
                    stage_arn: source.to_string(),
                    participant_id: Some(format!("{half}p{i}")),
                    ..Publish::default()
                };
                world.simulator.publish(publish).unwrap();
            }
            rules.push(rule(half, &source, destinations));
            sources.push(source);
        }
        world.rules(rules.clone());
        Self { world, rules, sources }
    }

    async fn minute(&self) {
        self.world.minute().await.unwrap();
    }

    fn replicas(&self) -> usize {
        self.world.running().len()
    }

    fn stops(&self) -> usize {
        let ledger = self.world.simulator.ledger();
        ledger.iter().filter(|entry| entry.operation == "StopParticipantReplication").count()
    }

    fn held(&self) -> usize {
        self.world.store.replicas().iter().filter(|replica| replica.is_held_by_brake()).count()
    }

    /// Everybody is said to have stopped publishing.
    async fn tell_that_all_stopped(&self) {
        let at = Moment::exact(self.world.invocation("", 0).deadline);
        for (source, half) in self.sources.iter().zip(["A", "B"]) {
            for i in 0..6 {
                let participant = format!("{half}p{i}").parse().unwrap();
                let key = PublisherKey { stage: source.clone(), participant };
                let known = self.world.store.load(&key).await.unwrap().publisher.unwrap();
                let session = known.session.unwrap();
                let news = Observation::Unpublished { key, session, user_id: String::new(), at };
                self.world.tell(&news).await.unwrap();
            }
        }
    }

    fn all_stop(&self, how: Stopping) {
        let simulator = &self.world.simulator;
        for (source, half) in self.sources.iter().zip(["A", "B"]) {
            for participant in (0..6).map(|i| format!("{half}p{i}")) {
                match how {
                    Stopping::Unpublish => simulator.unpublish(source.as_str(), &participant).unwrap(),
                    _ => simulator.leave(source.as_str(), &participant).unwrap(),
                }
            }
        }
    }

    /// What waits for its time.
    async fn due(&self) -> usize {
        let until = self.world.invocation("", 3600).deadline;
        self.world.store.due(until, 1_000).await.unwrap().len()
    }
}

fn rule(id: &str, source: &StageArn, destinations: Vec<Destination>) -> Rule {
    Rule {
        id: id.parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage(source.clone()),
        participants: ParticipantFilter::default(),
        destinations,
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

fn stays() -> Dialect {
    Dialect::default().with("source_stops", &json!("stays")).unwrap()
}

/// P9: for a time nobody but the sweep can read a rule. No more than the brake lets pass is stopped, and all comes back.
#[tokio::test]
async fn rules_that_are_gone_in_one_reading_only_stop_no_more_than_the_brake_lets_pass() {
    let festival = Festival::running(Dialect::default()).await;
    festival.world.lose_rules(true);
    festival.world.rule_changed().await.unwrap();
    festival.world.dispatch().await.unwrap();
    assert_eq!((festival.stops(), festival.held()), (LIMIT, REPLICAS - LIMIT));
    for _ in 0..5 {
        festival.minute().await;
    }
    assert_eq!(festival.stops(), LIMIT, "it goes on for minutes, and nothing more is stopped");

    festival.world.lose_rules(false);
    festival.minute().await;
    festival.minute().await;
    assert_eq!((festival.replicas(), festival.stops(), festival.held()), (REPLICAS, LIMIT, 0));
}

/// A mass stop that is right is late by a sweep, and goes on then.
#[tokio::test]
async fn rules_that_are_really_gone_stop_all_within_two_sweeps() {
    let festival = Festival::running(Dialect::default()).await;
    festival.world.rules(Vec::new());
    festival.minute().await;
    assert_eq!((festival.stops(), festival.held()), (LIMIT, REPLICAS - LIMIT));
    let swept = festival.world.minute().await.unwrap();
    assert_eq!((swept.braked, swept.confirmed), (40, 8), "four of twelve publishers went before");
    assert_eq!((festival.replicas(), festival.stops(), festival.held()), (0, REPLICAS, 0));
}

/// A timed end was told ahead: the brake has no part in it.
#[tokio::test]
async fn rules_that_expire_stop_all_without_a_second_look() {
    let festival = Festival::running(Dialect::default()).await;
    let soon = Some(festival.world.invocation("", 1).deadline);
    let ending = festival.rules.iter().map(|rule| Rule { expires_at: soon, ..rule.clone() });
    festival.world.rules(ending.collect());
    festival.world.wait(2);
    festival.world.sweep().await.unwrap();
    festival.world.dispatch().await.unwrap();
    festival.world.dispatch().await.unwrap();
    assert_eq!((festival.replicas(), festival.stops(), festival.held()), (0, REPLICAS, 0));
}

/// How everybody stops publishing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stopping {
    /// They stay connected: their histories say it.
    Unpublish,
    /// They leave: their lines say it.
    Leave,
    /// They leave, and nobody looks before their sessions are over.
    LeaveLongAgo,
}

/// IVS keeps the replicas of those who stopped, in this dialect; a look says that they did.
#[tokio::test]
async fn who_really_stopped_is_released_after_a_look() {
    for how in [Stopping::Unpublish, Stopping::Leave, Stopping::LeaveLongAgo] {
        let festival = Festival::running(stays()).await;
        festival.all_stop(how);
        assert_eq!(festival.replicas(), REPLICAS, "{how:?}");
        festival.world.wait(2);
        festival.tell_that_all_stopped().await;
        festival.world.dispatch().await.unwrap();
        assert_eq!((festival.stops(), festival.held()), (LIMIT, REPLICAS - LIMIT), "{how:?}");
        festival.world.wait(if how == Stopping::LeaveLongAgo { 600 } else { 1 });
        festival.world.next_minute();
        festival.minute().await;
        festival.minute().await;
        assert_eq!((festival.replicas(), festival.held()), (0, 0), "{how:?}");
    }
}

/// Everybody is said to have stopped, and nobody did: a look does not agree, and one that shows nothing is none.
#[tokio::test]
async fn who_is_only_said_to_have_stopped_is_not_released() {
    for lie in [None, Some(Lie::Empty), Some(Lie::Fails)] {
        let festival = Festival::running(Dialect::default()).await;
        festival.world.wait(40);
        festival.tell_that_all_stopped().await;
        festival.world.wait(2);
        for operation in ["ListParticipants", "ListParticipantEvents", "ListStageSessions"] {
            festival.world.lie(operation, lie);
        }
        for _ in 0..5 {
            festival.minute().await;
        }
        assert_eq!(festival.stops(), LIMIT, "{lie:?}");
    }
}

#[tokio::test]
async fn an_operator_releases_the_brake() {
    let festival = Festival::running(Dialect::default()).await;
    festival.world.lose_rules(true);
    festival.world.rule_changed().await.unwrap();
    festival.world.dispatch().await.unwrap();
    assert_eq!(festival.held(), REPLICAS - LIMIT);
    let until = festival.world.invocation("", 0).deadline + SignedDuration::from_mins(5);
    festival.world.store.release_brake(until, &order(until)).await.unwrap();
    festival.world.rule_changed().await.unwrap();
    festival.world.dispatch().await.unwrap();
    assert_eq!((festival.replicas(), festival.held()), (0, 0));
}

/// P14, and back: from the first sweep that may act, all gets under way.
#[tokio::test]
async fn observing_starts_and_stops_nothing_until_it_enforces() {
    let festival = Festival::new(Dialect::default());
    let observing = Policy { mode: Mode::Observe, ..Policy::default() };
    festival.world.set_policy(observing.clone());
    for _ in 0..3 {
        festival.minute().await;
    }
    assert_eq!(festival.world.minute().await.unwrap().planned_again, 0, "all is told once");
    let known = festival.world.store.replicas();
    let observed = known.iter().filter(|replica| replica.phase.to_string() == "Blocked(Observing)");
    assert_eq!((festival.world.mutations(), observed.count(), festival.due().await), (0, REPLICAS, 0));

    festival.world.set_policy(Policy::default());
    festival.minute().await;
    festival.minute().await;
    assert_eq!(festival.replicas(), REPLICAS);

    let mutations = festival.world.mutations();
    festival.world.set_policy(observing);
    festival.world.rules(festival.rules[..1].to_vec());
    for _ in 0..3 {
        festival.minute().await;
    }
    assert_eq!((festival.world.mutations(), festival.due().await), (mutations, 0));
    assert_eq!(festival.world.minute().await.unwrap().planned_again, 0, "and so is this");
    festival.world.set_policy(Policy::default());
    for _ in 0..3 {
        festival.minute().await;
    }
    assert_eq!(festival.replicas(), REPLICAS / 2);
}

/// A pause empties the queue, and its end fills it again.
#[tokio::test]
async fn a_pause_holds_for_what_is_due_already() {
    let festival = Festival::new(Dialect::default());
    festival.world.sweep().await.unwrap();
    assert_eq!(festival.due().await, REPLICAS);
    let at = festival.world.invocation("", 0).deadline;
    let pause = Pause { reason: "a fire drill".to_owned(), by: "kim".to_owned(), at };
    festival.world.store.pause(&pause).await.unwrap();
    for _ in 0..3 {
        festival.minute().await;
    }
    assert_eq!((festival.world.mutations(), festival.due().await), (0, 0));
    let paused = festival.world.store.replicas();
    assert!(paused.iter().all(|replica| replica.phase.to_string() == "Blocked(Paused)"), "{paused:#?}");

    festival.world.store.resume(&order(at)).await.unwrap();
    festival.world.rule_changed().await.unwrap();
    festival.world.dispatch().await.unwrap();
    festival.minute().await;
    assert_eq!(festival.replicas(), REPLICAS);
}

/// Small deployments have the floor, and nothing to remember; large ones a share.
#[tokio::test]
async fn the_sweep_counts_what_the_brake_goes_by() {
    let festival = Festival::running(Dialect::default()).await;
    assert_eq!(festival.world.store.control().await.unwrap().running, None);
    festival.world.set_policy(Policy { brake_percent: 50, ..Policy::default() });
    festival.minute().await;
    assert_eq!(festival.world.store.control().await.unwrap().running, Some(REPLICAS));
    festival.world.rules(Vec::new());
    festival.minute().await;
    assert_eq!((festival.stops(), festival.held()), (REPLICAS / 2, REPLICAS / 2));
}

/// A replica that somebody else started becomes ours when somebody asks, and is stopped when no rule wants it.
#[tokio::test]
async fn an_adopted_replica_is_treated_as_any_other() {
    let festival = Festival::new(Dialect::default());
    let [source, _] = &festival.sources[..] else { panic!("two sources") };
    let Destination::Stage(destination) = &festival.rules[0].destinations[0] else { panic!("a stage") };
    let input = json!({"sourceStageArn": source.as_str(), "participantId": "Ap0",
        "destinationStageArn": destination.as_str()});
    festival.world.simulator.call("StartParticipantReplication", input).unwrap();
    festival.minute().await;
    festival.minute().await;
    festival.world.rules(Vec::new());
    for _ in 0..3 {
        festival.minute().await;
    }
    assert_eq!(festival.replicas(), 1, "it is not ours");

    let known = festival.world.store.replicas();
    let foreign = known.iter().find(|replica| replica.owner == Owner::Foreign).unwrap();
    let controller = festival.world.sweeper().controller;
    let at = controller::Clock::now(&*festival.world);
    let order = Order { by: "kim".to_owned(), reason: Some("ours by right".to_owned()), at };
    let invocation = festival.world.invocation("operator", 15);
    controller.adopt(&foreign.key, &order, &invocation).await.unwrap();
    let history = festival.world.store.activity();
    let line = history.iter().find(|line| line.operation == "Adopt").unwrap();
    assert_eq!((line.caller.as_str(), line.outcome.as_str()), ("kim", "ok"));
    assert_eq!(line.reason, order.reason);
    festival.world.dispatch().await.unwrap();
    assert_eq!(festival.replicas(), 0);
    let known = festival.world.store.replicas();
    let adopted = known.iter().find(|replica| replica.key == foreign.key).unwrap();
    assert_eq!((&adopted.phase, adopted.owner), (&Phase::Stopped, Owner::Nobody));
}
