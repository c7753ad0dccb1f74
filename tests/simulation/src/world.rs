//! IVS, the table, EventBridge, Lambda and those who use them, on one machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use controller::{MemoryStore, Operator, Order, versus};
use ivs_sim::dialect::EmptyDestination;
use ivs_sim::{CallFaults, Config, Dialect, Faults, Publish, Simulator};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use replication::{
    Destination, Mode, ParticipantFilter, Pause, Policy, Rule, Source, StageArn, Tags, VersusTerms,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Sabotage;
use crate::case::{Action, Case, Concerned, RuleSketch, STAGES, SourceSketch, To, Trouble, What, first_tags};
use crate::fleet::Fleet;
use crate::machine::Machine;
use crate::oracle::{self, Oracle};

/// All of it.
pub(crate) struct World {
    pub(crate) machine: Arc<Machine>,
    pub(crate) ivs: Simulator,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) fleet: Fleet,
    pub(crate) oracle: Oracle,
    pub(crate) stages: Vec<StageArn>,
    pub(crate) policy: Policy,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) counts: Counts,
    dialect: Dialect,
    troubles: BTreeSet<Trouble>,
    /// Whether nothing goes wrong any more.
    calm: AtomicBool,
    dice: Mutex<SmallRng>,
    events: Mutex<UnboundedReceiver<Value>>,
    began: Timestamp,
    /// What happened, if somebody wants to read it.
    trace: Option<Mutex<Vec<String>>>,
}

/// How much of what there was.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: AtomicUsize,
    pub(crate) invocations: AtomicUsize,
    pub(crate) calls: AtomicUsize,
    pub(crate) faults: AtomicUsize,
    pub(crate) dead_letters: AtomicUsize,
}

