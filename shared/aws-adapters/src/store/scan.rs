//! Scans: whatever the table holds, but for its history.
//!
//! Nobody scans for history, most of the table is history, and a Scan is billed for, and waits for, what it reads and leaves out. But
//! it reads a partition in the order of its sort keys, and goes on from any key that it is given. So where an answer ends among the lines
//! of a history, the next request begins after them.

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use futures::FutureExt;
use serde::de::DeserializeOwned;

use super::{DynamoStore, Item, read_error, readable, text};
use crate::item::{ActivityItem, HistoryItem};

/// The sort keys of histories: how they begin, and what sorts after them.
const HISTORIES: [(&str, &str); 2] =
    [(ActivityItem::SK, ActivityItem::AFTER), (HistoryItem::SK, HistoryItem::AFTER)];

/// Items of the first request after a history; each further one takes twice as many. What is next is often another history.
const FIRST_STRIDE: i32 = 50;

impl DynamoStore {
    pub(super) async fn scan<T: DeserializeOwned>(&self, sk_prefix: &str) -> Result<Vec<T>, StoreError> {
        self.scan_items(sk_prefix).await?.into_iter().map(|item| readable(item, Ok)).collect()
    }

    pub(super) async fn scan_items(&self, sk_prefix: &str) -> Result<Vec<Item>, StoreError> {
        let scan = self
            .client
            .scan()
            .filter_expression("begins_with(sk, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(sk_prefix.to_owned()));
        self.scanned(scan).await
    }

    /// All that a consistent Scan of the table finds that is not history; of history, some.
    pub(super) async fn scanned(&self, scan: ScanFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let scan = scan.table_name(&self.table).consistent_read(true);
        let (mut items, mut start, mut stride) = (Vec::new(), None, None);
        loop {
            let request = scan.clone().set_exclusive_start_key(start).set_limit(stride).send();
            // In a box, because the compiler has a limit for how deep futures lie in each other, and this one is deep.
            let page = request.boxed().await.map_err(|error| read_error(&self.table, &error))?;
            items.extend(page.items.unwrap_or_default());
            let Some(last) = page.last_evaluated_key else { return Ok(items) };
            (start, stride) = match after_history(&last) {
                Some(after) => (Some(after), Some(FIRST_STRIDE)),
                None => (Some(last), stride.map(|items| items.saturating_mul(2))),
            };
        }
    }
}

/// The key after the history that `key` is a line of, whether or not there is an item with it.
fn after_history(key: &Item) -> Option<Item> {
    let sk = text(key, "sk");
    let (_, after) = HISTORIES.into_iter().find(|(prefix, _)| sk.starts_with(prefix))?;
    let mut key = key.clone();
    key.insert("sk".to_owned(), AttributeValue::S(after.to_owned()));
    Some(key)
}
