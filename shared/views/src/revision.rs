//! A revision of a rule.

use serde::Serialize;

use crate::{Rule, time};

/// A rule as it was from one change to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Revision {
    /// Its number, from 1.
    pub revision: u64,
    /// What the rule said; not there if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// When that was ordered; not there if it is from before there was a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub at: Option<String>,
    /// Who ordered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<&controller::rules::Revision> for Revision {
    fn from(revision: &controller::rules::Revision) -> Self {
        let ordered = revision.ordered.as_ref();
        Self {
            revision: revision.revision,
            rule: revision.rule.as_ref().map(Rule::from),
            at: time(ordered.map(|ordered| ordered.at)),
            by: ordered.map(|ordered| ordered.by.clone()),
            reason: ordered.and_then(|ordered| ordered.reason.clone()),
        }
    }
}
