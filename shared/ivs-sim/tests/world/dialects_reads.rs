//! Switches about what can be read: each does what it says.

use serde_json::{Value, json};

use crate::bench::{Bench, status, verdict};
use crate::dialects::expect;

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
