//! Who has a place at a destination: names that are read back, places that are taken and left, and who comes next.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use replication::occupancy::{changes, in_line};
use replication::{
    Blocked, BlockedReason, Evidence, GiveWay, Holder, Occupant, Phase, PlaceKind, Publisher, Replica,
    RuleRef, View,
};

use build::{moment, publisher, stage, time, to};

fn with(replica: Replica) -> View {
    View { replicas: vec![replica], ..View::empty(publisher()) }
}

fn in_phase(phase: Phase) -> Replica {
    Replica { phase, ..Replica::new(to("B")) }
}

fn published(on: Option<&str>, off: Option<&str>) -> View {
    let evidence = Evidence { on: on.map(moment), off: off.map(moment) };
    let known = Publisher { evidence, ..Publisher::new(publisher()) };
    View { publisher: Some(known), is_destination: true, ..View::empty(publisher()) }
}

#[test]
fn a_name_says_whose_it_is() {
    let replica = Occupant::replica(&to("B"));
    assert_eq!((replica.as_str(), replica.to_string().as_str()), ("A/p1", "A/p1"));
    assert_eq!(replica.on(&stage("B")), Some(Holder::Replica(to("B"))));
    let original = Occupant::publisher(&publisher());
    assert_eq!(original.to_string(), "p1");
    assert_eq!(original.on(&stage("A")), Some(Holder::Publisher(publisher())));
    for nobody in ["", "A/", "A/p 1", "p 1"] {
        assert_eq!(Occupant::from(nobody.to_owned()).on(&stage("B")), None, "{nobody:?}");
    }
}

#[test]
fn a_replica_has_a_place_from_its_start_to_its_end() {
    for (phase, has_it) in [
        (Phase::Pending, false),
        (Phase::Starting, true),
        (Phase::Active, true),
        (Phase::Stopping, true),
        (Phase::Stopped, false),
        (Phase::Blocked(Blocked::DESTINATION_FULL), false),
    ] {
        let view = with(in_phase(phase));
        assert_eq!(Holder::Replica(to("B")).holds_place(&view), has_it);
        assert!(!Holder::Replica(to("C")).holds_place(&view), "that is another one");
        assert!(!Holder::Publisher(publisher()).holds_place(&view));
    }
}

#[test]
fn a_publisher_has_a_place_while_it_is_known_to_publish() {
    let holds = |on, off| Holder::Publisher(publisher()).holds_place(&published(on, off));
    assert!(holds(Some("00:00:05"), None));
    assert!(!holds(Some("00:00:05"), Some("00:00:06")));
    assert!(!holds(Some("00:00:05"), Some("00:00:05")), "the same second says neither");
    assert!(!holds(None, None));
}

#[test]
fn a_place_is_taken_by_a_start_if_there_is_one_and_by_what_runs_in_any_case() {
    let kind = |before, after| {
        let changes = changes(&with(in_phase(before)), &with(in_phase(after)));
        changes.iter().for_each(|change| {
            assert_eq!((&change.stage, change.occupant.as_str()), (&stage("B"), "A/p1"));
        });
        changes.first().map(|change| change.kind)
    };
    assert_eq!(kind(Phase::Pending, Phase::Starting), Some(PlaceKind::TakeIfFree));
    assert_eq!(kind(Phase::Stopped, Phase::Active), Some(PlaceKind::Take));
    assert_eq!(kind(Phase::Starting, Phase::Active), None);
    assert_eq!(kind(Phase::Stopping, Phase::Stopped), Some(PlaceKind::Leave));
    assert_eq!(kind(Phase::Pending, Phase::Stopped), None);
}

#[test]
fn a_publisher_takes_a_place_where_somebody_may_want_one() {
    let (away, there) = (published(None, None), published(Some("00:00:05"), None));
    let kinds = |before, after| changes(before, after).iter().map(|change| change.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&away, &there), [PlaceKind::Take]);
    assert_eq!(kinds(&there, &away), [PlaceKind::Leave]);
    assert_eq!(kinds(&there, &there), []);
    let elsewhere = View { is_destination: false, ..there.clone() };
    assert_eq!(kinds(&away, &elsewhere), []);
}

#[test]
fn those_wait_in_line_whose_time_has_not_come() {
    let waits = |id: &str, priority, until: &str| {
        let phase = Phase::Blocked(Blocked { until: Some(time(until)), ..Blocked::DESTINATION_FULL });
        let rule = Some(RuleRef { id: "main".parse().unwrap(), revision: 1, priority });
        Replica { phase, rule, ..Replica::new(to(id)) }
    };
    let refused = Blocked { reason: BlockedReason::Rejected, until: Some(time("00:02:00")) };
    let replicas = [
        waits("B", 10, "00:02:00"),
        waits("C", 90, "00:02:00"),
        waits("due", 90, "00:01:00"),
        Replica {
            gives_way: Some(GiveWay { priority: 1, until: time("00:02:00") }),
            ..waits("evicted", 90, "00:02:00")
        },
        Replica { phase: Phase::Blocked(refused), ..waits("refused", 90, "00:02:00") },
        Replica {
            phase: Phase::Pending,
            next_attempt: Some(time("00:02:00")),
            ..waits("pending", 90, "00:02:00")
        },
    ];
    let line: Vec<_> =
        in_line(&replicas, time("00:01:00")).iter().map(|next| next.key.destination.resource_id()).collect();
    assert_eq!(line, ["C", "B"]);
}
