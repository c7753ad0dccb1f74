//! The ways from a function to IVS and to the table, with all that can happen on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use controller::sweep::port::SweepStore;
use controller::versus::port::VersusStore;
use controller::{Due, DueClass, Queue, Store, StoreError, Write};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, select};
use jiff::{SignedDuration, Timestamp};
use replication::budget::Book;
use replication::sweep::{Inventory, StageKnowledge};
use replication::{
    CallError, PublisherKey, Refusal, Rejection, Replica, StageArn, Tags, Versus, VersusId, View,
};
use serde_json::{Value, json};

use crate::Sabotage;
use crate::case::Trouble;
use crate::ports::{Way, call_error, cut};
use crate::world::{Counts, World, lock};

/// How long the adapters wait for an answer of IVS.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// How old a stale list can be.
const STALE: SignedDuration = SignedDuration::from_secs(10);

/// The way to IVS.
pub(crate) struct ToIvs {
    pub(crate) world: Arc<World>,
    /// Answers of before, with their times.
    known: Mutex<BTreeMap<String, (Timestamp, Value)>>,
}

impl ToIvs {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self { world: world.clone(), known: Mutex::default() }
    }

    /// What IVS answers when the request gets there.
    fn answer(&self, operation: &'static str, input: Value) -> Result<Value, CallError> {
        let world = &self.world;
        if world.strikes(Trouble::CallsFail, 0.08) {
            return Err(failure("InternalServerException", Refusal::Unavailable));
        }
        if world.strikes(Trouble::CallsThrottled, 0.08) {
            return Err(failure("ThrottlingException", Refusal::Throttled { retry_after: None }));
        }
        let request = format!("{operation} {input}");
        let answer = world.ivs.call(operation, input.clone());
        if operation == "StartParticipantReplication" && answer.is_ok() {
            world.oracle.ours_started(&input);
        }
        if world.strikes(Trouble::CallsFail, 0.04) {
            return Err(failure("InternalServerException", Refusal::Unavailable));
        }
        let mut answer = answer.map_err(|error| call_error(&error))?;
        if operation.starts_with("List") {
            let now = world.now();
            let known = lock(&self.known).get(&request).cloned();
            if let Some((_, stale)) = known.filter(|(at, _)| now.duration_since(*at) < STALE)
                && world.strikes(Trouble::ListsStale, 0.3)
            {
                return Ok(stale);
            }
            lock(&self.known).insert(request, (now, answer.clone()));
            if world.strikes(Trouble::ListsLie, 0.1) {
                cut(&mut answer, world.draw(2) == 0);
            }
        }
        Ok(answer)
    }
}

fn failure(code: &str, refusal: Refusal) -> CallError {
    CallError { refusal, code: code.to_owned(), message: "made to fail".to_owned(), request_id: None }
}

impl Way for ToIvs {
    fn call(
        self: Arc<Self>,
        operation: &'static str,
        input: Value,
    ) -> BoxFuture<'static, Result<Value, CallError>> {
        async move {
            let world = self.world.clone();
            Counts::add(&world.counts.calls);
            let stage = input["stageArn"].as_str().unwrap_or_default().to_owned();
            world.oracle.called(&world, operation, &input);
            world.tell(|| format!("    {operation} {input}"));
            // Once sent, it gets there, whatever becomes of the sender.
            let slow = world.strikes(Trouble::CallsSlow, 0.1);
            let there = world.some_time(1_000, if slow { 5_500_000 } else { 40_000 }).min(PATIENCE);
            let (answered, answer) = oneshot::channel();
            let sent = (self.clone(), world.machine.sleep(there));
            world.machine.spawn(async move {
                let (ivs, on_the_way) = sent;
                on_the_way.await;
                drop(answered.send(ivs.answer(operation, input)));
            });
            let patience = world.machine.sleep(PATIENCE).boxed();
            let answer = match select(answer, patience).await {
                Either::Left((Ok(answer), _)) => {
                    world.machine.sleep(world.some_time(500, 5_000)).await;
                    answer
                }
                _ => Err(failure("Timeout", Refusal::Unavailable)),
            };
            world.tell(|| format!("    {operation}: {}", in_words(&answer)));
            if world.sabotage == Some(Sabotage::EmptyListIsProof) && operation == "ListParticipants" {
                world.believe_that_nobody_publishes(&stage, answer.as_ref());
            }
            match answer {
                Err(error)
                    if world.sabotage == Some(Sabotage::ConflictIsSuccess)
                        && error.refusal == Refusal::Rejected(Rejection::Conflict) =>
                {
                    Ok(json!({}))
                }
                answer => answer,
            }
        }
        .boxed()
    }
}

