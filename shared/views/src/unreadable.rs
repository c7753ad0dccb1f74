//! An item of the table that cannot be read.

use controller::StoreError;
use serde::Serialize;

/// An item that a list leaves out, because it is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Unreadable {
    /// Its partition key and its sort key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Which attribute, its value, and what is allowed.
    pub problem: String,
}

impl From<&StoreError> for Unreadable {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Corrupt { pk, sk, message } => {
                Self { item: Some(format!("{pk} {sk}")), problem: message.clone() }
            }
            other => Self { item: None, problem: other.to_string() },
        }
    }
}
