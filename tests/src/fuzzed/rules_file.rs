//! A rules file, as YAML and as JSON: what is read of it, and what is told if it cannot be.

#![allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]

use replication::{Rule, check_together};
use rules_file::{Json, Wrong, rules_from_json};
use serde_json::{Value, json};
use stagelink::{Error, Place};

use super::{Reached, is_obeyed};

/// What an error says at most, in bytes, however long the file is.
const LONGEST_ERROR: usize = 4_096;

/// Reads a rules file in both forms.
///
/// # Panics
/// When rules are taken that may not be, the two forms do not mean the same, rules are others after being written and read again, or
/// an error is long, or would be obeyed by a terminal.
pub fn rules_file(bytes: &[u8]) -> Reached {
    let from_json = Json::parse(bytes).and_then(|json| rules_from_json(&json));
    let mut reached = Reached::from([match &from_json {
        Ok(rules) => format!("JSON: {}", taken(rules)),
        Err(wrong) => format!("JSON: {}", refused(&wrong.to_string(), wrong)),
    }]);
    let Ok(text) = std::str::from_utf8(bytes) else { return reached };
    let from_yaml = rules_file::parse(text);
    if let (Ok(json), Ok(yaml)) = (&from_json, &from_yaml) {
        assert_eq!(json, yaml, "JSON means something else as YAML");
    }
    reached.insert(match from_yaml {
        Ok(rules) => format!("YAML: {}", taken(&rules)),
        Err(error) => {
            let wrong = error.wrong.clone();
            format!("YAML: {}", refused(&on_the_terminal(error), &wrong))
        }
    });
    reached
}

/// As the command tells it on its terminal.
fn on_the_terminal(error: rules_file::Error) -> String {
    let place = Place { table: Place::TABLE.to_owned(), region: None, profile: None, local: false };
    let text = Error::Rules(error).told(&place);
    let obeyed = text.chars().find(|c| is_obeyed(*c));
    assert_eq!(obeyed, None, "{text:?}");
    assert_eq!(text.lines().count(), 1, "{text:?}");
    text
}

fn refused(text: &str, wrong: &Wrong) -> &'static str {
    assert!(text.len() <= LONGEST_ERROR, "{} bytes: {text}", text.len());
    match wrong {
        Wrong::Document { .. } => "no document",
        Wrong::UnknownField { .. } => "unknown field",
        Wrong::MissingField { .. } => "missing field",
        Wrong::Rule(_) => "wrong value",
        Wrong::Conflict(_) => "contradiction",
    }
}

fn taken(rules: &[Rule]) -> &'static str {
    for rule in rules {
        rule.validate().expect("a rule that was taken");
    }
    check_together(rules).expect("rules that were taken");
    let document = document(rules);
    let json = Json::parse(document.to_string().as_bytes()).and_then(|json| rules_from_json(&json));
    assert_eq!(json.as_deref(), Ok(rules), "{document}");
    let yaml = serde_saphyr::to_string(&document).expect("YAML");
    assert_eq!(rules_file::parse(&yaml).as_deref(), Ok(rules), "{yaml}");
    if rules.is_empty() { "no rules" } else { "rules" }
}

/// The rules as the API and `-o json` show them, without the revision, which no rules file has.
pub fn document(rules: &[Rule]) -> Value {
    let shown = rules.iter().map(|rule| {
        let mut shown = json!(views::Rule::from(rule));
        shown.as_object_mut().expect("a rule's fields").remove("revision");
        shown
    });
    json!({ "rules": shown.collect::<Vec<_>>() })
}
