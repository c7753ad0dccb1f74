//! Everybody publishes at once: the call budget, and the queue that drains at its pace. On virtual time.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use controller::versus::Judge;
use controller::{
    Calls, CallsLeft, Clock, Controller, Dispatcher, Handled, Invocation, MemoryStore, Patience, Turn,
    Unmeasured,
};
use futures::future::join_all;
use ivs_sim::{Publish, Simulator};
use jiff::{SignedDuration, Timestamp};
use replication::{
    Destination, Observation, ParticipantFilter, Policy, PublisherKey, ReconnectWindow, Rule, Source,
    StageArn, Status,
};
use serde_json::json;
use stagelink_tests::distant_store::DistantStore;
use stagelink_tests::virtual_time::{JumpingClock, SimulatedIvs};

const FULL_SHARE: u32 = 100;

/// A world in which `publishers` publish, each on a stage of its own, with one rule each into a destination of its own.
struct Crowd {
    clock: Arc<JumpingClock>,
    store: Arc<DistantStore>,
    ivs: SimulatedIvs,
    began: Timestamp,
    destinations: Vec<StageArn>,
    news: Vec<Observation>,
}

impl Crowd {
    /// With a table that answers at once.
    fn publish(publishers: usize) -> Self {
        Self::publish_far_away(publishers, 0)
    }

    /// With a table that is so many milliseconds away.
    fn publish_far_away(publishers: usize, way_ms: i64) -> Self {
        let clock = Arc::new(JumpingClock::default());
        let limits = ivs_sim::Limits { stages: 10_000, publishers: 10_000, ..ivs_sim::Limits::default() };
        let config = ivs_sim::Config { limits, ..ivs_sim::Config::default() };
        let simulator = Simulator::new(config, clock.shown.clone());
        let ivs = SimulatedIvs { simulator, clock: clock.clone(), way_ms: 15 };
        let pairs: Vec<_> =
            (0..publishers).map(|i| ["source", "destination"].map(|name| ivs.stage(name, i))).collect();
        let rules = pairs.iter().enumerate().map(|(i, pair)| rule(i, pair)).collect();
        let store = Arc::new(DistantStore::new(MemoryStore::with_rules(rules), clock.clone(), way_ms));
        let began = clock.now();
        let news = pairs.iter().map(|[source, _]| ivs.publish(source, began)).collect();
        let destinations = pairs.into_iter().map(|[_, destination]| destination).collect();
        Self { clock, store, ivs, began, destinations, news }
    }

    fn controller(&self, turn: Turn, patience: Patience, calls: Calls) -> Controller {
        Controller {
            store: self.store.clone(),
            clock: self.clock.clone(),
            calls,
            policy: Policy::default(),
            patience,
            calls_left: CallsLeft::share(FULL_SHARE, turn),
            measure: Unmeasured::shared(),
        }
    }

    fn dispatcher(&self) -> Dispatcher {
        let controller = self.controller(Turn::Queue, Patience(Duration::ZERO), self.ivs.calls());
        Dispatcher {
            controller,
            queue: self.store.clone(),
            versus: Judge::new(Arc::new(MemoryStore::default()), None),
        }
    }

    /// An invocation that has a minute.
    fn invocation(&self, id: &str) -> Invocation {
        Invocation { id: id.to_owned(), deadline: self.clock.now() + SignedDuration::from_secs(59) }
    }

    /// Every event wakes a Lambda of its own, all at the same time.
    async fn deliver(&self) {
        let deliveries = self.news.iter().enumerate().map(|(i, news)| async move {
            let start_only = Calls { stop: None, ..self.ivs.calls() };
            let lambda = self.controller(Turn::Newcomer, Patience::default(), start_only);
            lambda.handle(news, &self.invocation(&format!("event-{i}"))).await
        });
        for handled in join_all(deliveries).await {
            assert!(!matches!(handled.unwrap(), Handled::Unconcerned));
        }
    }

    /// Dispatch is invoked again and again until nothing is due; `executors` of them at the same time.
    async fn drain(&self, executors: usize) {
        for minute in 0..20 {
            let runs = (0..executors).map(|i| async move {
                let invocation = self.invocation(&format!("dispatch-{minute}-{i}"));
                self.dispatcher().run(&invocation).await.unwrap()
            });
            let reconciled: usize = join_all(runs).await.iter().map(|done| done.reconciled).sum();
            if reconciled == 0 {
                return;
            }
        }
    }

    fn starts(&self) -> Vec<ivs_sim::LedgerEntry> {
        let ledger = self.ivs.simulator.ledger();
        ledger.into_iter().filter(|entry| entry.operation == "StartParticipantReplication").collect()
    }

    fn throttled(&self) -> usize {
        self.starts().iter().filter(|entry| entry.error.as_deref() == Some("ThrottlingException")).count()
    }

    /// From the publishes to the last Start.
    fn took(&self) -> f64 {
        let last = self.starts().iter().map(|entry| entry.at).max().unwrap();
        last.duration_since(self.began).as_secs_f64()
    }
}

