//! What can be wrong with a rules document.

use replication::{RuleConflict, RuleError};
use serde_path_to_error::{Path, Segment};
use serde_saphyr::{DuplicateKeyPolicy, Error as Yaml, Location};

use crate::document::{Names, allowed};

/// A rules document that cannot be used. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not YAML, or not a list of rules.
    #[error("rules file, line {line}: {problem}")]
    Document {
        /// Where.
        line: u64,
        /// What was found and what was expected.
        problem: String,
    },
    /// A rule has a field that there is not.
    #[error("rules file, line {line}: rule {rule}: {field} is no field: allowed are {allowed}")]
    UnknownField {
        /// Where.
        line: u64,
        /// The rule's id, or its place among the rules.
        rule: String,
        /// The field's path.
        field: String,
        /// The fields that there are in its place.
        allowed: String,
    },
    /// A rule lacks a field that every rule has.
    #[error("rules file, line {line}: rule {rule}: {field} is missing: allowed is {allowed}")]
    MissingField {
        /// Where.
        line: u64,
        /// The rule's id, or its place among the rules.
        rule: String,
        /// The field's path.
        field: String,
        /// What it may hold.
        allowed: String,
    },
    /// A field of a rule has a value that is not allowed.
    #[error("rules file, line {line}: {error}")]
    Rule {
        /// Where the value is, or where the rule begins.
        line: u64,
        /// What is wrong.
        error: RuleError,
    },
    /// Two rules contradict each other.
    #[error("rules file, line {line}: {error}")]
    Conflict {
        /// Where the second of them begins.
        line: u64,
        /// What is wrong.
        error: Box<RuleConflict>,
    },
}

impl Error {
    /// An error in the form of a document: `path` is where reading broke off.
    pub(crate) fn of_form(error: &Yaml, path: &Path, yaml: &str) -> Self {
        let error = error.without_snippet();
        let location = error.location();
        let line = location.map_or(1, |location| location.line());
        let Some((index, mut steps)) = within_rule(path) else {
            let problem = format!("{}: allowed is one field, rules, with a list of rules", words(error));
            return Self::Document { line, problem };
        };
        let rule = name(yaml, index);
        match error {
            Yaml::SerdeUnknownField { expected, .. } => {
                Self::UnknownField { line, rule, field: shown_path(&steps), allowed: expected.join(", ") }
            }
            Yaml::SerdeMissingField { field, .. } => {
                steps.push(Segment::Map { key: (*field).to_owned() });
                let allowed = allowed(&steps).to_owned();
                Self::MissingField { line, rule, field: shown_path(&steps), allowed }
            }
            Yaml::DuplicateMappingKey { key, .. } => {
                // The last step is the key that was not taken.
                steps.pop();
                steps.push(Segment::Map { key: key.clone().unwrap_or_default() });
                let (field, value) = (shown_path(&steps), "(a second time)".to_owned());
                Self::Rule {
                    line,
                    error: RuleError { rule, field, value, allowed: "each field once".to_owned() },
                }
            }
            Yaml::InvalidScalar { .. }
            | Yaml::InvalidBooleanStrict { .. }
            | Yaml::NullIntoString { .. }
            | Yaml::SerdeInvalidType { .. }
            | Yaml::SerdeInvalidValue { .. }
            | Yaml::Unexpected { .. } => {
                let (field, value) = (shown_path(&steps), value_at(location, yaml));
                Self::Rule {
                    line,
                    error: RuleError { rule, field, value, allowed: allowed(&steps).to_owned() },
                }
            }
            _ => Self::Document { line, problem: format!("rule {rule}: {}", words(error)) },
        }
    }
}

/// The rule's place among the rules, from 0, and the path within it; nothing outside of rules.
fn within_rule(path: &Path) -> Option<(usize, Vec<Segment>)> {
    let mut segments = path.iter();
    match (segments.next(), segments.next()) {
        // The third segment is the reader's own: a rule is kept together with its line.
        (Some(Segment::Map { .. }), Some(Segment::Seq { index })) => {
            Some((*index, segments.skip(1).cloned().collect()))
        }
        _ => None,
    }
}

fn shown_path(steps: &[Segment]) -> String {
    let mut shown = String::new();
    for step in steps {
        match step {
            Segment::Seq { index } => shown.push_str(&format!("[{index}]")),
            Segment::Map { key } if shown.is_empty() => shown.push_str(key),
            step => shown.push_str(&format!(".{step}")),
        }
    }
    if shown.is_empty() { "(the rule)".to_owned() } else { shown }
}

/// What an error calls a rule: its id if that can be read, else its place, from 1.
pub(crate) fn number(place: usize) -> String {
    format!("number {place}")
}

fn name(yaml: &str, index: usize) -> String {
    // Something is wrong with this document already: only the ids are asked for.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let names: Option<Names> = serde_saphyr::from_str_with_options(yaml, options).ok();
    let id = names.and_then(|names| names.rules.into_iter().nth(index)?.id);
    let id: Option<replication::RuleId> = id.and_then(|id| id.parse().ok());
    id.map_or_else(|| number(index + 1), |id| id.to_string())
}

/// The value at a place, as far as the place shows it.
fn value_at(location: Option<Location>, yaml: &str) -> String {
    let span = location.map(|location| location.span());
    let text = span.and_then(|span| {
        let from = usize::try_from(span.byte_offset()?).ok()?;
        yaml.get(from..from.checked_add(usize::try_from(span.byte_len()?).ok()?)?)
    });
    match text.map(str::trim) {
        None | Some("") => "(nothing)".to_owned(),
        Some("[" | "-") => "(a list)".to_owned(),
        Some("{") => "(a mapping)".to_owned(),
        Some(text) => format!("{:?}", text.chars().take(200).collect::<String>()),
    }
}

/// The reader's own words, without the place, which is told anyway.
fn words(error: &Yaml) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}
