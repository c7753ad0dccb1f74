//! Versus sessions in the table, each with its rules.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use controller::{StoreError, VersusStore};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::{StageArn, Versus, VersusId, View};

use super::{DynamoStore, decode, text};
use crate::item::{RuleItem, VersusItem, versus_pk};

impl DynamoStore {
    async fn read_versus(&self, id: &VersusId) -> Result<Option<Versus>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", AttributeValue::S(versus_pk(id)))
            .expression_attribute_values(":sk", AttributeValue::S(VersusItem::SK.to_owned()));
        let Some(item) = self.queried(query).await?.pop() else { return Ok(None) };
        let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
        let versus = decode::<VersusItem>(item).and_then(|item| item.read());
        versus.map(Some).map_err(|error| error.of(&pk, &sk))
    }

    async fn scan_versus(&self) -> Result<Vec<Versus>, StoreError> {
        let items: Vec<VersusItem> = self.scan(VersusItem::SK).await?;
        let read = items.iter().map(|item| item.read().map_err(|error| error.of(&item.pk, &item.sk)));
        let mut sessions = read.collect::<Result<Vec<_>, _>>()?;
        sessions.sort_by(|a, b| a.terms.id.cmp(&b.terms.id));
        Ok(sessions)
    }

    async fn put_versus(&self, versus: &Versus) -> Result<(), StoreError> {
        let session = self.put(&VersusItem::next(versus, Timestamp::now()), Some(versus.version))?;
        let mut writes = vec![TransactWriteItem::builder().put(session).build()];
        for rule in versus.rules().iter().map(RuleItem::from) {
            writes.push(match versus.is_over() {
                true => self.delete_rule(&rule)?,
                false => TransactWriteItem::builder().put(self.put(&rule, None)?).build(),
            });
        }
        self.transact(writes).await
    }
}

impl VersusStore for DynamoStore {
    fn versus<'a>(&'a self, id: &'a VersusId) -> BoxFuture<'a, Result<Option<Versus>, StoreError>> {
        self.read_versus(id).boxed()
    }

    fn all_versus(&self) -> BoxFuture<'_, Result<Vec<Versus>, StoreError>> {
        self.scan_versus().boxed()
    }

    fn views_on<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Vec<View>, StoreError>> {
        self.query_views(stage).boxed()
    }

    fn write_versus<'a>(&'a self, versus: &'a Versus) -> BoxFuture<'a, Result<(), StoreError>> {
        self.put_versus(versus).boxed()
    }
}
