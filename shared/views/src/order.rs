//! Orders for all stages.

use serde::Serialize;

/// That nothing is started or stopped, because somebody ordered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Pause {
    /// Who ordered it.
    pub by: String,
    /// Since when.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub since: String,
    /// Why.
    pub reason: String,
}

impl From<&replication::Pause> for Pause {
    fn from(pause: &replication::Pause) -> Self {
        Self { by: pause.by.clone(), since: pause.at.to_string(), reason: pause.reason.clone() }
    }
}
