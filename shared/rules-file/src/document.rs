//! The document's form: which fields there are, and of which type. What a field may hold is checked later, by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_path_to_error::Segment;
use serde_saphyr::Spanned;

/// The whole document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) rules: Vec<Spanned<Entry>>,
}

/// One rule, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) id: String,
    #[serde(default = "default_priority")]
    pub(crate) priority: i64,
    pub(crate) source: SourceEntry,
    #[serde(default)]
    pub(crate) participants: ParticipantsEntry,
    pub(crate) destinations: Vec<DestinationEntry>,
    #[serde(default)]
    pub(crate) reconnect_window_seconds: i64,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) preempt: bool,
    #[serde(default)]
    pub(crate) record_replicas: Option<bool>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceEntry {
    #[serde(default)]
    pub(crate) stage: Option<String>,
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) any: Option<bool>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParticipantsEntry {
    #[serde(default)]
    pub(crate) user_id: Option<String>,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestinationEntry {
    #[serde(default)]
    pub(crate) stage: Option<String>,
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) same: Option<Vec<String>>,
}

fn default_priority() -> i64 {
    50
}

/// The ids alone, of a document in which something else is wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct Names {
    pub(crate) rules: Vec<Name>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Name {
    #[serde(default)]
    pub(crate) id: Option<String>,
}

/// What a field may hold, in words, by its path within a rule.
pub(crate) fn allowed(path: &[Segment]) -> &'static str {
    let steps: Vec<&str> = path
        .iter()
        .map(|step| match step {
            Segment::Map { key } => key.as_str(),
            _ => "[]",
        })
        .collect();
    match steps.as_slice() {
        ["id"] => "1-64 letters, digits, '-', '_' or '.'",
        ["priority"] => "a whole number, 0-100",
        ["reconnect_window_seconds"] => "a whole number, 0-300",
        ["preempt" | "record_replicas"] | ["source", "any"] => "true or false",
        ["status"] => "enabled, paused",
        ["expires_at"] => "an RFC 3339 time with zone, such as 2026-12-01T20:00:00Z",
        ["source"] => "a mapping with exactly one of stage, tags and any",
        ["participants"] => "a mapping of user_id and attributes",
        ["destinations"] => "a list of 1-20 destinations",
        ["destinations", "[]"] => "a mapping with stage, or with tags and same",
        [.., "stage"] => "a stage ARN",
        [.., "same"] => "a list of keys of tags",
        [.., "tags"] => "a mapping of keys to values",
        ["attributes"] | ["participants", "attributes"] => "a mapping of names to values",
        [] => "a mapping of fields",
        _ => "a text",
    }
}
