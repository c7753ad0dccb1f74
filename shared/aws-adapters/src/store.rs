//! The one table: what the controller's [`Store`] promises, on Amazon DynamoDB.
//!
//! # Guarantees
//! * [`Store::load`] is one consistent Query of the stage's partition. Rules that select their stages, the directory of stages
//!   that rules can select as destinations, and orders for all stages are read beside it by one more, at the same time, at
//!   most once per `selector_cache`.
//! * [`Store::write`] is one TransactWriteItems: publishers and replicas on the condition that they have the version they were
//!   read at; places and budgets on conditions of their own; what is known of a stage, and history, without.
//!
//! # Caveats
//! * A transaction takes 100 items. A write of more (a participant with rules for some 90 destinations) is split: places
//!   first, then the publisher and the items under a lease; the rest are reasons for not replicating, and are written again if they get lost.

mod budgets;
mod explain;
mod failure;
mod history;
mod inventory;
mod kept;
mod operator;
mod pages;
mod places;
mod publishers;
mod queue;
mod rule;
mod rules;
mod scan;
mod selectors;
mod versus;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use controller::{HistoryLine, Store, StoreError, Write};
use futures::FutureExt;
use futures::future::{BoxFuture, try_join};
use jiff::Timestamp;
use replication::budget::Book;
use replication::{PublisherKey, Replica, Rule, RuleId, StageArn, Tags, View, plain};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::item::{
    ActivityItem, FIRST_STATE_SK, OccupancyItem, PublisherItem, ReplicaItem, RuleItem, StageItem, Unreadable,
    stage_pk,
};
use failure::{read_error, write_error};
pub use kept::KeptAnswer;
pub use pages::{Cursor, Page, PageError, Window};
pub use rules::Replaced;
use selectors::{SelectorCache, Selectors};

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
    /// What each transaction writes too.
    companion: Option<Arc<TransactWriteItem>>,
}

impl DynamoStore {
    /// How long rules that select their stages are kept if nothing else is said: 5 s.
    pub const SELECTOR_CACHE: Duration = Duration::from_secs(5);

    /// Codes of requests that are refused for their credentials, which nobody knows, or for a signature that does not match.
    pub const NOT_VALID_CREDENTIALS: [&str; 4] = failure::NOT_VALID_CREDENTIALS;

