//! What a sweep counts in the table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use replication::sweep::{Gauges, Inventory, RuleGauges};
use replication::{
    Blocked, BlockedReason, Braked, Desired, GiveWay, Lease, Owner, Phase, Policy, Replica, RuleRef,
};

use build::{time, to};

/// A replica of ours to `B` that runs under a rule.
fn running(rule: &str) -> Replica {
    let rule = Some(RuleRef { id: rule.parse().unwrap(), revision: 1, priority: 50 });
    let (phase, desired, owner) = (Phase::Active, Desired::Replicated, Owner::Stagelink);
    Replica { rule, phase, desired, owner, ..Replica::new(to("B")) }
}

fn in_phase(phase: Phase) -> Replica {
    Replica { phase, owner: Owner::Nobody, ..running("main") }
}

fn blocked(reason: BlockedReason, until: Option<&str>) -> Replica {
    in_phase(Phase::Blocked(Blocked { reason, until: until.map(time) }))
}

/// What is counted at 00:10:00, with each of these replicas to a destination of its own.
fn gauges(replicas: impl IntoIterator<Item = Replica>) -> Gauges {
    let mut inventory = Inventory::default();
    for (i, replica) in replicas.into_iter().enumerate() {
        inventory.put_replica(Replica { key: to(&i.to_string()), ..replica });
    }
    Gauges::of(&inventory, time("00:10:00"))
}

fn is_pending(replica: Replica) -> bool {
    gauges([replica]).total().pending == 1
}

#[test]
fn an_empty_table_has_nothing_to_count() {
    assert_eq!(gauges([]), Gauges::default());
}

#[test]
fn rules_are_counted_apart_and_those_of_versus_sessions_together() {
    let nobody = Replica { rule: None, ..running("main") };
    let gauges =
        gauges([running("main"), running("main"), running("versus.a.1"), running("versus.b.2"), nobody]);
    let counted: Vec<_> =
        gauges.by_rule.iter().map(|(rule, of_rule)| (rule.as_str(), of_rule.running)).collect();
    assert_eq!(counted, [("main", 2), ("none", 1), ("versus", 2)]);
    assert_eq!(gauges.total(), RuleGauges { running: 5, pending: 0 });
}

#[test]
fn only_ours_run() {
    let foreign = Replica { owner: Owner::Foreign, ..running("main") };
    let stopped = in_phase(Phase::Stopped);
    assert_eq!(gauges([foreign, stopped]), Gauges::default());
}

#[test]
fn what_has_to_be_made_or_is_under_way_is_pending() {
    for phase in [Phase::Pending, Phase::Starting, Phase::Stopping] {
        assert!(is_pending(in_phase(phase.clone())), "{phase}");
    }
    assert!(!is_pending(running("main")));
    let released = Replica { desired: Desired::Released, ..running("main") };
    let to_stop = Replica { next_attempt: Some(time("00:09:59")), ..released.clone() };
    assert!(is_pending(to_stop));
    let failed_to_stop = Replica { next_attempt: Some(time("00:11:00")), attempts: 1, ..released.clone() };
    assert!(is_pending(failed_to_stop));
    assert!(is_pending(Replica { wanted_until: Some(time("00:10:00")), ..running("main") }));
    let give_way = GiveWay { priority: 90, until: time("00:11:00") };
    assert!(is_pending(Replica {
        gives_way: Some(give_way),
        next_attempt: Some(time("00:09:00")),
        ..running("main")
    }));
    let braked = Some(Braked { since: time("00:09:00"), confirmed_at: None });
    assert!(is_pending(Replica { braked, ..released }));
}

#[test]
fn what_waits_for_its_publisher_or_for_the_end_of_its_rule_is_not_pending() {
    let held =
        Replica { desired: Desired::Released, next_attempt: Some(time("00:10:20")), ..running("main") };
    assert!(!is_pending(held));
    assert!(!is_pending(Replica { wanted_until: Some(time("00:11:00")), ..running("main") }));
    let foreign = Replica {
        owner: Owner::Foreign,
        desired: Desired::Released,
        next_attempt: Some(time("00:09:00")),
        ..running("main")
    };
    assert!(!is_pending(foreign));
}

#[test]
fn blocked_ones_are_counted_by_reason_and_pending_if_they_are_tried_again() {
    let gauges = gauges([
        blocked(BlockedReason::DestinationFull, Some("00:10:30")),
        blocked(BlockedReason::DestinationFull, Some("00:10:40")),
        blocked(BlockedReason::ParticipantSlotsFull, None),
    ]);
    let by_reason: Vec<_> = gauges.blocked.into_iter().collect();
    assert_eq!(by_reason, [(BlockedReason::ParticipantSlotsFull, 1), (BlockedReason::DestinationFull, 2)]);
    assert_eq!(gauges.by_rule["main"], RuleGauges { running: 0, pending: 2 });
    assert_eq!(gauges.oldest_pending, 0, "they are due later");
}

#[test]
fn the_oldest_pending_is_the_one_that_is_due_for_the_longest_time() {
    let due = |at| Replica { next_attempt: Some(time(at)), ..in_phase(Phase::Pending) };
    assert_eq!(gauges([due("00:09:30"), due("00:08:00"), due("00:20:00")]).oldest_pending, 120);
    let leased_until = |policy: &Policy| Replica {
        lease: Some(Lease::taken("me", time("00:09:59"), policy)),
        ..in_phase(Phase::Starting)
    };
    assert_eq!(gauges([leased_until(&Policy::default())]).oldest_pending, 0, "a call under way is not late");
    let in_doubt = Replica { next_attempt: Some(time("00:01:00")), ..running("main") };
    assert_eq!(gauges([in_doubt]).oldest_pending, 0, "it is asked about, and neither started nor stopped");
}

#[test]
fn a_reason_is_found_by_its_name() {
    for reason in BlockedReason::ALL {
        assert_eq!(BlockedReason::from_name(reason.name()), Some(reason));
    }
    assert_eq!(BlockedReason::from_name("NoSuchReason"), None);
}
