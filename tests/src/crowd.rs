//! Everybody publishes at once: as many needed starts as one likes, on virtual time. [`Crowd`] plays it with the controller, and with
//! what people would use instead.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a fault of the test")]

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
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use replication::{
    Destination, Observation, ParticipantFilter, Policy, PublisherKey, ReconnectWindow, Rule, Source,
    StageArn, Status,
};
use serde_json::json;

use crate::distant_store::DistantStore;
use crate::virtual_time::{JumpingClock, SimulatedIvs};

const FULL_SHARE: u32 = 100;

/// A world in which `publishers` publish, each on a stage of its own, with one rule each into a destination of its own.
pub struct Crowd {
    /// Time.
    pub clock: Arc<JumpingClock>,
    /// The table, as far away as was asked for.
    pub store: Arc<DistantStore>,
    /// IVS.
    pub ivs: SimulatedIvs,
    /// When all of them published.
    pub began: Timestamp,
    /// The destination of each.
    pub destinations: Vec<StageArn>,
    /// The news of each.
    pub news: Vec<Observation>,
}

impl Crowd {
    /// With a table that answers at once.
    pub fn publish(publishers: usize) -> Self {
        Self::publish_far_away(publishers, 0)
    }

    /// With a table that is so many milliseconds away.
    pub fn publish_far_away(publishers: usize, way_ms: i64) -> Self {
        let clock = Arc::new(JumpingClock::default());
        // Each replica is a publisher, too.
        let limits = ivs_sim::Limits { stages: 20_000, publishers: 20_000, ..ivs_sim::Limits::default() };
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

    /// A function as the template has it, with the whole share of the quota.
    pub fn controller(&self, turn: Turn, patience: Patience, calls: Calls) -> Controller {
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

    /// The function that does what is due.
    pub fn dispatcher(&self) -> Dispatcher {
        let controller = self.controller(Turn::Queue, Patience(Duration::ZERO), self.ivs.calls());
        Dispatcher {
            controller,
            queue: self.store.clone(),
            versus: Judge::new(Arc::new(MemoryStore::default()), None),
        }
    }

    /// An invocation that has a minute.
    pub fn invocation(&self, id: &str) -> Invocation {
        Invocation { id: id.to_owned(), deadline: self.clock.now() + SignedDuration::from_secs(59) }
    }

    /// Every event wakes a Lambda of its own, all at the same time.
    ///
    /// # Panics
    /// When one of them gives its event back.
    pub async fn deliver(&self) {
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
    ///
    /// # Panics
    /// When one of them fails.
    pub async fn drain(&self, executors: usize) {
        for minute in 0.. {
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

    /// What people would use instead: the event's Lambda calls IVS with the SDK's three attempts and their jitter, and Lambda tries
    /// the event twice more, after one minute and after two.
    pub async fn deliver_directly(&self) {
        let lambdas =
            self.news.iter().zip(&self.destinations).enumerate().map(|(i, (news, destination))| async move {
                let PublisherKey { stage, participant } = news.publisher();
                let input = json!({ "sourceStageArn": stage.as_str(), "participantId": participant.as_str(),
                "destinationStageArn": destination.as_str() });
                let mut random = SmallRng::seed_from_u64(i as u64);
                for pause_s in [0, 60, 120] {
                    self.sleep(SignedDuration::from_secs(pause_s)).await;
                    for longest_s in [0.0, 1.0, 2.0] {
                        self.sleep(SignedDuration::from_secs_f64(longest_s * random.random::<f64>())).await;
                        if self.ivs.simulator.call("StartParticipantReplication", input.clone()).is_ok() {
                            return;
                        }
                    }
                }
            });
        join_all(lambdas).await;
    }

    async fn sleep(&self, span: SignedDuration) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }

    /// The Starts that reached IVS.
    pub fn starts(&self) -> Vec<ivs_sim::LedgerEntry> {
        let ledger = self.ivs.simulator.ledger();
        ledger.into_iter().filter(|entry| entry.operation == "StartParticipantReplication").collect()
    }

    /// How many of them IVS throttled.
    pub fn throttled(&self) -> usize {
        self.starts().iter().filter(|entry| entry.error.as_deref() == Some("ThrottlingException")).count()
    }

    /// How long it was from the publishes to the last Start, in seconds.
    ///
    /// # Panics
    /// When there was none.
    pub fn took(&self) -> f64 {
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

/// A rule with this number, from the one to the other.
pub fn rule(i: usize, [source, destination]: &[StageArn; 2]) -> Rule {
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
pub fn most_in_a_second(entries: &[ivs_sim::LedgerEntry]) -> usize {
    let second = SignedDuration::from_secs(1);
    let in_second = |from: Timestamp| {
        entries.iter().filter(|entry| entry.at >= from && entry.at.duration_since(from) < second).count()
    };
    entries.iter().map(|entry| in_second(entry.at)).max().unwrap_or(0)
}
