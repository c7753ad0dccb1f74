//! Switches about Start and Stop: each does what it says.

use ivs_sim::Dialect;
use serde_json::{Value, json};

use crate::bench::{Bench, status, verdict};

/// Runs a scenario under every option of a switch, and returns the outcomes by option.
pub(crate) fn under_each(switch: &str, scenario: impl Fn(&mut Bench) -> String) -> Vec<(String, String)> {
    let switches = Dialect::switches();
    let options = switches.into_iter().find(|found| found.name == switch).unwrap().options;
    let outcome = |option: Value| {
        let name = option.as_str().map_or_else(|| option.to_string(), str::to_owned);
        (name, scenario(&mut Bench::dialect(json!({switch: option}))))
    };
    options.into_iter().map(outcome).collect()
}

/// Asserts the outcome under every option.
pub(crate) fn expect(switch: &str, expected: &[(&str, &str)], scenario: impl Fn(&mut Bench) -> String) {
    let outcomes = under_each(switch, scenario);
    let expected: Vec<_> = expected.iter().map(|(o, r)| ((*o).to_owned(), (*r).to_owned())).collect();
    assert_eq!(outcomes, expected, "{switch}");
}

#[test]
fn refusals_of_start() {
    expect(
        "start_not_publishing",
        &[
            ("not_found", "404 p is not publishing"),
            ("conflict", "409 p is not publishing"),
            ("validation", "400 p is not publishing"),
        ],
        |bench| {
            bench.publish("A", "p");
            bench.unpublish("A", "p");
            bench.start("A", "p", "B")
        },
    );
    expect(
        "start_unknown_participant",
        &[("not_found", "404"), ("conflict", "409"), ("validation", "400")],
        |bench| status(&bench.start("A", "nobody", "B")),
    );
    expect("duplicate_start", &[("conflict", "409"), ("success", "ok"), ("validation", "400")], |bench| {
        bench.publish("A", "p");
        bench.start("A", "p", "B");
        let again = status(&bench.start("A", "p", "B"));
        assert_eq!(bench.simulator.replicas().len(), 1);
        again
    });
    expect("same_stage", &[("validation", "400"), ("conflict", "409")], |bench| {
        bench.publish("A", "p");
        status(&bench.start("A", "p", "A"))
    });
    expect(
        "replication_limit",
        &[("quota_exceeded", "402"), ("conflict", "409"), ("validation", "400")],
        |bench| {
            bench.publish("A", "p");
            for stage in ["B", "C", "D", "E", "F"] {
                assert_eq!(bench.start("A", "p", stage), "ok");
            }
            status(&bench.start("A", "p", "G"))
        },
    );
    expect(
        "empty_destination",
        &[("creates_session", "ok"), ("not_found", "404"), ("conflict", "409")],
        |bench| {
            bench.publish("A", "p");
            bench.publish("C", "c");
            assert_eq!(bench.start("A", "p", "C"), "ok", "this one has a session");
            status(&bench.start("A", "p", "B"))
        },
    );
}

#[test]
fn stages_elsewhere() {
    let elsewhere = |bench: &Bench, region: &str, account: &str| {
        bench.publish("A", "p");
        let destination = format!("arn:aws:ivs:{region}:{account}:stage/elsewhere");
        let input = json!({"sourceStageArn": bench.arn("A"), "participantId": "p", "destinationStageArn": destination});
        status(&verdict(&bench.call("StartParticipantReplication", input)))
    };
    expect(
        "cross_region",
        &[("validation", "400"), ("not_found", "404"), ("access_denied", "403")],
        |bench| elsewhere(bench, "eu-west-1", "123456789012"),
    );
    expect(
        "cross_account",
        &[("access_denied", "403"), ("allowed", "ok"), ("not_found", "404"), ("validation", "400")],
        |bench| {
            let outcome = elsewhere(bench, "us-east-1", "999999999999");
            let replications = bench.simulator.replicas().len();
            assert_eq!(replications == 1, outcome == "ok");
            let expected: &[&str] = if outcome == "ok" {
                &[
                    "A Published p",
                    "A Replication Start p to arn:aws:ivs:us-east-1:999999999999:stage/elsewhere",
                ]
            } else {
                &["A Published p"]
            };
            assert_eq!(bench.events(), expected, "the other account's events are not ours");
            outcome
        },
    );
}

#[test]
fn a_full_destination_refuses_at_once_or_by_event() {
    expect(
        "publisher_limit",
        &[("refused", "402 []"), ("publish_error", "ok [\"B Publish Error p from A QUOTA_EXCEEDED\"]")],
        |bench| {
            bench.publish("A", "p");
            for number in 0..12 {
                bench.publish("B", &format!("b{number}"));
            }
            bench.events();
            let verdict = bench.start("A", "p", "B");
            assert!(bench.simulator.replicas().is_empty());
            format!("{} {:?}", status(&verdict), bench.events())
        },
    );
    expect("replicas_count_as_publishers", &[("false", "ok"), ("true", "402")], |bench| {
        for number in 0..12 {
            bench.publish("B", &format!("b{number}"));
        }
        bench.publish("A", "p");
        status(&bench.start("A", "p", "B"))
    });
}

