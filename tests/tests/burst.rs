//! Everybody publishes at once: the call budget, and the queue that drains at its pace. On virtual time.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use controller::{Calls, Clock, Dispatcher, Due, Patience, Queue, StoreError, Turn};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::{Observation, ParticipantFilter, Rule};
use serde_json::json;
use stagelink_tests::crowd::{Crowd, most_in_a_second, rule};

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

/// A queue whose reads are slow, and fail every second time.
struct Unsteady {
    crowd: Crowd,
    reads: AtomicUsize,
}

impl Queue for Unsteady {
    fn due(&self, until: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, StoreError>> {
        async move {
            let clock = &self.crowd.clock;
            clock.sleep_until(clock.now() + SignedDuration::from_millis(400)).await;
            if self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                return self.crowd.store.due(until, limit).await;
            }
            let (table, message) = ("stagelink".to_owned(), "slow".to_owned());
            Err(StoreError::Unavailable { table, code: "Timeout".into(), message })
        }
        .boxed()
    }
}

/// What is under way goes on meanwhile: no call is cut off, so that nobody has to ask what became of it.
#[test]
fn reads_of_the_queue_that_are_slow_or_fail_delay_nothing_that_is_known() {
    let queue = Arc::new(Unsteady { crowd: Crowd::publish(60), reads: AtomicUsize::default() });
    let crowd = &queue.crowd;
    let mut failed = 0;
    crowd.clock.clone().run(async {
        crowd.deliver().await;
        loop {
            let dispatcher = Dispatcher { queue: queue.clone(), ..crowd.dispatcher() };
            match dispatcher.run(&crowd.invocation("dispatch")).await {
                Ok(done) if done.reconciled == 0 => break,
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
                    failed += 1;
                }
            }
        }
    });
    assert_eq!(crowd.ivs.simulator.replicas().len(), 60);
    let calls: Vec<_> = crowd.ivs.simulator.ledger().into_iter().map(|entry| entry.operation).collect();
    assert_eq!(calls, ["StartParticipantReplication"; 60]);
    assert!(queue.reads.load(Ordering::Relaxed) > 10);
    println!(
        "60 starts by a queue that fails every second time: {:.2} s, {failed} runs failed",
        crowd.took()
    );
    assert!(crowd.took() <= 1.1 * 11.0 * 1.02, "{}", crowd.took());
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

#[test]
fn a_direct_lambda_loses_more_than_half_of_a_burst() {
    let crowd = Crowd::publish(1000);
    crowd.clock.clone().run(crowd.deliver_directly());
    let replicated = crowd.ivs.simulator.replicas().len();
    println!("a direct Lambda: {replicated} of 1000 replicated");
    assert!(replicated < 500);
}