fn in_words(answer: &Result<Value, CallError>) -> String {
    match answer {
        Ok(answer) => answer.to_string().chars().take(200).collect(),
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

impl World {
    /// What a controller makes of an empty list that takes it for proof: everybody there stopped publishing.
    fn believe_that_nobody_publishes(self: &Arc<Self>, stage: &str, answer: Result<&Value, &CallError>) {
        let is_empty =
            answer.is_ok_and(|answer| answer["participants"].as_array().is_some_and(Vec::is_empty));
        if !is_empty {
            return;
        }
        for replica in
            self.store.replicas().into_iter().filter(|replica| replica.key.source.as_str() == stage)
        {
            let Some(publisher) = self.store.publisher(&replica.key.publisher()) else { continue };
            self.deliver(json!({
                "version": "0", "id": "made-up", "account": "123456789012", "region": "us-east-1",
                "source": "aws.ivs", "detail-type": "IVS Stage Update", "time": self.now(), "resources": [stage],
                "detail": {
                    "event_name": "Participant Unpublished", "event_time": self.now(),
                    "participant_id": publisher.key.participant.as_str(), "user_id": publisher.user_id,
                    "session_id": publisher.session.as_ref().map(|session| session.as_str()),
                },
            }));
        }
    }
}

/// The way to the table.
pub(crate) struct ToTable(pub(crate) Arc<World>);

impl ToTable {
    /// The way there; the table may fail before it did anything.
    async fn go(&self) -> Result<(), StoreError> {
        let world = &self.0;
        world.machine.sleep(world.some_time(500, 8_000)).await;
        if world.strikes(Trouble::StoreFails, 0.03) { Err(unavailable()) } else { Ok(()) }
    }

    /// The way back; the table may fail after it did what it was asked to.
    async fn back<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let world = &self.0;
        world.machine.sleep(world.some_time(200, 3_000)).await;
        if result.is_ok() && world.strikes(Trouble::StoreFails, 0.02) { Err(unavailable()) } else { result }
    }

    async fn read<T>(&self, read: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
        self.go().await?;
        let result = read.await;
        self.back(result).await
    }

    /// What is not in an index yet is missing.
    fn lag<T>(&self, rows: Vec<T>) -> Vec<T> {
        rows.into_iter().filter(|_| !self.0.strikes(Trouble::IndexesLag, 0.1)).collect()
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable {
        table: "stagelink".to_owned(),
        code: "InternalServerError".into(),
        message: "made to fail".to_owned(),
    }
}

impl Store for ToTable {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        self.read(async { self.0.store.load(publisher).await }.boxed()).boxed()
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        self.read(async { self.0.store.budgets().await }.boxed()).boxed()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        let read =
            async move { self.0.store.replicas_to(destination, phase).await.map(|rows| self.lag(rows)) };
        self.read(read.boxed()).boxed()
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.go().await?;
            let world = &self.0;
            if world.strikes(Trouble::StoreConflicts, 0.05) {
                return self.back(Err(StoreError::Conflict)).await;
            }
            let forgets = world.sabotage == Some(Sabotage::NoLease);
            let forgetful = forgets.then(|| {
                let leaseless = |replica: &Replica| Replica { lease: None, ..replica.clone() };
                Write { replicas: write.replicas.iter().map(leaseless).collect(), ..write.clone() }
            });
            let write = forgetful.as_ref().unwrap_or(write);
            let result = world.store.write(write).await;
            if result.is_ok() {
                world.oracle.written(world, write);
                let waits = |due: Due| due.class != DueClass::Lease;
                if write.replicas.iter().filter_map(Due::of).any(waits) {
                    world.work_waits();
                }
            }
            self.back(result).await
        }
        .boxed()
    }
}

impl Queue for ToTable {
    fn due(&self, until: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, StoreError>> {
        let read = async move { self.0.store.due(until, limit).await.map(|rows| self.lag(rows)) };
        self.read(read.boxed()).boxed()
    }
}

impl SweepStore for ToTable {
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, StoreError>> {
        self.read(async { self.0.store.inventory().await }.boxed()).boxed()
    }

    fn remember_stage<'a>(&'a self, stage: &'a StageKnowledge) -> BoxFuture<'a, Result<(), StoreError>> {
        self.read(async { self.0.store.remember_stage(stage).await }.boxed()).boxed()
    }

    fn remember_destinations<'a>(
        &'a self,
        changes: &'a BTreeMap<StageArn, Option<Tags>>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.read(async { self.0.store.remember_destinations(changes).await }.boxed()).boxed()
    }

    fn remember_listing(&self, at: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        self.read(async move { self.0.store.remember_listing(at).await }.boxed()).boxed()
    }

    fn remember_running(&self, running: usize) -> BoxFuture<'_, Result<(), StoreError>> {
        self.read(async move { self.0.store.remember_running(running).await }.boxed()).boxed()
    }
}

impl VersusStore for ToTable {
    fn versus<'a>(&'a self, id: &'a VersusId) -> BoxFuture<'a, Result<Option<Versus>, StoreError>> {
        self.read(async { self.0.store.versus(id).await }.boxed()).boxed()
    }

    fn all_versus(&self) -> BoxFuture<'_, Result<Vec<Versus>, StoreError>> {
        self.read(async { self.0.store.all_versus().await }.boxed()).boxed()
    }

    fn views_on<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Vec<View>, StoreError>> {
        self.read(async { self.0.store.views_on(stage).await }.boxed()).boxed()
    }

    fn write_versus<'a>(&'a self, versus: &'a Versus) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.go().await?;
            let result = self.0.store.write_versus(versus).await;
            if result.is_ok() {
                self.0.rules_changed();
                self.0.work_waits();
            }
            self.back(result).await
        }
        .boxed()
    }
}

/// The publishers of the table, as the index of rules finds them.
pub(crate) async fn publishers(world: &World) -> BTreeSet<PublisherKey> {
    let Ok(inventory) = world.store.inventory().await else { return BTreeSet::new() };
    inventory.publishers().collect()
}
