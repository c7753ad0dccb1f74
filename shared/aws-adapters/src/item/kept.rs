//! The answer to a request that may come again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RETENTION, SCHEMA, Unreadable, check_schema, parse};
use crate::store::KeptAnswer;

/// Where the answer to the request with this key lies: in a partition of its own, of which no function hears.
pub(crate) fn kept_pk(key: &str) -> String {
    format!("KEY#{key}")
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptItem {
    pk: String,
    sk: String,
    schema: u8,
    key: String,
    request: String,
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
    at: String,
    pub(crate) expires_at: i64,
}

impl KeptItem {
    /// The sort key.
    pub(crate) const SK: &str = "ANSWER";

    pub(crate) fn read(&self) -> Result<KeptAnswer, Unreadable> {
        check_schema(self.schema)?;
        Ok(KeptAnswer {
            key: self.key.clone(),
            request: self.request.clone(),
            status: self.status,
            headers: self.headers.clone(),
            body: self.body.clone(),
            at: parse("at", &self.at)?,
        })
    }

    /// Whether its time is over; DynamoDB deletes it some time after that.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at <= now.as_second()
    }
}

impl From<&KeptAnswer> for KeptItem {
    fn from(answer: &KeptAnswer) -> Self {
        Self {
            pk: kept_pk(&answer.key),
            sk: Self::SK.to_owned(),
            schema: SCHEMA,
            key: answer.key.clone(),
            request: answer.request.clone(),
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
            at: answer.at.to_string(),
            expires_at: (answer.at + RETENTION).as_second(),
        }
    }
}
