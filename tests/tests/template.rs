//! The deployment against the code: what each function may do, and what wakes it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeSet;

use controller::DueClass;

const TEMPLATE: &str = include_str!("../../infra/template.yaml");

/// The lines of a resource of the template.
fn resource(name: &str) -> Vec<&'static str> {
    let head = format!("  {name}:");
    let own = |line: &&str| line.starts_with("    ") || line.trim().is_empty() || line.starts_with("  #");
    TEMPLATE.lines().skip_while(|line| *line != head).skip(1).take_while(own).collect()
}

fn actions(function: &str, service: &str) -> BTreeSet<&'static str> {
    let prefix = format!("- {service}:");
    let lines = resource(function).into_iter().map(str::trim);
    lines.filter_map(|line| line.strip_prefix(prefix.as_str())).collect()
}

/// Each function has the actions that its ports need, and no other. The IVS actions stand beside the ports in the code.
#[test]
fn every_function_may_do_what_its_code_does_and_nothing_else() {
    let starting =
        ["GetParticipant", "GetStage", "ListParticipantReplicas", "StartParticipantReplication"].as_slice();
    let rows: [(&str, &[&str], &[&str]); 6] = [
        ("ParticipantPublished", &["PutItem", "Query", "UpdateItem"], starting),
        (
            "ParticipantUnpublished",
            &["PutItem", "Query", "UpdateItem"],
            &["ListParticipantReplicas", "StopParticipantReplication"],
        ),
        ("ReplicationChanged", &["PutItem", "Query", "UpdateItem"], &[]),
        ("RuleChanged", &["PutItem", "Query", "Scan", "UpdateItem"], &[]),
        (
            "Dispatch",
            &["DeleteItem", "PutItem", "Query", "UpdateItem"],
            &[
                "GetParticipant",
                "GetStage",
                "ListParticipantEvents",
                "ListParticipantReplicas",
                "ListParticipants",
                "ListStageSessions",
                "StartParticipantReplication",
                "StopParticipantReplication",
            ],
        ),
        (
            "Reconcile",
            &["DeleteItem", "PutItem", "Query", "Scan", "UpdateItem"],
            &[
                "GetParticipant",
                "GetStage",
                "ListParticipantEvents",
                "ListParticipantReplicas",
                "ListParticipants",
                "ListStageSessions",
                "ListStages",
                "UpdateStage",
            ],
        ),
    ];
    for (function, dynamodb, ivs) in rows {
        assert_eq!(actions(function, "dynamodb"), dynamodb.iter().copied().collect(), "{function}");
        assert_eq!(actions(function, "ivs"), ivs.iter().copied().collect(), "{function}");
    }
}

/// Work of every class wakes dispatch, but for leases: these end by themselves, and mostly before.
#[test]
fn every_class_of_work_wakes_dispatch() {
    let lines = resource("Dispatch");
    let filter = lines.iter().find(|line| line.contains("due_class")).unwrap();
    for class in DueClass::ALL {
        let named = filter.contains(&format!("\"{}\"", class.name()));
        assert_eq!(named, class != DueClass::Lease, "{}", class.name());
    }
}

#[test]
fn rules_and_orders_wake_rule_changed() {
    let lines = resource("RuleChanged");
    let filter = lines.iter().find(|line| line.contains("\"sk\"")).unwrap();
    assert!(filter.contains("{\"prefix\": \"RULE#\"}") && filter.contains("\"CONTROL\""), "{filter}");
}
