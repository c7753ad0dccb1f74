//! Where somebody should be, and what makes a stage doubtful.

use std::collections::BTreeMap;

use replication::sweep::{Inventory, ListedStage, Roster, StageKnowledge, SweepPolicy, Target, agenda};
use replication::{Blocked, BlockedReason, Evidence, Phase, Publisher, Replica};

use crate::build::{moment, publisher, rule, session, stage, time, to};
use crate::{id, off, on};

fn uncertain() -> Evidence {
    Evidence { off: Some(moment("00:00:05")), ..on("00:00:05") }
}

fn publishes(evidence: Evidence, in_session: &str) -> Publisher {
    Publisher { evidence, session: Some(session(in_session)), ..Publisher::new(publisher()) }
}

fn replica(phase: Phase, evidence: Evidence) -> Replica {
    Replica { phase, evidence, ..Replica::new(to("B")) }
}

/// The looks at A and B with this in the table; both were looked at in session st-1, and are in this one now.
fn looks(now_in: Option<&str>, known: impl FnOnce(&mut Inventory)) -> Vec<String> {
    let mut inventory = Inventory { rules: vec![rule("r", &["B"])], ..Inventory::default() };
    let mut roster = Roster { complete: true, ..Roster::default() };
    for id in ["A", "B"] {
        let active_session = now_in.map(session);
        let listed =
            ListedStage { stage: stage(id), name: String::new(), tags: BTreeMap::new(), active_session };
        let (looked_at, looked_in) = (Some(time("00:09:00")), Some(session("st-1")));
        let new = StageKnowledge::new(listed.clone(), time("00:00:00"));
        inventory.put_knowledge(StageKnowledge { looked_at, looked_in, ..new });
        roster.stages.insert(stage(id), listed);
    }
    known(&mut inventory);
    let mut looks = agenda(&inventory, &roster, 100, time("00:10:00"), &SweepPolicy::default()).looks;
    looks.sort_by(|a, b| a.stage.cmp(&b.stage));
    let shown = looks.iter().map(|look| {
        let target = match &look.target {
            Target::Session(session) => session.as_str(),
            Target::Empty => "empty",
            Target::Unlisted => "unlisted",
        };
        format!("{} {target}{}", id(look.stage.as_str()), if look.in_doubt { "?" } else { "" })
    });
    shown.collect()
}

#[test]
fn where_nobody_is_there_is_something_to_read_only_if_somebody_should_be() {
    let nothing: [&str; 0] = [];
    assert_eq!(looks(None, |_| {}), nothing);
    for (evidence, expected) in [
        (on("00:00:05"), vec!["A empty?"]),
        (uncertain(), vec!["A empty?"]),
        (off("00:00:05"), vec![]),
        (Evidence::default(), vec![]),
    ] {
        assert_eq!(
            looks(None, |known| known.put_publisher(publishes(evidence, "st-1"))),
            expected,
            "{evidence:?}"
        );
    }
    for (phase, evidence, expected) in [
        (Phase::Active, on("00:00:05"), vec!["A empty?", "B empty?"]),
        (Phase::Active, uncertain(), vec!["A empty?", "B empty?"]),
        (Phase::Starting, Evidence::default(), vec!["A empty?"]),
        (Phase::Stopping, off("00:00:05"), vec!["A empty?"]),
        (Phase::Pending, Evidence::default(), vec![]),
        (Phase::Stopped, off("00:00:05"), vec![]),
    ] {
        let case = format!("{phase:?} {evidence:?}");
        assert_eq!(looks(None, |known| known.put_replica(replica(phase, evidence))), expected, "{case}");
    }
}

#[test]
fn a_session_is_in_doubt_if_it_is_new_or_what_is_known_of_somebody_is_open() {
    assert_eq!(looks(Some("st-1"), |_| {}), ["A st-1", "B st-1"]);
    assert_eq!(looks(Some("st-2"), |_| {}), ["A st-2?", "B st-2?"]);
    for (evidence, in_session, a) in [
        (on("00:00:05"), "st-1", "A st-1"),
        (on("00:00:05"), "st-0", "A st-1?"),
        (uncertain(), "st-1", "A st-1?"),
        (off("00:00:05"), "st-1", "A st-1"),
        (off("00:00:05"), "st-0", "A st-1"),
        (Evidence::default(), "st-0", "A st-1"),
    ] {
        let found = looks(Some("st-1"), |known| known.put_publisher(publishes(evidence, in_session)));
        assert_eq!(found, [a, "B st-1"], "{evidence:?} {in_session}");
    }
    for (phase, evidence, b) in [
        (Phase::Active, on("00:00:05"), "B st-1"),
        (Phase::Active, uncertain(), "B st-1?"),
        (Phase::Starting, Evidence::default(), "B st-1?"),
        (Phase::Stopping, on("00:00:05"), "B st-1?"),
        (Phase::Pending, Evidence::default(), "B st-1"),
        (Phase::Stopped, off("00:00:05"), "B st-1"),
        (Phase::Stopped, uncertain(), "B st-1?"),
    ] {
        let case = format!("{phase:?} {evidence:?}");
        let found = looks(Some("st-1"), |known| known.put_replica(replica(phase, evidence)));
        assert_eq!(found, ["A st-1", b], "{case}");
    }
}

/// IVS said that somebody does not publish of whom it is known that they do.
#[test]
fn a_publisher_whom_a_start_did_not_find_is_in_doubt() {
    let refused = |reason| {
        looks(Some("st-1"), |known| {
            known.put_publisher(publishes(on("00:00:05"), "st-1"));
            let blocked = Phase::Blocked(Blocked { reason, until: None });
            known.put_replica(replica(blocked, Evidence::default()));
        })
    };
    assert_eq!(refused(BlockedReason::NotPublishing), ["A st-1?", "B st-1"]);
    assert_eq!(refused(BlockedReason::DestinationFull), ["A st-1", "B st-1"]);
}