impl Counts {
    pub(crate) fn add(count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl World {
    pub(crate) fn new(case: &Case, sabotage: Option<Sabotage>, traced: bool) -> Arc<Self> {
        let machine = Arc::new(Machine::new(case.seed));
        let config = Config { seed: case.seed, dialect: case.dialect.clone(), ..Config::default() };
        let ivs = Simulator::new(config, machine.time.clone());
        let events = ivs.subscribe();
        let starts_fail = case.troubles.contains(&Trouble::StartsFailLater);
        let faults = Faults {
            seed: case.seed,
            events: case.event_faults(),
            calls: CallFaults {
                start_failure_rate: if starts_fail { 0.2 } else { 0.0 },
                ..CallFaults::default()
            },
        };
        #[allow(clippy::expect_used, reason = "these faults are in range")]
        ivs.set_faults(faults).expect("faults in range");
        #[allow(clippy::expect_used, reason = "the simulator makes ARNs")]
        let stage =
            |n: usize| ivs.create_stage(&format!("stage-{n}"), first_tags(n)).parse().expect("an ARN");
        let stages = (0..STAGES).map(stage).collect();
        let mode = if case.observe { Mode::Observe } else { Mode::Enforce };
        Arc::new(Self {
            began: machine.now(),
            machine,
            ivs,
            store: Arc::default(),
            fleet: Fleet::default(),
            oracle: Oracle::default(),
            stages,
            policy: Policy { mode, ..Policy::default() },
            sabotage,
            counts: Counts::default(),
            dialect: case.dialect.clone(),
            troubles: case.troubles.clone(),
            calm: AtomicBool::new(false),
            dice: Mutex::new(SmallRng::seed_from_u64(case.seed ^ 0xD1CE)),
            events: Mutex::new(events),
            trace: traced.then(Mutex::default),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.machine.now()
    }

    /// Lets everybody work for so long.
    pub(crate) fn run(self: &Arc<Self>, seconds: u64) {
        let end = self.now() + SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
        self.machine.run_until(end, || {
            self.ivs.tick();
            let mut events = lock(&self.events);
            while let Ok(event) = events.try_recv() {
                self.deliver(event);
            }
            self.ivs.next_due()
        });
    }

    /// Nothing goes wrong any more: no fault, and nobody else's calls. Events that are late still come when they come.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        #[allow(clippy::expect_used, reason = "no faults are in range")]
        self.ivs.set_faults(Faults::default()).expect("no faults");
        self.tell(|| "from here on nothing goes wrong".to_owned());
    }

    /// Whether this trouble comes up now, by the dice.
    pub(crate) fn strikes(&self, trouble: Trouble, chance: f64) -> bool {
        let on = self.troubles.contains(&trouble) && !self.calm.load(Ordering::Relaxed);
        let strikes = on && lock(&self.dice).random_bool(chance);
        if strikes {
            Counts::add(&self.counts.faults);
        }
        strikes
    }

    /// How many seconds the dialect gives IVS to carry out three calls and to show what they did: where places are contested, one may
    /// change hands twice.
    pub(crate) fn ivs_takes_its_time(&self) -> u64 {
        let Dialect { replication_start_delay_ms, list_replicas_lag_ms, .. } = self.dialect;
        3 * (replication_start_delay_ms.duration() + list_replicas_lag_ms.duration()).as_secs().unsigned_abs()
    }

    /// Whether IVS refuses, in this dialect, to replicate to where nobody is.
    pub(crate) fn refuses_empty_destinations(&self) -> bool {
        self.dialect.empty_destination != EmptyDestination::CreatesSession
    }

    /// Whether no event comes much later than what it tells.
    pub(crate) fn news_is_new(&self) -> bool {
        !self.troubles.contains(&Trouble::EventsLate)
    }

    /// Whether every function lives to see the answer to each of its calls.
    pub(crate) fn every_call_is_answered(&self) -> bool {
        let silent = [Trouble::CallsFail, Trouble::CallsSlow, Trouble::Killed, Trouble::StoreFails];
        silent.iter().all(|trouble| !self.troubles.contains(trouble))
    }

    /// Whether every event arrives, and every function does its work at once.
    pub(crate) fn reacts_at_once(&self) -> bool {
        let harmless =
            [Trouble::EventsDoubled, Trouble::ListsLie, Trouble::ListsStale, Trouble::OthersReplicate];
        self.troubles.iter().all(|trouble| harmless.contains(trouble))
    }

    /// A time out of this range, in microseconds.
    pub(crate) fn some_time(&self, from: u64, to: u64) -> SignedDuration {
        SignedDuration::from_micros(i64::try_from(lock(&self.dice).random_range(from..to)).unwrap_or(0))
    }

    pub(crate) fn draw(&self, below: usize) -> usize {
        lock(&self.dice).random_range(0..below.max(1))
    }

    /// A line of what happened, if somebody wants to read it.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let at = self.now().duration_since(self.began).as_secs_f64();
            lock(trace).push(format!("{at:10.3} s  {}", self.short(&line())));
        }
    }

    /// What happened.
    pub(crate) fn told(&self) -> Vec<String> {
        self.trace.as_ref().map(|trace| lock(trace).clone()).unwrap_or_default()
    }

    /// Stages by their names instead of their ARNs.
    pub(crate) fn short(&self, text: &str) -> String {
        let named = self.stages.iter().enumerate();
        let text =
            named.fold(text.to_owned(), |text, (n, arn)| text.replace(arn.as_str(), &format!("stage-{n}")));
        let named = self.stages.iter().enumerate();
        named.fold(text, |text, (n, arn)| text.replace(arn.resource_id(), &format!("stage-{n}")))
    }

    /// Somebody does this.
    pub(crate) async fn act(self: &Arc<Self>, action: &Action) {
        self.tell(|| format!("[{}] {:?}", action.number, action.what));
        self.oracle.touched(action.what.concerns(), self.now());
        let arn = |stage: &usize| self.stages[*stage].to_string();
        match &action.what {
            // Who may not do so just now does not.
            What::Publish(stage, who) => self.publish(&arn(stage), who),
            What::Unpublish(stage, who) => drop(self.ivs.unpublish(&arn(stage), who)),
            What::Leave(stage, who) => drop(self.ivs.leave(&arn(stage), who)),
            What::Rules(sketches) => {
                let mut rules: Vec<_> = sketches.iter().map(|sketch| self.rule(sketch)).collect();
                rules.retain(|rule| rule.validate().is_ok());
                self.oracle.rules_are(rules.clone());
                for rule in &mut rules {
                    rule.revision = u64::try_from(action.number).unwrap_or(0) + 1;
                }
                self.store.replace_rules(rules);
                self.rules_changed();
            }
            What::Tag(stage, role) => {
                let tags = json!({"resourceArn": arn(stage), "tags": {"role": role}});
                drop(self.ivs.call("TagResource", tags));
            }
            What::Pause => {
                let pause = Pause { reason: "a drill".to_owned(), by: "kim".to_owned(), at: self.now() };
                drop(self.store.pause(&pause).await);
                self.oracle.paused(self.now());
                self.rules_changed();
            }
            What::Resume => self.resume().await,
            What::Versus(stages, seconds) => {
                let stages = stages.iter().map(|stage| self.stages[*stage].clone()).collect();
                #[allow(clippy::expect_used, reason = "letters and digits are an id")]
                let id = format!("duel-{}", action.number).parse().expect("an id");
                let terms = VersusTerms::new(id, stages, *seconds);
                if let Ok(session) = versus::start(&*self.store, terms, self.now()).await {
                    self.oracle.touched(Concerned::Everybody, session.ends_at);
                    self.rules_changed();
                    self.work_waits();
                }
            }
            What::OthersStart(from, who, to) => {
                // Faster than anybody who waits for the event.
                self.publish(&arn(from), who);
                let input = replication(&arn(from), who, &arn(to));
                // A Start of what runs, or will soon, may be accepted, and changes nothing.
                let ran = oracle::is_accepted(self, &input);
                let answer = self.ivs.call("StartParticipantReplication", input);
                if answer.is_ok() && !ran {
                    self.oracle.others_started(&arn(from), who, &arn(to));
                }
            }
            What::OthersStop(from, who, to) => {
                if self.oracle.is_others(&arn(from), who, &arn(to)) {
                    drop(self.ivs.call("StopParticipantReplication", replication(&arn(from), who, &arn(to))));
                }
            }
            What::OthersCall(operation, times) => {
                for _ in 0..*times {
                    drop(self.ivs.call(operation.name(), replication(&arn(&0), "nobody", &arn(&1))));
                }
            }
            What::Delete(stage) => drop(self.ivs.call("DeleteStage", json!({"arn": arn(stage)}))),
        }
    }

    fn publish(&self, stage: &str, who: &str) {
        let (stage_arn, id) = (stage.to_owned(), Some(who.to_owned()));
        let publish = Publish { stage_arn, participant_id: id.clone(), user_id: id, ..Publish::default() };
        drop(self.ivs.publish(publish));
    }

    /// What was paused goes on.
    pub(crate) async fn resume(self: &Arc<Self>) {
        let order =
            Order { by: "kim".to_owned(), reason: Some("the drill is over".to_owned()), at: self.now() };
        drop(self.store.resume(&order).await);
        self.oracle.resumed();
        self.rules_changed();
    }

    fn rule(&self, sketch: &RuleSketch) -> Rule {
        let tag = |key: &str, value: &str| Tags::from([(key.to_owned(), value.to_owned())]);
        let stage = |n: usize| self.stages[n].clone();
        #[allow(clippy::expect_used, reason = "letters and digits are an id, and a prefix is a pattern")]
        let (id, users) = (
            format!("rule-{}", sketch.id).parse().expect("an id"),
            sketch.users.map(|prefix| format!("{prefix}*").parse().expect("a pattern")),
        );
        Rule {
            id,
            revision: 1,
            priority: sketch.priority,
            status: sketch.status,
            source: match sketch.source {
                SourceSketch::Stage(n) => Source::Stage(stage(n)),
                SourceSketch::Role(role) => Source::Tags(tag("role", role)),
                SourceSketch::Any => Source::Any,
            },
            participants: ParticipantFilter { user_id: users, attributes: BTreeMap::new() },
            destinations: match &sketch.to {
                To::Stages(stages) => stages.iter().map(|n| Destination::Stage(stage(*n))).collect(),
                To::Role(role, same) => {
                    let same = if *same { vec!["show".to_owned()] } else { Vec::new() };
                    vec![Destination::Tags { tags: tag("role", role), same }]
                }
            },
            reconnect_window: sketch.window,
            attributes: BTreeMap::new(),
            preempt: sketch.preempt,
            record_replicas: None,
            expires_at: sketch
                .expires
                .and_then(|at| self.began.checked_add(std::time::Duration::from_secs(at)).ok()),
        }
    }
}

/// A replication, as requests name it.
pub(crate) fn replication(source: &str, who: &str, destination: &str) -> Value {
    json!({"sourceStageArn": source, "participantId": who, "destinationStageArn": destination})
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
