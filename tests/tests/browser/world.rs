//! A real table with rows put into it, and the dashboard served from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_adapters::DynamoStore;
use controller::history::{HistoryPage, Wanted};
use controller::sweep::port::SweepStore;
use controller::{Activity, BudgetWrite, Store, StoreError, Write};
use dashboard::{Reading, Settings, Source, TableSource, serve};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Blocked, BlockedReason, Budget, Evidence, Explanation, LastError, Limit, Moment, Operation, Owner, Phase,
    Publisher, PublisherKey, Replica, ReplicationKey, RuleRef, StageArn,
};
use stagelink_tests::rows;
use stagelink_tests::table_world::TableWorld;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How often the table is looked at.
const INTERVAL: Duration = Duration::from_millis(300);
/// Items in one write: a transaction takes 100.
const AT_ONCE: usize = 90;

/// The table, and the server if it runs.
pub(crate) struct World {
    pub(crate) table: TableWorld,
    /// While it is set, the table cannot be looked at.
    pub(crate) out_of_order: Arc<AtomicBool>,
    port: u16,
    server: Option<Server>,
}

/// A running server of the dashboard.
pub(crate) struct Server {
    port: u16,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Serves what a source tells; at any port, if that is 0.
    pub(crate) async fn start(source: Arc<dyn Source>, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let settings = Settings {
            table: "stagelink".to_owned(),
            region: "us-east-1".to_owned(),
            place: "browser test".to_owned(),
            interval: INTERVAL,
            quota_share: 80,
        };
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, source, settings, async { drop(stopped.await) });
        Self { port, stop, serving: tokio::spawn(async { serving.await.unwrap() }) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl World {
    /// An empty table, served.
    pub(crate) async fn start() -> Self {
        let table = TableWorld::start().await.unwrap();
        let mut world = Self { table, out_of_order: Arc::default(), port: 0, server: None };
        world.serve().await;
        world
    }

    /// Begins to serve; at the same port as before, if there was one.
    pub(crate) async fn serve(&mut self) {
        let source = TableSource::new(self.table.store.clone());
        let source = Arc::new(Unreliable { source, out_of_order: self.out_of_order.clone() });
        let server = Server::start(source, self.port).await;
        self.port = server.port;
        self.server = Some(server);
    }

    /// Ends the server and waits for it: event streams end, too.
    pub(crate) async fn stop(&mut self) {
        if let Some(Server { stop, serving, .. }) = self.server.take() {
            stop.send(()).unwrap();
            serving.await.unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// A stage, as a sweep would keep it.
    pub(crate) async fn stage(&self, id: &str, name: &str, tags: &[(&str, &str)]) {
        self.table.store.remember_stage(&stage(id, name, tags)).await.unwrap();
    }

    /// Writes publishers and replications.
    pub(crate) async fn put(&self, publishers: Vec<Publisher>, replicas: Vec<Replica>) {
        for write in writes(publishers, &replicas) {
            self.table.store.write(&write).await.unwrap();
        }
    }

    /// A line of history.
    pub(crate) async fn note(&self, line: Activity) {
        self.table.store.write(&Write { activity: vec![line], ..Write::default() }).await.unwrap();
    }

    /// Calls of an operation, made just now.
    pub(crate) async fn call(&self, operation: Operation, calls: usize) {
        let limit = Limit::share(5, 80);
        let now = Timestamp::now();
        let grants = (0..calls).map(|i| now - SignedDuration::from_millis(40 * i64::try_from(i).unwrap()));
        let mut grants: Vec<_> = grants.collect();
        grants.reverse();
        let book = self.table.store.budgets().await.unwrap();
        let expected = book.get(&operation).map_or(0, |stored| stored.version);
        let after = Budget { grants, version: expected + 1, ..Budget::default() };
        let busy_until = after.busy_until(limit);
        let write = BudgetWrite { operation, after, expected, busy_until };
        self.table.store.write(&Write { budgets: vec![write], ..Write::default() }).await.unwrap();
    }
}

/// A stage, as a sweep would keep it.
pub(crate) fn stage(id: &str, name: &str, tags: &[(&str, &str)]) -> StageKnowledge {
    let listed = ListedStage {
        stage: rows::stage(id),
        name: name.to_owned(),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        active_session: Some("st-session".parse().unwrap()),
    };
    StageKnowledge::new(listed, Timestamp::now())
}

/// What writes publishers and replications.
pub(crate) fn writes(publishers: Vec<Publisher>, replicas: &[Replica]) -> Vec<Write> {
    let publishers = publishers.into_iter();
    let publishers = publishers.map(|publisher| Write { publisher: Some(publisher), ..Write::default() });
    let replicas = replicas.chunks(AT_ONCE);
    publishers.chain(replicas.map(|some| Write { replicas: some.to_vec(), ..Write::default() })).collect()
}

/// A table that can be out of order.
struct Unreliable {
    source: TableSource<DynamoStore>,
    out_of_order: Arc<AtomicBool>,
}

impl Source for Unreliable {
    fn look(&self) -> BoxFuture<'_, Result<Reading, StoreError>> {
        if self.out_of_order.load(Ordering::Relaxed) {
            let error = StoreError::Unavailable {
                table: "stagelink".to_owned(),
                code: "ProvisionedThroughputExceededException".into(),
                message: "<b>slow down</b>".to_owned(),
            };
            return async { Err(error) }.boxed();
        }
        self.source.look()
    }

    fn explain<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<Explanation, StoreError>> {
        self.source.explain(publisher)
    }

    fn history<'a>(
        &'a self,
        stages: Vec<Option<StageArn>>,
        wanted: &'a Wanted,
        limit: usize,
    ) -> BoxFuture<'a, Result<HistoryPage, StoreError>> {
        self.source.history(stages, wanted, limit)
    }
}

/// Somebody who publishes since a while.
pub(crate) fn publisher(stage: &str, participant: &str, user_id: &str, since: SignedDuration) -> Publisher {
    let key = PublisherKey { stage: rows::stage(stage), participant: participant.parse().unwrap() };
    let mut publisher = Publisher { user_id: user_id.to_owned(), ..Publisher::new(key) };
    publisher.session = Some("st-session".parse().unwrap());
    publisher.evidence = seen(since);
    publisher
}

/// A replica of ours in this phase, by rule `rule`.
pub(crate) fn replica(
    source: &str,
    participant: &str,
    destination: &str,
    rule: &str,
    phase: Phase,
) -> Replica {
    let key = ReplicationKey {
        source: rows::stage(source),
        participant: participant.parse().unwrap(),
        destination: rows::stage(destination),
    };
    let rule = RuleRef { id: rule.parse().unwrap(), revision: 3, priority: 50 };
    let running = matches!(phase, Phase::Active | Phase::Stopping);
    Replica {
        owner: if running { Owner::Stagelink } else { Owner::Nobody },
        evidence: if running { seen(SignedDuration::from_mins(4)) } else { Evidence::default() },
        desired: replication::Desired::Replicated,
        rule: Some(rule),
        phase,
        ..Replica::new(key)
    }
}

pub(crate) fn blocked(reason: BlockedReason) -> Phase {
    Phase::Blocked(Blocked { reason, until: None })
}

pub(crate) fn last_error(code: &str, message: &str) -> Option<LastError> {
    Some(LastError {
        rejection: None,
        code: code.to_owned(),
        message: message.to_owned(),
        request_id: Some("b1946ac9-2492-4d23-8f0d-1f2a6f2b9a11".to_owned()),
        at: Timestamp::now(),
    })
}

fn seen(ago: SignedDuration) -> Evidence {
    Evidence { on: Some(Moment::exact(Timestamp::now() - ago)), off: None }
}

/// A line of history about a call.
pub(crate) fn called(replica: &Replica, operation: Operation, outcome: &str, ago: i64) -> Activity {
    Activity {
        at: Timestamp::now() - SignedDuration::from_secs(ago),
        stage: replica.key.source.clone(),
        participant: Some(replica.key.participant.clone()),
        destination: Some(replica.key.destination.clone()),
        operation: operation.name(),
        rule: replica.rule.as_ref().map(|rule| rule.id.clone()),
        outcome: outcome.to_owned(),
        request_id: Some("b1946ac9-2492-4d23-8f0d-1f2a6f2b9a11".to_owned()),
        caller: "7d1c9a52-participant-published".to_owned(),
    }
}
