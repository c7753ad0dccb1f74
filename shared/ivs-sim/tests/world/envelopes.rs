//! The exact envelopes, compared with files that a person has read.

use std::path::Path;

use ivs_sim::{Config, Dialect};
use serde_json::{Value, json};

use crate::bench::Bench;

/// Compares with `tests/golden/<name>.json`; with `BLESS=1` in the environment, writes it.
fn compare(name: &str, actual: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.json"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{actual:#}\n")).unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(actual, &golden, "{name}");
}

#[test]
fn every_kind_has_the_documented_form() {
    let mut bench = Bench::dialect(json!({"publisher_limit": "publish_error"}));
    bench.clock.advance(jiff::SignedDuration::from_nanos(123_456_789));
    bench.publish("A", "host");
    bench.start("A", "host", "B");
    bench.unpublish("A", "host");
    let envelopes = bench.envelopes();
    let kinds = [
        "published",
        "replication-start",
        "published-replica",
        "unpublished",
        "replication-end",
        "unpublished-replica",
    ];
    assert_eq!(envelopes.len(), kinds.len());
    for (kind, envelope) in kinds.into_iter().zip(&envelopes) {
        compare(kind, envelope);
    }
    for number in 0..12 {
        bench.publish("C", &format!("guest{number}"));
    }
    bench.publish("A", "host");
    bench.envelopes();
    assert_eq!(bench.start("A", "host", "C"), "ok", "the refusal comes by event");
    let envelopes = bench.envelopes();
    assert_eq!(envelopes.len(), 1, "{envelopes:?}");
    compare("publish-error-replica", &envelopes[0]);
}

#[test]
fn the_stage_is_in_resources_alone_and_source_and_destination_stand_where_they_should() {
    let mut bench = Bench::new();
    let source = bench.publish("A", "p");
    bench.start("A", "p", "B");
    let destination = bench.session("B").unwrap();
    for envelope in bench.envelopes() {
        let detail = &envelope["detail"];
        assert!(detail["stage_arn"].is_null());
        let replica = detail["replica"] == true;
        let (stage, session) = if replica { ("B", &destination) } else { ("A", &source) };
        assert_eq!(envelope["resources"], json!([bench.arn(stage)]));
        assert_eq!(&detail["session_id"], session);
        assert_eq!(replica, detail["source_session_id"] == json!(source));
        let starts = detail["event_name"] == "Participant Replication Start";
        assert_eq!(starts, detail["destination_session_id"] == json!(destination));
        assert_eq!(starts, detail["event_time_precise"].is_null());
    }
}

#[test]
fn the_dialect_decides_on_times_and_on_replica_false() {
    let of = |dialect: Value| {
        let mut bench = Bench::dialect(dialect);
        bench.clock.advance(jiff::SignedDuration::from_nanos(123_456_789));
        bench.publish("A", "p");
        bench.envelopes().remove(0)["detail"].clone()
    };
    let plain = of(json!({}));
    assert_eq!(plain["event_time"], "2026-01-01T00:00:00Z");
    assert_eq!(plain["event_time_precise"], "2026-01-01T00:00:00.123456Z");
    assert!(plain["replica"].is_null());
    let other =
        of(json!({"event_time": "nanos", "event_time_precise": "millis", "replica_false_present": true}));
    assert_eq!(other["event_time"], "2026-01-01T00:00:00.123456789Z");
    assert_eq!(other["event_time_precise"], "2026-01-01T00:00:00.123Z");
    assert_eq!(other["replica"], false);
    assert!(of(json!({"event_time_precise": "absent"}))["event_time_precise"].is_null());
}

#[test]
fn one_seed_gives_the_same_bytes_twice_and_another_seed_gives_others() {
    let run = |seed: u64| {
        let mut bench = Bench::with(Config { seed, dialect: Dialect::default(), ..Config::default() });
        bench.publish("A", "p");
        bench.start_window("A", "p", "B", 30);
        bench.leave("A", "p");
        bench.wait(500);
        let ledger = serde_json::to_string(&bench.simulator.ledger()).unwrap();
        (json!(bench.envelopes()).to_string(), ledger, bench.simulator.state().to_string())
    };
    assert_eq!(run(1), run(1));
    let (one, other) = (run(1), run(2));
    assert_ne!(one.0, other.0);
    assert_ne!(one.2, other.2);
}
