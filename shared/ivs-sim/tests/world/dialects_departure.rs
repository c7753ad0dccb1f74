//! Switches about sources and stages that go: each does what it says.

use serde_json::json;

use crate::bench::{Bench, status, verdict};
use crate::dialects::{expect, under_each};

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
fn a_replica_that_never_fell_silent_learns_of_the_new_session() {
    for events in ["source_only", "neither"] {
        let bench = Bench::dialect(json!({"reconnect_session": "new", "reconnect_events": events}));
        let first = bench.publish("A", "p");
        bench.start_window("A", "p", "B", 30);
        bench.leave("A", "p");
        let second = bench.publish("A", "p");
        assert_ne!(first, second);
        let replica = bench.participant("B", &bench.session("B").unwrap(), "p");
        assert_eq!(replica["sourceSessionId"], second, "{events}");
    }
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
