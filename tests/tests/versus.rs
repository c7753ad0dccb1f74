//! Versus sessions end to end on virtual time: the dispatcher of every minute and of the table's stream, with the simulated IVS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use controller::sweep::scout::Scout;
use controller::sweep::single_pace::SinglePace;
use controller::versus::Judge;
use controller::{
    Calls, CallsLeft, Clock, Controller, Dispatcher, Invocation, MemoryStore, Patience, Turn, Unmeasured,
    VersusStore, versus,
};
use futures::future::{Either, join, join_all, select};
use ivs_sim::{Publish, Simulator};
use jiff::{SignedDuration, Timestamp};
use local::template::{Deployment, Template};
use replication::versus::Failure;
use replication::{
    BlockedReason, Destination, Moment, Observation, ParticipantFilter, Policy, PublisherKey,
    ReconnectWindow, ReplicationKey, Rule, Source, StageArn, Status, Versus, VersusId, VersusState,
    VersusTerms,
};
use stagelink_tests::in_process::{InProcess, Lie};
use stagelink_tests::virtual_time::{JumpingClock, SimulatedIvs};

/// How long a run of dispatch has: its timeout, less the margin of a run.
const RUN_MS: i64 = 69_000;

/// How long the table's stream takes to wake dispatch, at most.
const STREAM_MS: i64 = 1_200;

/// Stages, a table, IVS and the time.
struct Arena {
    clock: Arc<JumpingClock>,
    store: Arc<MemoryStore>,
    ivs: SimulatedIvs,
    reads: Arc<InProcess>,
    stages: Vec<StageArn>,
    began: Timestamp,
}

impl Arena {
    fn new(stages: usize) -> Self {
        let clock = Arc::new(JumpingClock::default());
        let simulator = Simulator::new(ivs_sim::Config::default(), clock.shown.clone());
        let stage = |i| simulator.create_stage(&format!("stage-{i}"), BTreeMap::new()).parse().unwrap();
        let stages = (0..stages).map(stage).collect();
        let reads = InProcess::around(simulator.clone(), clock.shown.clone());
        let ivs = SimulatedIvs { simulator, clock: clock.clone(), way_ms: 15 };
        let began = clock.now();
        Self { clock, store: Arc::default(), ivs, reads, stages, began }
    }

