//! The filter of an event source mapping, matched as EventBridge matches patterns.

use quamina::Quamina;
use serde_json::Value;

use crate::{
    event_rules::{PatternError, check},
    template::StreamSource,
};

/// The filter criteria of an event source mapping.
pub(crate) struct Filter {
    /// None lets every change through.
    matcher: Option<Quamina<usize>>,
}

/// What a change has at its top level, and a pattern may speak of.
const FIELDS: [&str; 8] = [
    "awsRegion",
    "dynamodb",
    "eventID",
    "eventName",
    "eventSource",
    "eventSourceARN",
    "eventVersion",
    "userIdentity",
];

impl Filter {
    /// Prepares the filters of a mapping.
    ///
    /// # Errors
    /// Patterns that Lambda refuses, that no change can match, or that are known to be read differently here.
    pub(crate) fn new(source: &StreamSource) -> Result<Self, PatternError> {
        if source.filters.is_empty() {
            return Ok(Self { matcher: None });
        }
        let error = |reason: String| PatternError { trigger: source.name.clone(), reason };
        let mut matcher = Quamina::new();
        for (index, pattern) in source.filters.iter().enumerate() {
            check(pattern).map_err(error)?;
            let unknown =
                pattern.as_object().into_iter().flatten().find(|(key, _)| !FIELDS.contains(&key.as_str()));
            if let Some((key, _)) = unknown {
                return Err(error(format!("a change has no field `{key}`; it has {}", FIELDS.join(", "))));
            }
            let added = matcher.add_pattern(index, &pattern.to_string());
            added.map_err(|reason| error(reason.to_string()))?;
        }
        Ok(Self { matcher: Some(matcher) })
    }

