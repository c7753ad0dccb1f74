//! The rules document: YAML in, core rules out, with errors that name rule, field, value and what is allowed.
//!
//! ```yaml
//! rules:
//!   - id: main-to-overflow            # 1-64 letters, digits, '-', '_' or '.'
//!     priority: 50                    # 0-100, default 50; higher wins scarce slots
//!     source: { stage: "arn:aws:ivs:us-east-1:123456789012:stage/AbCdef1G2hij" }   # or { any: true }
//!     participants: { user_id: "host-*" }                                           # optional; '*' any run, '?' one
//!     destinations:                   # 1-20, in order of preference
//!       - stage: "arn:aws:ivs:us-east-1:123456789012:stage/XYZdef1G2hij"
//!     reconnect_window_seconds: 30    # 0-300, default 0
//!     attributes: { via: main }       # merged over the token's; 1 KB in total
//!     status: enabled                 # enabled (default) or paused
//!     expires_at: 2026-12-01T20:00:00Z   # optional
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use jiff::Timestamp;
use replication::{Destination, ParticipantFilter, ReconnectWindow, Rule, RuleError, Source, Status};
use serde::Deserialize;

/// A rules document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not YAML, or a field is unknown, missing or of the wrong type.
    #[error("rules file: {0}")]
    Document(String),
    /// A field of a rule has a value that is not allowed.
    #[error("rule {rule}: {field} {value:?} is not valid: allowed is {allowed}")]
    Field {
        /// The rule's id.
        rule: String,
        /// The field's path within the rule.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A rule as a whole is not valid.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Two rules have the same id.
    #[error("rule {rule}: id {rule:?} is not valid: allowed is each id once")]
    Twice {
        /// The id.
        rule: String,
    },
}

