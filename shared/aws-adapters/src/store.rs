//! The one table: what the controller's [`Store`] promises, on Amazon DynamoDB.
//!
//! # Guarantees
//! * [`Store::load`] is one consistent Query of the stage's partition. Rules for any stage are read beside it, at most once
//!   per `selector_cache`, at the same time.
//! * [`Store::write`] is one TransactWriteItems: every item on the condition that it has the version it was read at.
//!
//! # Caveats
//! * A transaction takes 100 items. A write of more (a participant with rules for over 95 destinations) is split, the
//!   items under a lease first; the rest are reasons for not replicating, and are written again if they get lost.

mod budgets;
mod failure;
mod inventory;
mod publishers;
mod queue;
mod rules;
mod versus;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use controller::{Store, StoreError, Write};
use futures::FutureExt;
use futures::future::{BoxFuture, try_join};
use jiff::Timestamp;
use replication::budget::Book;
use replication::{PublisherKey, Replica, Rule, View};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::item::{
    ANY_STAGE, ActivityItem, FIRST_STATE_SK, PublisherItem, ReplicaItem, RuleItem, Unreadable, stage_pk,
};
use failure::{read_error, write_error};
pub use rules::Replaced;

/// Items in one transaction (DynamoDB service quotas).
const TRANSACTION_ITEMS: usize = 100;

/// One item as DynamoDB gives it.
type Item = std::collections::HashMap<String, AttributeValue>;

/// The one table.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    selectors: Arc<SelectorCache>,
}

/// Rules for any stage, as they were read last.
#[derive(Debug)]
struct SelectorCache {
    keep: Duration,
    read: Mutex<Option<(Instant, Vec<Rule>)>>,
}

impl DynamoStore {
    /// How long rules for any stage are kept if nothing else is said: 5 s.
    pub const SELECTOR_CACHE: Duration = Duration::from_secs(5);

