//! What the table knows of a stage beside its publishers and replicas: the two items `STAGE` and `STAGE#OCCUPANCY`.

use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use controller::explain::StageReader;
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::StageArn;
use replication::explain::StageFacts;
use tracing::warn;

use super::{DynamoStore, readable, text};
use crate::item::{OccupancyItem, StageItem, stage_pk};

impl DynamoStore {
    async fn query_facts(&self, stage: &StageArn) -> Result<StageFacts, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :stage)")
            .expression_attribute_values(":pk", AttributeValue::S(stage_pk(stage)))
            .expression_attribute_values(":stage", AttributeValue::S(StageItem::SK.to_owned()));
        let mut facts = StageFacts::default();
        for item in self.queried(query).await? {
            // One that cannot be read is not known; everything else can be told without it.
            let read = match text(&item, "sk").as_str() {
                StageItem::SK => readable(item, |item: StageItem| item.read())
                    .map(|knowledge| facts.knowledge = Some(knowledge)),
                OccupancyItem::SK => {
                    readable(item, OccupancyItem::read).map(|(_, there)| facts.occupants = Some(there))
                }
                _ => Ok(()),
            };
            read.unwrap_or_else(|error| warn!(%error, "item left out"));
        }
        Ok(facts)
    }
}

impl StageReader for DynamoStore {
    fn stage_facts<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<StageFacts, StoreError>> {
        self.query_facts(stage).boxed()
    }
}
