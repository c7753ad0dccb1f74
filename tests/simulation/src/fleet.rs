//! EventBridge and Lambda: who is woken by what, how often it is tried again, and how it ends.
//!
//! As `infra/template.yaml` has it: events come at least once, with two retries; the table's stream wakes `rule-changed` and
//! `dispatch`, one batch at a time; schedules wake `dispatch` and `reconcile` every minute.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use controller::sweep::Sweep;
use controller::sweep::pace::SharedPace;
use controller::sweep::scout::Scout;
use controller::sweep::single_pace::SinglePace;
use controller::versus::Judge;
use controller::{Calls, CallsLeft, Clock, Controller, Dispatcher, Invocation, Measure, Patience, Turn};
use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use jiff::{SignedDuration, Timestamp};
use lambda_kit::{EventSources, News, decode};
use replication::Replica;
use replication::invariant::Invariant;
use replication::sweep::SweepPolicy;
use serde_json::{Value, json};

use crate::Sabotage;
use crate::case::Trouble;
use crate::machine::{End, Machine, killed_at};
use crate::network::{ToIvs, ToTable, publishers};
use crate::ports::Ports;
use crate::world::{Counts, World, lock};

/// The share of the quotas that is used, in percent: the template's default.
pub(crate) const SHARE: u32 = 80;

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Function {
    Published,
    Unpublished,
    ReplicationChanged,
    RuleChanged,
    Dispatch,
    Reconcile,
}

impl Function {
    /// How long it may run, and how much of that it leaves for the end.
    fn times(self) -> (SignedDuration, SignedDuration) {
        let (timeout, margin) = match self {
            Self::Published | Self::Unpublished | Self::ReplicationChanged => (15, 1),
            Self::RuleChanged => (60, 1),
            Self::Dispatch => (75, 6),
            Self::Reconcile => (60, 6),
        };
        (SignedDuration::from_secs(timeout), SignedDuration::from_secs(margin))
    }

    /// How many of it run at one time.
    fn concurrency(self) -> usize {
        match self {
            Self::Dispatch => 3,
            Self::Reconcile => 1,
            _ => usize::MAX,
        }
    }
}

/// Execution environments, and what waits to be run.
#[derive(Default)]
pub(crate) struct Fleet {
    idle: Mutex<BTreeMap<Function, Vec<Environment>>>,
    running: Mutex<BTreeMap<Function, usize>>,
    /// Whether the stream has something for `dispatch`, and whether it is at it.
    work: Mutex<Shard>,
    rules: Mutex<Shard>,
    /// Where to kill, if not by chance: at this await of the invocation of this number.
    pub(crate) kill: Mutex<Option<(usize, usize)>>,
    /// The awaits of every invocation, by number.
    pub(crate) awaits: Mutex<Vec<usize>>,
}

/// One shard of the table's stream, as one function reads it.
#[derive(Debug, Default)]
struct Shard {
    waits: bool,
    read: bool,
}

/// One execution environment. What it remembers lasts until it is killed.
struct Environment {
    clock: Arc<LocalClock>,
    program: Program,
}

enum Program {
    News(Controller),
    Rules(Controller),
    Dispatch(Dispatcher),
    Sweep(Sweep),
}

/// A machine's own clock.
struct LocalClock {
    machine: Arc<Machine>,
    ahead: SignedDuration,
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        self.machine.now() + self.ahead
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        self.machine.sleep_until(at - self.ahead).boxed()
    }
}

/// Hears of plans that must not be carried out.
struct Plans(Arc<World>);

impl Measure for Plans {
    fn replicated(&self, _: &Replica, _: SignedDuration) {}

    fn failed(&self, _: &Replica) {}

    fn forbidden(&self, invariant: Invariant) {
        self.0.oracle.check(&self.0, invariant, false, "a plan would break it");
    }
}

