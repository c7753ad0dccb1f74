//! What can be wrong with rules as they are written, wherever they are written.

use replication::{RuleConflict, RuleError, RuleId, cut};
use serde_path_to_error::Segment;

use crate::document::allowed;

/// Rules that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The text is not YAML or JSON, or not what was expected as a whole.
    #[error("{problem}")]
    Document {
        /// What was found and what was expected.
        problem: String,
    },
    /// A rule has a field that there is not.
    #[error("rule {rule}: {field} is no field: allowed are {allowed}")]
    UnknownField {
        /// The rule's id, or its place among the rules.
        rule: String,
        /// The field's path.
        field: String,
        /// The fields that there are in its place.
        allowed: String,
    },
    /// A rule lacks a field that every rule has.
    #[error("rule {rule}: {field} is missing: allowed is {allowed}")]
    MissingField {
        /// The rule's id, or its place among the rules.
        rule: String,
        /// The field's path.
        field: String,
        /// What it may hold.
        allowed: String,
    },
    /// A field of a rule has a value that is not allowed.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Two rules contradict each other.
    #[error(transparent)]
    Conflict(Box<RuleConflict>),
}

impl Wrong {
    /// A field of this rule, at this path within it, that there is not.
    pub(crate) fn unknown(rule: String, steps: &[Segment], expected: &[&str]) -> Self {
        Self::UnknownField { rule, field: shown_path(steps), allowed: expected.join(", ") }
    }

    /// A field that is missing in what stands at this path.
    pub(crate) fn missing(rule: String, mut steps: Vec<Segment>, field: &str) -> Self {
        steps.push(Segment::Map { key: field.to_owned() });
        let allowed = allowed(&steps).to_owned();
        Self::MissingField { rule, field: shown_path(&steps), allowed }
    }

    /// A field that stands there twice.
    pub(crate) fn twice(rule: String, steps: &[Segment]) -> Self {
        let (field, value) = (shown_path(steps), "(a second time)".to_owned());
        Self::Rule(RuleError { rule, field, value, allowed: "each field once".to_owned() })
    }

    /// A value of another type than the field has.
    pub(crate) fn value(rule: String, steps: &[Segment], value: String) -> Self {
        let allowed = allowed(steps).to_owned();
        Self::Rule(RuleError { rule, field: shown_path(steps), value, allowed })
    }
}

/// A path as it is written: `destinations[1].tags`.
pub(crate) fn shown_path(steps: &[Segment]) -> String {
    let mut shown = String::new();
    for step in steps {
        match step {
            Segment::Seq { index } => shown.push_str(&format!("[{index}]")),
            Segment::Map { key } if shown.is_empty() => shown.push_str(cut(key)),
            Segment::Map { key } => shown.push_str(&format!(".{}", cut(key))),
            step => shown.push_str(&format!(".{step}")),
        }
    }
    if shown.is_empty() { "(the rule)".to_owned() } else { shown }
}

/// What an error calls a rule: its id if that can be read, else its place, from 1.
pub(crate) fn name(id: Option<&str>, place: usize) -> String {
    let id: Option<RuleId> = id.and_then(|id| id.parse().ok());
    id.map_or_else(|| number(place), |id| id.to_string())
}

/// A rule that is called by its place, from 1.
pub(crate) fn number(place: usize) -> String {
    format!("number {place}")
}
