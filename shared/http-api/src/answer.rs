//! The answer to a request that could be met.

use std::collections::BTreeMap;

use aws_adapters::KeptAnswer;
use lambda_http::http::header;
use serde::Serialize;
use serde_json::{Value, json};

/// Status, headers of its own, and a body of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// An answer, and whether it has been kept with the change that it tells of.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) answer: Answer,
    pub(crate) kept: bool,
}

impl Answer {
    /// The fields of a body are in the order of their names.
    pub(crate) fn of(status: u16, body: &impl Serialize) -> Self {
        let body: Value = json!(body);
        Self { status, headers: BTreeMap::new(), body: body.to_string() }
    }

    /// JSON that is written already.
    pub(crate) fn as_is(body: &str) -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: body.to_owned() }
    }

    /// With the revision that `If-Match` takes.
    pub(crate) fn at_revision(mut self, revision: u64) -> Self {
        self.headers.insert(header::ETAG.to_string(), format!("\"{revision}\""));
        self
    }

    /// Of something new, which is there from now on.
    pub(crate) fn made_at(mut self, path: String) -> Self {
        self.headers.insert(header::LOCATION.to_string(), path);
        self
    }
}

impl From<KeptAnswer> for Answer {
    /// The answer as it was given, marked as such.
    fn from(kept: KeptAnswer) -> Self {
        let KeptAnswer { status, mut headers, body, .. } = kept;
        headers.insert("idempotent-replayed".to_owned(), "true".to_owned());
        Self { status, headers, body }
    }
}
