//! The stand: the world, the functions, and the bus between them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ivs_sim::{Simulator, SystemClock};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    aws::{self, Aws},
    binaries::{self, BuildError},
    control::{self, Control},
    delivery::{Deliveries, Failure},
    dynamodb::{self, DatabaseError},
    event_bus::EventBus,
    event_rules::{EventRules, PatternError},
    lambda::{Functions, HostOptions},
    schedule::tickers,
    stream::{CheckpointError, Checkpoints, TableStream, mappings},
    table::{Replaced, SELECTOR_CACHE, TableAddress, TableError},
    template::{self, Deployment, Template},
};

/// How a stand is set up. The default builds the functions in debug, keeps everything in memory and takes free ports.
#[derive(Debug, Clone)]
pub struct StandOptions {
    /// The binaries of the functions.
    pub binaries: Binaries,
    /// The deployment template.
    pub template: PathBuf,
    /// The table's name, if not the template's default.
    pub table: Option<String>,
    /// The simulated account: Region, account id, seed, dialect and faults.
    pub ivs: ivs_sim::Config,
    /// Ports on 127.0.0.1; 0 takes a free one.
    pub ports: Ports,
    /// The folder that keeps the table; in memory if none.
    pub data: Option<PathBuf>,
    /// Waits before a failed invocation is tried again. Lambda waits 1 minute, then 2.
    pub retry_delays: [Duration; 2],
    /// Execution environments per function at most.
    pub concurrency: usize,
    /// How often schedules come, if not as often as the template says.
    pub tick: Option<Duration>,
    /// Environment variables for every function, beside those of the template and the stand.
    pub environment: BTreeMap<String, String>,
    /// Prints the functions' output to stderr as it comes.
    pub print_logs: bool,
}

/// Where the binaries of the functions come from.
#[derive(Debug, Clone)]
pub enum Binaries {
    /// They are built by cargo.
    Build {
        /// In release mode.
        release: bool,
    },
    /// They are there, by function name.
    Given(BTreeMap<String, PathBuf>),
    /// There are none: no event, change or tick goes to anybody, for somebody else runs the functions on this world.
    None,
}

/// The ports of a stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// The IVS Real-Time API.
    pub ivs: u16,
    /// The DynamoDB API.
    pub dynamodb: u16,
    /// The stand's control plane.
    pub control: u16,
    /// Lambda, EventBridge, SQS and STS.
    pub aws: u16,
    /// The dashboard.
    pub dashboard: u16,
}

