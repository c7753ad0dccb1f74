//! The controller on a table and a simulated IVS, on a clock that stands still unless somebody waits; and what was done
//! to IVS as a journal, by which another world comes to the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_adapters::{Connection, ConnectionOptions, DynamoStore};
use controller::sweep::Sweep;
use controller::sweep::pace::SharedPace;
use controller::sweep::port::SweepStore;
use controller::versus::Judge;
use controller::{
    Calls, CallsLeft, Clock, Controller, Dispatcher, Error, Handled, Patience, Turn, Unmeasured,
};
use ivs_sim::{Publish, Simulator, VirtualClock};
use jiff::{SignedDuration, Timestamp};
use local::table::TableAddress;
use replication::sweep::SweepPolicy;
use replication::{Observation, Policy, PublisherKey};
use serde_json::{Value, json};

use crate::in_process::InProcess;
use crate::table::Table;
use crate::world::Trouble;

/// The world. Its server ends with it.
pub struct TableWorld {
    /// IVS, as ports, and the time.
    pub ivs: Arc<InProcess>,
    /// The table.
    pub store: Arc<DynamoStore>,
    /// The table, for rules files.
    pub address: TableAddress,
    time: Arc<VirtualClock>,
    table: Table,
    journal: Vec<Value>,
}

impl TableWorld {
    /// An empty table of the deployment template, and an empty account.
    ///
    /// # Errors
    /// When the table cannot be served.
    pub async fn start() -> Result<Self, Trouble> {
        let table = Table::create().await?;
        let connection = Connection::new(ConnectionOptions {
            region: Some("us-east-1".to_owned()),
            dynamodb_endpoint: Some(table.url.clone()),
            ivs_endpoint: None,
            emulated: true,
            ..ConnectionOptions::default()
        });
        let store = connection.await.store(&table.name).with_selector_cache(std::time::Duration::ZERO);
        let time = Arc::new(VirtualClock::default());
        let simulator = Simulator::new(ivs_sim::Config::default(), time.clone());
        Ok(Self {
            ivs: InProcess::around(simulator, time.clone()),
            store: Arc::new(store),
            address: TableAddress {
                dynamodb: table.url.clone(),
                table: table.name.clone(),
                region: "us-east-1".to_owned(),
            },
            time,
            table,
            journal: Vec::new(),
        })
    }

    /// Does something to IVS, and keeps it in the journal: creates a stage, or lets a participant publish.
    ///
    /// # Errors
    /// When IVS refuses.
    pub fn act(&mut self, action: Value) -> Result<Value, Trouble> {
        let done = self.perform(&action)?;
        self.journal.push(json!({ "at": self.ivs.now().to_string(), "action": action }));
        Ok(done)
    }

    fn perform(&self, action: &Value) -> Result<Value, Trouble> {
        let simulator = &self.ivs.simulator;
        if let Some(name) = action["stage"].as_str() {
            return Ok(json!(simulator.create_stage(name, serde_json::from_value(action["tags"].clone())?)));
        }
        if let Some(operation) = action["operation"].as_str() {
            return Ok(simulator.call(operation, action["input"].clone())?);
        }
        Ok(json!(simulator.publish(serde_json::from_value::<Publish>(action["publish"].clone())?)?))
    }

    /// All that was done to IVS, by this world and by the controller.
    pub fn journal(&self) -> Vec<Value> {
        let ledger = self.ivs.simulator.ledger();
        let mutations = ledger.iter().filter(|entry| {
            entry.status == 200
                && ["StartParticipantReplication", "StopParticipantReplication"].contains(&&*entry.operation)
        });
        let calls = mutations.map(|entry| {
            let mut ids = entry.key.split(' ').map(str::to_owned);
            let input = json!({ "sourceStageArn": ids.next(), "participantId": ids.next(),
                "destinationStageArn": ids.next() });
            json!({ "at": entry.at.to_string(), "action": { "operation": entry.operation, "input": input } })
        });
        let own = self.journal.iter().filter(|line| line["action"]["operation"].is_null());
        let mut journal: Vec<Value> = own.cloned().chain(calls).collect();
        journal.sort_by_key(at);
        journal
    }

    /// Brings IVS to where a journal leads, and the clock to `now`.
    ///
    /// # Errors
    /// When IVS refuses what it took before.
    pub fn replay(&mut self, journal: &[Value], now: Timestamp) -> Result<(), Trouble> {
        for line in journal {
            self.set_time(at(line));
            self.perform(&line["action"])?;
        }
        self.set_time(now);
        Ok(())
    }

    fn set_time(&self, at: Timestamp) {
        self.time.set(at);
        self.ivs.simulator.tick();
    }

