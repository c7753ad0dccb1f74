//! The rules document as JSON, and other JSON that comes from outside: what is wrong with it is told in the words of the file.

use std::fmt;

use replication::Rule;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer, Segment, Track};

use crate::document::{Document, Entry};
pub use crate::tree::Json;
use crate::tree::{Fault, Reader};
use crate::wrong::{Wrong, name, shown_path};
use crate::{Written, rules};

/// Reads a rules document. Rules have revision 1; the store knows the real ones.
///
/// # Errors
/// The first thing that is not as it must be. Nothing of the document is used then.
pub fn rules_from_json(json: &Json) -> Result<Vec<Rule>, Wrong> {
    let document: Document<Entry> = read_with(json, |fault, steps| match &steps[..] {
        [Segment::Map { .. }, Segment::Seq { index }, within @ ..] => {
            let rule = json.at(&steps[..2]);
            of_rule(fault, within.to_vec(), rule, name(id_of(rule), index + 1))
        }
        _ => {
            let problem = format!("{}: allowed is one field, rules, with a list of rules", fault.words());
            Wrong::Document { problem }
        }
    })?;
    let entries = document.rules.into_iter().enumerate();
    rules(entries.map(|(i, entry)| Written { place: Number(i + 1), entry })).map_err(|(_, wrong)| wrong)
}

/// Reads one rule by itself. Its revision is 1; the store knows the real one. Whether it contradicts others is not asked.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn rule_from_json(json: &Json) -> Result<Rule, Wrong> {
    let entry: Entry =
        read_with(json, |fault, steps| of_rule(fault, steps, Some(json), name(id_of(Some(json)), 1)))?;
    rules([Written { place: Number(1), entry }])
        .map_err(|(_, wrong)| wrong)?
        .pop()
        .ok_or_else(|| Wrong::Document { problem: "no rule is there".to_owned() })
}

/// A field that is not as it must be, of JSON that is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// There is no such field.
    Unknown {
        /// Its path.
        field: String,
        /// The fields that there are in its place.
        allowed: String,
    },
    /// The field has to be there.
    Missing {
        /// Its path.
        field: String,
    },
    /// It has a value of another type, or stands there twice.
    Value {
        /// Its path.
        field: String,
        /// Its value, or what it is.
        value: String,
    },
}

/// Reads JSON of some other form.
///
/// # Errors
/// The first field that is not as it must be.
pub fn read<T: DeserializeOwned>(json: &Json) -> Result<T, Misfit> {
    let field = |steps: &[Segment]| match steps {
        [] => "(the whole)".to_owned(),
        steps => shown_path(steps),
    };
    read_with(json, |fault, mut steps| match fault {
        Fault::UnknownField(expected) => {
            Misfit::Unknown { field: field(&steps), allowed: expected.join(", ") }
        }
        Fault::MissingField(missing) => {
            steps.push(Segment::Map { key: (*missing).to_owned() });
            Misfit::Missing { field: field(&steps) }
        }
        Fault::Twice | Fault::Value(_) => {
            Misfit::Value { field: field(&steps), value: shown_value(fault, json.at(&steps)) }
        }
    })
}

/// The place of a rule among the others, from 1.
#[derive(Clone, Copy)]
struct Number(usize);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule number {}", self.0)
    }
}

fn read_with<T: DeserializeOwned, E>(json: &Json, wrong: impl Fn(&Fault, Vec<Segment>) -> E) -> Result<T, E> {
    if let Some(path) = json.twice() {
        return Err(wrong(&Fault::Twice, path));
    }
    let mut track = Track::new();
    let read = T::deserialize(Deserializer::new(Reader(json), &mut track));
    read.map_err(|fault| wrong(&fault, track.path().iter().cloned().collect()))
}

fn of_rule(fault: &Fault, steps: Vec<Segment>, rule: Option<&Json>, name: String) -> Wrong {
    match fault {
        Fault::UnknownField(expected) => Wrong::unknown(name, &steps, expected),
        Fault::MissingField(field) => Wrong::missing(name, steps, field),
        Fault::Twice => Wrong::twice(name, &steps),
        Fault::Value(_) => {
            let value = shown_value(fault, rule.and_then(|rule| rule.at(&steps)));
            Wrong::value(name, &steps, value)
        }
    }
}

