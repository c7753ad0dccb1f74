//! The document's form: which fields there are, and of which type. What a field may hold is checked later, by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_path_to_error::Segment;

/// The whole document: a list of rules, each as it is written or together with its place.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "RulesDocument"))]
#[serde(deny_unknown_fields)]
pub struct Document<T> {
    /// The rules. No two of one priority ask different things of the same replica.
    pub(crate) rules: Vec<T>,
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "RuleDocument"))]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The customer's name for the rule: 1-64 letters, digits, '-', '_' or '.'; not `versus.` at the beginning.
    #[cfg_attr(feature = "openapi", schemars(regex(pattern = r"^(?!versus\.)[A-Za-z0-9_.-]{1,64}$")))]
    pub(crate) id: String,
    /// 0-100; higher wins scarce slots and places.
    #[serde(default = "default_priority")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 100)))]
    pub(crate) priority: i64,
    /// The stages whose publishers it replicates.
    pub(crate) source: SourceEntry,
    /// Which participants of those stages; all if left out.
    #[serde(default)]
    pub(crate) participants: ParticipantsEntry,
    /// Where they appear, in order of preference.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 20)))]
    pub(crate) destinations: Vec<DestinationEntry>,
    /// How long a replica waits for its publisher to come back.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 300)))]
    pub(crate) reconnect_window_seconds: i64,
    /// Attributes of the replica participant, merged over the token's; 1 KB in total.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    /// Whether it takes the slots and places of lower priorities.
    #[serde(default)]
    pub(crate) preempt: bool,
    /// What the destinations' recording of replicas is kept at; left as it is if not given.
    #[serde(default)]
    pub(crate) record_replicas: Option<bool>,
    /// Whether the rule acts; it does if nothing is said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ["enabled", "paused", null])))]
    pub(crate) status: Option<String>,
    /// When the rule ends by itself.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub(crate) expires_at: Option<String>,
}

/// Exactly one of stage, tags and any.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    feature = "openapi",
    derive(schemars::JsonSchema),
    schemars(rename = "SourceDocument", extend("minProperties" = 1, "maxProperties" = 1))
)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// The ARN of the stage.
    #[serde(default)]
    pub(crate) stage: Option<String>,
    /// 1-10 tags: every stage that has all of them.
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// True: every stage of the account and Region.
    #[serde(default)]
    pub(crate) any: Option<bool>,
}

/// Which participants are meant: those that match all of this. In a pattern `*` is any run of characters, `?` exactly one.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "ParticipantsDocument"))]
#[serde(deny_unknown_fields)]
pub struct ParticipantsEntry {
    /// A pattern that the user id matches.
    #[serde(default)]
    pub(crate) user_id: Option<String>,
    /// Attributes of the token, each with the pattern that its value matches.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A stage, or tags: every stage that has all of them, and the source stage's value of each key in same.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "DestinationDocument"))]
#[serde(deny_unknown_fields)]
pub struct DestinationEntry {
    /// The ARN of the stage.
    #[serde(default)]
    pub(crate) stage: Option<String>,
    /// 1-10 tags.
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// Keys of tags, only together with tags.
    #[serde(default)]
    pub(crate) same: Option<Vec<String>>,
}

fn default_priority() -> i64 {
    50
}

/// The ids alone, of a document in which something else is wrong.
#[cfg(feature = "yaml")]
#[derive(Debug, Deserialize)]
pub(crate) struct Names {
    pub(crate) rules: Vec<Name>,
}

#[cfg(feature = "yaml")]
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
