//! Many executors at once, in threads, dispute one call budget in the embedded table.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_adapters::DynamoStore;
use controller::versus::Judge;
use controller::{
    Calls, CallsLeft, Clock, Controller, Dispatcher, Handled, Invocation, Patience, StartReplication, Store,
    StoreError, Turn, Unmeasured, Write,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use lambda_kit::SystemClock;
use replication::budget::Book;
use replication::{
    CallError, Destination, Limit, Moment, Observation, ParticipantFilter, Policy, PublisherKey, Receipt,
    ReconnectWindow, Replica, ReplicationKey, Rule, Source, StageArn, StartRequest, Status, View,
};
use stagelink_tests::World;

const EXECUTORS: usize = 60;

/// The quota's five calls, in a tenth of its window: the dispute is the same, and over sooner.
const LIMIT: Limit = Limit { calls: 5, window: SignedDuration::from_millis(102) };

/// The table, and an IVS that takes every Start.
struct Arena {
    table: DynamoStore,
    grants: Mutex<Vec<Timestamp>>,
    started: Mutex<Vec<ReplicationKey>>,
}

impl Store for Arena {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        self.table.load(publisher)
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        self.table.budgets()
    }

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        self.table.replicas_to(destination, phase)
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.table.write(write).await?;
            // Each publisher has one destination, so a write of a budget is one grant.
            let granted = write.budgets.iter().filter_map(|budget| budget.after.grants.last());
            self.grants.lock().unwrap().extend(granted);
            Ok(())
        }
        .boxed()
    }
}

impl StartReplication for Arena {
    fn start_participant_replication<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        self.started.lock().unwrap().push(request.key.clone());
        async { Ok(Receipt::default()) }.boxed()
    }
}

/// An executor of its own, which has read no budget yet.
fn executor(arena: &Arc<Arena>, turn: Turn) -> Controller {
    let mut calls_left = CallsLeft::share(100, turn);
    calls_left.limit = Some(LIMIT);
    Controller {
        store: arena.clone(),
        clock: Arc::new(SystemClock),
        calls: Calls { start: Some(arena.clone()), ..Calls::default() },
        policy: Policy::default(),
        patience: Patience(Duration::ZERO),
        calls_left,
        measure: Unmeasured::shared(),
    }
}

fn invocation(id: String) -> Invocation {
    Invocation { id, deadline: SystemClock.now() + SignedDuration::from_secs(60) }
}

fn stage(name: &str, i: usize) -> StageArn {
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{name}{i}").parse().unwrap()
}

fn rule(i: usize) -> Rule {
    Rule {
        id: format!("rule-{i}").parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Stage(stage("source", i)),
        participants: ParticipantFilter::default(),
        destinations: vec![Destination::Stage(stage("destination", i))],
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

fn published(i: usize) -> Observation {
    Observation::Published {
        key: PublisherKey { stage: stage("source", i), participant: format!("p{i}").parse().unwrap() },
        session: "st-1".parse().unwrap(),
        user_id: String::new(),
        at: Moment::exact(SystemClock.now()),
    }
}

/// As Lambda does it: an event that could not be handled comes again. That the table is too busy is a reason; lost races are none.
async fn deliver(executor: &Controller, i: usize) -> Handled {
    let news = published(i);
    loop {
        match executor.handle(&news, &invocation(format!("event-{i}"))).await {
            Err(controller::Error::Store(StoreError::Unavailable { .. })) => {}
            handled => return handled.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn sixty_executors_grant_no_call_too_many_and_lose_none() {
    let world = World::start().await.unwrap();
    world.rules(&(0..EXECUTORS).map(rule).collect::<Vec<_>>()).await.unwrap();
    let table = world.store.clone();
    let arena = Arc::new(Arena { table: table.clone(), grants: Mutex::default(), started: Mutex::default() });

    let began = Instant::now();
    let events = (0..EXECUTORS).map(|i| {
        let executor = executor(&arena, Turn::Newcomer);
        tokio::spawn(async move { deliver(&executor, i).await })
    });
    for handled in futures::future::join_all(events.collect::<Vec<_>>()).await {
        assert!(!matches!(handled.unwrap(), Handled::Unconcerned));
    }
    let at_once = arena.started.lock().unwrap().len();

    let dispatchers = (0..4).map(|i| {
        let controller = executor(&arena, Turn::Queue);
        let queue = Arc::new(table.clone());
        let versus = Judge::new(queue.clone(), None);
        let dispatcher = Dispatcher { controller, queue, versus };
        tokio::spawn(async move { dispatcher.run(&invocation(format!("dispatch-{i}"))).await })
    });
    for run in futures::future::join_all(dispatchers.collect::<Vec<_>>()).await {
        run.unwrap().unwrap();
    }

    let (took, started) = (began.elapsed(), arena.started.lock().unwrap().clone());
    println!("{EXECUTORS} executors on the table: {at_once} started at once, all after {took:.1?}");
    assert_eq!(started.iter().collect::<BTreeSet<_>>().len(), EXECUTORS, "everybody was started");
    assert_eq!(started.len(), EXECUTORS, "and nobody twice");

    let mut grants = arena.grants.lock().unwrap().clone();
    grants.sort();
    assert_eq!(grants.len(), EXECUTORS, "a grant for every call");
    for window in grants.windows(LIMIT.calls + 1) {
        let span = window[LIMIT.calls].duration_since(window[0]);
        assert!(span >= LIMIT.window, "{} grants within {span:#}", LIMIT.calls + 1);
    }
}