    /// Plays for as long as the scene lasts, with a dispatch every minute.
    fn play<T>(&self, scene: impl Future<Output = T>) -> T {
        self.clock.clone().run(async {
            let minutes = join_all((0..30).map(|minute| async move {
                self.at(minute * 60_000).await;
                self.dispatch().await;
            }));
            match select(Box::pin(scene), Box::pin(minutes)).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => panic!("the scene is longer than half an hour"),
            }
        })
    }

    /// Waits until so many milliseconds after the beginning.
    async fn at(&self, milliseconds: i64) {
        self.clock.sleep_until(self.began + SignedDuration::from_millis(milliseconds)).await;
    }

    async fn until(&self, at: Timestamp, milliseconds: i64) {
        self.clock.sleep_until(at + SignedDuration::from_millis(milliseconds)).await;
    }

    fn dispatcher(&self) -> Dispatcher {
        let calls_left = CallsLeft::share(100, Turn::Queue);
        let controller = Controller { calls_left, ..self.controller(self.ivs.calls()) };
        let reads = self.reads.ports().reads();
        let pace = Arc::new(SinglePace::new(self.store.clone(), self.clock.clone(), 100));
        let scout = Scout { reads, pace, clock: self.clock.clone() };
        let versus = Judge::new(self.store.clone(), Some(scout));
        Dispatcher { controller, queue: self.store.clone(), versus }
    }

    fn controller(&self, calls: Calls) -> Controller {
        Controller {
            store: self.store.clone(),
            clock: self.clock.clone(),
            calls,
            policy: Policy::default(),
            patience: Patience(Duration::ZERO),
            calls_left: CallsLeft::share(100, Turn::Newcomer),
            measure: Unmeasured::shared(),
        }
    }

    fn invocation(&self) -> Invocation {
        let deadline = self.clock.now() + SignedDuration::from_millis(RUN_MS);
        Invocation { id: format!("request-{}", self.clock.now()), deadline }
    }

    /// One run of dispatch.
    async fn dispatch(&self) {
        self.dispatcher().run(&self.invocation()).await.unwrap();
    }

    /// A change of the table, once the stream has brought it: rules to rule-changed, and due work to dispatch.
    async fn stream(&self) {
        self.clock.sleep_until(self.clock.now() + SignedDuration::from_millis(STREAM_MS)).await;
        let planner = self.controller(Calls::default());
        for stage in &self.stages {
            for view in self.store.views_on(stage).await.unwrap() {
                drop(planner.reconcile(&view.key, None, &self.invocation()).await);
            }
        }
        self.dispatch().await;
    }

    /// Somebody publishes, and the event is delivered.
    async fn publish(&self, stage: usize, participant: &str) {
        let key =
            PublisherKey { stage: self.stages[stage].clone(), participant: participant.parse().unwrap() };
        let publish = Publish {
            stage_arn: key.stage.to_string(),
            participant_id: Some(participant.to_owned()),
            ..Publish::default()
        };
        let published = self.ivs.simulator.publish(publish).unwrap();
        let news = Observation::Published {
            key,
            session: published.session_id.parse().unwrap(),
            user_id: String::new(),
            at: Moment::exact(self.clock.now()),
        };
        let starts = Calls { stop: None, ..self.ivs.calls() };
        self.controller(starts).handle(&news, &self.invocation()).await.unwrap();
    }

    fn terms(&self, stages: usize, seconds: u32) -> VersusTerms {
        VersusTerms::new(id(), self.stages[..stages].to_vec(), seconds)
    }

    async fn start(&self, terms: VersusTerms) -> Versus {
        versus::start(&*self.store, terms, self.clock.now()).await.unwrap()
    }

    async fn session(&self) -> Versus {
        self.store.versus(&id()).await.unwrap().unwrap()
    }

    /// What runs: `0 anna 1`, …
    fn running(&self) -> Vec<String> {
        let number = |arn: &str| self.stages.iter().position(|stage| stage.as_str() == arn).unwrap();
        let replicas = self.ivs.simulator.replicas().into_iter();
        let mut running: Vec<_> = replicas
            .map(|key| {
                let (from, to) = (number(&key.source_stage_arn), number(&key.destination_stage_arn));
                format!("{from} {} {to}", key.participant_id)
            })
            .collect();
        running.sort();
        running
    }

    /// When the calls of this operation were made that did something.
    fn calls(&self, operation: &str) -> Vec<Timestamp> {
        let ledger = self.ivs.simulator.ledger().into_iter();
        ledger
            .filter(|entry| entry.operation == operation && entry.status == 200)
            .map(|entry| entry.at)
            .collect()
    }

    fn key(&self, source: usize, participant: &str, destination: usize) -> ReplicationKey {
        ReplicationKey {
            source: self.stages[source].clone(),
            participant: participant.parse().unwrap(),
            destination: self.stages[destination].clone(),
        }
    }

    /// A rule from one stage to others that has nothing to do with the session.
    fn rule(&self, source: usize, destinations: std::ops::Range<usize>, priority: u8) -> Rule {
        Rule {
            id: "other".parse().unwrap(),
            revision: 1,
            priority,
            status: Status::Enabled,
            source: Source::Stage(self.stages[source].clone()),
            participants: ParticipantFilter::default(),
            destinations: self.stages[destinations].iter().cloned().map(Destination::Stage).collect(),
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            preempt: false,
            record_replicas: None,
            expires_at: None,
        }
    }

    /// Nothing of the session is left: no rule, no replica that is wanted, nothing due.
    async fn assert_over(&self) {
        use replication::{Desired, Phase};
        assert!(self.session().await.is_over());
        let replicas = self.store.replicas();
        let of_session = |rule: &replication::RuleRef| rule.id.is_of_versus();
        let left = replicas.iter().filter(|replica| replica.rule.as_ref().is_some_and(of_session));
        for replica in left {
            assert_eq!(
                (&replica.phase, replica.desired),
                (&Phase::Stopped, Desired::Released),
                "{replica:#?}"
            );
            assert_eq!(replica.due(), None, "{replica:#?}");
        }
    }
}

fn id() -> VersusId {
    "duel".parse().unwrap()
}

fn seconds(later: Timestamp, earlier: Timestamp) -> f64 {
    later.duration_since(earlier).as_secs_f64()
}

const STARTS: &str = "StartParticipantReplication";
const STOPS: &str = "StopParticipantReplication";

