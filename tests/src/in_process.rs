//! The controller's ports on a simulated IVS in the same process, on a clock that stands still unless somebody waits. No
//! event is delivered, ever.

mod bad_reads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use controller::sweep::Sweep;
use controller::sweep::pace::SharedPace;
use controller::sweep::port::SweepStore;
use controller::versus::Judge;
use controller::{
    Calls, CallsLeft, Clock, Controller, Dispatcher, Error, Handled, Invocation, MemoryStore, Patience,
    StoreError, Swept, Turn, Unmeasured,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use ivs_sim::{Simulator, VirtualClock};
use jiff::{SignedDuration, Timestamp};
use replication::sweep::SweepPolicy;
use replication::{CallError, Observation, Policy, PublisherKey, Refusal, Rule};
use serde_json::Value;
use simulation::ports::{Ports, Way, call_error, cut};
use tokio::task::yield_now;

/// How a List operation lies. A Get operation can only fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It answers with no rows at all.
    Empty,
    /// It answers with every second row, and without the token of the next page.
    Truncated,
    /// It fails.
    Fails,
}

/// IVS, a table and a clock.
pub struct InProcess {
    /// IVS.
    pub simulator: Simulator,
    /// The table.
    pub store: Arc<MemoryStore>,
    time: Arc<VirtualClock>,
    lies: Mutex<BTreeMap<&'static str, Lie>>,
    loses_rules: AtomicBool,
    policy: Mutex<Policy>,
}

impl InProcess {
    /// A world with these rules.
    pub fn new(config: ivs_sim::Config) -> Arc<Self> {
        let time = Arc::new(VirtualClock::default());
        Self::around(Simulator::new(config, time.clone()), time)
    }

    /// A world around an IVS that there is already.
    pub fn around(simulator: Simulator, time: Arc<VirtualClock>) -> Arc<Self> {
        Arc::new(Self {
            simulator,
            store: Arc::default(),
            time,
            lies: Mutex::default(),
            loses_rules: AtomicBool::new(false),
            policy: Mutex::default(),
        })
    }

    /// Replaces all rules. Nobody is told.
    pub fn rules(&self, rules: Vec<Rule>) {
        self.store.replace_rules(rules);
    }

    /// From now on `operation` lies; or does not any more.
    pub fn lie(&self, operation: &'static str, lie: Option<Lie>) {
        let mut lies = self.lies();
        match lie {
            Some(lie) => drop(lies.insert(operation, lie)),
            None => drop(lies.remove(operation)),
        }
    }

    /// From now on everybody but the sweep's own Scan reads no rule at all; or reads right again.
    pub fn lose_rules(&self, lose: bool) {
        self.loses_rules.store(lose, Ordering::SeqCst);
    }

    /// Who begins from now on plans by this.
    pub fn set_policy(&self, policy: Policy) {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// News comes, to a function that makes no call.
    ///
    /// # Errors
    /// When it cannot be handled.
    pub async fn tell(self: &Arc<Self>, news: &Observation) -> Result<Handled, Error> {
        self.controller(Calls::default()).handle(news, &self.invocation("told", 15)).await
    }

    /// Every publisher is planned again, as after a change of the rules for any stage.
    ///
    /// # Errors
    /// When one cannot be planned.
    pub async fn rule_changed(self: &Arc<Self>) -> Result<(), Error> {
        let controller = self.controller(Calls::default());
        for (stage, items) in self.store.inventory().await?.stages {
            for participant in items.publishers.into_keys() {
                let publisher = PublisherKey { stage: stage.clone(), participant };
                controller.reconcile(&publisher, None, &self.invocation("rule-changed", 60)).await?;
            }
        }
        Ok(())
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: i64) {
        self.time.advance(SignedDuration::from_secs(seconds));
        self.simulator.tick();
    }

    /// One sweep of at most 47 s.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn sweep(self: &Arc<Self>) -> Result<Swept, StoreError> {
        self.sweeper().run(&self.invocation("sweep", 47)).await
    }

    /// A new execution environment of the sweep.
    pub fn sweeper(self: &Arc<Self>) -> Sweep {
        Sweep {
            store: self.store.clone(),
            controller: self.controller(Calls::default()),
            reads: self.ports().reads(),
            recordings: self.ports().recordings(),
            pace: Arc::new(SharedPace::new(self.store.clone(), self.clone(), 100)),
            clock: self.clone(),
            policy: SweepPolicy::default(),
        }
    }