#[test]
fn chains() {
    expect(
        "replica_as_source",
        &[("allowed", "ok"), ("not_found", "404"), ("conflict", "409"), ("validation", "400")],
        |bench| {
            bench.publish("A", "p");
            bench.start("A", "p", "B");
            let verdict = status(&bench.start("B", "p", "C"));
            bench.events();
            bench.unpublish("A", "p");
            assert!(bench.simulator.replicas().is_empty());
            if verdict == "ok" {
                let expected = [
                    "A Unpublished p",
                    "A Replication End p to B",
                    "B Unpublished p from A",
                    "B Replication End p to C",
                    "C Unpublished p from B",
                ];
                assert_eq!(bench.events(), expected, "the chain falls with its first link");
            }
            verdict
        },
    );
}

#[test]
fn a_chain_cannot_bite_its_tail() {
    let bench = Bench::new();
    bench.publish("A", "p");
    bench.start("A", "p", "B");
    assert!(bench.start("B", "p", "A").starts_with("409"));
    bench.start("B", "p", "C");
    assert!(bench.start("A", "p", "C").starts_with("409"));
}

#[test]
fn attributes_may_be_limited_after_the_merge() {
    let long = "x".repeat(700);
    expect("attributes_limit", &[("request", "ok"), ("merged", "400")], |bench| {
        let input = json!({"stageArn": bench.arn("A"), "attributes": {"a": long}});
        let token = bench.call("CreateParticipantToken", input).unwrap();
        let id = token["participantToken"]["participantId"].as_str().unwrap();
        bench.publish("A", id);
        status(&bench.start_with("A", id, "B", json!({"attributes": {"b": long}})))
    });
}

#[test]
fn a_replica_may_take_its_time_or_never_come() {
    let mut bench = Bench::dialect(json!({"replication_start_delay_ms": 1_500}));
    bench.publish("A", "p");
    bench.events();
    assert_eq!(bench.start("A", "p", "B"), "ok");
    assert!(bench.events().is_empty() && bench.replicas("A", "p").is_empty());
    assert!(bench.start("A", "p", "B").starts_with("409"), "it is in the books");
    bench.wait(2);
    assert_eq!(bench.events(), ["A Replication Start p to B", "B Published p from A"]);
    assert_eq!(bench.replicas("A", "p"), ["B ACTIVE"]);

    assert_eq!(bench.start("A", "p", "C"), "ok");
    bench.unpublish("A", "p");
    bench.events();
    bench.wait(2);
    assert_eq!(bench.events(), ["C Publish Error p from A PUBLISHER_NOT_FOUND"]);

    bench.publish("A", "p");
    assert_eq!(bench.start("A", "p", "D"), "ok");
    assert_eq!(bench.stop("A", "p", "D"), "ok");
    bench.events();
    bench.wait(2);
    assert!(bench.events().is_empty() && bench.simulator.replicas().is_empty(), "stopped before it appeared");
}

#[test]
fn order_of_start_events() {
    expect(
        "start_event_order",
        &[
            ("start_then_published", r#"["A Replication Start p to B", "B Published p from A"]"#),
            ("published_then_start", r#"["B Published p from A", "A Replication Start p to B"]"#),
        ],
        |bench| {
            bench.publish("A", "p");
            bench.events();
            bench.start("A", "p", "B");
            format!("{:?}", bench.events())
        },
    );
}

#[test]
fn answers_of_stop() {
    let expected = [("not_found", "404"), ("success", "ok"), ("validation", "400"), ("conflict", "409")];
    expect("stop_not_replicated", &expected, |bench| {
        bench.publish("A", "p");
        bench.start("A", "p", "B");
        assert_eq!(bench.stop("A", "p", "B"), "ok");
        status(&bench.stop("A", "p", "B"))
    });
    expect("stop_unknown_participant", &expected, |bench| status(&bench.stop("A", "p", "B")));
}

#[test]
fn disconnecting_a_replica() {
    expect("disconnect_replica", &[("ends_replication", "ok 0"), ("not_found", "404 1")], |bench| {
        bench.publish("A", "p");
        bench.start("A", "p", "B");
        let input = json!({"stageArn": bench.arn("B"), "participantId": "p"});
        let verdict = verdict(&bench.call("DisconnectParticipant", input));
        format!("{} {}", status(&verdict), bench.simulator.replicas().len())
    });
}