#[test]
fn two_hosts_meet_for_a_minute_to_the_second() {
    let arena = Arena::new(2);
    let ends_at = arena.play(async {
        arena.publish(0, "anna").await;
        arena.publish(1, "ben").await;
        arena.at(7_300).await;
        let versus = arena.start(arena.terms(2, 60)).await;
        let scene = async {
            arena.until(versus.starts_at, 2_500).await;
            assert_eq!(arena.session().await.state, VersusState::Running);
            assert_eq!(arena.running(), ["0 anna 1", "1 ben 0"]);
            arena.until(versus.ends_at, -1).await;
            assert_eq!(arena.running(), ["0 anna 1", "1 ben 0"], "not before its end");
            arena.until(versus.ends_at, 1_000).await;
            assert_eq!(arena.running(), [""; 0]);
            arena.until(versus.ends_at, 2_000).await;
            assert_eq!(arena.session().await.state, VersusState::Ended);
            arena.assert_over().await;
        };
        join(scene, arena.stream()).await;
        versus.ends_at
    });
    let stops = arena.calls(STOPS);
    assert_eq!((stops.len(), arena.calls(STARTS).len()), (2, 2));
    let late: Vec<_> = stops.iter().map(|at| seconds(*at, ends_at)).collect();
    println!("60 s, two hosts: the stops left {late:?} s after the end");
    assert!(late.iter().all(|late| (0.0..0.1).contains(late)), "{late:?}");
}

/// Each run of dispatch is there for some seconds after the next one began.
#[test]
fn the_runs_of_dispatch_overlap_as_here() {
    let template = local::stand::workspace().join("infra/template.yaml");
    let deployment = Deployment {
        region: "us-east-1".to_owned(),
        account: "123456789012".to_owned(),
        parameters: BTreeMap::new(),
    };
    let functions = Template::read(&template, &deployment).unwrap().functions;
    let dispatch = functions.iter().find(|function| function.name == "dispatch").unwrap();
    assert_eq!(dispatch.timeout, Duration::from_millis(u64::try_from(RUN_MS).unwrap() + 6_000));
    let every: Vec<_> = dispatch.schedules.iter().map(|schedule| schedule.every).collect();
    assert_eq!(every, [Duration::from_secs(60)]);
}

/// The end falls anywhere in the minute, also where one run of dispatch hands over to the next, and nobody is woken for it.
#[test]
fn an_end_is_on_time_anywhere_in_the_minute() {
    for length in [53, 58, 59, 60, 61, 66, 73, 74, 75, 120, 119, 178] {
        let arena = Arena::new(2);
        let ends_at = arena.play(async {
            arena.publish(0, "anna").await;
            arena.publish(1, "ben").await;
            let versus = arena.start(arena.terms(2, length)).await;
            arena.until(versus.ends_at, 1_000).await;
            versus.ends_at
        });
        assert_eq!(arena.running(), [""; 0]);
        let late = arena.calls(STOPS).into_iter().map(|at| seconds(at, ends_at));
        assert!(late.clone().count() == 2 && late.clone().all(|late| late < 0.5), "{length} s: {late:?}");
    }
}

/// A session is not held up by a look that fails: who comes from now on is known by the events.
#[test]
fn without_a_look_those_count_who_are_known() {
    for lie in [Lie::Fails, Lie::Empty] {
        let arena = Arena::new(2);
        arena.reads.lie("ListParticipants", Some(lie));
        arena.play(async {
            arena.publish(0, "early").await;
            arena.start(arena.terms(2, 60)).await;
            let scene = async {
                arena.at(500).await;
                arena.publish(0, "anna").await;
                arena.publish(1, "ben").await;
                arena.at(5_000).await;
                assert_eq!(arena.session().await.state, VersusState::Running, "{lie:?}");
                assert_eq!(arena.running(), ["0 anna 1", "1 ben 0"]);
            };
            join(scene, arena.stream()).await;
        });
    }
}

#[test]
fn without_the_second_host_it_fails_and_nothing_is_left() {
    let arena = Arena::new(2);
    arena.play(async {
        arena.publish(0, "anna").await;
        let versus = arena.start(arena.terms(2, 600)).await;
        let scene = async {
            arena.until(versus.starts_at, 14_900).await;
            assert_eq!(arena.session().await.state, VersusState::Starting);
            assert_eq!(arena.running(), ["0 anna 1"]);
            arena.until(versus.starts_at, 17_000).await;
            let failure = Failure::NoPublisher(arena.stages[1].clone());
            assert_eq!(arena.session().await.state, VersusState::Failed(failure));
            assert_eq!(arena.running(), [""; 0]);
            arena.assert_over().await;
            // Who comes too late is not replicated.
            arena.publish(1, "ben").await;
            arena.until(versus.starts_at, 150_000).await;
            assert_eq!(arena.running(), [""; 0]);
        };
        join(scene, arena.stream()).await;
    });
}

