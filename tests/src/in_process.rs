//! The controller's ports on a simulated IVS in the same process, on a clock that stands still unless somebody waits. No
//! event is delivered, ever.

mod bad_reads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use controller::sweep::Sweep;
use controller::sweep::pace::SharedPace;
use controller::sweep::port::{
    GetRecording, ListParticipantEvents, ListParticipants, ListStageSessions, ListStages, Page, Reads,
    RecordingCalls, SetRecording, SweepStore,
};
use controller::versus::Judge;
use controller::{
    Calls, CallsLeft, Clock, Controller, Dispatcher, Error, GetParticipant, GetStage, Handled, Invocation,
    ListReplicas, MemoryStore, Patience, StartReplication, StopReplication, StoreError, Swept, Turn,
    Unmeasured,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use ivs_sim::{Simulator, VirtualClock};
use jiff::{SignedDuration, Timestamp};
use replication::sweep::{
    EventName, ListedEvent, ListedParticipant, ListedSession, ListedStage, Recording, Role, SweepPolicy,
};
use replication::{
    CallError, Listed, Observation, ParticipantId, Policy, PublisherKey, Receipt, Refusal, ReplicationKey,
    Rule, SessionId, StageArn, StartRequest,
};
use serde_json::{Value, json};
use tokio::task::yield_now;

use crate::virtual_time::call_error;

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
            reads: Reads::all_of(self.clone()),
            recordings: RecordingCalls::both_of(self.clone()),
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
        let calls = Calls {
            start: Some(self.clone()),
            stop: Some(self.clone()),
            list: Some(self.clone()),
            ..Calls::default()
        };
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
        let calls = Calls {
            start: starts.then(|| self.clone() as Arc<dyn StartReplication>),
            stop: stops.then(|| self.clone() as Arc<dyn StopReplication>),
            list: (starts || stops).then(|| self.clone() as Arc<dyn ListReplicas>),
            stage: starts.then(|| self.clone() as Arc<dyn GetStage>),
            participant: starts.then(|| self.clone() as Arc<dyn GetParticipant>),
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

    fn call(&self, operation: &'static str, input: Value) -> Result<Value, CallError> {
        self.simulator.call(operation, input).map_err(|error| call_error(&error))
    }

    fn page<T>(
        &self,
        operation: &'static str,
        mut input: Value,
        token: Option<String>,
        rows: &str,
        read: impl Fn(&Value) -> T,
    ) -> Result<Page<T>, CallError> {
        input["maxResults"] = json!(100);
        input["nextToken"] = json!(token);
        let answer = self.call(operation, input)?;
        let listed = answer[rows].as_array().into_iter().flatten().map(read);
        let next = answer["nextToken"].as_str().map(str::to_owned);
        Ok(match self.lies().get(operation) {
            None => Page { rows: listed.collect(), next },
            Some(Lie::Empty) => Page { rows: Vec::new(), next: None },
            Some(Lie::Truncated) => Page { rows: listed.step_by(2).collect(), next: None },
            Some(Lie::Fails) => return Err(told_to_fail()),
        })
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

impl ListStages for InProcess {
    fn list_stages(&self, token: Option<String>) -> BoxFuture<'_, Result<Page<ListedStage>, CallError>> {
        async move { self.page("ListStages", json!({}), token, "stages", stage) }.boxed()
    }
}

impl GetStage for InProcess {
    fn get_stage<'a>(&'a self, arn: &'a StageArn) -> BoxFuture<'a, Result<ListedStage, CallError>> {
        async {
            if self.lies().contains_key("GetStage") {
                return Err(told_to_fail());
            }
            self.call("GetStage", json!({"arn": arn.as_str()})).map(|answer| stage(&answer["stage"]))
        }
        .boxed()
    }
}

impl GetParticipant for InProcess {
    fn get_participant<'a>(
        &'a self,
        publisher: &'a PublisherKey,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, CallError>> {
        let input = json!({"stageArn": publisher.stage.as_str(), "sessionId": session.as_str(),
            "participantId": publisher.participant.as_str()});
        async move {
            if self.lies().contains_key("GetParticipant") {
                return Err(told_to_fail());
            }
            let answer = self.call("GetParticipant", input)?;
            Ok(serde_json::from_value(answer["participant"]["attributes"].clone()).unwrap_or_default())
        }
        .boxed()
    }
}

impl GetRecording for InProcess {
    fn get_recording<'a>(&'a self, arn: &'a StageArn) -> BoxFuture<'a, Result<Recording, CallError>> {
        async {
            yield_now().await;
            let answer = self.call("GetStage", json!({"arn": arn.as_str()}))?;
            yield_now().await;
            if self.lies().contains_key("GetStage") {
                return Err(told_to_fail());
            }
            let settings = &answer["stage"]["autoParticipantRecordingConfiguration"];
            Ok(Recording {
                on: settings["storageConfigurationArn"] != "",
                replicas: settings["recordParticipantReplicas"] == true,
                settings: settings.to_string(),
            })
        }
        .boxed()
    }
}

impl SetRecording for InProcess {
    fn set_record_replicas<'a>(
        &'a self,
        arn: &'a StageArn,
        recording: &'a Recording,
        record_replicas: bool,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        async move {
            let mut settings: Value = serde_json::from_str(&recording.settings).unwrap_or_default();
            settings["recordParticipantReplicas"] = json!(record_replicas);
            let input = json!({"arn": arn.as_str(), "autoParticipantRecordingConfiguration": settings});
            // A sweep can be killed before the call takes effect, and after.
            yield_now().await;
            let answer = self.call("UpdateStage", input).map(|_| Receipt::default());
            yield_now().await;
            answer
        }
        .boxed()
    }
}

