//! The publishers in the table.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use replication::{PublisherKey, StageArn, View};

use super::{DynamoStore, Item, decode, text};
use crate::item::{FIRST_STATE_SK, PublisherItem, ReplicaItem, Unreadable, stage_pk};

/// Sorts after every publisher and replica.
const AFTER_REPLICAS: &str = "REP$";

impl DynamoStore {
    /// Everybody of `stage`, or of every stage, who publishes, did so lately, or has a replica. One Query; a Scan if no stage is
    /// given.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read or an item is not as it must be.
    pub async fn publishers(&self, stage: Option<&StageArn>) -> Result<BTreeSet<PublisherKey>, StoreError> {
        let items = match stage {
            Some(stage) => self.query_items(stage).await?,
            None => {
                let mut items = self.scan_items("PUB#").await?;
                items.extend(self.scan_items("REP#").await?);
                items
            }
        };
        items.into_iter().map(key).collect()
    }

    /// Everybody on `stage` with their replications, without the rules.
    pub(super) async fn query_views(&self, stage: &StageArn) -> Result<Vec<View>, StoreError> {
        let mut views: BTreeMap<PublisherKey, View> = BTreeMap::new();
        for item in self.query_items(stage).await? {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            add(&mut views, item, &sk).map_err(|error| error.of(&pk, &sk))?;
        }
        Ok(views.into_values().collect())
    }

    async fn query_items(&self, stage: &StageArn) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(stage_pk(stage)))
            .expression_attribute_values(":first", AttributeValue::S(FIRST_STATE_SK.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(AFTER_REPLICAS.to_owned()));
        self.queried(query).await
    }
}

fn add(views: &mut BTreeMap<PublisherKey, View>, item: Item, sk: &str) -> Result<(), Unreadable> {
    if sk.starts_with("PUB#") {
        let publisher = decode::<PublisherItem>(item)?.read()?;
        let key = publisher.key.clone();
        views.entry(key.clone()).or_insert_with(|| View::empty(key)).publisher = Some(publisher);
    } else if sk.starts_with("REP#") {
        let replica = decode::<ReplicaItem>(item)?.read()?;
        let key = replica.key.publisher();
        views.entry(key.clone()).or_insert_with(|| View::empty(key)).put(replica);
    }
    Ok(())
}

fn key(item: Item) -> Result<PublisherKey, StoreError> {
    let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
    let key = match sk.starts_with("PUB#") {
        true => decode::<PublisherItem>(item).and_then(|item| item.read()).map(|publisher| publisher.key),
        false => {
            decode::<ReplicaItem>(item).and_then(|item| item.read()).map(|replica| replica.key.publisher())
        }
    };
    key.map_err(|error| error.of(&pk, &sk))
}
