//! The event rules of all functions, matched as EventBridge matches them.

use quamina::Quamina;
use serde_json::Value;

use crate::{
    delivery::{Source, Target, Trigger},
    template::Function,
};

/// Every rule of the template, ready to match.
pub struct EventRules {
    matcher: Quamina<usize>,
    targets: Vec<Target>,
}

/// A pattern that cannot be matched here as EventBridge would.
#[derive(Debug, thiserror::Error)]
#[error("the pattern of {trigger}: {reason}")]
pub struct PatternError {
    /// The name of the event rule or event source mapping.
    pub trigger: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl EventRules {
    /// Prepares the rules of these functions.
    ///
    /// # Errors
    /// Patterns that EventBridge refuses, and patterns that it and this matcher are known to read differently.
    pub fn new(functions: &[Function]) -> Result<Self, PatternError> {
        let mut rules = Self { matcher: Quamina::new(), targets: Vec::new() };
        for function in functions {
            for rule in &function.rules {
                let error = |reason: String| PatternError { trigger: rule.name.clone(), reason };
                check(&rule.pattern).map_err(error)?;
                let added = rules.matcher.add_pattern(rules.targets.len(), &rule.pattern.to_string());
                added.map_err(|reason| error(reason.to_string()))?;
                let trigger = Trigger::new(Source::Rule, &rule.name, &function.name);
                rules.targets.push(Target::new(trigger, function));
            }
        }
        Ok(rules)
    }

    /// The targets of the rules that match an event, in the order of the template. A function stands there once for
    /// each of its rules that match.
    pub fn matching(&self, event: &Value) -> Vec<&Target> {
        // An event that is JSON, and a `Value` always is, cannot fail to match or not.
        let mut matched = self.matcher.matches_for_event(event.to_string().as_bytes()).unwrap_or_default();
        matched.sort_unstable();
        matched.into_iter().map(|index| &self.targets[index]).collect()
    }
}

/// Operators that EventBridge and the matcher both have, and read alike.
const OPERATORS: [&str; 8] =
    ["anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"];

/// Finds what EventBridge refuses, and what it and the matcher are known to read differently.
pub(crate) fn check(pattern: &Value) -> Result<(), String> {
    let fields = pattern.as_object().filter(|fields| !fields.is_empty());
    let fields = fields.ok_or_else(|| format!("`{pattern}` is not a mapping with at least one field"))?;
    fields.iter().try_for_each(|(field, value)| {
        if field.starts_with('$') {
            return Err(format!("`{field}` is not supported here; write one rule for each alternative"));
        }
        match value {
            Value::Object(_) => check(value).map_err(|reason| format!("{field}: {reason}")),
            Value::Array(choices) => check_choices(choices).map_err(|reason| format!("{field}: {reason}")),
            _ => Err(format!("{field}: `{value}` is not a list; EventBridge wants a list of values")),
        }
    })
}

fn check_choices(choices: &[Value]) -> Result<(), String> {
    if choices.is_empty() {
        return Err("the list is empty and would never match".to_owned());
    }
    for choice in choices {
        match choice {
            Value::Array(_) => return Err(format!("`{choice}` is a list in a list")),
            Value::Object(operator) => check_operator(operator, choices.len())?,
            _ => {}
        }
    }
    Ok(())
}

fn check_operator(operator: &serde_json::Map<String, Value>, choices: usize) -> Result<(), String> {
    let mut entries = operator.iter();
    let (Some((name, argument)), None) = (entries.next(), entries.next()) else {
        return Err("a match expression has exactly one operator".to_owned());
    };
    let in_argument = |kind: fn(&Value) -> bool| match argument {
        Value::Array(items) => items.iter().any(kind),
        single => kind(single),
    };
    match name.as_str() {
        // EventBridge would take either; the matcher here silently takes neither.
        "exists" if choices > 1 => {
            Err("`exists` beside other choices does not match here; write one rule for each".to_owned())
        }
        "anything-but" if in_argument(Value::is_boolean) => {
            Err("`anything-but` of EventBridge knows strings and numbers only".to_owned())
        }
        "anything-but" if in_argument(Value::is_object) => {
            Err("`anything-but` of another operator is not supported here".to_owned())
        }
        known if OPERATORS.contains(&known) => Ok(()),
        unknown => Err(format!("operator `{unknown}` is not supported; known are {}", OPERATORS.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::{
        EventRule,
        tests::{our, ours},
    };

    fn matching(detail: Value) -> Vec<String> {
        let event = json!({
            "version": "0",
            "id": "12345678-1a23-4567-a1bc-1a2b34567890",
            "detail-type": "IVS Stage Update",
            "source": "aws.ivs",
            "account": "123456789012",
            "time": "2025-11-18T16:40:32Z",
            "region": "us-east-1",
            "resources": ["arn:aws:ivs:us-east-1:123456789012:stage/AbCdef1G2hij"],
            "detail": detail,
        });
        let rules = EventRules::new(&ours().functions).unwrap();
        rules.matching(&event).into_iter().map(|target| target.trigger.name.clone()).collect()
    }

    #[test]
    fn an_original_that_published_or_unpublished_matches_once_with_and_without_the_field() {
        for (name, function) in [
            ("Participant Published", "ParticipantPublished"),
            ("Participant Unpublished", "ParticipantUnpublished"),
        ] {
            assert_eq!(matching(json!({ "event_name": name })), [format!("{function}OriginalByAbsence")]);
            assert_eq!(
                matching(json!({ "event_name": name, "replica": false })),
                [format!("{function}OriginalByValue")]
            );
        }
    }

    #[test]
    fn a_replica_never_reaches_the_functions_that_start_and_stop() {
        for name in ["Participant Published", "Participant Unpublished"] {
            assert_eq!(
                matching(json!({ "event_name": name, "replica": true })),
                ["ReplicationChangedReplica"]
            );
        }
    }

    #[test]
    fn replications_and_publish_errors_reach_replication_changed_once() {
        for name in
            ["Participant Replication Start", "Participant Replication End", "Participant Publish Error"]
        {
            assert_eq!(matching(json!({ "event_name": name })), ["ReplicationChangedReplication"]);
        }
        for replica in [true, false] {
            let detail = json!({ "event_name": "Participant Publish Error", "replica": replica });
            assert_eq!(matching(detail), ["ReplicationChangedReplication"]);
        }
    }

    #[test]
    fn other_events_match_nothing() {
        assert_eq!(matching(json!({ "event_name": "Token Exchanged" })), [] as [&str; 0]);
        let rules = EventRules::new(&ours().functions).unwrap();
        let composition = json!({
            "source": "aws.ivs",
            "detail-type": "IVS Composition State Change",
            "detail": { "event_name": "Participant Published" },
        });
        assert_eq!(rules.matching(&composition), [] as [&Target; 0]);
    }

    fn refused(pattern: Value) -> String {
        let mut function = our("participant-published");
        function.rules = vec![EventRule { name: "R".to_owned(), pattern, dead_letters: None }];
        EventRules::new(&[function]).err().unwrap().to_string()
    }

    #[test]
    fn patterns_that_would_not_match_as_in_eventbridge_are_refused() {
        for (pattern, reason) in [
            (json!({}), "not a mapping with at least one field"),
            (json!({ "source": "aws.ivs" }), "source: `\"aws.ivs\"` is not a list"),
            (json!({ "source": [] }), "the list is empty"),
            (
                json!({ "detail": { "replica": [{ "exists": false }, false] } }),
                "detail: replica: `exists` beside",
            ),
            (json!({ "detail": { "replica": [{ "anything-but": [true] }] } }), "strings and numbers only"),
            (json!({ "source": [{ "anything-but": { "prefix": "a" } }] }), "of another operator"),
            (json!({ "source": [{ "regexp": "a" }] }), "operator `regexp` is not supported"),
            (json!({ "source": [{ "prefix": "a", "suffix": "b" }] }), "exactly one operator"),
            (json!({ "$or": [{ "source": ["a"] }] }), "one rule for each alternative"),
        ] {
            let message = refused(pattern.clone());
            assert!(message.contains(reason), "{pattern}: {message}");
        }
    }
}
