//! IVS as a set of running replications, a clock that stands still unless somebody waits, and a store that can be
//! interrupted: everything the loop meets, on one thread and without a second of real time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use controller::{
    Calls, CallsLeft, Clock, Controller, GetParticipant, GetStage, ListReplicas, MemoryStore, Patience,
    StartReplication, StopReplication, Store, StoreError, Unmeasured, Write,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::sweep::ListedStage;
use replication::{
    CallError, Destination, Listed, Moment, Observation, ParticipantFilter, ParticipantId, Phase, Policy,
    PublisherKey, Receipt, ReconnectWindow, Refusal, Rejection, Replica, ReplicationKey, Rule, SessionId,
    Source, StageArn, StartRequest, Status, Tags, View,
};

/// What a call gets instead of the honest answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// IVS refuses and does nothing.
    Refused(Refusal),
    /// IVS does it, and the answer is this all the same.
    DoneBut(Refusal),
}

pub(crate) const THROTTLED: Answer = Answer::Refused(Refusal::Throttled { retry_after: None });
pub(crate) const NO_ANSWER: Answer = Answer::Refused(Refusal::Unavailable);
pub(crate) const DONE_WITHOUT_ANSWER: Answer = Answer::DoneBut(Refusal::Unavailable);

#[derive(Debug, Default)]
struct State {
    now: Timestamp,
    asleep_until: Option<Timestamp>,
    publishing: bool,
    running: BTreeSet<ReplicationKey>,
    answers: VecDeque<Answer>,
    always: Option<Answer>,
    calls: Vec<String>,
    tags: Tags,
    attributes: BTreeMap<String, String>,
    mute: bool,
    stops_of_foreign: usize,
    foreign: BTreeSet<ReplicationKey>,
}

/// The world around the loop.
pub(crate) struct World {
    state: Mutex<State>,
    pub(crate) store: MemoryStore,
}

impl World {
    pub(crate) fn new(rules: Vec<Rule>) -> Arc<Self> {
        let state = State { now: time(0), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), store: MemoryStore::with_rules(rules) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.state().now
    }

    pub(crate) fn advance(&self, milliseconds: i64) {
        self.state().now += SignedDuration::from_millis(milliseconds);
    }

    pub(crate) fn advance_to(&self, at: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(at);
    }

    /// The participant begins to publish, now.
    pub(crate) fn publish(&self) -> Observation {
        self.state().publishing = true;
        published(self.now())
    }

    /// The participant stops publishing, now, and IVS ends its replications.
    pub(crate) fn unpublish(&self) -> (Observation, Vec<Observation>) {
        let mut state = self.state();
        state.publishing = false;
        let at = Moment::exact(state.now);
        let ended = std::mem::take(&mut state.running);
        let ended = ended.into_iter().map(|key| Observation::ReplicaEnded { key, at }).collect();
        (unpublished(state.now), ended)
    }

    /// Like [`World::unpublish`], but IVS keeps the replications until they are stopped.
    pub(crate) fn unpublish_and_keep(&self) -> Observation {
        self.state().publishing = false;
        unpublished(self.now())
    }

    pub(crate) fn somebody_else_starts(&self, destination: &str) {
        let mut state = self.state();
        state.running.insert(to(destination));
        state.foreign.insert(to(destination));
    }

    /// What IVS says of the stage and of the participant.
    pub(crate) fn describe(&self, tags: &[(&str, &str)], attributes: &[(&str, &str)]) {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let mut state = self.state();
        (state.tags, state.attributes) = (map(tags), map(attributes));
    }

    /// Whether IVS leaves questions without an answer from now on.
    pub(crate) fn mute(&self, mute: bool) {
        self.state().mute = mute;
    }

