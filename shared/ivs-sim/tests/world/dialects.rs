//! Every switch does what it says.

use ivs_sim::Dialect;
use serde_json::{Value, json};

use crate::bench::{Bench, status, verdict};

/// Runs a scenario under every option of a switch, and returns the outcomes by option.
fn under_each(switch: &str, scenario: impl Fn(&mut Bench) -> String) -> Vec<(String, String)> {
    let switches = Dialect::switches();
    let options = switches.into_iter().find(|found| found.name == switch).unwrap().options;
    let outcome = |option: Value| {
        let name = option.as_str().map_or_else(|| option.to_string(), str::to_owned);
        (name, scenario(&mut Bench::dialect(json!({switch: option}))))
    };
    options.into_iter().map(outcome).collect()
}

/// Asserts the outcome under every option.
fn expect(switch: &str, expected: &[(&str, &str)], scenario: impl Fn(&mut Bench) -> String) {
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

#[test]
fn what_becomes_of_a_replication_whose_source_stops() {
    expect(
        "source_stops",
        &[
            (
                "ends",
                r#"["A Unpublished p", "A Replication End p to B", "B Unpublished p from A"] 0 ["A Published p"]"#,
            ),
            (
                "stays",
                r#"["A Unpublished p", "B Unpublished p from A"] 1 ["A Published p", "B Published p from A"]"#,
            ),
        ],
        |bench| {
            bench.publish("A", "p");
            bench.start("A", "p", "B");
            bench.events();
            bench.leave("A", "p");
            let (gone, active) = (bench.events(), bench.simulator.replicas().len());
            bench.wait(10_000);
            bench.publish("A", "p");
            format!("{gone:?} {active} {:?}", bench.events())
        },
    );
    expect("window_expires", &[("ends", r#"["A Replication End p to B"] 0"#), ("stays", "[] 1")], |bench| {
        bench.publish("A", "p");
        bench.start_window("A", "p", "B", 5);
        bench.leave("A", "p");
        bench.events();
        bench.wait(5);
        format!("{:?} {}", bench.events(), bench.simulator.replicas().len())
    });
}

#[test]
fn a_replication_that_stays_is_ended_by_stop() {
    let mut bench = Bench::dialect(json!({"source_stops": "stays", "window_expires": "stays"}));
    bench.publish("A", "p");
    bench.start("A", "p", "B");
    bench.leave("A", "p");
    bench.wait(10_000);
    bench.events();
    assert_eq!(bench.stop("A", "p", "B"), "ok");
    assert_eq!(bench.events(), ["A Replication End p to B"]);
    assert!(bench.simulator.replicas().is_empty());
}

#[test]
fn every_order_of_the_three_events_is_possible_and_distinct() {
    let outcomes = under_each("source_stop_event_order", |bench| {
        bench.publish("A", "p");
        bench.start("A", "p", "B");
        bench.events();
        bench.unpublish("A", "p");
        let events = bench.events();
        let mut sorted = events.clone();
        sorted.sort();
        assert_eq!(sorted, ["A Replication End p to B", "A Unpublished p", "B Unpublished p from A"]);
        let word = |event: &String| match event.as_str() {
            "A Unpublished p" => "unpublished",
            "B Unpublished p from A" => "replica",
            _ => "end",
        };
        events.iter().map(word).collect::<Vec<_>>().join("_")
    });
    for (option, outcome) in outcomes {
        assert_eq!(option, outcome);
    }
}

#[test]
fn who_tells_of_a_reconnect_inside_the_window() {
    expect(
        "reconnect_events",
        &[
            (
                "both",
                r#"["A Unpublished p", "B Unpublished p from A"] ["A Published p", "B Published p from A"] ["A Unpublished p", "B Unpublished p from A", "A Replication End p to B"]"#,
            ),
            (
                "source_only",
                r#"["A Unpublished p"] ["A Published p"] ["A Unpublished p", "A Replication End p to B", "B Unpublished p from A"]"#,
            ),
            ("neither", r#"[] [] ["A Unpublished p", "A Replication End p to B", "B Unpublished p from A"]"#),
        ],
        |bench| {
            bench.publish("A", "p");
            bench.start_window("A", "p", "B", 30);
            bench.events();
            bench.leave("A", "p");
            let gone = bench.events();
            bench.publish("A", "p");
            let back = bench.events();
            bench.leave("A", "p");
            bench.wait(30);
            format!("{gone:?} {back:?} {:?}", bench.events())
        },
    );
}

#[test]
fn the_session_after_a_reconnect() {
    expect("reconnect_session", &[("same", "same same"), ("new", "new same")], |bench| {
        let word = |same: bool| if same { "same" } else { "new" };
        let first = bench.publish("A", "p");
        bench.start_window("A", "p", "B", 30);
        bench.leave("A", "p");
        let second = bench.publish("A", "p");
        let replica = bench.participant("B", &bench.session("B").unwrap(), "p");
        assert_eq!(replica["sourceSessionId"], second);
        bench.publish("A", "other");
        bench.leave("A", "p");
        let third = bench.publish("A", "p");
        format!("{} {}", word(first == second), word(second == third))
    });
}

#[test]
fn deleting_the_destination() {
    expect(
        "destination_deleted",
        &[
            ("ends", r#"["A Replication End p to B", "B Unpublished p from A"] 0 404"#),
            ("stays", r#"["B Unpublished p from A"] 1 ok"#),
        ],
        |bench| {
            bench.publish("A", "p");
            bench.start("A", "p", "B");
            bench.events();
            bench.call("DeleteStage", json!({"arn": bench.arn("B")})).unwrap();
            let (events, active) = (bench.events(), bench.simulator.replicas().len());
            format!("{events:?} {active} {}", status(&bench.stop("A", "p", "B")))
        },
    );
    expect("delete_active_stage", &[("disconnects", "ok ok"), ("conflict", "409 ok")], |bench| {
        bench.publish("A", "p");
        let delete =
            |stage: &str| status(&verdict(&bench.call("DeleteStage", json!({"arn": bench.arn(stage)}))));
        format!("{} {}", delete("A"), delete("B"))
    });
}

#[test]
fn lists_of_the_unknown() {
    let verdicts = |bench: &mut Bench| {
        let (known, unknown) = (bench.arn("A"), format!("{}x", bench.arn("A")));
        let ask = |operation: &str, input: Value| status(&verdict(&bench.call(operation, input)));
        let session = "st-0123456789abc";
        [
            ask("ListStageSessions", json!({"stageArn": unknown})),
            ask("ListParticipants", json!({"stageArn": known, "sessionId": session})),
            ask(
                "ListParticipantEvents",
                json!({"stageArn": known, "sessionId": session, "participantId": "p"}),
            ),
            ask("ListParticipantReplicas", json!({"sourceStageArn": unknown, "participantId": "p"})),
            ask("ListParticipantReplicas", json!({"sourceStageArn": known, "participantId": "p"})),
        ]
        .join(" ")
    };
    let expected = [("empty", "ok ok ok ok ok"), ("validation", "400 400 400 400 ok")];
    expect("list_unknown_resource", &expected, verdicts);
    let expected = [("empty", "ok ok ok ok ok"), ("validation", "ok ok ok ok 400")];
    expect("list_replicas_unknown_participant", &expected, verdicts);
}

#[test]
fn rows_of_replications_that_ended() {
    expect(
        "list_replicas_stopped",
        &[
            ("current_session", r#"["B STOPPED", "C ACTIVE"] []"#),
            ("omitted", r#"["C ACTIVE"] []"#),
            ("every_session", r#"["B STOPPED", "C ACTIVE"] ["B STOPPED", "C STOPPED"]"#),
        ],
        |bench| {
            bench.publish("A", "p");
            bench.start("A", "p", "B");
            bench.stop("A", "p", "B");
            bench.start("A", "p", "C");
            let mut rows = bench.replicas("A", "p");
            rows.sort();
            bench.leave("A", "p");
            bench.wait(1_000);
            bench.publish("A", "p");
            format!("{rows:?} {:?}", bench.replicas("A", "p"))
        },
    );
}

#[test]
fn the_list_of_replicas_may_lag() {
    let bench = Bench::dialect(json!({"list_replicas_lag_ms": 1_500}));
    bench.publish("A", "p");
    bench.start("A", "p", "B");
    assert!(bench.replicas("A", "p").is_empty());
    bench.wait(2);
    assert_eq!(bench.replicas("A", "p"), ["B ACTIVE"]);
    bench.stop("A", "p", "B");
    assert_eq!(bench.replicas("A", "p"), ["B ACTIVE"]);
    bench.wait(2);
    assert_eq!(bench.replicas("A", "p"), ["B STOPPED"]);
}

#[test]
fn form_of_the_list_of_events() {
    let rows = |switches: Value| {
        let bench = Bench::dialect(switches);
        bench.clock.advance(jiff::SignedDuration::from_millis(250));
        let session = bench.publish("A", "p");
        let input = json!({"stageArn": bench.arn("A"), "sessionId": session, "participantId": "p"});
        bench.call("ListParticipantEvents", input).unwrap()["events"].clone()
    };
    let newest_first = rows(json!({}));
    assert_eq!(newest_first[0]["name"], "PUBLISH_STARTED");
    assert_eq!(newest_first[0]["eventTime"], "2026-01-01T00:00:00Z");
    let oldest_first = rows(json!({"list_events_order": "oldest_first", "list_events_time": "millis"}));
    assert_eq!(oldest_first[0]["name"], "JOINED");
    assert_eq!(oldest_first[0]["eventTime"], "2026-01-01T00:00:00.250Z");
}

#[test]
fn source_fields_of_a_source_in_a_list() {
    expect("source_fields_of_sources", &[("empty", "\"\""), ("absent", "null")], |bench| {
        let session = bench.publish("A", "p");
        bench.start("A", "p", "B");
        let input = json!({"stageArn": bench.arn("A"), "sessionId": session});
        bench.call("ListParticipants", input).unwrap()["participants"][0]["sourceStageArn"].to_string()
    });
}

#[test]
fn underscores_in_participant_ids() {
    expect("participant_id_underscore", &[("false", "400"), ("true", "ok")], |bench| {
        bench.publish("A", "p_q");
        status(&bench.start("A", "p_q", "B"))
    });
}

#[test]
fn status_of_throttling() {
    expect("throttling_status", &[("400", "400"), ("429", "429")], |bench| {
        let input = json!({"arn": bench.arn("A")});
        for _ in 0..5 {
            bench.simulator.call("GetStage", input.clone()).unwrap();
        }
        bench.simulator.call("GetStage", input).unwrap_err().status.to_string()
    });
}
