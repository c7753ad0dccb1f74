//! Answers to requests that may come again: who asks twice under one key gets the first answer, and nothing is done twice.
//!
//! # Guarantees
//! * An answer that is written [`DynamoStore::keeping`] is there if and only if what it tells of was done: it is in the same
//!   transaction.
//! * Under one key there is one answer, for 24 h.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use controller::StoreError;
use jiff::Timestamp;

use super::{DynamoStore, decode, text};
use crate::item::{KeptItem, kept_pk};

/// The answer to a request, under the request's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The key, which says whose request it was, too.
    pub key: String,
    /// What tells the request from another one of the same key.
    pub request: String,
    /// The status of the answer.
    pub status: u16,
    /// Its headers, as far as they are its own.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
    /// When it was given.
    pub at: Timestamp,
}

impl DynamoStore {
    /// The answer that was given under this key, if that is less than 24 h ago. One Query.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read or the item is not as it must be.
    pub async fn kept_answer(&self, key: &str, now: Timestamp) -> Result<Option<KeptAnswer>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", AttributeValue::S(kept_pk(key)))
            .expression_attribute_values(":sk", AttributeValue::S(KeptItem::SK.to_owned()));
        let Some(item) = self.queried(query).await?.pop() else { return Ok(None) };
        let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
        let corrupt = |error: crate::item::Unreadable| error.of(&pk, &sk);
        let item: KeptItem = decode(item).map_err(corrupt)?;
        if item.is_over(now) {
            return Ok(None);
        }
        item.read().map(Some).map_err(corrupt)
    }

    /// The same table, where each transaction keeps this answer too: [`StoreError::Conflict`], and nothing is written, if there
    /// is one under its key already.
    ///
    /// # Errors
    /// [`StoreError::Refused`], if the answer cannot be put into an item.
    pub fn keeping(&self, answer: &KeptAnswer) -> Result<Self, StoreError> {
        let put = TransactWriteItem::builder().put(self.put_kept(answer)?).build();
        Ok(Self { companion: Some(put.into()), ..self.clone() })
    }

    /// Keeps an answer that tells of nothing that was done.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], if there is one under its key already; others, if the table cannot be written.
    pub async fn keep_answer(&self, answer: &KeptAnswer) -> Result<(), StoreError> {
        let put = TransactWriteItem::builder().put(self.put_kept(answer)?).build();
        self.transact(vec![put]).await
    }

    fn put_kept(&self, answer: &KeptAnswer) -> Result<Put, StoreError> {
        let mut put = self.put(&KeptItem::from(answer), None)?;
        put.condition_expression = Some("attribute_not_exists(pk) OR expires_at <= :now".to_owned());
        let now = AttributeValue::N(answer.at.as_second().to_string());
        put.expression_attribute_values = Some([(":now".to_owned(), now)].into());
        Ok(put)
    }
}