    /// Whether a change is delivered: whether any of the patterns matches it.
    pub(crate) fn lets_through(&self, change: &Value) -> bool {
        let Some(matcher) = &self.matcher else { return true };
        // A change that is JSON, and a `Value` always is, cannot fail to match or not.
        !matcher.matches_for_event(change.to_string().as_bytes()).unwrap_or_default().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::tests::our;

    fn source(function: &str) -> StreamSource {
        our(function).streams.remove(0)
    }

    fn change(pk: &str, sk: &str, old: Option<Value>, new: Option<Value>) -> Value {
        let name = match (&old, &new) {
            (None, _) => "INSERT",
            (_, None) => "REMOVE",
            _ => "MODIFY",
        };
        let mut change = json!({
            "eventID": "1",
            "eventName": name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": { "pk": { "S": pk }, "sk": { "S": sk } },
                "SequenceNumber": "100000000000000000001",
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        });
        for (image, item) in [("OldImage", old), ("NewImage", new)] {
            if let Some(item) = item {
                change["dynamodb"][image] = item;
            }
        }
        change
    }

    const STAGE: &str = "STAGE#arn:aws:ivs:us-east-1:123456789012:stage/a";
    const REPLICA: &str = "REP#p1#arn:aws:ivs:us-east-1:123456789012:stage/b";

    /// A replica with work of this class, or without any.
    fn replica(due_class: Option<&str>) -> Value {
        let mut item = json!({ "pk": { "S": STAGE }, "sk": { "S": REPLICA }, "phase": { "S": "Pending" } });
        if let Some(class) = due_class {
            item["due_class"] = json!({ "S": class });
        }
        item
    }

    fn replica_becomes(due_class: Option<&str>) -> Value {
        change(STAGE, REPLICA, Some(replica(Some("start"))), Some(replica(due_class)))
    }

    /// One change of each kind of item.
    fn others() -> [Value; 8] {
        let item = |sk: &str| json!({ "pk": { "S": STAGE }, "sk": { "S": sk }, "version": { "N": "1" } });
        let inserted = |pk: &str, sk: &str| change(pk, sk, None, Some(item(sk)));
        [
            inserted(STAGE, "PUB#p1"),
            inserted(STAGE, "ACT#2026-01-01T00:00:00Z#p1#b"),
            inserted(STAGE, "STAGE"),
            inserted("BUDGET#StartParticipantReplication", "BUDGET"),
            inserted("HISTORY#r", "REV#0000000001"),
            inserted("HISTORY", "EDITION"),
            inserted("KEY#0123456789abcdef", "ANSWER"),
            replica_becomes(None),
        ]
    }

    #[test]
    fn work_that_waits_wakes_dispatch() {
        let filter = Filter::new(&source("dispatch")).unwrap();
        for class in ["release", "start", "verify", "versus"] {
            assert!(filter.lets_through(&replica_becomes(Some(class))), "{class}");
            let inserted = change(STAGE, REPLICA, None, Some(replica(Some(class))));
            assert!(filter.lets_through(&inserted), "{class}");
        }
    }

    #[test]
    fn a_lease_and_what_has_no_work_do_not_wake_dispatch() {
        let filter = Filter::new(&source("dispatch")).unwrap();
        assert!(!filter.lets_through(&replica_becomes(Some("lease"))));
        assert!(!filter.lets_through(&change(STAGE, REPLICA, Some(replica(Some("start"))), None)), "removed");
        for other in others() {
            assert!(!filter.lets_through(&other), "{other}");
        }
        assert!(!filter.lets_through(&rules()[0]));
    }

    fn rules() -> [Value; 4] {
        let item = |status: &str| json!({ "sk": { "S": "RULE#r" }, "status": { "S": status } });
        [
            change(STAGE, "RULE#r", None, Some(item("enabled"))),
            change(STAGE, "RULE#r", Some(item("enabled")), Some(item("paused"))),
            change(STAGE, "RULE#r", Some(item("enabled")), None),
            change("STAGE#*", "RULE#any", None, Some(item("enabled"))),
        ]
    }

    #[test]
    fn rules_and_orders_and_nothing_else_wake_rule_changed() {
        let filter = Filter::new(&source("rule-changed")).unwrap();
        let of_any_stage = |sk| change("STAGE#*", sk, None, Some(json!({ "sk": { "S": sk } })));
        for rule in rules().into_iter().chain([of_any_stage("CONTROL")]) {
            assert!(filter.lets_through(&rule), "{rule}");
        }
        assert!(!filter.lets_through(&of_any_stage("COUNT")));
        for other in others().into_iter().chain([replica_becomes(Some("start"))]) {
            assert!(!filter.lets_through(&other), "{other}");
        }
    }

    #[test]
    fn filters_are_alternatives_and_without_any_every_change_is_delivered() {
        let mut source = source("dispatch");
        source.filters = vec![json!({ "eventName": ["INSERT"] }), json!({ "eventName": ["REMOVE"] })];
        let filter = Filter::new(&source).unwrap();
        let [inserted, modified, removed, _] = rules();
        assert!(filter.lets_through(&inserted) && filter.lets_through(&removed));
        assert!(!filter.lets_through(&modified));

        source.filters.clear();
        assert!(Filter::new(&source).unwrap().lets_through(&modified));
    }

    #[test]
    fn a_filter_that_would_not_match_as_in_lambda_is_refused() {
        for (pattern, reason) in [
            (json!({ "dynamodb": { "Keys": {} } }), "not a mapping with at least one field"),
            (json!({ "dynamodb": { "NewImage": { "due_class": { "S": "start" } } } }), "is not a list"),
            (json!({ "eventName": [{ "regexp": "a" }] }), "operator `regexp` is not supported"),
            (json!({ "NewImage": { "due_class": { "S": ["start"] } } }), "a change has no field `NewImage`"),
        ] {
            let mut source = source("dispatch");
            source.filters = vec![pattern];
            let message = Filter::new(&source).err().unwrap().to_string();
            assert!(
                message.starts_with("the pattern of DispatchWork: ") && message.contains(reason),
                "{message}"
            );
        }
    }
}
