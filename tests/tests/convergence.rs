//! P1, P2, P8: after any quarter of an hour, with events lost, doubled, late and out of order, what runs is what the rules want, within
//! a few minutes, and stays. Prints the worst case of each kind of trouble; `SEEDS=1000` plays more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use controller::{Clock, Controller};
use ivs_sim::{Config, EventFaults, Faults, Publish};
use jiff::{SignedDuration, Timestamp};
use lambda_kit::{EventSources, News, decode};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use replication::{Destination, ParticipantFilter, ReconnectWindow, Rule, Source, StageArn, Status};
use serde_json::{Value, json};
use stagelink_tests::in_process::InProcess;
use tokio::sync::mpsc::UnboundedReceiver;

/// In how many minutes after the last change all is as the rules want. The README says so too.
const BOUND: usize = 3;

const STAGES: usize = 5;
const PARTICIPANTS: usize = 3;

/// Kinds of trouble on the way of events.
const TROUBLES: [(&str, EventFaults); 6] = [
    ("none", EventFaults { loss: 0.0, duplicate: 0.0, delay_ms: 0, jitter_ms: 0, reorder: 0.0 }),
    ("1 % lost", EventFaults { loss: 0.01, duplicate: 0.0, delay_ms: 0, jitter_ms: 0, reorder: 0.0 }),
    ("10 % lost", EventFaults { loss: 0.1, duplicate: 0.1, delay_ms: 0, jitter_ms: 2_000, reorder: 0.1 }),
    ("half lost", EventFaults { loss: 0.5, duplicate: 0.3, delay_ms: 500, jitter_ms: 30_000, reorder: 0.3 }),
    ("all lost", EventFaults { loss: 1.0, duplicate: 0.0, delay_ms: 0, jitter_ms: 0, reorder: 0.0 }),
    ("4 h late", EventFaults { loss: 0.0, duplicate: 0.3, delay_ms: 0, jitter_ms: 14_400_000, reorder: 0.3 }),
];

/// Stages, people and rules, as they should be; and the world, as it is.
struct Day {
    world: Arc<InProcess>,
    events: UnboundedReceiver<Value>,
    again: Vec<(Timestamp, usize, Value)>,
    stages: Vec<StageArn>,
    publishing: BTreeSet<(usize, String)>,
    rules: Vec<Rule>,
    swept_at: Timestamp,
    rng: SmallRng,
}

impl Day {
    fn new(seed: u64, events: EventFaults) -> Self {
        let world = InProcess::new(Config { seed, ..Config::default() });
        let received = world.simulator.subscribe();
        world.simulator.set_faults(Faults { seed, events, ..Faults::default() }).unwrap();
        let stage =
            |name: usize| world.simulator.create_stage(&name.to_string(), BTreeMap::new()).parse().unwrap();
        let stages: Vec<StageArn> = (0..STAGES + 2).map(stage).collect();
        let mut day = Self {
            swept_at: world.now(),
            world,
            events: received,
            again: Vec::new(),
            stages,
            publishing: BTreeSet::new(),
            rules: Vec::new(),
            rng: SmallRng::seed_from_u64(seed),
        };
        // Somebody else's replication, between stages that no rule speaks of.
        day.publish(STAGES, "foreign");
        let input = json!({"sourceStageArn": day.stages[STAGES].as_str(), "participantId": "foreign",
            "destinationStageArn": day.stages[STAGES + 1].as_str()});
        day.world.simulator.call("StartParticipantReplication", input).unwrap();
        day.change_rules();
        day
    }

    fn publish(&self, stage: usize, participant: &str) {
        let publish = Publish {
            stage_arn: self.stages[stage].to_string(),
            participant_id: Some(participant.to_owned()),
            ..Publish::default()
        };
        self.world.simulator.publish(publish).unwrap();
    }

    /// Other rules, and nobody is told. No participant gets more than five destinations.
    fn change_rules(&mut self) {
        let rule = |rng: &mut SmallRng, id: usize| {
            let source = rng.random_range(0..STAGES);
            let mut others: Vec<_> = (0..STAGES).filter(|stage| *stage != source).collect();
            others.shuffle(rng);
            others.truncate(rng.random_range(1..=2));
            Rule {
                id: format!("rule-{id}").parse().unwrap(),
                revision: self.rules.iter().map(|rule| rule.revision).max().unwrap_or(0) + 1,
                priority: rng.random_range(0..=100),
                status: if rng.random_bool(0.1) { Status::Paused } else { Status::Enabled },
                source: Source::Stage(self.stages[source].clone()),
                participants: ParticipantFilter::default(),
                destinations: others
                    .into_iter()
                    .map(|i| Destination::Stage(self.stages[i].clone()))
                    .collect(),
                reconnect_window: ReconnectWindow::from_seconds(*[0, 0, 20].choose(rng).unwrap()).unwrap(),
                attributes: BTreeMap::new(),
                preempt: rng.random_bool(0.5),
                record_replicas: None,
                expires_at: None,
            }
        };
        let mut rng = SmallRng::from_rng(&mut self.rng);
        self.rules = (0..rng.random_range(1..=5)).map(|id| rule(&mut rng, id)).collect();
        self.world.rules(self.rules.clone());
    }