impl World {
    fn environment(self: &Arc<Self>, function: Function) -> Environment {
        let ahead = if self.strikes(Trouble::ClocksDiffer, 1.0) {
            self.some_time(0, 100_000)
        } else {
            SignedDuration::ZERO
        };
        let clock = Arc::new(LocalClock { machine: self.machine.clone(), ahead });
        let ivs = Ports::by(Arc::new(ToIvs::new(self)));
        let table = Arc::new(ToTable(self.clone()));
        let all = ivs.every_call();
        let (calls, patience, turn) = match function {
            Function::Published => (Calls { stop: None, ..all }, Patience::default(), Turn::Newcomer),
            Function::Unpublished => {
                let calls = Calls { start: None, stage: None, participant: None, ..all };
                (calls, Patience::default(), Turn::Newcomer)
            }
            Function::ReplicationChanged => (Calls::default(), Patience::default(), Turn::Newcomer),
            Function::Dispatch => (all, Patience(std::time::Duration::ZERO), Turn::Queue),
            Function::RuleChanged | Function::Reconcile => {
                (Calls::default(), Patience(std::time::Duration::ZERO), Turn::Newcomer)
            }
        };
        let unlimited = self.sabotage == Some(Sabotage::NoBudget);
        let controller = Controller {
            store: table.clone(),
            clock: clock.clone(),
            calls,
            policy: self.policy.clone(),
            patience,
            calls_left: if unlimited { CallsLeft::default() } else { CallsLeft::share(SHARE, turn) },
            measure: Arc::new(Plans(self.clone())),
        };
        let program = match function {
            Function::Published | Function::Unpublished | Function::ReplicationChanged => {
                Program::News(controller)
            }
            Function::RuleChanged => Program::Rules(controller),
            Function::Dispatch => {
                let pace = SinglePace::new(table.clone(), clock.clone(), SHARE);
                let scout = Scout { reads: ivs.reads(), pace: Arc::new(pace), clock: clock.clone() };
                let versus = Judge::new(table.clone(), Some(scout));
                Program::Dispatch(Dispatcher { controller, queue: table, versus })
            }
            Function::Reconcile => Program::Sweep(Sweep {
                store: table.clone(),
                controller,
                reads: ivs.reads(),
                recordings: ivs.recordings(),
                pace: Arc::new(SharedPace::new(table, clock.clone(), SHARE)),
                clock: clock.clone(),
                policy: SweepPolicy::default(),
            }),
        };
        Environment { clock, program }
    }

    /// Runs a function once. Whether it did what it was asked to.
    async fn invoke(self: &Arc<Self>, function: Function, event: &Value) -> bool {
        let running = |add: bool| {
            let mut running = lock(&self.fleet.running);
            let count = running.entry(function).or_default();
            if add && *count >= function.concurrency() {
                return false;
            }
            *count = if add { *count + 1 } else { *count - 1 };
            true
        };
        if !running(true) {
            self.tell(|| format!("  {function:?} is throttled"));
            return false;
        }
        let idle = lock(&self.fleet.idle).get_mut(&function).and_then(Vec::pop);
        let environment = idle.unwrap_or_else(|| self.environment(function));
        let number = self.counts.invocations.fetch_add(1, Ordering::Relaxed);
        let (timeout, margin) = function.times();
        let deadline = environment.clock.now() + timeout - margin;
        let invocation = Invocation { id: format!("{function:?}-{number}"), deadline };
        self.tell(|| format!("  {} begins", invocation.id));
        let over = self.machine.sleep(timeout).boxed();
        let work = async {
            match select(environment.run(self, event, &invocation).boxed(), over).await {
                Either::Left((done, _)) => Some(done),
                Either::Right(_) => None,
            }
        };
        let named = lock(&self.fleet.kill).filter(|(victim, _)| *victim == number).map(|(_, at)| at);
        let by_chance = self.strikes(Trouble::Killed, 0.15).then(|| 1 + self.draw(40));
        let (end, awaits) = killed_at(work.boxed(), named.or(by_chance)).await;
        let mut all = lock(&self.fleet.awaits);
        if all.len() <= number {
            all.resize(number + 1, 0);
        }
        all[number] = awaits;
        drop(all);
        running(false);
        self.tell(|| format!("  {}: {end:?}", invocation.id));
        match end {
            End::Done(Some(done)) => {
                lock(&self.fleet.idle).entry(function).or_default().push(environment);
                done.is_ok()
            }
            // What was killed, or ran out of time, takes its memory with it.
            End::Done(None) | End::Killed(_) => false,
        }
    }