fn shown_value(fault: &Fault, value: Option<&Json>) -> String {
    match (fault, value) {
        (Fault::Twice, _) => "(a second time)".to_owned(),
        (_, Some(value)) => value.shown(),
        (_, None) => "(nothing)".to_owned(),
    }
}

fn id_of(rule: Option<&Json>) -> Option<&str> {
    rule?.field("id")?.as_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: &str = "arn:aws:ivs:us-east-1:123456789012:stage/B";

    fn rule(more: &str) -> Result<Rule, Wrong> {
        let text = format!(
            r#"{{ "id": "r", "source": {{ "any": true }}, "destinations": [{{ "stage": "{B}" }}]{more} }}"#
        );
        rule_from_json(&Json::parse(text.as_bytes())?)
    }

    fn document(text: &str) -> Result<Vec<Rule>, Wrong> {
        rules_from_json(&Json::parse(text.as_bytes())?)
    }

    #[test]
    fn a_rule_by_itself_has_the_defaults_of_the_file() {
        let rule = rule("").unwrap();
        assert_eq!((rule.priority, rule.revision, rule.preempt), (50, 1, false));
        assert_eq!(rule.status, replication::Status::Enabled);
    }

    #[test]
    fn what_is_wrong_names_rule_field_value_and_what_is_allowed() {
        for (more, expected) in [
            (
                r#", "reconnect_window_seconds": 301"#,
                "rule r: reconnect_window_seconds 301 is not valid: allowed is 0-300",
            ),
            (
                r#", "reconnect_window_seconds": "30""#,
                "rule r: reconnect_window_seconds \"30\" is not valid: allowed is a whole number, 0-300",
            ),
            (
                r#", "priority": 5.5"#,
                "rule r: priority \"5.5\" is not valid: allowed is a whole number, 0-100",
            ),
            (
                r#", "priority": 18446744073709551615"#,
                "rule r: priority \"18446744073709551615\" is not valid",
            ),
            (r#", "priority": [5]"#, "rule r: priority (a list) is not valid"),
            (r#", "priority": {}"#, "rule r: priority (a mapping) is not valid"),
            (r#", "priority": null"#, "rule r: priority \"null\" is not valid"),
            (r#", "preempt": "yes""#, "rule r: preempt \"yes\" is not valid: allowed is true or false"),
            (r#", "id": "s""#, "rule r: id (a second time) is not valid: allowed is each field once"),
            (
                r#", "attributes": { "a": "1", "a": "2" }"#,
                "rule r: attributes.a (a second time) is not valid: allowed is each field once",
            ),
            (
                r#", "participants": ["host-1"]"#,
                "rule r: participants (a list) is not valid: allowed is a mapping of user_id and attributes",
            ),
            (r#", "attributes": { "a": 1 }"#, "rule r: attributes.a \"1\" is not valid: allowed is a text"),
            (
                r#", "colour": "red""#,
                "rule r: colour is no field: allowed are id, priority, source, participants,",
            ),
            (
                r#", "participants": { "colour": "red" }"#,
                "rule r: participants.colour is no field: allowed are user_id, attributes",
            ),
            (r#", "status": "on""#, "rule r: status \"on\" is not valid: allowed is enabled, paused"),
        ] {
            let text = rule(more).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn a_document_names_the_rule_by_id_or_place() {
        let rest = format!(r#""source": {{ "any": true }}, "destinations": [{{ "stage": "{B}" }}]"#);
        for (text, expected) in [
            (
                format!(r#"{{"rules": [{{ {rest} }}]}}"#),
                "rule number 1: id is missing: allowed is 1-64 letters",
            ),
            (
                format!(r#"{{"rules": [{{ "id": "a", {rest} }}, {{ "id": "a b", "to": 1, {rest} }}]}}"#),
                "rule number 2: to is no field",
            ),
            (
                format!(r#"{{"rules": [{{ "id": "a", {rest} }}, {{ "id": "a", {rest} }}]}}"#),
                "rule a: id \"a\", as in rule number 1, is not valid: allowed is each id once",
            ),
            (
                r#"{"rules": [{ "id": "a", "source": 5 }]}"#.to_owned(),
                "rule a: source \"5\" is not valid: allowed is a mapping with exactly one of",
            ),
            (
                r#"{"rules": [{ "id": "a", "source": {"any": true} }]}"#.to_owned(),
                "rule a: destinations is missing: allowed is a list of 1-20 destinations",
            ),
        ] {
            let error = document(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{expected}\n{error}");
        }
        let contradicting =
            format!(r#"{{"rules": [{{ "id": "a", {rest} }}, {{ "id": "b", "preempt": true, {rest} }}]}}"#);
        assert!(matches!(document(&contradicting), Err(Wrong::Conflict(_))));
        let taken = format!(r#"{{"rules": [{{ "id": "versus.a", {rest} }}]}}"#);
        assert!(document(&taken).unwrap_err().to_string().contains("does not begin with"), "{taken}");
        assert_eq!(document(r#"{"rules": []}"#), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_of_rules_is_refused() {
        let deep = "[".repeat(10_000);
        for text in
            ["", "{", "[]", "5", "null", r#"{"rules": 5}"#, r#"{"ruels": []}"#, "{\"rules\": []} x", &deep]
        {
            assert!(matches!(document(text), Err(Wrong::Document { .. })), "{text}");
        }
        let latin1 = rule_from_json(&Json::parse(b"{\"id\": \"\xe4\"}").unwrap_or(Json::Null));
        assert!(latin1.is_err());
    }

    #[test]
    fn what_is_wrong_is_told_in_few_words() {
        let long = "x".repeat(100_000);
        for more in [
            format!(r#", "status": "{long}""#),
            format!(r#", "expires_at": "{long}""#),
            format!(r#", "source": {{ "stage": "{long}" }}"#),
            format!(r#", "{long}": 1"#),
            format!(r#", "attributes": {{ "{long}": 1 }}"#),
            format!(r#", "participants": {{ "attributes": {{ "{long}": "" }} }}"#),
        ] {
            let text = rule(&more).unwrap_err().to_string();
            assert!(text.len() < 1_000, "{} bytes: {text}", text.len());
        }
        let text = document(&format!(r#"{{"rules": "{long}"}}"#)).unwrap_err().to_string();
        assert!(text.len() < 1_000, "{} bytes: {text}", text.len());
    }

    /// As many as a request may have. Each is looked for once, or this takes minutes.
    #[test]
    fn many_fields_are_looked_through_once() {
        let fields: Vec<_> = (0..100_000).map(|i| format!(r#""{i}":1"#)).collect();
        let text = rule(&format!(", {}", fields.join(","))).unwrap_err().to_string();
        assert!(text.starts_with("rule r: 0 is no field"), "{text}");
    }

    #[test]
    fn other_json_is_read_as_strictly() {
        #[derive(Debug, serde::Deserialize, PartialEq)]
        #[serde(deny_unknown_fields)]
        struct Other {
            reason: Option<String>,
            count: u8,
        }
        let other = |text: &str| read::<Other>(&Json::parse(text.as_bytes()).unwrap());
        assert_eq!(other(r#"{"count": 5}"#), Ok(Other { reason: None, count: 5 }));
        let value =
            |field: &str, value: &str| Misfit::Value { field: field.to_owned(), value: value.to_owned() };
        for (text, expected) in [
            (r#"{"count": 256}"#, value("count", "\"256\"")),
            (r#"{"count": 5, "reason": []}"#, value("reason", "(a list)")),
            (r#"{"count": 5, "count": 6}"#, value("count", "(a second time)")),
            (r#"[null, 5]"#, value("(the whole)", "(a list)")),
            (r#"{}"#, Misfit::Missing { field: "count".to_owned() }),
            (
                r#"{"colour": 5}"#,
                Misfit::Unknown { field: "colour".to_owned(), allowed: "reason, count".to_owned() },
            ),
        ] {
            assert_eq!(other(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn fields_can_be_taken_out_first() {
        let mut json = Json::parse(br#"{"reason": "x", "id": "r"}"#).unwrap();
        assert_eq!(json.take("reason").as_ref().and_then(Json::as_text), Some("x"));
        assert_eq!((json.take("reason"), json.field("id").is_some()), (None, true));
        assert_eq!(Json::List(vec![]).take("reason"), None);
    }
}