    pub(crate) fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned(), selectors: Arc::default(), companion: None }
    }

    /// Keeps rules that select their stages, and the directory, this long before they are read again; 0 reads them with
    /// every load.
    pub fn with_selector_cache(self, keep: Duration) -> Self {
        Self { selectors: Arc::new(SelectorCache::keeping(keep)), ..self }
    }

    /// Reads the rules that select their stages now. Done while a function starts, it opens the connection, and the first event finds
    /// them at hand.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read.
    pub async fn prime(&self) -> Result<(), StoreError> {
        self.selectors().await.map(drop)
    }

    /// Every replication in the table, by a Scan: for people and checks, not for functions.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read or an item is not as it must be.
    pub async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        self.all_replicas().await?.into_iter().collect()
    }

    /// The same, with [`StoreError::Corrupt`] in the place of what is not as it must be.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read.
    pub async fn all_replicas(&self) -> Result<Vec<Result<Replica, StoreError>>, StoreError> {
        let items = self.scan_items("REP#").await?;
        Ok(items.into_iter().map(|item| readable(item, |item: ReplicaItem| item.read())).collect())
    }

    async fn load_view(&self, publisher: &PublisherKey) -> Result<View, StoreError> {
        let (items, selectors) = try_join(self.query_stage(publisher), self.selectors()).await?;
        let Selectors { rules, unreadable_rules, directory, control } = selectors;
        let mut view = View { rules, unreadable_rules, directory, control, ..View::empty(publisher.clone()) };
        for item in items {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            let corrupt = |error: Unreadable| error.of(&pk, &sk);
            if sk == OccupancyItem::SK {
                view.is_destination = true;
            } else if sk.starts_with("RULE#") {
                match rule(item, &pk, &sk) {
                    Ok(rule) => view.rules.push(rule),
                    Err(id) => view.unreadable_rules.extend(id),
                }
            } else if ["PUB#", "REP#"].iter().any(|kind| sk.starts_with(kind)) && !is_of(&sk, publisher) {
                // Without the attribute that it is filtered by, one of somebody else comes along, and cannot be read.
                warn!(pk = %plain(&pk), sk = %plain(&sk), "an item of nobody left out");
            } else if sk.starts_with("PUB#") {
                view.publisher = Some(decode::<PublisherItem>(item).and_then(|i| i.read()).map_err(corrupt)?);
            } else if sk.starts_with("REP#") {
                view.put(decode::<ReplicaItem>(item).and_then(|i| i.read()).map_err(corrupt)?);
            } else if sk == StageItem::SK {
                view.tags = stage_tags(item, &pk, &sk);
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
        if let Some(stage) = &write.stage {
            puts.push(self.put(&StageItem::new(stage, now), None)?);
        }
        for activity in &write.activity {
            puts.push(self.put(&ActivityItem::from(&HistoryLine::from(activity)), None)?);
        }
        let places = write.places.iter().map(|place| self.change_place(place, now));
        let updates = places.collect::<Result<Vec<_>, _>>()?.into_iter();
        let updates = updates.map(|update| TransactWriteItem::builder().update(update).build());
        let puts = puts.into_iter().map(|put| TransactWriteItem::builder().put(put).build());
        self.transact(updates.chain(puts).collect()).await
    }

    async fn transact(&self, mut items: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        if let Some(companion) = &self.companion {
            if items.len() >= TRANSACTION_ITEMS {
                return Err(StoreError::Refused {
                    table: self.table.clone(),
                    code: "NotWritable".into(),
                    message: format!("{} items and another are more than one transaction takes", items.len()),
                });
            }
            items.push(TransactWriteItem::clone(companion));
        }
        for chunk in items.chunks(TRANSACTION_ITEMS) {
            let request = self.client.transact_write_items().set_transact_items(Some(chunk.to_vec()));
            request.send().await.map_err(|error| write_error(&self.table, chunk, &error))?;
        }
        Ok(())
    }

    /// A put of `item`; on the condition that it has `version` (0: that it is not there), if one is given.
    fn put(&self, item: &impl Serialize, version: Option<u64>) -> Result<Put, StoreError> {
        let item: Item = serde_dynamo::to_item(item).map_err(|error| self.not_writable(&error))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match version {
            None => put,
            Some(0) => put.condition_expression("attribute_not_exists(pk)"),
            Some(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        put.build().map_err(|error| self.not_writable(&error))
    }

    /// A delete of the item with this key.
    fn delete(&self, pk: &str, sk: &str) -> Result<Delete, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()));
        delete.build().map_err(|error| self.not_writable(&error))
    }

    /// A write that cannot even be put into words.
    fn not_writable(&self, error: &(dyn std::error::Error + 'static)) -> StoreError {
        StoreError::Refused {
            table: self.table.clone(),
            code: "NotWritable".into(),
            message: error.to_string(),
        }
    }

    /// All pages of a consistent Query of the table.
    async fn queried(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
        self.paged(query.consistent_read(true)).await
    }

    /// All pages of a Query; of an index, none of which is consistent.
    async fn paged(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let pages = query.table_name(&self.table).into_paginator().items().send();
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

    fn replicas_to<'a>(
        &'a self,
        destination: &'a StageArn,
        phase: &'static str,
    ) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
        self.query_replicas_to(destination, phase).boxed()
    }

    fn write<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write_items(write).boxed()
    }
}

/// Whether `PUB#<participant>` or `REP#<participant>#<destination>` is about this participant.
fn is_of(sk: &str, publisher: &PublisherKey) -> bool {
    sk.split('#').nth(1) == Some(publisher.participant.as_str())
}

/// A rule. One that cannot be read is left out, loudly, for it must not keep the others from working; its id, if that can be read, is
/// the error.
fn rule(item: Item, pk: &str, sk: &str) -> Result<Rule, Option<RuleId>> {
    let read = decode::<RuleItem>(item).and_then(|item| item.read());
    read.map_err(|error| {
        warn!(error = %error.of(pk, sk), "rule left out");
        sk.strip_prefix("RULE#").and_then(|id| id.parse().ok())
    })
}

/// Tags that cannot be read are not known: nothing is started or stopped for that.
fn stage_tags(item: Item, pk: &str, sk: &str) -> Option<Tags> {
    let read = decode::<StageItem>(item).and_then(|item| item.read());
    let known = read.map_err(|error| warn!(error = %error.of(pk, sk), "tags of the stage left out")).ok()?;
    Some(known.listed.tags)
}

/// What an item says, or which item does not say it.
fn readable<I: DeserializeOwned, T>(
    item: Item,
    read: impl FnOnce(I) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
    decode(item).and_then(read).map_err(|error| error.of(&pk, &sk))
}

fn decode<T: DeserializeOwned>(item: Item) -> Result<T, Unreadable> {
    let schema = item.get("schema").and_then(|value| value.as_n().ok()).cloned();
    serde_dynamo::from_item(item).map_err(|error| {
        let schema = schema.unwrap_or_else(|| "none".to_owned());
        Unreadable::new("(item)", format!("{error} (schema: {schema})"), "the form of this version")
    })
}

fn text(item: &Item, attribute: &str) -> String {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    value.cloned().unwrap_or_default()
}