#[test]
fn without_a_slot_for_the_third_everything_is_unwound_at_once() {
    let arena = Arena::new(8);
    arena.store.replace_rules(vec![arena.rule(2, 3..8, 100)]);
    arena.play(async {
        arena.publish(2, "cleo").await;
        arena.at(2_000).await;
        assert_eq!(arena.running().len(), 5, "cleo is everywhere but here");
        arena.publish(0, "anna").await;
        arena.publish(1, "ben").await;
        let versus = arena.start(arena.terms(3, 600)).await;
        let scene = async {
            arena.until(versus.starts_at, 5_000).await;
            let failure = Failure::Blocked(arena.key(2, "cleo", 0), BlockedReason::ParticipantSlotsFull);
            assert_eq!(arena.session().await.state, VersusState::Failed(failure));
            let others: Vec<_> = (3..8).map(|to| format!("2 cleo {to}")).collect();
            assert_eq!(arena.running(), others, "what is none of the session's runs on");
            arena.assert_over().await;
        };
        join(scene, arena.stream()).await;
    });
}

#[test]
fn an_extended_session_lasts_longer_whether_or_not_its_change_was_planned() {
    for planned in [true, false] {
        let arena = Arena::new(2);
        arena.play(async {
            arena.publish(0, "anna").await;
            arena.publish(1, "ben").await;
            let versus = arena.start(arena.terms(2, 60)).await;
            let end = versus.ends_at + SignedDuration::from_secs(45);
            let scene = async {
                arena.at(30_000).await;
                versus::extend(&*arena.store, &id(), end, arena.clock.now()).await.unwrap();
                let checks = async {
                    arena.until(end, -1).await;
                    assert_eq!(arena.running(), ["0 anna 1", "1 ben 0"]);
                    arena.until(end, 1_000).await;
                    assert_eq!(arena.running(), [""; 0]);
                    assert_eq!(arena.session().await.state, VersusState::Ended);
                };
                match planned {
                    true => drop(join(checks, arena.stream()).await),
                    false => checks.await,
                }
            };
            join(scene, arena.stream()).await;
        });
        assert_eq!((arena.calls(STARTS).len(), arena.calls(STOPS).len()), (2, 2), "planned: {planned}");
    }
}

/// The replicas still carry the old end: the session's own takes them along.
#[test]
fn an_earlier_end_is_on_time_although_nobody_planned_it() {
    let arena = Arena::new(2);
    arena.play(async {
        arena.publish(0, "anna").await;
        arena.publish(1, "ben").await;
        arena.start(arena.terms(2, 3_600)).await;
        arena.stream().await;
        arena.at(100_000).await;
        let end = arena.clock.now() + SignedDuration::from_secs(20);
        versus::extend(&*arena.store, &id(), end, arena.clock.now()).await.unwrap();
        let scene = async {
            arena.until(end, -1).await;
            assert_eq!(arena.running(), ["0 anna 1", "1 ben 0"]);
            arena.until(end, 1_000).await;
            assert_eq!(arena.running(), [""; 0]);
            arena.assert_over().await;
        };
        join(scene, arena.dispatch()).await;
    });
}

#[test]
fn a_session_that_is_ended_early_is_gone_once_the_stream_says_so() {
    let arena = Arena::new(2);
    arena.play(async {
        arena.publish(0, "anna").await;
        arena.publish(1, "ben").await;
        arena.start(arena.terms(2, 3_600)).await;
        arena.stream().await;
        arena.at(100_000).await;
        assert_eq!(arena.session().await.state, VersusState::Running);
        let ended = versus::end_early(&*arena.store, &id(), arena.clock.now()).await.unwrap();
        let scene = async {
            arena.until(ended.ends_at, STREAM_MS + 500).await;
            assert_eq!(arena.running(), [""; 0]);
            assert_eq!(arena.session().await.state, VersusState::Ended);
            arena.assert_over().await;
        };
        join(scene, arena.stream()).await;
        let again = versus::end_early(&*arena.store, &id(), arena.clock.now()).await.unwrap();
        assert_eq!(again, arena.session().await, "what is over stays as it is");
    });
}