/// A running stand. It ends when dropped; [`Stand::shutdown`] also waits for the end.
pub struct Stand {
    simulator: Simulator,
    functions: Arc<Functions>,
    function_names: Vec<String>,
    bus: Arc<EventBus>,
    address: TableAddress,
    ivs_url: String,
    control_url: String,
    aws_url: String,
    dashboard_url: String,
    stopping: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Why there is no stand.
#[derive(Debug, thiserror::Error)]
pub enum StandError {
    /// The template cannot be run here.
    #[error(transparent)]
    Template(#[from] template::Error),
    /// The functions cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A pattern cannot be matched here.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// There is no table.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It is not known which changes of the table were delivered.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A port cannot be had.
    #[error("cannot listen on port {port} for {purpose}; 0 takes a free one")]
    Port {
        /// What the port is for.
        purpose: &'static str,
        /// Its number.
        port: u16,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A function does not start.
    #[error("function `{function}` does not start")]
    Function {
        /// Its name.
        function: String,
        /// The cause.
        #[source]
        source: Failure,
    },
}

impl Default for StandOptions {
    fn default() -> Self {
        Self {
            binaries: Binaries::Build { release: false },
            template: workspace().join("infra/template.yaml"),
            table: None,
            ivs: ivs_sim::Config::default(),
            ports: Ports::default(),
            data: None,
            retry_delays: [Duration::from_secs(1), Duration::from_secs(2)],
            concurrency: 4,
            tick: None,
            environment: BTreeMap::new(),
            print_logs: false,
        }
    }
}

impl Stand {
    /// Starts a stand: when this returns, everything is ready.
    ///
    /// # Errors
    /// See [`StandError`].
    pub async fn start(options: StandOptions) -> Result<Self, StandError> {
        let deployment = deployment(&options);
        let mut template = Template::read(&options.template, &deployment)?;
        if matches!(options.binaries, Binaries::None) {
            template.functions.clear();
        }
        let (rules, mappings) = (EventRules::new(&template.functions)?, mappings(&template.functions)?);
        let names: Vec<String> = template.functions.iter().map(|function| function.name.clone()).collect();
        let database = dynamodb::open(&template.table, options.data.as_deref())?;
        let stream = TableStream::open(&database, &template.table, &deployment)?;
        let checkpoints = Arc::new(Checkpoints::open(options.data.as_deref())?);
        let (ivs, ivs_url) = listen("IVS", options.ports.ivs).await?;
        let (dynamodb, dynamodb_url) = listen("DynamoDB", options.ports.dynamodb).await?;
        let (control, control_url) = listen("the control plane", options.ports.control).await?;
        let (aws, aws_url) = listen("Lambda, EventBridge, SQS and STS", options.ports.aws).await?;
        let (dashboard, dashboard_url) = listen("the dashboard", options.ports.dashboard).await?;
        let binaries = match &options.binaries {
            Binaries::Build { release } => binaries::build(&workspace(), &names, *release).await?,
            Binaries::Given(binaries) => binaries.clone(),
            Binaries::None => BTreeMap::new(),
        };

        let stopping = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let simulator = Simulator::new(options.ivs.clone(), Arc::new(SystemClock));
        let events = simulator.subscribe();
        let serve_dynamodb =
            dynoxide::server::serve_with_shutdown(dynamodb, database.clone(), stopped(&stopping));
        tasks.spawn(ended("DynamoDB", serve_dynamodb));
        tasks.spawn(ended("IVS", ivs_sim::serve(ivs, simulator.clone(), stopped(&stopping))));
        tasks.spawn(dynamodb::sweep_time_to_live(database));

        let host = HostOptions {
            concurrency: options.concurrency,
            environment: environment(&options, &ivs_url, &dynamodb_url),
            region: options.ivs.region.clone(),
            print_logs: options.print_logs,
        };
        let functions = Functions::start(&template.functions, &binaries, &host).await;
        let functions =
            Arc::new(functions.map_err(|(function, source)| StandError::Function { function, source })?);
        let deliveries = Deliveries::new(functions.clone(), options.retry_delays);
        let stream_arn = stream.as_ref().map(|stream| stream.arn().to_owned());
        for ticker in tickers(&template.functions, options.tick, &deployment) {
            tasks.spawn(ticker.run(deliveries.clone()));
        }
        if let Some(stream) = stream {
            for mapping in mappings {
                tasks.spawn(mapping.run(stream.clone(), checkpoints.clone(), deliveries.clone()));
            }
        }
        let bus = Arc::new(EventBus::new(rules, deliveries.clone()));
        tasks.spawn(pump(events, bus.clone()));
        let serve_control =
            control::serve(control, Control { functions: functions.clone(), bus: bus.clone() });
        tasks.spawn(ended("the control plane", serve_control));

        let address = TableAddress {
            dynamodb: dynamodb_url,
            table: template.table.name.clone(),
            region: options.ivs.region,
        };
        let settings = shown(&address, &template.functions);
        let deployed = Aws {
            template,
            deployment,
            stream: stream_arn,
            functions: functions.clone(),
            deliveries,
            url: aws_url.clone(),
        };
        tasks.spawn(ended("Lambda, EventBridge, SQS and STS", aws::serve(aws, deployed)));
        let source = Arc::new(dashboard::TableSource::new(Arc::new(address.store().await)));
        let serve_dashboard = dashboard::serve(dashboard, source, settings, stopped(&stopping));
        tasks.spawn(ended("the dashboard", serve_dashboard));
        Ok(Self {
            simulator,
            functions,
            function_names: names,
            bus,
            address,
            ivs_url,
            control_url,
            aws_url,
            dashboard_url: format!("{dashboard_url}/"),
            stopping,
            tasks,
        })
    }

    /// Replaces all rules by those in the text of a rules file, and waits until every function uses them.
    ///
    /// # Errors
    /// When the text is not a rules file, or the table cannot be written.
    pub async fn replace_rules(&self, yaml: &str) -> Result<Replaced, TableError> {
        self.address.replace_rules(yaml).await
    }

    /// The simulated account.
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// The functions' processes and logs.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// The functions' names.
    pub fn function_names(&self) -> &[String] {
        &self.function_names
    }

    /// The event bus.
    pub fn bus(&self) -> &EventBus {
        &self.bus
    }

    /// What is and was delivered to the functions.
    pub fn deliveries(&self) -> &Deliveries {
        self.bus.deliveries()
    }

    /// The table, with the endpoint that serves it.
    pub fn table(&self) -> &TableAddress {
        &self.address
    }

    /// Endpoint of the IVS Real-Time API.
    pub fn ivs_url(&self) -> &str {
        &self.ivs_url
    }

    /// Endpoint of the DynamoDB API.
    pub fn dynamodb_url(&self) -> &str {
        &self.address.dynamodb
    }

    /// Endpoint of the stand's control plane.
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// Endpoint of Lambda, EventBridge, SQS and STS.
    pub fn aws_url(&self) -> &str {
        &self.aws_url
    }

    /// Address of the dashboard, for a browser.
    pub fn dashboard_url(&self) -> &str {
        &self.dashboard_url
    }

    /// Ends everything and waits for it. Invocations under way are cut off.
    pub async fn shutdown(mut self) {
        self.bus.deliveries().stop();
        self.bus.deliveries().idle().await;
        self.functions.shutdown().await;
        self.stopping.send_replace(true);
        self.tasks.shutdown().await;
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // The other tasks end with their set, the processes with their handles.
        self.bus.deliveries().stop();
        self.stopping.send_replace(true);
    }
}

/// The folder of the workspace that this stand was compiled in.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

fn deployment(options: &StandOptions) -> Deployment {
    let parameters = options.table.iter().map(|table| ("TableName".to_owned(), table.clone()));
    Deployment {
        region: options.ivs.region.clone(),
        account: options.ivs.account.clone(),
        parameters: parameters.collect(),
    }
}

/// What a function finds in its environment beside what the template says.
fn environment(options: &StandOptions, ivs: &str, dynamodb: &str) -> BTreeMap<String, String> {
    let own = [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
        ("AWS_ENDPOINT_URL_IVS_REALTIME", ivs),
        ("RUST_BACKTRACE", "1"),
        ("SELECTOR_CACHE_SECONDS", &SELECTOR_CACHE.as_secs().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.into_iter().chain(options.environment.clone()).collect()
}

/// What the dashboard is told: the table does not hold how much of the quota the functions may use.
fn shown(address: &TableAddress, functions: &[template::Function]) -> dashboard::Settings {
    let mut shares = functions.iter().filter_map(|function| function.environment.get("QUOTA_SHARE_PERCENT"));
    dashboard::Settings {
        table: address.table.clone(),
        region: address.region.clone(),
        place: "local stand".to_owned(),
        interval: dashboard::Settings::OF_THE_STAND,
        quota_share: shares.next().and_then(|share| share.parse().ok()).unwrap_or(80),
    }
}

async fn listen(purpose: &'static str, port: u16) -> Result<(TcpListener, String), StandError> {
    let bound = async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok((listener, url))
    };
    bound.await.map_err(|source| StandError::Port { purpose, port, source })
}

/// Hands the simulator's envelopes to the bus, in their order.
async fn pump(mut events: tokio::sync::mpsc::UnboundedReceiver<Value>, bus: Arc<EventBus>) {
    while let Some(envelope) = events.recv().await {
        if let Err(error) = bus.put(&envelope) {
            tracing::error!(%error, "the simulator sent an envelope that EventBridge would not");
        }
    }
}

fn stopped(stopping: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut receiver = stopping.subscribe();
    async move {
        let _ = receiver.wait_for(|stopping| *stopping).await;
    }
}

async fn ended<E: std::fmt::Display>(server: &'static str, serving: impl Future<Output = Result<(), E>>) {
    if let Err(error) = serving.await {
        tracing::error!(server, %error, "a server of the stand ended");
    }
}
