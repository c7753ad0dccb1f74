//! The whole system in one process: the functions' own code on the embedded table and the simulated IVS, over real HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_adapters::{Connection, ConnectionOptions, DynamoStore};
use controller::Calls;
use ivs_sim::{Publish, Simulator, SystemClock};
use lambda_kit::{
    Config, DispatchFunction, EventSources, Failure, Function, ReconcileFunction, RuleChangedFunction,
};
use lambda_runtime::{Context, LambdaEvent};
use replication::Rule;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::table::Table;
use crate::wire::{Recorder, Recording};

/// The world. Its servers end with it.
pub struct World {
    /// IVS.
    pub simulator: Simulator,
    /// The table, not recorded.
    pub store: DynamoStore,
    /// Every request that the functions make.
    pub recording: Recording,
    events: UnboundedReceiver<Value>,
    config: Config,
    connection: Connection,
    recorders: [Recorder; 2],
    table: Table,
    _servers: JoinSet<()>,
}

/// What is wrong with the test's own surroundings.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

impl World {
    /// Starts the table of the deployment template, a perfect IVS, and recorders in front of both.
    ///
    /// # Errors
    /// When a server cannot be started.
    pub async fn start() -> Result<Self, Trouble> {
        let table = Table::create().await?;
        let simulator = Simulator::new(ivs_sim::Config::default(), Arc::new(SystemClock));
        let (ivs, ivs_url) = listen().await?;
        let mut servers = JoinSet::new();
        let served = simulator.clone();
        servers.spawn(async move { drop(ivs_sim::serve(ivs, served, std::future::pending()).await) });

        let recording = Recording::default();
        let recorders =
            [Recorder::start(&table.url, &recording).await?, Recorder::start(&ivs_url, &recording).await?];
        let connect = |dynamodb: &str, ivs: &str| {
            Connection::new(ConnectionOptions {
                region: Some("us-east-1".to_owned()),
                dynamodb_endpoint: Some(dynamodb.to_owned()),
                ivs_endpoint: Some(ivs.to_owned()),
                emulated: true,
                ..Default::default()
            })
        };
        let connection = connect(&recorders[0].url, &recorders[1].url).await;
        let store = connect(&table.url, &ivs_url).await.store(&table.name);
        let config = Config {
            table: table.name.clone(),
            log_level: "info".parse().unwrap_or_default(),
            selector_cache: Duration::from_secs(60),
            quota_share: 100,
            mode: replication::Mode::Enforce,
            brake_percent: 30,
            metrics_by_rule: true,
            event_sources: EventSources::default(),
        };
        let events = simulator.subscribe();
        Ok(Self {
            simulator,
            store,
            recording,
            events,
            config,
            connection,
            recorders,
            table,
            _servers: servers,
        })
    }

    /// The way of the functions, whose requests are recorded.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// A stage of this name.
    pub fn stage(&self, name: &str) -> String {
        self.simulator.create_stage(name, BTreeMap::new())
    }

    /// Replaces all rules.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn rules(&self, rules: &[Rule]) -> Result<(), Trouble> {
        self.store.replace_rules(rules, &crate::rows::ordered()).await?;
        Ok(())
    }

    /// A new execution environment of a function: init is over, its requests are not on the recording.
    pub async fn function(&self, name: &'static str) -> Function {
        let ivs = self.connection.ivs();
        let calls = match name {
            "participant-published" => ivs.for_starting(),
            "participant-unpublished" => ivs.for_stopping(),
            _ => Calls::default(),
        };
        let function = Function::new(name, &self.config, &self.connection, calls).await;
        self.recording.take();
        function
    }

    /// One sweep, as the schedule invokes it.
    ///
    /// # Errors
    /// What the function answers instead.
    pub async fn sweep(&self) -> Result<Value, Failure> {
        self.reconcile().handle(scheduled()).await
    }

    /// A new execution environment of the function that sweeps.
    pub fn reconcile(&self) -> ReconcileFunction {
        ReconcileFunction::new(&self.config, &self.connection)
    }

    /// A new execution environment of the function that does what is due.
    pub fn dispatch(&self) -> DispatchFunction {
        DispatchFunction::new(&self.config, &self.connection)
    }

    /// A participant publishes; gives its id.
    ///
    /// # Errors
    /// When IVS refuses.
    pub fn publish(&self, stage: &str) -> Result<String, Trouble> {
        let publish = Publish { stage_arn: stage.to_owned(), ..Publish::default() };
        Ok(self.simulator.publish(publish)?.participant_id)
    }

    /// The next event with this name, as EventBridge would deliver it. Others before it are dropped.
    pub async fn event(&mut self, name: &str) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await.ok()??;
            if next["detail"]["event_name"] == name {
                return Some(next);
            }
        }
    }

    /// Puts an item into the table as none of ours would, in the JSON of DynamoDB. It is not on the recording.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put(&self, item: &Value) -> Result<(), Trouble> {
        self.table.put(item).await
    }

    /// Asks the table something as none of ours would, in the JSON of DynamoDB. It is not on the recording.
    ///
    /// # Errors
    /// When the table refuses.
    pub async fn dynamodb(&self, operation: &str, input: &Value) -> Result<Value, Trouble> {
        self.table.request(operation, input).await
    }

    /// Where the recorders listen: the table, IVS.
    pub fn urls(&self) -> [&str; 2] {
        [&self.recorders[0].url, &self.recorders[1].url]
    }

    /// A new execution environment of the function that takes changed rules to publishers.
    pub fn rule_changed(&self) -> RuleChangedFunction {
        RuleChangedFunction::new(&self.config, &self.connection)
    }

    /// The configuration of every function.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.config.table
    }

    /// From now on the functions reach neither the table nor IVS.
    pub fn cut_off(&self) {
        self.recording.cut_off();
    }
}

/// Invokes a function as Lambda does, with 15 s to answer.
///
/// # Errors
/// What the function answers instead.
pub async fn invoke(function: &Function, event: Value) -> Result<Value, Failure> {
    let context = context(event["id"].as_str().unwrap_or("request"));
    function.handle(LambdaEvent::new(event, context)).await
}

/// What the schedule invokes a function with.
pub fn scheduled() -> LambdaEvent<Value> {
    LambdaEvent::new(Value::Null, context("scheduled"))
}

/// An invocation with so many seconds, of which functions that work to their end leave the last six for what is under way.
pub fn with_time(event: Value, seconds: u64) -> LambdaEvent<Value> {
    let mut context = context("invocation");
    context.deadline -= 15_000;
    context.deadline += 1_000 * seconds;
    LambdaEvent::new(event, context)
}

async fn listen() -> Result<(TcpListener, String), Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// What Lambda tells of an invocation that began now, with 15 s to answer.
fn context(id: &str) -> Context {
    let mut context = Context::default();
    context.request_id = id.to_owned();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(15);
    context.deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    context
}