#[test]
fn who_joins_later_is_replicated_too_and_ends_with_the_others() {
    let arena = Arena::new(2);
    arena.play(async {
        arena.publish(0, "anna").await;
        arena.publish(1, "ben").await;
        let versus = arena.start(arena.terms(2, 90)).await;
        arena.stream().await;
        arena.at(40_000).await;
        arena.publish(0, "late").await;
        arena.at(41_000).await;
        assert_eq!(arena.running(), ["0 anna 1", "0 late 1", "1 ben 0"]);
        arena.until(versus.ends_at, 1_000).await;
        assert_eq!(arena.running(), [""; 0]);
        assert_eq!(arena.session().await.state, VersusState::Ended);
    });
}

#[test]
fn three_stages_with_two_publishers_each_take_no_longer_than_the_quota() {
    let arena = Arena::new(3);
    let (starts_at, ends_at) = arena.play(async {
        for (stage, [one, two]) in [["a1", "a2"], ["b1", "b2"], ["c1", "c2"]].into_iter().enumerate() {
            arena.publish(stage, one).await;
            arena.publish(stage, two).await;
        }
        let versus = arena.start(arena.terms(3, 120)).await;
        let scene = async {
            arena.until(versus.starts_at, 8_000).await;
            assert_eq!(arena.session().await.state, VersusState::Running);
            assert_eq!(arena.running().len(), 12);
            arena.until(versus.ends_at, 5_000).await;
            assert_eq!(arena.running(), [""; 0]);
            arena.assert_over().await;
        };
        join(scene, arena.stream()).await;
        (versus.starts_at, versus.ends_at)
    });
    let took = seconds(arena.calls(STARTS).into_iter().max().unwrap(), starts_at);
    let late = seconds(arena.calls(STOPS).into_iter().max().unwrap(), ends_at);
    println!(
        "3 stages, 6 publishers: 12 starts in {took:.1} s, 12 stops in {late:.1} s; the quota alone takes 2.4 s"
    );
    assert!(took < STREAM_MS as f64 / 1_000.0 + 4.0 && late < 4.0, "{took} {late}");
    assert_eq!((arena.calls(STARTS).len(), arena.calls(STOPS).len()), (12, 12));
}

/// Dispatch is killed anywhere while it starts a session, or while it ends or unwinds one. The next one finishes.
#[test]
fn a_killed_dispatch_is_finished_by_the_next() {
    for (hosts, killed_ms) in [1, 2].into_iter().flat_map(|hosts| (0..40).map(move |i| (hosts, i * 20))) {
        for at_end in [false, true] {
            let arena = Arena::new(2);
            let what = format!(
                "{hosts} hosts, killed {killed_ms} ms after the {}",
                if at_end { "end" } else { "start" }
            );
            // Not in `play`: no other run shall be at hand.
            arena.clock.clone().run(async {
                for (stage, host) in ["anna", "ben"].into_iter().enumerate().take(hosts) {
                    arena.publish(stage, host).await;
                }
                let versus = arena.start(arena.terms(2, 60)).await;
                let moment = match (at_end, hosts) {
                    (false, _) => versus.starts_at,
                    (true, 2) => versus.ends_at,
                    (true, _) => versus.starts_at + SignedDuration::from_secs(15),
                };
                let killed = arena.until(moment, killed_ms);
                drop(select(Box::pin(arena.dispatch()), Box::pin(killed)).await);
                arena.stream().await;
                arena.until(versus.starts_at, 80_000).await;
                arena.dispatch().await;
                let session = arena.session().await;
                assert_eq!(
                    matches!(session.state, VersusState::Ended),
                    hosts == 2,
                    "{what}: {}",
                    session.state
                );
                assert_eq!(arena.running(), [""; 0], "{what}");
                arena.assert_over().await;
            });
        }
    }
}

#[test]
fn the_same_request_starts_one_session_and_another_one_is_refused() {
    let arena = Arena::new(3);
    arena.play(async {
        let first = arena.start(arena.terms(2, 60)).await;
        arena.at(5_000).await;
        assert_eq!(arena.start(arena.terms(2, 60)).await, first);
        let other = arena.terms(3, 60);
        let refused = versus::start(&*arena.store, other, arena.clock.now()).await.unwrap_err();
        assert!(matches!(&refused, versus::Error::Taken(taken) if *taken == id()), "{refused}");
        let wrong = arena.terms(1, 60);
        let refused = versus::start(&*arena.store, wrong, arena.clock.now()).await.unwrap_err();
        assert!(matches!(refused, versus::Error::Invalid(_)), "{refused}");
        let nobody = "nobody".parse().unwrap();
        let refused = versus::end_early(&*arena.store, &nobody, arena.clock.now()).await.unwrap_err();
        assert!(matches!(refused, versus::Error::Unknown(_)), "{refused}");
    });
}