    /// Does what is due, and what becomes due within 10 s.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn dispatch(self: &Arc<Self>) -> Result<(), StoreError> {
        let calls = Calls { stage: None, participant: None, ..self.ports().every_call() };
        let controller =
            Controller { calls_left: CallsLeft::share(100, Turn::Queue), ..self.controller(calls) };
        let dispatcher = Dispatcher {
            controller,
            queue: self.store.clone(),
            versus: Judge::new(self.store.clone(), None),
        };
        dispatcher.run(&self.invocation("dispatch", 10)).await.map(drop)
    }

    /// A new execution environment of a function that reacts to events, and does not wait.
    pub fn event_function(self: &Arc<Self>, starts: bool, stops: bool) -> Controller {
        let all = self.ports().every_call();
        let calls = Calls {
            start: all.start.filter(|_| starts),
            stop: all.stop.filter(|_| stops),
            list: all.list.filter(|_| starts || stops),
            stage: all.stage.filter(|_| starts),
            participant: all.participant.filter(|_| starts),
        };
        Controller { calls_left: CallsLeft::share(80, Turn::Newcomer), ..self.controller(calls) }
    }

    /// A sweep, then what is due, then the next minute.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn minute(self: &Arc<Self>) -> Result<Swept, StoreError> {
        let swept = self.sweep().await?;
        self.dispatch().await?;
        self.next_minute();
        Ok(swept)
    }

    /// Waits for the next whole minute.
    pub fn next_minute(&self) {
        let passed = self.now().as_second().rem_euclid(60);
        self.wait(60 - passed);
    }

    /// The calls received so far that change something.
    pub fn mutations(&self) -> usize {
        let mutating = ["StartParticipantReplication", "StopParticipantReplication", "UpdateStage"];
        self.simulator.ledger().iter().filter(|entry| mutating.contains(&entry.operation.as_str())).count()
    }

    /// What runs: source stage, participant and destination stage.
    pub fn running(&self) -> BTreeSet<(String, String, String)> {
        let replicas = self.simulator.replicas().into_iter();
        replicas.map(|key| (key.source_stage_arn, key.participant_id, key.destination_stage_arn)).collect()
    }

    /// An invocation with so much time.
    pub fn invocation(&self, id: &str, seconds: i64) -> Invocation {
        Invocation { id: id.to_owned(), deadline: self.now() + SignedDuration::from_secs(seconds) }
    }

    /// The simulated IVS, with its lies.
    pub fn ports(self: &Arc<Self>) -> Arc<Ports<Self>> {
        Ports::by(self.clone())
    }

    fn controller(self: &Arc<Self>, calls: Calls) -> Controller {
        Controller {
            store: self.clone(),
            clock: self.clone(),
            calls,
            policy: self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            patience: Patience(std::time::Duration::ZERO),
            calls_left: CallsLeft::default(),
            measure: Unmeasured::shared(),
        }
    }

    fn lies(&self) -> MutexGuard<'_, BTreeMap<&'static str, Lie>> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for InProcess {
    fn now(&self) -> Timestamp {
        ivs_sim::Clock::now(&*self.time)
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        async move {
            if at > self.now() {
                self.time.set(at);
                self.simulator.tick();
            }
        }
        .boxed()
    }
}

impl Way for InProcess {
    fn call(
        self: Arc<Self>,
        operation: &'static str,
        input: Value,
    ) -> BoxFuture<'static, Result<Value, CallError>> {
        async move {
            // Who sees to recordings can be killed before the call takes effect, and after.
            let awaits = matches!(operation, "GetStage" | "UpdateStage");
            if awaits {
                yield_now().await;
            }
            let answer = self.simulator.call(operation, input).map_err(|error| call_error(&error))?;
            if awaits {
                yield_now().await;
            }
            match self.lies().get(operation) {
                None => Ok(answer),
                Some(lie) => lie.told(operation, answer),
            }
        }
        .boxed()
    }
}

impl Lie {
    /// The answer, as it is told.
    fn told(self, operation: &str, mut answer: Value) -> Result<Value, CallError> {
        if self == Self::Fails || !operation.starts_with("List") {
            let (refusal, code) = (Refusal::Unavailable, "InternalServerException".to_owned());
            return Err(CallError { refusal, code, message: "told to".to_owned(), request_id: None });
        }
        cut(&mut answer, self == Self::Empty);
        Ok(answer)
    }
}