    /// Every item of the table as DynamoDB's JSON, by its keys.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn items(&self) -> Result<Vec<Value>, Trouble> {
        self.table.items().await
    }

    /// Takes every item out of the table.
    ///
    /// # Errors
    /// When DynamoDB refuses it.
    pub async fn clear(&self) -> Result<(), Trouble> {
        for item in self.items().await? {
            let key = json!({ "pk": item["pk"], "sk": item["sk"] });
            self.table.request("DeleteItem", &json!({ "TableName": self.table.name, "Key": key })).await?;
        }
        Ok(())
    }

    /// Puts an item into the table as it is.
    ///
    /// # Errors
    /// When DynamoDB refuses it.
    pub async fn put(&self, item: &Value) -> Result<(), Trouble> {
        self.table.put(item).await
    }

    /// A function with these calls, which does not wait.
    pub fn controller(&self, calls: Calls) -> Controller {
        Controller {
            store: self.store.clone(),
            clock: self.ivs.clone(),
            calls,
            policy: Policy::default(),
            patience: Patience(std::time::Duration::ZERO),
            calls_left: CallsLeft::share(80, Turn::Newcomer),
            measure: Unmeasured::shared(),
        }
    }

    /// Every call.
    pub fn calls(&self) -> Calls {
        self.ivs.ports().every_call()
    }

    /// News comes to a function with these calls.
    ///
    /// # Errors
    /// When it cannot be handled.
    pub async fn tell(&self, news: &Observation, calls: Calls) -> Result<Handled, Error> {
        self.controller(calls).handle(news, &self.ivs.invocation("told", 15)).await
    }

    /// Every publisher is planned again, as after a change of the rules for any stage. What is not settled then is left due.
    ///
    /// # Errors
    /// When one cannot be planned.
    pub async fn rule_changed(&self) -> Result<(), Error> {
        for publisher in self.publishers().await? {
            let invocation = self.ivs.invocation("rule-changed", 60);
            match self.controller(Calls::default()).reconcile(&publisher, None, &invocation).await {
                Ok(_) | Err(Error::Unsettled { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Every publisher in the table.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn publishers(&self) -> Result<BTreeSet<PublisherKey>, Error> {
        Ok(self.store.publishers(None).await?)
    }

    /// A sweep, then what is due, then the next minute.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn minute(&self) -> Result<(), Trouble> {
        let sweep = Sweep {
            store: self.store.clone(),
            controller: self.controller(Calls::default()),
            reads: self.ivs.ports().reads(),
            recordings: self.ivs.ports().recordings(),
            pace: Arc::new(SharedPace::new(self.store.clone(), self.ivs.clone(), 100)),
            clock: self.ivs.clone(),
            policy: SweepPolicy::default(),
        };
        sweep.run(&self.ivs.invocation("sweep", 47)).await?;
        self.dispatch().await?;
        self.ivs.next_minute();
        Ok(())
    }

    /// Does what is due, and what becomes due within 10 s.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn dispatch(&self) -> Result<(), Trouble> {
        let calls_left = CallsLeft::share(100, Turn::Queue);
        let dispatcher = Dispatcher {
            controller: Controller { calls_left, ..self.controller(self.calls()) },
            queue: self.store.clone(),
            versus: Judge::new(self.store.clone(), None),
        };
        dispatcher.run(&self.ivs.invocation("dispatch", 10)).await?;
        Ok(())
    }

    /// Lets time pass.
    pub fn wait(&self, span: SignedDuration) {
        self.set_time(self.ivs.now() + span);
    }

    /// How many items of each kind can be read, by the parts of the store that functions read them with.
    ///
    /// # Errors
    /// The first item that cannot be read, where that is an error.
    pub async fn readable(&self) -> Result<BTreeMap<&'static str, usize>, Trouble> {
        use controller::{RuleBook, Store, VersusStore};
        let inventory = self.store.inventory().await?;
        let stages = || inventory.stages.values();
        let publishers: Vec<_> = self.publishers().await?.into_iter().collect();
        let mut replicas = 0;
        for publisher in &publishers {
            replicas += self.store.load(publisher).await?.replicas.len();
        }
        let budgets = self.store.budgets().await?;
        let asked = stages().filter(|stage| stage.asked.is_some()).count();
        let mut revisions = 0;
        for rule in &inventory.rules {
            revisions +=
                controller::rules::all_revisions(&*self.store, &rule.id).await?.into_iter().flatten().count();
        }
        let edition = RuleBook::rules(&*self.store).await?.edition;
        let mut readable = BTreeMap::from([
            ("asked", asked + inventory.asked_of_all.iter().count()),
            ("rule", inventory.rules.len()),
            ("publisher", stages().map(|stage| stage.publishers.len()).sum()),
            ("replica", stages().map(|stage| stage.replicas.len()).sum::<usize>().min(replicas)),
            ("stage", stages().filter(|stage| stage.knowledge.is_some()).count()),
            ("occupancy", stages().filter(|stage| stage.occupants.is_some()).count()),
            ("destination", inventory.directory.len()),
            ("listing", inventory.listed_at.iter().count()),
            ("control", inventory.control.pause.iter().count()),
            ("count", inventory.control.running.iter().count()),
            ("versus", self.store.all_versus().await?.len()),
            ("budget", budgets.len()),
            ("revision", revisions),
            ("edition", usize::from(edition > 0)),
        ]);
        // Earlier versions kept no history, and nobody could ask for a look.
        readable.retain(|kind, items| *items > 0 || !["asked", "edition", "revision"].contains(kind));
        Ok(readable)
    }
}

fn at(line: &Value) -> Timestamp {
    line["at"].as_str().and_then(|at| at.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What kind of item has these keys.
pub fn kind(item: &Value) -> &'static str {
    let key = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    let (pk, sk) = (key("pk"), key("sk"));
    match (pk.split('#').next().unwrap_or_default(), sk.split('#').next().unwrap_or_default()) {
        ("STAGE", "RULE") => "rule",
        ("STAGE", "PUB") => "publisher",
        ("STAGE", "REP") => "replica",
        ("STAGE", "DEST") => "destination",
        ("STAGE", "ACT") => "activity",
        ("STAGE", "ASKED") => "asked",
        ("STAGE", "CONTROL") => "control",
        ("STAGE", "COUNT") => "count",
        ("STAGE", "STAGE") if sk == "STAGE#OCCUPANCY" => "occupancy",
        ("STAGE", "STAGE") if pk == "STAGE#*" => "listing",
        ("STAGE", "STAGE") => "stage",
        ("BUDGET", _) => "budget",
        ("VERSUS", "VERSUS") => "versus",
        ("HISTORY", "REV") => "revision",
        ("HISTORY", "EDITION") => "edition",
        ("KEY", "ANSWER") => "kept answer",
        _ => "unknown",
    }
}
