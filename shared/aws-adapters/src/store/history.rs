//! The history in the table: `ACT#` items, by Query.

use aws_sdk_dynamodb::types::AttributeValue;
use controller::history::{HistoryEntry, HistoryKey, HistoryLine, HistoryPage, Part, Wanted};
use controller::{History, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::StageArn;

use super::{DynamoStore, read_error, readable, text};
use crate::item::{ANY_STAGE, ActivityItem, stage_pk};

/// The most items that are read for one page: where few are wanted, the page is short.
const READ_AT_MOST: usize = 1_000;

/// Items in one Query where some will be left out.
const CHUNK: usize = 200;

impl DynamoStore {
    async fn history_page(
        &self,
        stage: Option<&StageArn>,
        wanted: &Wanted,
        part: Part<'_>,
    ) -> Result<HistoryPage, StoreError> {
        let value = |text: String| AttributeValue::S(text);
        let first = format!("{}{:.9}", ActivityItem::SK, wanted.since);
        let mut end = match part.before {
            Some(before) => format!("{}{}", ActivityItem::SK, before.bound_in(stage)),
            None => ActivityItem::AFTER.to_owned(),
        };
        // The end itself may be among them, and one more tells whether there is more.
        let all = *wanted == Wanted::since(wanted.since);
        let chunk = if all { part.limit.min(READ_AT_MOST) + 2 } else { CHUNK };
        let mut page = HistoryPage::default();
        let mut looked_at = 0;
        // Two bounds are all that a condition may have, and one that is empty is refused.
        while first < end {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .scan_index_forward(false)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :end")
                .expression_attribute_values(":pk", value(stage.map_or(ANY_STAGE.to_owned(), stage_pk)))
                .expression_attribute_values(":first", value(first.clone()))
                .expression_attribute_values(":end", value(end.clone()))
                .limit(i32::try_from(chunk).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|error| read_error(&self.table, &error))?;
            let more = answer.last_evaluated_key.is_some();
            for item in answer.items.unwrap_or_default() {
                let sk = text(&item, "sk");
                if sk >= end {
                    continue;
                }
                let key = HistoryKey::in_list(stage, sk.strip_prefix(ActivityItem::SK).unwrap_or_default());
                let line = readable(item, |item: ActivityItem| item.read());
                let is_wanted = line.as_ref().map_or(true, |line: &HistoryLine| wanted.takes(line));
                if is_wanted && page.found.len() == part.limit {
                    return Ok(page);
                }
                looked_at += 1;
                end = sk;
                page.next = Some(key.clone());
                if is_wanted {
                    page.found.push(HistoryEntry { key, line });
                }
            }
            if !more {
                page.next = None;
                return Ok(page);
            }
            if looked_at >= READ_AT_MOST {
                return Ok(page);
            }
        }
        page.next = None;
        Ok(page)
    }

    async fn put_line(&self, line: &HistoryLine) -> Result<(), StoreError> {
        self.put_unconditionally(&ActivityItem::from(line)).await
    }
}

impl History for DynamoStore {
    fn history<'a>(
        &'a self,
        stage: Option<&'a StageArn>,
        wanted: &'a Wanted,
        part: Part<'a>,
    ) -> BoxFuture<'a, Result<HistoryPage, StoreError>> {
        self.history_page(stage, wanted, part).boxed()
    }

    fn note<'a>(&'a self, line: &'a HistoryLine) -> BoxFuture<'a, Result<(), StoreError>> {
        self.put_line(line).boxed()
    }
}
