//! A revision of a rule: what its history holds.

use controller::rules;
use serde::Serialize;

use crate::rule::Rule;

/// A rule as it was from one change to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Revision {
    /// Its number, from 1. Numbers go on after a rule was deleted.
    pub revision: u64,
    /// What the rule said; not there if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// Whether the rule was deleted.
    pub deleted: bool,
    /// When it was ordered; not there, as who and why, if it is from before there was a history.
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

impl From<&rules::Revision> for Revision {
    fn from(revision: &rules::Revision) -> Self {
        let ordered = revision.ordered.as_ref();
        Self {
            revision: revision.revision,
            rule: revision.rule.as_ref().map(Rule::from),
            deleted: revision.rule.is_none(),
            at: ordered.map(|ordered| ordered.at.to_string()),
            by: ordered.map(|ordered| ordered.by.clone()),
            reason: ordered.and_then(|ordered| ordered.reason.clone()),
        }
    }
}