    pub(crate) fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned(), selectors: Arc::default() }
    }

    /// Keeps rules for any stage this long before they are read again; 0 reads them with every load.
    pub fn with_selector_cache(self, keep: Duration) -> Self {
        Self { selectors: Arc::new(SelectorCache { keep, read: Mutex::default() }), ..self }
    }

    /// Reads the rules for any stage now. Done while a function starts, it opens the connection, and the first event finds
    /// them at hand.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read.
    pub async fn prime(&self) -> Result<(), StoreError> {
        self.selector_rules().await.map(drop)
    }

    /// Every replication in the table, by a Scan: for people and checks, not for functions.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read or an item is not as it must be.
    pub async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let items: Vec<ReplicaItem> = self.scan("REP#").await?;
        items.iter().map(|item| item.read().map_err(|error| error.of(&item.pk, &item.sk))).collect()
    }

    async fn load_view(&self, publisher: &PublisherKey) -> Result<View, StoreError> {
        let (items, selectors) = try_join(self.query_stage(publisher), self.selector_rules()).await?;
        let mut view = View { rules: selectors, ..View::empty(publisher.clone()) };
        for item in items {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            let corrupt = |error: Unreadable| error.of(&pk, &sk);
            if sk.starts_with("RULE#") {
                view.rules.extend(rule(item, &pk, &sk));
            } else if sk.starts_with("PUB#") {
                view.publisher = Some(decode::<PublisherItem>(item).and_then(|i| i.read()).map_err(corrupt)?);
            } else if sk.starts_with("REP#") {
                view.put(decode::<ReplicaItem>(item).and_then(|i| i.read()).map_err(corrupt)?);
            }
        }
        Ok(view)
    }

    /// The stage's partition without history and without other participants' items.
    async fn query_stage(&self, publisher: &PublisherKey) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk >= :first")
            .filter_expression("participant = :participant OR attribute_not_exists(participant)")
            .expression_attribute_values(":pk", AttributeValue::S(stage_pk(&publisher.stage)))
            .expression_attribute_values(":first", AttributeValue::S(FIRST_STATE_SK.to_owned()))
            .expression_attribute_values(
                ":participant",
                AttributeValue::S(publisher.participant.to_string()),
            );
        self.queried(query).await
    }

    async fn selector_rules(&self) -> Result<Vec<Rule>, StoreError> {
        let lock = || self.selectors.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, rules)) = lock().as_ref()
            && at.elapsed() < self.selectors.keep
        {
            return Ok(rules.clone());
        }
        let asked = Instant::now();
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :rule)")
            .expression_attribute_values(":pk", AttributeValue::S(ANY_STAGE.to_owned()))
            .expression_attribute_values(":rule", AttributeValue::S("RULE#".to_owned()));
        let mut rules = Vec::new();
        for item in self.queried(query).await? {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            rules.extend(rule(item, &pk, &sk));
        }
        *lock() = Some((asked, rules.clone()));
        Ok(rules)
    }

    async fn write_items(&self, write: &Write) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let mut puts = Vec::new();
        if let Some(publisher) = &write.publisher {
            puts.push(self.put(&PublisherItem::next(publisher, now), Some(publisher.version))?);
        }
        let (leased, others): (Vec<_>, Vec<_>) =
            write.replicas.iter().partition(|replica| replica.lease.is_some());
        for replica in leased.into_iter().chain(others) {
            puts.push(self.put(&ReplicaItem::next(replica, now), Some(replica.version))?);
        }
        for budget in &write.budgets {
            puts.push(self.put_budget(budget, now)?);
        }
        for activity in &write.activity {
            puts.push(self.put(&ActivityItem::from(activity), None)?);
        }
        self.transact(puts.into_iter().map(|put| TransactWriteItem::builder().put(put).build()).collect())
            .await
    }

    async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        for chunk in items.chunks(TRANSACTION_ITEMS) {
            let request = self.client.transact_write_items().set_transact_items(Some(chunk.to_vec()));
            request.send().await.map_err(|error| write_error(&self.table, &error))?;
        }
        Ok(())
    }

    /// A put of `item`; on the condition that it has `version` (0: that it is not there), if one is given.
    fn put(&self, item: &impl Serialize, version: Option<u64>) -> Result<Put, StoreError> {
        let refused = |message: String| StoreError::Refused { table: self.table.clone(), message };
        let item: Item = serde_dynamo::to_item(item).map_err(|error| refused(error.to_string()))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match version {
            None => put,
            Some(0) => put.condition_expression("attribute_not_exists(pk)"),
            Some(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        put.build().map_err(|error| refused(error.to_string()))
    }

    async fn scan<T: DeserializeOwned>(&self, sk_prefix: &str) -> Result<Vec<T>, StoreError> {
        let read = |item| {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            decode(item).map_err(|error| error.of(&pk, &sk))
        };
        self.scan_items(sk_prefix).await?.into_iter().map(read).collect()
    }

    async fn scan_items(&self, sk_prefix: &str) -> Result<Vec<Item>, StoreError> {
        let scan = self
            .client
            .scan()
            .filter_expression("begins_with(sk, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(sk_prefix.to_owned()));
        self.scanned(scan).await
    }

    /// All pages of a consistent Query of the table.
    async fn queried(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let pages = query.table_name(&self.table).consistent_read(true).into_paginator().items().send();
        pages.collect::<Result<_, _>>().await.map_err(|error| read_error(&self.table, &error))
    }

    /// All pages of a consistent Scan of the table.
    async fn scanned(&self, scan: ScanFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let pages = scan.table_name(&self.table).consistent_read(true).into_paginator().items().send();
        pages.collect::<Result<_, _>>().await.map_err(|error| read_error(&self.table, &error))
    }
}

impl Store for DynamoStore {
    fn load<'a>(&'a self, publisher: &'a PublisherKey) -> BoxFuture<'a, Result<View, StoreError>> {
        self.load_view(publisher).boxed()
    }

    fn budgets(&self) -> BoxFuture<'_, Result<Book, StoreError>> {
        self.read_budgets().boxed()
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write_items(write).boxed()
    }
}

impl Default for SelectorCache {
    fn default() -> Self {
        Self { keep: DynamoStore::SELECTOR_CACHE, read: Mutex::default() }
    }
}

/// A rule that cannot be read is left out, loudly: it must not keep the others from working.
fn rule(item: Item, pk: &str, sk: &str) -> Option<Rule> {
    let read = decode::<RuleItem>(item).and_then(|item| item.read());
    read.map_err(|error| warn!(error = %error.of(pk, sk), "rule left out")).ok()
}

fn decode<T: DeserializeOwned>(item: Item) -> Result<T, Unreadable> {
    serde_dynamo::from_item(item)
        .map_err(|error| Unreadable::new("(item)", error, "the form of this version"))
}

fn text(item: &Item, attribute: &str) -> String {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    value.cloned().unwrap_or_default()
}