    /// The answers to the next Start and Stop calls, in this order; honest ones follow.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().answers.extend(answers);
    }

    /// Only honest answers from now on.
    pub(crate) fn forget_answers(&self) {
        self.state().answers.clear();
    }

    /// The answer to every Start and Stop call from now on.
    pub(crate) fn always(&self, answer: Option<Answer>) {
        self.state().always = answer;
    }

    pub(crate) fn running(&self) -> Vec<ReplicationKey> {
        self.state().running.iter().cloned().collect()
    }

    /// The calls so far: `start B`, `stop B`, `list`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    pub(crate) fn is_publishing(&self) -> bool {
        self.state().publishing
    }

    pub(crate) fn controller(self: &Arc<Self>, start: bool, stop: bool, list: bool) -> Controller {
        let calls = Calls {
            start: start.then(|| self.clone() as Arc<dyn StartReplication>),
            stop: stop.then(|| self.clone() as Arc<dyn StopReplication>),
            list: list.then(|| self.clone() as Arc<dyn ListReplicas>),
            stage: start.then(|| self.clone() as Arc<dyn GetStage>),
            participant: start.then(|| self.clone() as Arc<dyn GetParticipant>),
        };
        Controller {
            store: Arc::new(Interruptible(self.clone())),
            clock: self.clone(),
            calls,
            policy: Policy::default(),
            patience: Patience::default(),
            calls_left: CallsLeft::default(),
            measure: Unmeasured::shared(),
        }
    }

    /// One call: takes 20 ms, and has its effect in the middle.
    async fn call<T>(&self, name: String, effect: impl FnOnce(&mut State) -> T) -> T {
        self.advance(10);
        interruption().await;
        let answer = {
            let mut state = self.state();
            state.calls.push(name);
            effect(&mut state)
        };
        interruption().await;
        self.advance(10);
        answer
    }

    /// P12: no call without its intent, under a lease that has not ended.
    fn assert_intent(&self, key: &ReplicationKey, phase: Phase) {
        let stored = self.store.replicas().into_iter().find(|replica| replica.key == *key);
        let intent = stored.as_ref().is_some_and(|r| r.phase == phase && r.is_leased(self.now()));
        assert!(intent, "no intent {phase} for the call: {stored:?}");
    }
}

impl State {
    fn answered<T>(&self, answer: T) -> Result<T, CallError> {
        if self.mute { Err(error(Refusal::Unavailable, "no answer")) } else { Ok(answer) }
    }

    fn programmed(&mut self) -> Option<Answer> {
        self.answers.pop_front().or(self.always)
    }

    fn start(&mut self, key: &ReplicationKey) -> Result<Receipt, CallError> {
        match self.programmed() {
            Some(Answer::Refused(refusal)) => return Err(error(refusal, "refused")),
            Some(Answer::DoneBut(refusal)) => {
                self.running.insert(key.clone());
                return Err(error(refusal, "done"));
            }
            None => {}
        }
        if !self.publishing {
            return Err(error(Refusal::Rejected(Rejection::Conflict), "p1 is not publishing"));
        }
        if self.running.len() >= 5 && !self.running.contains(key) {
            return Err(error(Refusal::Rejected(Rejection::QuotaExceeded), "too many replications"));
        }
        if !self.running.insert(key.clone()) {
            return Err(error(Refusal::Rejected(Rejection::Conflict), "already replicated"));
        }
        Ok(Receipt { request_id: Some("request".to_owned()) })
    }

    fn stop(&mut self, key: &ReplicationKey) -> Result<Receipt, CallError> {
        self.stops_of_foreign += usize::from(self.foreign.contains(key));
        match self.programmed() {
            Some(Answer::Refused(refusal)) => return Err(error(refusal, "refused")),
            Some(Answer::DoneBut(refusal)) => {
                self.running.remove(key);
                return Err(error(refusal, "done"));
            }
            None => {}
        }
        if !self.running.remove(key) {
            return Err(error(Refusal::Rejected(Rejection::NotFound), "no such replication"));
        }
        Ok(Receipt::default())
    }
}

impl StartReplication for World {
    fn start_participant_replication<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        async {
            self.assert_intent(&request.key, Phase::Starting);
            let name = format!("start {}", short(&request.key.destination));
            self.call(name, |state| state.start(&request.key)).await
        }
        .boxed()
    }
}

impl StopReplication for World {
    fn stop_participant_replication<'a>(
        &'a self,
        key: &'a ReplicationKey,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        async {
            self.assert_intent(key, Phase::Stopping);
            let name = format!("stop {}", short(&key.destination));
            let answer = self.call(name, |state| state.stop(key)).await;
            assert_eq!(self.state().stops_of_foreign, 0, "stopped what somebody else started");
            answer
        }
        .boxed()
    }
}

impl ListReplicas for World {
    fn list_participant_replicas<'a>(
        &'a self,
        _: &'a PublisherKey,
    ) -> BoxFuture<'a, Result<Vec<Listed>, CallError>> {
        let list = |state: &mut State| {
            let row = |key: &ReplicationKey| Listed {
                destination: key.destination.clone(),
                destination_session: None,
            };
            Ok(state.running.iter().map(row).collect())
        };
        self.call("list".to_owned(), list).boxed()
    }
}

