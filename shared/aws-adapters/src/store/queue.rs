//! What waits for its time, read from the index `due_work`.

use aws_sdk_dynamodb::types::AttributeValue;
use controller::{Due, DueClass, Queue, StoreError};
use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use jiff::Timestamp;
use replication::Versus;
use tracing::warn;

use super::{DynamoStore, Item, decode, read_error, readable, text};
use crate::item::{ReplicaItem, Unreadable, VersusItem};

/// The sparse index of items with something due.
const DUE_WORK: &str = "due_work";

impl Queue for DynamoStore {
    fn due(&self, until: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, StoreError>> {
        async move {
            let classes = try_join_all(DueClass::ALL.map(|class| self.due_of(class, until, limit))).await?;
            Ok(classes.into_iter().flatten().collect())
        }
        .boxed()
    }
}

impl DynamoStore {
    /// The versus sessions that are not over, the next to be judged first; [`StoreError::Corrupt`] in the place of what is not as
    /// it must be. One Query of the index, which may lag by moments.
    ///
    /// # Errors
    /// [`StoreError`], if the index cannot be read.
    pub async fn versus_not_over(&self) -> Result<Vec<Result<Versus, StoreError>>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(DUE_WORK)
            .key_condition_expression("due_class = :class")
            .expression_attribute_values(":class", AttributeValue::S(DueClass::Versus.name().to_owned()));
        let items = self.paged(query).await?;
        Ok(items.into_iter().map(|item| readable(item, |item: VersusItem| item.read())).collect())
    }

    async fn due_of(&self, class: DueClass, until: Timestamp, limit: usize) -> Result<Vec<Due>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE_WORK)
            .key_condition_expression("due_class = :class AND due_at <= :until")
            .expression_attribute_values(":class", AttributeValue::S(class.name().to_owned()))
            .expression_attribute_values(":until", AttributeValue::S(format!("{until:.9}")))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| read_error(&self.table, &error))?;
        let mut found = Vec::new();
        for item in page.items.unwrap_or_default() {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            // One that cannot be read must not keep the others waiting.
            match due(class, item) {
                Ok(due) => found.extend(due),
                Err(error) => warn!(error = %error.of(&pk, &sk), "due work left out"),
            }
        }
        Ok(found)
    }
}

fn due(class: DueClass, item: Item) -> Result<Option<Due>, Unreadable> {
    Ok(match class {
        DueClass::Versus => Due::of_versus(&decode::<VersusItem>(item)?.read()?),
        _ => Due::of(&decode::<ReplicaItem>(item)?.read()?),
    })
}