impl ListStageSessions for InProcess {
    fn list_stage_sessions<'a>(
        &'a self,
        stage: &'a StageArn,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedSession>, CallError>> {
        let row = |row: &Value| ListedSession {
            session: parsed(&row["sessionId"]),
            ended: row["endTime"].as_str().and_then(|at| at.parse().ok()),
        };
        let input = json!({"stageArn": stage.as_str()});
        async move { self.page("ListStageSessions", input, token, "stageSessions", row) }.boxed()
    }
}

impl ListParticipants for InProcess {
    fn list_participants<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedParticipant>, CallError>> {
        let input =
            json!({"stageArn": stage.as_str(), "sessionId": session.as_str(), "filterByPublished": true});
        async move { self.page("ListParticipants", input, token, "participants", participant) }.boxed()
    }
}

impl ListParticipantEvents for InProcess {
    fn list_participant_events<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        participant: &'a ParticipantId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedEvent>, CallError>> {
        let input = json!({"stageArn": stage.as_str(), "sessionId": session.as_str(),
            "participantId": participant.as_str()});
        async move { self.page("ListParticipantEvents", input, token, "events", event) }.boxed()
    }
}

impl ListReplicas for InProcess {
    fn list_participant_replicas<'a>(
        &'a self,
        publisher: &'a PublisherKey,
    ) -> BoxFuture<'a, Result<Vec<Listed>, CallError>> {
        let input = json!({"sourceStageArn": publisher.stage.as_str(),
            "participantId": publisher.participant.as_str()});
        async move {
            let mut input = input;
            input["maxResults"] = json!(50);
            let answer = self.call("ListParticipantReplicas", input)?;
            let lie = self.lies().get("ListParticipantReplicas").copied();
            let rows = answer["replicas"].as_array().cloned().unwrap_or_default();
            let active = rows.iter().filter(|row| row["replicationState"] == "ACTIVE");
            let listed = active.map(|row| Listed {
                destination: parsed(&row["destinationStageArn"]),
                destination_session: row["destinationSessionId"].as_str().and_then(|id| id.parse().ok()),
            });
            Ok(match lie {
                None => listed.collect(),
                Some(Lie::Empty) => Vec::new(),
                Some(Lie::Truncated) => listed.step_by(2).collect(),
                Some(Lie::Fails) => return Err(told_to_fail()),
            })
        }
        .boxed()
    }
}

impl StartReplication for InProcess {
    fn start_participant_replication<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        let mut input = key(&request.key);
        input["reconnectWindowSeconds"] = json!(request.reconnect_window.seconds());
        input["attributes"] = json!(request.attributes);
        async move { self.call("StartParticipantReplication", input).map(|_| Receipt::default()) }.boxed()
    }
}

impl StopReplication for InProcess {
    fn stop_participant_replication<'a>(
        &'a self,
        of: &'a ReplicationKey,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        async move { self.call("StopParticipantReplication", key(of)).map(|_| Receipt::default()) }.boxed()
    }
}

fn key(key: &ReplicationKey) -> Value {
    json!({"sourceStageArn": key.source.as_str(), "participantId": key.participant.as_str(),
        "destinationStageArn": key.destination.as_str()})
}

fn stage(row: &Value) -> ListedStage {
    ListedStage {
        stage: parsed(&row["arn"]),
        name: text(&row["name"]),
        tags: serde_json::from_value(row["tags"].clone()).unwrap_or_default(),
        active_session: row["activeSessionId"].as_str().and_then(|id| id.parse().ok()),
    }
}

fn participant(row: &Value) -> ListedParticipant {
    let active = row["replicationState"] == "ACTIVE";
    ListedParticipant {
        participant: parsed(&row["participantId"]),
        user_id: text(&row["userId"]),
        connected: row["state"].as_str().map(|state| state == "CONNECTED"),
        role: match row["replicationType"].as_str() {
            Some("SOURCE") => Role::Original { replicated: active },
            Some("NONE") => Role::Original { replicated: false },
            Some("REPLICA") => Role::Replica { source: parsed(&row["sourceStageArn"]), active },
            _ => Role::Unknown,
        },
    }
}

fn event(row: &Value) -> ListedEvent {
    ListedEvent {
        name: match row["name"].as_str() {
            Some("JOINED") => EventName::Joined,
            Some("LEFT") => EventName::Left,
            Some("PUBLISH_STARTED") => EventName::PublishStarted,
            Some("PUBLISH_STOPPED") => EventName::PublishStopped,
            Some("REPLICATION_STARTED") => EventName::ReplicationStarted(parsed(&row["destinationStageArn"])),
            Some("REPLICATION_STOPPED") => EventName::ReplicationStopped(parsed(&row["destinationStageArn"])),
            _ => EventName::Other,
        },
        at: parsed(&row["eventTime"]),
        replica: row["replica"] == true,
    }
}

fn told_to_fail() -> CallError {
    let (refusal, code) = (Refusal::Unavailable, "InternalServerException".to_owned());
    CallError { refusal, code, message: "told to".to_owned(), request_id: None }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn parsed<T: std::str::FromStr>(value: &Value) -> T
where
    T::Err: std::fmt::Debug,
{
    #[allow(clippy::unwrap_used, reason = "the simulator answers with what it is")]
    value.as_str().unwrap_or_default().parse().unwrap()
}