impl GetStage for World {
    fn get_stage<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<ListedStage, CallError>> {
        let answer = |state: &mut State| {
            state.answered(ListedStage {
                stage: stage.clone(),
                name: String::new(),
                tags: state.tags.clone(),
                active_session: None,
            })
        };
        self.call("get stage".to_owned(), answer).boxed()
    }
}

impl GetParticipant for World {
    fn get_participant<'a>(
        &'a self,
        _: &'a PublisherKey,
        _: &'a SessionId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, CallError>> {
        let answer = |state: &mut State| state.answered(state.attributes.clone());
        self.call("get participant".to_owned(), answer).boxed()
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        futures::future::poll_fn(move |_| {
            let mut state = self.state();
            if state.now >= at {
                return Poll::Ready(());
            }
            state.asleep_until = Some(at);
            Poll::Pending
        })
        .boxed()
    }
}

/// The store, with an interruption before and after each effect.
struct Interruptible(Arc<World>);

impl Store for Interruptible {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        async {
            interruption().await;
            let view = self.0.store.load(publisher).await;
            interruption().await;
            view
        }
        .boxed()
    }

    fn budgets(&self) -> BoxFuture<'_, Result<replication::budget::Book, StoreError>> {
        self.0.store.budgets()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        async move {
            interruption().await;
            self.0.store.replicas_to(destination, phase).await
        }
        .boxed()
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        async {
            interruption().await;
            let written = self.0.store.write(write).await;
            interruption().await;
            written
        }
        .boxed()
    }
}

/// Gives way once: here others run, and here a function can be killed.
async fn interruption() {
    let mut gave_way = false;
    futures::future::poll_fn(|_| {
        if std::mem::replace(&mut gave_way, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A future that is polled by hand.
pub(crate) struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    asleep_until: Option<Timestamp>,
}

impl<'a, T> Task<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), asleep_until: None }
    }

    /// When it goes on by itself; nothing if it can go on now.
    pub(crate) fn asleep(&self, now: Timestamp) -> Option<Timestamp> {
        self.asleep_until.filter(|at| now < *at)
    }

    pub(crate) fn poll(&mut self, world: &World) -> Option<T> {
        world.state().asleep_until = None;
        let polled = self.future.as_mut().poll(&mut Context::from_waker(futures::task::noop_waker_ref()));
        self.asleep_until = world.state().asleep_until;
        match polled {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Runs it alone to its end; time jumps to whatever it waits for.
    pub(crate) fn run(mut self, world: &World) -> T {
        for _ in 0..10_000 {
            if let Some(value) = self.poll(world) {
                return value;
            }
            if let Some(at) = self.asleep(world.now()) {
                world.advance_to(at);
            }
        }
        panic!("it does not come to an end: {:?}", world.calls());
    }
}

fn error(refusal: Refusal, message: &str) -> CallError {
    let code = match refusal {
        Refusal::Rejected(rejection) => rejection.code(),
        Refusal::AccessDenied => "AccessDeniedException",
        Refusal::Throttled { .. } => "ThrottlingException",
        Refusal::Unavailable => "Timeout",
    };
    CallError { refusal, code: code.to_owned(), message: message.to_owned(), request_id: None }
}

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

pub(crate) fn stage(id: &str) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
}

fn short(stage: &StageArn) -> &str {
    stage.as_str().rsplit('/').next().unwrap_or_default()
}

pub(crate) fn publisher() -> PublisherKey {
    let participant: ParticipantId = "p1".parse().unwrap();
    PublisherKey { stage: stage("A"), participant }
}

pub(crate) fn to(destination: &str) -> ReplicationKey {
    let PublisherKey { stage: source, participant } = publisher();
    ReplicationKey { source, participant, destination: stage(destination) }
}

pub(crate) fn published(at: Timestamp) -> Observation {
    let session = "st-1".parse().unwrap();
    Observation::Published { key: publisher(), session, user_id: String::new(), at: Moment::exact(at) }
}

pub(crate) fn unpublished(at: Timestamp) -> Observation {
    let session = "st-1".parse().unwrap();
    Observation::Unpublished { key: publisher(), session, user_id: String::new(), at: Moment::exact(at) }
}

pub(crate) fn rule(id: &str, destinations: &[&str]) -> Rule {
    Rule {
        id: id.parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage(stage("A")),
        participants: ParticipantFilter::default(),
        destinations: destinations.iter().map(|id| Destination::Stage(stage(id))).collect(),
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}
