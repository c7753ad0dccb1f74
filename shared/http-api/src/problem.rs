//! What can be wrong with a request or with the table, as problem details (RFC 9457).
//!
//! | `type` (after `urn:problem-type:stagelink:`) | status | means |
//! |---|---|---|
//! | `unknown-path` | 404 | there is no such path |
//! | `method-not-allowed` | 405 | the path does not know the method; `Allow` names those it knows |
//! | `unknown-parameter` | 400 | `field` is no parameter here |
//! | `missing-parameter` | 400 | `field` has to be given |
//! | `invalid-parameter` | 400 | `field` has a value that is not allowed |
//! | `table-unavailable` | 503 | the table does not answer at the moment: try again after `Retry-After` seconds |
//! | `table-refused` | 500 | the table refuses the function: somebody has to change something |
//! | `item-unreadable` | 500 | an item that everything depends on is not as it must be |
//!
//! What the table says of itself is in the function's log, under the request id that `detail` names, and not in the answer.

use aws_adapters::PageError;
use controller::StoreError;
use lambda_http::http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use tracing::{error, warn};

/// Seconds after which a client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why a request has no other answer.
#[derive(Debug)]
pub enum Problem {
    /// There is no such path.
    UnknownPath {
        /// The path asked for.
        path: String,
    },
    /// The path does not know the method.
    MethodNotAllowed {
        /// The path.
        path: &'static str,
        /// The method asked for.
        method: String,
        /// The methods it knows.
        allowed: Vec<&'static str>,
    },
    /// The path does not know a parameter.
    UnknownParameter {
        /// The parameter.
        name: String,
        /// Those it knows.
        allowed: Vec<&'static str>,
    },
    /// A parameter, or one of several, has to be given.
    MissingParameter {
        /// The parameters.
        names: &'static [&'static str],
        /// What they may hold.
        allowed: &'static str,
    },
    /// A parameter has a value that is not allowed.
    InvalidParameter {
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
        /// What it may hold.
        allowed: String,
    },
    /// The table fails.
    Store(StoreError),
}

impl Problem {
    /// The token of a page is not one of ours. It is long and says nothing to people, so it is not repeated.
    pub(crate) fn next() -> Self {
        Self::InvalidParameter {
            name: "next".to_owned(),
            value: "(a token)".to_owned(),
            allowed: "the next of an earlier answer to the same request".to_owned(),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownParameter { .. } | Self::MissingParameter { .. } | Self::InvalidParameter { .. } => {
                400
            }
            Self::UnknownPath { .. } => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::Store(error) if is_passing(error) => 503,
            Self::Store(_) => 500,
        }
    }

    /// The answer's body, to the request with this id.
    pub fn body(&self, request_id: &str) -> Value {
        let (name, title) = self.kind();
        let mut body = json!({
            "type": format!("urn:problem-type:stagelink:{name}"),
            "title": title,
            "status": self.status(),
            "detail": self.detail(request_id),
        });
        if let Some(field) = self.field() {
            body["field"] = field.into();
        }
        body
    }

    /// Headers that belong to the answer.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::MethodNotAllowed { allowed, .. } => {
                // Names of methods are always a valid value.
                if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", ")) {
                    headers.insert(header::ALLOW, allowed);
                }
            }
            Self::Store(error) if is_passing(error) => drop(headers.insert(header::RETRY_AFTER, RETRY_AFTER)),
            _ => {}
        }
    }

    /// What is wrong with the table goes into the log; what is wrong with a request is the client's to know.
    pub(crate) fn log(&self) {
        let Self::Store(store) = self else { return };
        let (error_type, _) = self.kind();
        match is_passing(store) {
            true => warn!(error_type, error = %store, "not answered"),
            false => error!(error_type, error = %store, "not answered"),
        }
    }

    fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::UnknownPath { .. } => ("unknown-path", "There is no such path"),
            Self::MethodNotAllowed { .. } => ("method-not-allowed", "The path does not know this method"),
            Self::UnknownParameter { .. } => ("unknown-parameter", "The path does not know this parameter"),
            Self::MissingParameter { .. } => ("missing-parameter", "A parameter is missing"),
            Self::InvalidParameter { .. } => {
                ("invalid-parameter", "A parameter has a value that is not allowed")
            }
            Self::Store(StoreError::Corrupt { .. }) => ("item-unreadable", "An item cannot be read"),
            Self::Store(error) if is_passing(error) => {
                ("table-unavailable", "The table does not answer at the moment")
            }
            Self::Store(_) => ("table-refused", "The table refuses the function"),
        }
    }

    fn detail(&self, request_id: &str) -> String {
        let shown = |text: &str| text.chars().take(200).collect::<String>();
        match self {
            Self::UnknownPath { path } => {
                let allowed = crate::resource::Resource::ALL.map(|resource| resource.path()).join(", ");
                format!("path {:?} is not known: allowed are {allowed}", shown(path))
            }
            Self::MethodNotAllowed { path, method, allowed } => {
                format!("method {method} is not known at {path}: allowed are {}", allowed.join(", "))
            }
            Self::UnknownParameter { name, allowed } => {
                let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                format!("parameter {:?} is not known: allowed are {allowed}", shown(name))
            }
            Self::MissingParameter { names, allowed } => {
                format!("{} is missing: allowed is {allowed}", names.join(" or "))
            }
            Self::InvalidParameter { name, value, allowed } => {
                format!("{name} {:?} is not valid: allowed is {allowed}", shown(value))
            }
            Self::Store(StoreError::Corrupt { pk, sk, .. }) => {
                format!("item {pk} {sk} is not as it must be; the log of request {request_id} says why")
            }
            Self::Store(error) if is_passing(error) => {
                format!("try again; the log of request {request_id} says why")
            }
            Self::Store(_) => format!("the log of request {request_id} says why"),
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownParameter { name, .. } | Self::InvalidParameter { name, .. } => Some(name),
            Self::MissingParameter { names, .. } => names.first().copied(),
            _ => None,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        match error {
            PageError::NotOfThisList => Self::next(),
            PageError::Store(error) => Self::Store(error),
        }
    }
}

/// Whether trying again may help.
fn is_passing(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable { .. } | StoreError::Conflict | StoreError::DestinationFull { .. }
    )
}