trait Play {
    fn stage(&self, name: &str, i: usize) -> StageArn;
    fn publish(&self, stage: &StageArn, at: Timestamp) -> Observation;
}

impl Play for SimulatedIvs {
    fn stage(&self, name: &str, i: usize) -> StageArn {
        self.simulator.create_stage(&format!("{name}-{i}"), BTreeMap::new()).parse().unwrap()
    }

    fn publish(&self, stage: &StageArn, at: Timestamp) -> Observation {
        let publish = Publish { stage_arn: stage.to_string(), ..Publish::default() };
        let published = self.simulator.publish(publish).unwrap();
        Observation::Published {
            key: PublisherKey {
                stage: stage.clone(),
                participant: published.participant_id.parse().unwrap(),
            },
            session: published.session_id.parse().unwrap(),
            user_id: String::new(),
            at: replication::Moment::exact(at),
        }
    }
}

fn rule(i: usize, [source, destination]: &[StageArn; 2]) -> Rule {
    Rule {
        id: format!("rule-{i}").parse().unwrap(),
        revision: 1,
        priority: u8::try_from(i % 101).unwrap(),
        status: Status::Enabled,
        source: Source::Stage(source.clone()),
        participants: ParticipantFilter::default(),
        destinations: vec![Destination::Stage(destination.clone())],
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

/// The most calls in any one second.
fn most_in_a_second(entries: &[ivs_sim::LedgerEntry]) -> usize {
    let second = SignedDuration::from_secs(1);
    let in_second = |from: Timestamp| {
        entries.iter().filter(|entry| entry.at >= from && entry.at.duration_since(from) < second).count()
    };
    entries.iter().map(|entry| in_second(entry.at)).max().unwrap_or(0)
}

#[test]
fn a_thousand_starts_drain_at_the_pace_of_the_quota_and_none_is_lost() {
    let crowd = Crowd::publish(1000);
    crowd.clock.clone().run(async {
        crowd.deliver().await;
        crowd.drain(1).await;
    });

    assert_eq!(crowd.ivs.simulator.replicas().len(), 1000);
    let (starts, throttled, took) = (crowd.starts().len(), crowd.throttled(), crowd.took());
    println!("1000 starts: {starts} calls, {throttled} throttled, {took:.1} s; the quota alone takes 200 s");
    assert!(throttled * 100 <= starts, "{throttled} of {starts} calls throttled");
    assert!(took <= 1.05 * 200.0, "{took} s");
    assert!(most_in_a_second(&crowd.starts()) <= 5);
}

/// How far away the table is where executors compete for it, in ms: a transaction takes 6 ms.
const WAY_MS: i64 = 3;

#[test]
fn many_executors_together_keep_within_the_budget_and_nobody_starves() {
    for executors in [1, 2, 5, 20, 100, 200] {
        let crowd = Crowd::publish_far_away(60, WAY_MS);
        crowd.clock.clone().run(async {
            crowd.deliver().await;
            crowd.drain(executors).await;
        });
        assert_eq!(crowd.ivs.simulator.replicas().len(), 60, "{executors} executors");
        assert!(most_in_a_second(&crowd.starts()) <= 5, "{executors} executors");
        assert_eq!(crowd.throttled(), 0, "{executors} executors");
        assert_eq!(crowd.starts().len(), 60, "{executors} executors: every call once");
        let (took, lost) = (crowd.took(), crowd.store.conflicts());
        println!(
            "60 starts by {executors} executors: {took:.2} s, {lost} lost races; the quota alone takes 11 s"
        );
        assert!(took <= 1.1 * 11.0 * 1.02, "{executors} executors took {took} s");
    }
}

/// Every rule asks for an attribute: nobody is asked for twice, and the questions keep within the budget as starts do.
#[test]
fn questions_of_many_keep_within_the_budget() {
    let crowd = Crowd::publish(60);
    let filter = BTreeMap::from([("role".to_owned(), "*".parse().unwrap())]);
    let rules = crowd.news.iter().zip(&crowd.destinations).enumerate().map(|(i, (news, destination))| {
        let rule = rule(i, &[news.publisher().stage, destination.clone()]);
        Rule { participants: ParticipantFilter { user_id: None, attributes: filter.clone() }, ..rule }
    });
    crowd.store.table.replace_rules(rules.collect());
    crowd.clock.clone().run(crowd.deliver());

    let ledger = crowd.ivs.simulator.ledger();
    let asked: Vec<_> = ledger.into_iter().filter(|entry| entry.operation == "GetParticipant").collect();
    let each: std::collections::BTreeSet<_> = asked.iter().map(|entry| &entry.key).collect();
    println!("{} of 60 asked for while the events were at hand", asked.len());
    assert_eq!(each.len(), asked.len(), "nobody twice");
    assert!((25..=60).contains(&asked.len()), "{}: the others are left to the sweep", asked.len());
    assert!(most_in_a_second(&asked) <= 5 && asked.iter().all(|entry| entry.status == 200));
}

/// Every event is a Lambda of its own, which has read no budget. None gives up; what there is no call for is left due.
#[test]
fn two_hundred_events_at_once_dispute_one_budget_and_none_is_given_back() {
    let crowd = Crowd::publish_far_away(200, WAY_MS);
    crowd.clock.clone().run(async {
        let began = crowd.clock.now();
        crowd.deliver().await;
        let waited = crowd.clock.now().duration_since(began);
        let (started, lost) = (crowd.starts().len(), crowd.store.conflicts());
        println!(
            "200 events at once: {started} started, {lost} lost races, the last answer after {waited:#}"
        );
        assert!((5..=10).contains(&started), "{started} started at once");
        assert!(lost <= 200 * 5, "{lost} lost races");
        assert!(waited <= SignedDuration::from_secs(1), "{waited:#}");
        let due = crowd.store.table.replicas().iter().filter(|replica| replica.due().is_some()).count();
        assert_eq!(due, 200 - started, "the others are due");
        crowd.drain(2).await;
    });
    assert_eq!(crowd.ivs.simulator.replicas().len(), 200);
    assert!(most_in_a_second(&crowd.starts()) <= 5);
    assert!(crowd.took() <= 1.05 * 40.0, "{} s", crowd.took());
}

#[test]
fn who_left_while_waiting_costs_no_call() {
    let crowd = Crowd::publish(40);
    crowd.clock.clone().run(async {
        crowd.deliver().await;
        let started = crowd.starts().len();
        assert!(started <= 5, "{started} started at once");
        for news in &crowd.news {
            let Observation::Published { key, session, .. } = news else { continue };
            let running = crowd.ivs.simulator.replicas();
            if running.iter().any(|replica| replica.participant_id == key.participant.as_str()) {
                continue;
            }
            crowd.ivs.simulator.unpublish(key.stage.as_str(), key.participant.as_str()).unwrap();
            let at = replication::Moment::exact(crowd.clock.now());
            let left = Observation::Unpublished {
                key: key.clone(),
                session: session.clone(),
                user_id: String::new(),
                at,
            };
            let lambda = crowd.controller(Turn::Newcomer, Patience::default(), Calls::default());
            lambda.handle(&left, &crowd.invocation("left")).await.unwrap();
        }
        crowd.drain(1).await;
        assert_eq!(crowd.starts().len(), started, "no Start for anybody who left");
    });
}

#[test]
fn somebody_else_calling_slows_it_down_and_nothing_is_lost() {
    let crowd = Crowd::publish(50);
    crowd.clock.clone().run(async {
        crowd.deliver().await;
        // Another application of the account uses most of the quota for half a minute.
        let other = async {
            for _ in 0..90 {
                let input = json!({ "sourceStageArn": "arn:aws:ivs:us-east-1:123456789012:stage/other",
                    "destinationStageArn": "arn:aws:ivs:us-east-1:123456789012:stage/another", "participantId": "other" });
                drop(crowd.ivs.simulator.call("StartParticipantReplication", input));
                crowd.clock.sleep_until(crowd.clock.now() + SignedDuration::from_millis(333)).await;
            }
        };
        futures::future::join(other, crowd.drain(1)).await;
    });
    assert_eq!(crowd.ivs.simulator.replicas().len(), 50);
    let ours = crowd.starts().into_iter().filter(|entry| !entry.key.contains(" other ")).collect::<Vec<_>>();
    let throttled = ours.iter().filter(|entry| entry.status != 200).count();
    println!("50 starts beside another application: {} calls, {throttled} not successful", ours.len());
    assert!(throttled * 2 <= ours.len(), "{throttled} of {} calls were in vain", ours.len());
}

/// What people would use instead: the event's Lambda calls with the SDK's three attempts, and Lambda tries the event twice more.
#[test]
fn a_direct_lambda_loses_more_than_half_of_a_burst() {
    let crowd = Crowd::publish(1000);
    crowd.clock.clone().run(async {
        let lambdas = crowd.news.iter().enumerate().map(|(i, news)| {
            let crowd = &crowd;
            async move {
                let Observation::Published { key, .. } = news else { return };
                for pause_s in [0, 60, 120] {
                    crowd.clock.sleep_until(crowd.clock.now() + SignedDuration::from_secs(pause_s)).await;
                    for backoff_ms in [0, 1000, 2000] {
                        // Full jitter, as the SDK's: here spread evenly over the crowd.
                        let wait = SignedDuration::from_millis(backoff_ms * i64::try_from(i).unwrap() / 1000);
                        crowd.clock.sleep_until(crowd.clock.now() + wait).await;
                        let input = json!({ "sourceStageArn": key.stage.as_str(), "participantId": key.participant.as_str(),
                            "destinationStageArn": crowd.destinations[i].as_str() });
                        if crowd.ivs.simulator.call("StartParticipantReplication", input).is_ok() {
                            return;
                        }
                    }
                }
            }
        });
        join_all(lambdas).await;
    });
    let replicated = crowd.ivs.simulator.replicas().len();
    println!("a direct Lambda: {replicated} of 1000 replicated");
    assert!(replicated < 500);
}
