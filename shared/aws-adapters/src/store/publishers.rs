//! The publishers in the table.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use replication::{PublisherKey, StageArn, View, plain};
use tracing::warn;

use super::{DynamoStore, Item, decode, text};
use crate::item::{FIRST_STATE_SK, PublisherItem, ReplicaItem, Unreadable, stage_pk};

/// Sorts after every publisher and replica.
const AFTER_REPLICAS: &str = "REP$";

impl DynamoStore {
    /// Everybody of `stage`, or of every stage, who publishes, did so lately, or has a replica. One Query; a Scan if no stage is
    /// given. An item whose key names nobody is left out, loudly.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read.
    pub async fn publishers(&self, stage: Option<&StageArn>) -> Result<BTreeSet<PublisherKey>, StoreError> {
        let items = match stage {
            Some(stage) => self.query_items(stage).await?,
            None => {
                let scan = self
                    .client
                    .scan()
                    .filter_expression("begins_with(sk, :publisher) OR begins_with(sk, :replica)")
                    .projection_expression("pk, sk")
                    .expression_attribute_values(":publisher", AttributeValue::S("PUB#".to_owned()))
                    .expression_attribute_values(":replica", AttributeValue::S("REP#".to_owned()));
                self.scanned(scan).await?
            }
        };
        Ok(items.iter().filter_map(key).collect())
    }

    /// Everybody on `stage` with their replications, without the rules. An item that cannot be read is left out, loudly: it
    /// stands for one publisher, and the others are judged without it.
    pub(super) async fn query_views(&self, stage: &StageArn) -> Result<Vec<View>, StoreError> {
        let mut views: BTreeMap<PublisherKey, View> = BTreeMap::new();
        for item in self.query_items(stage).await? {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            if let Err(error) = add(&mut views, item, &sk) {
                warn!(error = %error.of(&pk, &sk), "item left out");
            }
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

/// Whom an item is about, by its key: `STAGE#<stage>` and `PUB#<participant>` or `REP#<participant>#<destination>`.
fn key(item: &Item) -> Option<PublisherKey> {
    let (pk, sk) = (text(item, "pk"), text(item, "sk"));
    let stage = pk.strip_prefix("STAGE#").and_then(|stage| stage.parse().ok());
    let participant = sk.split('#').nth(1).and_then(|participant| participant.parse().ok());
    if stage.is_none() || participant.is_none() {
        warn!(pk = %plain(&pk), sk = %plain(&sk), "an item of nobody left out");
    }
    Some(PublisherKey { stage: stage?, participant: participant? })
}
