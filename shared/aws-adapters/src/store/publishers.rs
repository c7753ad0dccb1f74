//! The publishers in the table.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use replication::{PublisherKey, StageArn};

use super::{DynamoStore, Item, decode, text};
use crate::item::{FIRST_STATE_SK, PublisherItem, ReplicaItem, stage_pk};

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