    /// Somebody does something.
    fn something_happens(&mut self) {
        let stage = self.rng.random_range(0..STAGES);
        let participant = format!("p{stage}{}", self.rng.random_range(0..PARTICIPANTS));
        let who = (stage, participant.clone());
        match self.rng.random_range(0..10) {
            0 => self.change_rules(),
            1..=5 => {
                self.publish(stage, &participant);
                self.publishing.insert(who);
            }
            6..=7 if self.publishing.remove(&who) => {
                self.world.simulator.unpublish(self.stages[stage].as_str(), &participant).unwrap();
            }
            _ if self.publishing.remove(&who) => {
                self.world.simulator.leave(self.stages[stage].as_str(), &participant).unwrap();
            }
            _ => {}
        }
    }

    /// Delivers what has arrived, as Lambda does: three attempts, a minute between them.
    async fn deliver(&mut self) {
        let now = self.world.now();
        let mut arrived: Vec<_> =
            std::iter::from_fn(|| self.events.try_recv().ok()).map(|e| (0, e)).collect();
        arrived.extend(
            self.again.extract_if(.., |(at, ..)| *at <= now).map(|(_, attempt, event)| (attempt, event)),
        );
        for (attempt, event) in arrived {
            let Ok(News::Observation(news)) = decode(event.clone(), &EventSources::default()) else {
                continue;
            };
            let controller = self.function(&event);
            let handled = controller.handle(&news, &self.world.invocation("event", 10)).await;
            if handled.is_err() && attempt < 2 {
                self.again.push((now + SignedDuration::from_secs(60), attempt + 1, event));
            }
        }
    }

    /// The function that the deployment gives an event to.
    fn function(&self, event: &Value) -> Controller {
        let replica = event["detail"]["replica"] == json!(true);
        match event["detail"]["event_name"].as_str() {
            Some("Participant Published") if !replica => self.world.event_function(true, false),
            Some("Participant Unpublished") if !replica => self.world.event_function(false, true),
            _ => self.world.event_function(false, false),
        }
    }

    async fn time_passes(&mut self, seconds: i64) {
        self.world.wait(seconds);
        self.deliver().await;
        if self.world.now().duration_since(self.swept_at) >= SignedDuration::from_secs(60) {
            self.swept_at = self.world.now();
            self.world.sweep().await.unwrap();
        }
        self.world.dispatch().await.unwrap();
        self.deliver().await;
    }

    /// What the rules want, told without the planner.
    fn wanted(&self) -> BTreeSet<(String, String, String)> {
        let mut wanted = BTreeSet::new();
        for (stage, participant) in &self.publishing {
            let source = &self.stages[*stage];
            for rule in self.rules.iter().filter(|rule| rule.status == Status::Enabled) {
                if rule.source != Source::Stage(source.clone()) {
                    continue;
                }
                for destination in &rule.destinations {
                    let Destination::Stage(destination) = destination else { continue };
                    wanted.insert((source.to_string(), participant.clone(), destination.to_string()));
                }
            }
        }
        let [from, to] = [&self.stages[STAGES], &self.stages[STAGES + 1]];
        wanted.insert((from.to_string(), "foreign".to_owned(), to.to_string()));
        wanted
    }
}

/// What a quarter of an hour ended with.
#[derive(Debug, Default)]
struct Ended {
    /// For how many minutes after the last change and the last event something ran that should not, or did not run that should.
    wrong: usize,
    /// In which of these minutes the last Start or Stop was called.
    busy: usize,
    /// Starts and Stops later than that while late events still came: none of them was needed.
    misled: usize,
}

async fn play(seed: u64, events: EventFaults) -> Ended {
    let mut day = Day::new(seed, events);
    for _ in 0..90 {
        day.something_happens();
        let seconds = day.rng.random_range(0..20);
        day.time_passes(seconds).await;
    }
    let mut ended = Ended::default();
    let (mut minute, mut minutes) = (0, 0);
    let mut mutations = day.world.mutations();
    while minute < 12 {
        let late = day.world.simulator.next_due().is_some();
        if day.world.running() != day.wanted() {
            ended.wrong = minute + 1;
        }
        day.time_passes(60).await;
        minute = if late { 0 } else { minute + 1 };
        minutes += 1;
        let called = day.world.mutations() - std::mem::replace(&mut mutations, day.world.mutations());
        ended.misled += if late && minutes > BOUND { called } else { 0 };
        ended.busy = if called > 0 { minute } else { ended.busy };
    }
    let activity = day.world.store.activity();
    assert_eq!(day.world.running(), day.wanted(), "seed {seed}: {activity:#?}");
    assert!(
        ended.wrong <= BOUND && ended.busy <= BOUND,
        "seed {seed}: {ended:?} {:#?}",
        activity.last_chunk::<8>()
    );
    ended
}

#[tokio::test]
async fn what_runs_is_what_the_rules_want_whatever_becomes_of_events() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6_u64);
    println!("minutes after the last change and the last event, worst of {seeds} seeds each");
    for (name, events) in TROUBLES {
        let mut worst = Ended::default();
        for seed in 0..seeds {
            let ended = play(seed, events.clone()).await;
            worst.wrong = worst.wrong.max(ended.wrong);
            worst.busy = worst.busy.max(ended.busy);
            worst.misled += ended.misled;
        }
        let Ended { wrong, busy, misled } = worst;
        println!(
            "events {name:>9}: as the rules want after {wrong}, last call after {busy}; needless calls for late news {misled}"
        );
    }
}