    /// EventBridge has an event.
    pub(crate) fn deliver(self: &Arc<Self>, mut event: Value) {
        Counts::add(&self.counts.events);
        if self.sabotage == Some(Sabotage::NoReplicaFlag) {
            event["detail"]["replica"] = json!(false);
        }
        let replica = event["detail"]["replica"] == json!(true);
        let function = match event["detail"]["event_name"].as_str() {
            Some("Participant Published") if !replica => Function::Published,
            Some("Participant Unpublished") if !replica => Function::Unpublished,
            _ => Function::ReplicationChanged,
        };
        self.tell(|| format!("  event {} {}", event["resources"][0], event["detail"]));
        let world = self.clone();
        self.machine.spawn(async move {
            for attempt in 1..=3 {
                if world.invoke(function, &event).await {
                    return;
                }
                world.machine.sleep(SignedDuration::from_secs(60 * attempt)).await;
            }
            Counts::add(&world.counts.dead_letters);
        });
    }

    /// The table's stream has work for `dispatch`.
    pub(crate) fn work_waits(self: &Arc<Self>) {
        self.stream(|fleet| &fleet.work, Function::Dispatch, 2);
    }

    /// The table's stream has rules for `rule-changed`.
    pub(crate) fn rules_changed(self: &Arc<Self>) {
        self.stream(|fleet| &fleet.rules, Function::RuleChanged, 5);
    }

    fn stream(self: &Arc<Self>, shard: fn(&Fleet) -> &Mutex<Shard>, function: Function, retries: usize) {
        let mut state = lock(shard(&self.fleet));
        state.waits = true;
        if std::mem::replace(&mut state.read, true) {
            return;
        }
        drop(state);
        let world = self.clone();
        self.machine.spawn(async move {
            loop {
                world.machine.sleep(world.some_time(100_000, 1_200_000)).await;
                {
                    let mut state = lock(shard(&world.fleet));
                    if !std::mem::take(&mut state.waits) {
                        state.read = false;
                        return;
                    }
                }
                for _ in 0..=retries {
                    if world.invoke(function, &Value::Null).await {
                        break;
                    }
                    world.machine.sleep(SignedDuration::from_secs(1)).await;
                }
            }
        });
    }

    /// The schedules of every minute.
    pub(crate) fn schedule(self: &Arc<Self>) {
        let world = self.clone();
        self.machine.spawn(async move {
            loop {
                let passed = world.now().as_millisecond().rem_euclid(60_000);
                world.machine.sleep(SignedDuration::from_millis(60_000 - passed)).await;
                for function in [Function::Reconcile, Function::Dispatch] {
                    let world = world.clone();
                    world.machine.clone().spawn(async move {
                        world.invoke(function, &Value::Null).await;
                    });
                }
            }
        });
    }
}

impl Environment {
    async fn run(&self, world: &Arc<World>, event: &Value, invocation: &Invocation) -> Result<(), String> {
        match &self.program {
            Program::News(controller) => match decode(event.clone(), &EventSources::default()) {
                Ok(News::Observation(news)) => {
                    let handled = controller.handle(&news, invocation).await;
                    handled.map(drop).map_err(|error| error.to_string())
                }
                Ok(News::Ignored(_)) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            Program::Rules(controller) => {
                for publisher in publishers(world).await {
                    let planned = controller.reconcile(&publisher, None, invocation).await;
                    planned.map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            Program::Dispatch(dispatcher) => {
                dispatcher.run(invocation).await.map(drop).map_err(|error| error.to_string())
            }
            Program::Sweep(sweep) => sweep.run(invocation).await.map(drop).map_err(|error| error.to_string()),
        }
    }
}
