//! The sweep's part of the table: one Scan of everything but history, and what it keeps of stages.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use controller::StoreError;
use controller::sweep::port::{AskForLooks, SweepStore};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::sweep::{Asked, Inventory, StageKnowledge};
use replication::{StageArn, Tags};
use serde::Serialize;
use tracing::warn;

use super::failure::read_error;
use super::operator::take_control;
use super::{DynamoStore, Item, decode, readable, text};
use crate::item::{
    ANY_STAGE, AskedItem, ControlItem, CountItem, DestinationItem, ListingItem, OccupancyItem, PublisherItem,
    ReplicaItem, RuleItem, StageItem, Unreadable, stage_pk,
};

impl DynamoStore {
    /// Everything but history, by one Scan, and beside it the items that cannot be read, each as [`StoreError::Corrupt`]: for
    /// people and checks, not for functions.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read.
    pub async fn survey(&self) -> Result<(Inventory, Vec<StoreError>), StoreError> {
        let (mut inventory, mut unreadable) = (Inventory::default(), Vec::new());
        for item in self.scan_state().await? {
            unreadable.extend(put(&mut inventory, item).err());
        }
        Ok((inventory, unreadable))
    }

    async fn scan_inventory(&self) -> Result<Inventory, StoreError> {
        let mut inventory = Inventory::default();
        for item in self.scan_state().await? {
            let is_order = is_order(&item);
            match put(&mut inventory, item) {
                Err(error) if is_order => return Err(error),
                Err(error) => warn!(%error, "item left out"),
                Ok(()) => {}
            }
        }
        Ok(inventory)
    }

    async fn scan_state(&self) -> Result<Vec<Item>, StoreError> {
        let scan = self
            .client
            .scan()
            .filter_expression("begins_with(pk, :stage) AND NOT begins_with(sk, :activity)")
            .expression_attribute_values(":stage", AttributeValue::S("STAGE#".to_owned()))
            .expression_attribute_values(":activity", AttributeValue::S("ACT#".to_owned()));
        self.scanned(scan).await
    }

    /// One item, by a consistent Query.
    async fn item(&self, pk: &str, sk: &str) -> Result<Option<Item>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()));
        Ok(self.queried(query).await?.pop())
    }

    pub(super) async fn put_unconditionally(&self, item: &impl Serialize) -> Result<(), StoreError> {
        let item: Item = serde_dynamo::to_item(item).map_err(|error| self.not_writable(&error))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| read_error(&self.table, &error))
    }
}

/// Whether an item holds what was ordered for all stages. Without knowing that, nothing may be done.
fn is_order(item: &Item) -> bool {
    let sk = text(item, "sk");
    text(item, "pk") == ANY_STAGE && (sk == ControlItem::SK || sk == CountItem::SK)
}

/// Takes an item in, or says which cannot be read.
fn put(inventory: &mut Inventory, item: Item) -> Result<(), StoreError> {
    if is_order(&item) {
        return take_control(&mut inventory.control, item);
    }
    let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
    take(inventory, item, &pk, &sk).map_err(|error| {
        inventory.rules_incomplete |= sk.starts_with("RULE#");
        let error = error.of(&pk, &sk);
        inventory.left_out.push(error.to_string());
        error
    })
}

fn take(inventory: &mut Inventory, item: Item, pk: &str, sk: &str) -> Result<(), Unreadable> {
    match sk.split('#').next().unwrap_or_default() {
        "RULE" => inventory.rules.push(decode::<RuleItem>(item)?.read()?),
        "PUB" => inventory.put_publisher(decode::<PublisherItem>(item)?.read()?),
        "REP" => inventory.put_replica(decode::<ReplicaItem>(item)?.read()?),
        "STAGE" if sk == OccupancyItem::SK => {
            let (stage, occupants) = decode::<OccupancyItem>(item)?.read()?;
            inventory.put_occupants(stage, occupants);
        }
        "ASKED" => {
            let (stage, asked) = decode::<AskedItem>(item)?.read()?;
            inventory.put_asked(stage, asked);
        }
        "DEST" => {
            let (stage, tags) = decode::<DestinationItem>(item)?.read()?;
            Arc::make_mut(&mut inventory.directory).insert(stage, tags);
        }
        "STAGE" if pk == ANY_STAGE => inventory.listed_at = Some(decode::<ListingItem>(item)?.read()?),
        "STAGE" => inventory.put_knowledge(decode::<StageItem>(item)?.read()?),
        _ => {}
    }
    Ok(())
}

impl SweepStore for DynamoStore {
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, StoreError>> {
        self.scan_inventory().boxed()
    }

    fn remember_stage<'a>(&'a self, stage: &'a StageKnowledge) -> BoxFuture<'a, Result<(), StoreError>> {
        async { self.put_unconditionally(&StageItem::new(stage, Timestamp::now())).await }.boxed()
    }

    fn remember_destinations<'a>(
        &'a self,
        changes: &'a BTreeMap<StageArn, Option<Tags>>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let write = |(stage, tags): (&StageArn, &Option<Tags>)| match tags {
                Some(tags) => {
                    let put = self.put(&DestinationItem::new(stage, tags), None)?;
                    Ok(TransactWriteItem::builder().put(put).build())
                }
                None => Ok(TransactWriteItem::builder()
                    .delete(self.delete(ANY_STAGE, &DestinationItem::sk(stage))?)
                    .build()),
            };
            let writes = changes.iter().map(write).collect::<Result<Vec<_>, StoreError>>()?;
            self.transact(writes).await
        }
        .boxed()
    }

    fn remember_listing(&self, at: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        async move { self.put_unconditionally(&ListingItem::new(at)).await }.boxed()
    }

    fn remember_running(&self, running: usize) -> BoxFuture<'_, Result<(), StoreError>> {
        async move { self.put_unconditionally(&CountItem::new(running, Timestamp::now())).await }.boxed()
    }
}

impl AskForLooks for DynamoStore {
    fn ask_for_look<'a>(
        &'a self,
        stage: Option<&'a StageArn>,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move { self.put_unconditionally(&AskedItem::new(stage, asked)).await }.boxed()
    }

    fn listed_at(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        async {
            let item = self.item(ANY_STAGE, ListingItem::SK).await?;
            item.map(|item| readable(item, |item: ListingItem| item.read())).transpose()
        }
        .boxed()
    }

    fn knowledge<'a>(
        &'a self,
        stage: &'a StageArn,
    ) -> BoxFuture<'a, Result<Option<StageKnowledge>, StoreError>> {
        async {
            let item = self.item(&stage_pk(stage), StageItem::SK).await?;
            item.map(|item| readable(item, |item: StageItem| item.read())).transpose()
        }
        .boxed()
    }
}