/// Reads a rules document. Rules have revision 1; the store knows the real ones.
///
/// # Errors
/// The first thing that is not as it must be. Nothing of the document is used then.
pub fn parse(yaml: &str) -> Result<Vec<Rule>, Error> {
    let document: Document =
        serde_saphyr::from_str(yaml).map_err(|error| Error::Document(error.to_string()))?;
    let mut seen = BTreeSet::new();
    let mut rules = Vec::new();
    for entry in document.rules {
        let rule = entry.rule()?;
        if !seen.insert(rule.id.clone()) {
            return Err(Error::Twice { rule: rule.id.to_string() });
        }
        if rule.id.is_of_versus() {
            let (rule, allowed) = (rule.id.to_string(), "an id that does not begin with \"versus.\"");
            return Err(Error::Field { value: rule.clone(), rule, field: "id", allowed: allowed.to_owned() });
        }
        rule.validate()?;
        rules.push(rule);
    }
    Ok(rules)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rules: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(default = "default_priority")]
    priority: i64,
    source: SourceEntry,
    #[serde(default)]
    participants: ParticipantsEntry,
    destinations: Vec<DestinationEntry>,
    #[serde(default)]
    reconnect_window_seconds: i64,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceEntry {
    #[serde(default)]
    stage: Option<String>,
    #[serde(default)]
    any: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ParticipantsEntry {
    #[serde(default)]
    user_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DestinationEntry {
    stage: String,
}

fn default_priority() -> i64 {
    50
}

impl Entry {
    fn rule(self) -> Result<Rule, Error> {
        let rule = self.id.clone();
        let error = |field, value: &dyn Display, allowed: &dyn Display| Error::Field {
            rule: rule.clone(),
            field,
            value: value.to_string(),
            allowed: allowed.to_string(),
        };
        let stage = |field, arn: &str| {
            let parsed: Result<replication::StageArn, replication::IdError> = arn.parse();
            parsed.map_err(|problem| error(field, &arn, &problem.allowed))
        };
        let source = match (&self.source.stage, self.source.any) {
            (Some(arn), None) => Source::Stage(stage("source.stage", arn)?),
            (None, Some(true)) => Source::Any,
            (None, Some(false)) => {
                return Err(error("source.any", &"false", &"true, or give source.stage instead"));
            }
            (None, None) => return Err(error("source", &"{}", &"stage: <ARN>, or any: true")),
            (Some(_), Some(_)) => return Err(error("source", &"stage and any", &"one of stage and any")),
        };
        let pattern =
            |text: &String| text.parse().map_err(|allowed| error("participants.user_id", text, &allowed));
        let window =
            u64::try_from(self.reconnect_window_seconds).ok().and_then(ReconnectWindow::from_seconds);
        let time = |text: &String| {
            let parsed: Result<Timestamp, _> = text.parse();
            parsed.map_err(|_| {
                error("expires_at", text, &"an RFC 3339 time with zone, such as 2026-12-01T20:00:00Z")
            })
        };
        Ok(Rule {
            id: self
                .id
                .parse()
                .map_err(|problem: replication::IdError| error("id", &self.id, &problem.allowed))?,
            revision: 1,
            priority: u8::try_from(self.priority)
                .ok()
                .filter(|priority| *priority <= Rule::MAX_PRIORITY)
                .ok_or_else(|| error("priority", &self.priority, &"0-100"))?,
            status: match self.status.as_deref() {
                None | Some("enabled") => Status::Enabled,
                Some("paused") => Status::Paused,
                Some(other) => return Err(error("status", &other, &"enabled, paused")),
            },
            source,
            participants: ParticipantFilter {
                user_id: self.participants.user_id.as_ref().map(pattern).transpose()?,
                ..ParticipantFilter::default()
            },
            destinations: self
                .destinations
                .iter()
                .map(|destination| stage("destinations.stage", &destination.stage).map(Destination::Stage))
                .collect::<Result<_, _>>()?,
            reconnect_window: window
                .ok_or_else(|| error("reconnect_window_seconds", &self.reconnect_window_seconds, &"0-300"))?,
            attributes: self.attributes,
            preempt: false,
            record_replicas: None,
            expires_at: self.expires_at.as_ref().map(time).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "arn:aws:ivs:us-east-1:123456789012:stage/A";
    const B: &str = "arn:aws:ivs:us-east-1:123456789012:stage/B";

    fn one(extra: &str) -> Result<Vec<Rule>, Error> {
        parse(&format!(
            "rules:\n  - id: r\n    source: {{ stage: \"{A}\" }}\n    destinations: [ {{ stage: \"{B}\" }} ]\n{extra}"
        ))
    }

    #[test]
    fn the_documented_form_is_read() {
        let text = concat!(
            "    priority: 70\n    participants: { user_id: \"host-*\" }\n    reconnect_window_seconds: 30\n",
            "    attributes: { via: main }\n    status: paused\n    expires_at: 2026-12-01T20:00:00Z\n",
        );
        let rule = one(text).unwrap().remove(0);
        assert_eq!((rule.priority, rule.reconnect_window.seconds(), rule.status), (70, 30, Status::Paused));
        assert!(rule.participants.matches("host-1") && !rule.participants.matches("guest"));
        assert_eq!(rule.attributes["via"], "main");
        assert_eq!(rule.expires_at.unwrap().to_string(), "2026-12-01T20:00:00Z");
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let rule = one("").unwrap().remove(0);
        assert_eq!((rule.priority, rule.reconnect_window.seconds(), rule.status), (50, 0, Status::Enabled));
    }

    #[test]
    fn a_source_may_be_any_stage() {
        let text = format!(
            "rules: [ {{ id: r, source: {{ any: true }}, destinations: [ {{ stage: \"{B}\" }} ] }} ]"
        );
        assert_eq!(parse(&text).unwrap()[0].source, Source::Any);
    }

    #[test]
    fn every_wrong_value_is_named_with_its_rule_and_what_is_allowed() {
        for (text, words) in [
            ("    priority: 101\n", ["priority", "101", "0-100"]),
            ("    priority: -1\n", ["priority", "-1", "0-100"]),
            ("    reconnect_window_seconds: 301\n", ["reconnect_window_seconds", "301", "0-300"]),
            ("    status: on\n", ["status", "on", "paused"]),
            ("    expires_at: tomorrow\n", ["expires_at", "tomorrow", "RFC 3339"]),
            ("    participants: { user_id: \"\" }\n", ["participants.user_id", "\"\"", "1-128"]),
            ("    colour: red\n", ["colour", "unknown field", "line"]),
            ("    priority: high\n", ["high", "rules file", "line"]),
        ] {
            let error = one(text).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{word:?} is not in: {error}");
            }
        }
        let own = parse(&format!(
            "rules: [ {{ id: r, source: {{ stage: \"{A}\" }}, destinations: [ {{ stage: \"{A}\" }} ] }} ]"
        ));
        assert!(own.unwrap_err().to_string().contains("a stage other than the rule's source"));
        let arn =
            parse("rules: [ { id: r, source: { stage: here }, destinations: [] } ]").unwrap_err().to_string();
        assert!(arn.contains("source.stage \"here\"") && arn.contains("arn:aws:ivs:"), "{arn}");
    }

    #[test]
    fn an_id_may_stand_only_once() {
        let rule =
            format!("{{ id: r, source: {{ stage: \"{A}\" }}, destinations: [ {{ stage: \"{B}\" }} ] }}");
        assert!(matches!(parse(&format!("rules: [ {rule}, {rule} ]")), Err(Error::Twice { .. })));
    }

    #[test]
    fn the_ids_of_versus_sessions_are_taken() {
        let rule =
            format!("{{ id: versus.r, source: {{ any: true }}, destinations: [ {{ stage: \"{B}\" }} ] }}");
        let error = parse(&format!("rules: [ {rule} ]")).unwrap_err().to_string();
        assert!(error.contains("rule versus.r: id") && error.contains("does not begin with"), "{error}");
    }
}
