//! What is said of a participant: for every view, and in the cases that somebody asks about at night.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod arbitrary;
mod build;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use replication::explain::{Drift, ExplainedReplication, StageFacts, WaitsFor};
use replication::occupancy::PLACES;
use replication::{
    Allowance, Blocked, BlockedReason, Braked, Context, Decision, Desired, Destination, Explanation,
    LastError, Lease, Occupant, Operation, Owner, ParticipantFilter, Pause, Phase, Policy, Publisher,
    Replica, Rule, Source, Status, Surroundings, View, explain, plan,
};

use arbitrary::now;
use build::{ALL_CALLS, moment, publisher, rule, session, stage, tagged, tags, time, to, window};

proptest! {
    /// The planner's report, whole: every destination and every rule that it speaks of, with its words.
    #[test]
    fn every_line_of_the_plan_is_explained(view in arbitrary::view()) {
        let (policy, view) = (Policy::default(), View { full: BTreeMap::new(), ..view });
        let observed = |replica: &Replica| {
            replica.blocked().is_some_and(|blocked| blocked.reason == BlockedReason::Observing)
        };
        prop_assume!(!view.replicas.iter().any(observed));
        let context = Context {
            now: now(),
            policy: &policy,
            can: ALL_CALLS,
            allowance: Allowance::UNLIMITED,
            holder: "explain",
            witness: None,
        };
        let report = plan(&view, context).report;
        let told = explain(&view, &Surroundings::default(), &policy, now());
        let of_plan: BTreeSet<_> =
            report.lines.iter().map(|line| (&line.destination, line.decision.to_string(), line.why.as_ref())).collect();
        let explained: BTreeSet<_> =
            told.replications.iter().map(|of| (&of.destination, of.decision.to_string(), of.why.as_str())).collect();
        prop_assert_eq!(of_plan, explained);
        prop_assert_eq!(told.replications.len(), report.lines.len());
        let unmatched: Vec<_> = told.unmatched.iter().map(|rule| (rule.id.clone(), rule.why)).collect();
        prop_assert_eq!(unmatched, report.unmatched);
    }

    /// What waits says for what, each slot is given once, and whatever is written somewhere reaches no terminal as it is.
    #[test]
    fn every_wait_has_a_reason_and_no_text_is_obeyed(mut view in arbitrary::view(), junk in "\\PC{0,8}[\u{1b}\u{202e}\n\r\u{0}]{1,3}") {
        if let Some(publisher) = &mut view.publisher {
            publisher.user_id.push_str(&junk);
        }
        for replica in &mut view.replicas {
            if let Some(error) = &mut replica.last_error {
                error.message.push_str(&junk);
                error.request_id = Some(junk.clone());
            }
        }
        view.control.pause = junk.starts_with('a').then(|| Pause { reason: junk.clone(), by: junk.clone(), at: now() });
        let told = explain(&view, &Surroundings::default(), &Policy::default(), now());
        let mut slots = BTreeSet::new();
        for of in &told.replications {
            let waits = !matches!(of.decision, Decision::Keep | Decision::Foreign | Decision::Rest);
            prop_assert!(of.waits_for.is_some() || !waits, "{of:?}");
            prop_assert!(of.slot.is_none_or(|slot| slots.insert(slot.number)), "{of:?}");
        }
        prop_assert_eq!(slots.len(), told.slots_held);
        let obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        let text = told.to_string();
        prop_assert!(!text.contains(obeyed), "{text:?}");
        prop_assert_eq!(text.lines().count(), told.sentences().len());
    }
}

/// `p1`, who is `host-1` and publishes since 00:00:05.
fn host(rules: Vec<Rule>) -> View {
    let mut known = Publisher { user_id: "host-1".to_owned(), ..Publisher::new(publisher()) };
    known.saw(true, moment("00:00:05"), &session("st-1"), "host-1");
    View { rules, publisher: Some(known), ..View::empty(publisher()) }
}

fn running(destination: &str) -> Replica {
    let mut replica = Replica {
        phase: Phase::Active,
        owner: Owner::Stagelink,
        desired: Desired::Replicated,
        ..Replica::new(to(destination))
    };
    replica.evidence.saw_on(moment("00:00:06.000"));
    replica
}

fn told(view: &View) -> Explanation {
    explain(view, &Surroundings::default(), &Policy::default(), now())
}

fn of<'a>(explanation: &'a Explanation, destination: &str) -> &'a ExplainedReplication {
    explanation.replications.iter().find(|of| of.destination == stage(destination)).unwrap()
}

/// What the replication to `B`, stored like this and wanted by a rule, waits for.
fn waits(stored: Replica) -> Option<WaitsFor> {
    let view = View { replicas: vec![stored], ..host(vec![rule("main", &["B"])]) };
    of(&told(&view), "B").waits_for.clone()
}

fn at(text: &str) -> Timestamp {
    time(text)
}

#[test]
fn what_is_waited_for_is_named() {
    let pending = Replica { phase: Phase::Pending, desired: Desired::Replicated, ..Replica::new(to("B")) };
    let blocked = |reason, until| Phase::Blocked(Blocked { reason, until: Some(until) });
    let lease = Lease { holder: "r-1".to_owned(), since: at("00:00:58"), until: at("00:01:06") };
    let start = Operation::Start;
    for (stored, expected) in [
        (
            Replica { next_attempt: Some(at("00:00:40")), ..pending.clone() },
            WaitsFor::Turn { operation: start, since: at("00:00:40") },
        ),
        (pending.clone(), WaitsFor::Look),
        (
            Replica { next_attempt: Some(at("00:01:10")), attempts: 2, ..pending.clone() },
            WaitsFor::Backoff { attempts: 2, until: at("00:01:10") },
        ),
        (
            Replica { phase: Phase::Starting, lease: Some(lease.clone()), ..pending.clone() },
            WaitsFor::Call {
                operation: start,
                holder: "r-1".to_owned(),
                since: lease.since,
                until: lease.until,
            },
        ),
        (Replica { phase: Phase::Starting, ..pending.clone() }, WaitsFor::Answer { at: None }),
        (
            Replica { phase: blocked(BlockedReason::AccessDenied, at("00:05:00")), ..pending.clone() },
            WaitsFor::Refused { reason: BlockedReason::AccessDenied, until: Some(at("00:05:00")) },
        ),
        (
            Replica {
                phase: blocked(BlockedReason::DestinationFull, at("00:01:30")),
                rule: Some(reference("main")),
                ..pending.clone()
            },
            WaitsFor::Place { until: Some(at("00:01:30")) },
        ),
    ] {
        assert_eq!(waits(stored.clone()), Some(expected), "{stored:?}");
    }
    assert_eq!(waits(running("B")), None);
}

fn reference(id: &str) -> replication::RuleRef {
    replication::RuleRef { id: id.parse().unwrap(), revision: 1, priority: 50 }
}

#[test]
fn a_publisher_who_left_is_waited_for_within_the_window() {
    let mut view = host(vec![rule("main", &["B"])]);
    view.replicas = vec![Replica { reconnect_window: window(30), ..running("B") }];
    view.publisher.as_mut().unwrap().saw(false, moment("00:00:50.000"), &session("st-1"), "host-1");
    let told = told(&view);
    let until = now() + SignedDuration::from_millis(21_000) + SignedDuration::from_nanos(999_999);
    assert_eq!(of(&told, "B").waits_for, Some(WaitsFor::ReconnectWindow { until }));
    assert_eq!(told.next(), Some(until));
    assert!(told.to_string().contains("does not publish, by news of 2026-01-01T00:00:50Z"), "{told}");
}

#[test]
fn a_pause_and_a_brake_are_what_is_waited_for() {
    let pause = Pause { reason: "a fire".to_owned(), by: "kim".to_owned(), at: at("00:00:30") };
    let mut view = host(vec![rule("main", &["B"])]);
    view.control.pause = Some(pause);
    let paused = told(&view);
    assert_eq!(of(&paused, "B").waits_for, Some(WaitsFor::Resume));
    assert!(
        paused
            .to_string()
            .contains("everything is paused by kim since 2026-01-01T00:00:30Z, 30 s ago: a fire"),
        "{paused}"
    );

    let held = Braked { since: at("00:00:20"), confirmed_at: None };
    let view = View { replicas: vec![Replica { braked: Some(held), ..running("C") }], ..host(vec![]) };
    let braked = told(&view);
    assert_eq!(of(&braked, "C").waits_for, Some(WaitsFor::Brake { since: Some(held.since) }));
    assert_eq!(of(&braked, "C").drift(), Some(Drift::Unwanted));

    let blocked = Phase::Blocked(Blocked { reason: BlockedReason::Observing, until: None });
    let observed = Replica { phase: blocked, desired: Desired::Replicated, ..Replica::new(to("B")) };
    let view = View { replicas: vec![observed], ..host(vec![rule("main", &["B"])]) };
    let observing = told(&view);
    assert!(observing.observing && of(&observing, "B").waits_for == Some(WaitsFor::Enforce), "{observing}");
}

#[test]
fn slots_are_numbered_in_the_order_in_which_they_are_given() {
    let weak = Rule { priority: 10, ..rule("weak", &["F", "G"]) };
    let strong = Rule { priority: 90, ..rule("strong", &["D", "C"]) };
    let view = View {
        replicas: ["B", "C", "D", "E", "F"].map(running).to_vec(),
        ..host(vec![weak, strong, rule("even", &["E", "C"])])
    };
    let told = told(&view);
    let slots: Vec<_> = told
        .replications
        .iter()
        .map(|of| (of.destination.resource_id(), of.slot.map(|slot| slot.number)))
        .collect();
    assert_eq!(
        slots,
        [("D", Some(1)), ("C", Some(2)), ("E", Some(3)), ("F", Some(4)), ("G", None), ("B", Some(5))]
    );
    assert_eq!(of(&told, "C").wanted_too, ["even".parse().unwrap()]);
    assert_eq!(of(&told, "G").waits_for, Some(WaitsFor::Slot), "all five are taken until B is stopped");
    assert!(told.to_string().contains("5 of its 5 slots are taken"), "{told}");
}

#[test]
fn a_full_destination_names_who_is_there_and_who_waits() {
    let other =
        |i: usize| replication::ReplicationKey { participant: format!("q{i}").parse().unwrap(), ..to("B") };
    let rule_of = |priority| Some(replication::RuleRef { priority, ..reference("other") });
    let mut occupants: BTreeSet<_> = (1..PLACES).map(|i| Occupant::replica(&other(i))).collect();
    occupants.insert(Occupant::publisher(&replication::PublisherKey {
        stage: stage("B"),
        participant: "local".parse().unwrap(),
    }));
    let full = Blocked { reason: BlockedReason::DestinationFull, until: Some(at("00:01:30")) };
    let waiting = |participant: &str, priority| Replica {
        key: replication::ReplicationKey { participant: participant.parse().unwrap(), ..to("B") },
        phase: Phase::Blocked(full.clone()),
        desired: Desired::Replicated,
        rule: rule_of(priority),
        ..Replica::new(to("B"))
    };
    let mut replicas: Vec<_> =
        (1..PLACES).map(|i| Replica { key: other(i), rule: rule_of(80), ..running("B") }).collect();
    replicas.extend([waiting("p0", 70), Replica { rule: Some(reference("main")), ..waiting("p1", 50) }]);
    let view = View { replicas: vec![replicas.last().unwrap().clone()], ..host(vec![rule("main", &["B"])]) };
    let facts = StageFacts { occupants: Some(occupants), replicas, knowledge: None };
    let around = Surroundings { stages: BTreeMap::from([(stage("B"), facts)]) };
    for asked in [now(), at("00:02:00")] {
        let told = explain(&view, &around, &Policy::default(), asked);
        let of_b = of(&told, "B");
        assert!(matches!(of_b.waits_for, Some(WaitsFor::Place { .. })), "{of_b:?}");
        let places = of_b.places.as_ref().unwrap();
        assert_eq!((places.taken, places.holders.len(), places.has_one), (PLACES, PLACES, false));
        assert!(
            told.to_string().contains("q1 of A (priority 80)")
                && told.to_string().contains("local (a participant of that stage)"),
            "{told}"
        );
    }
    let told = explain(&view, &around, &Policy::default(), now());
    assert_eq!(of(&told, "B").places.as_ref().unwrap().in_line, Some(2), "behind the higher priority");
}

#[test]
fn rules_that_do_not_apply_say_what_they_ask_for_and_what_is_the_case() {
    let filtered = |id: &str, user: Option<&str>, attribute: Option<&str>| Rule {
        participants: ParticipantFilter {
            user_id: user.map(|pattern| pattern.parse().unwrap()),
            attributes: attribute
                .map(|pattern| ("role".to_owned(), pattern.parse().unwrap()))
                .into_iter()
                .collect(),
        },
        ..rule(id, &["B"])
    };
    let mut view = host(vec![
        filtered("a-user", Some("guest-*"), None),
        filtered("b-attribute", None, Some("host")),
        Rule { source: Source::Tags(tags("role=main zone=eu")), ..rule("c-tags", &["B"]) },
        Rule { expires_at: Some(at("00:00:50")), ..rule("d-expired", &["B"]) },
        Rule { source: Source::Stage(stage("Z")), ..rule("e-other", &["B"]) },
        Rule { status: Status::Paused, ..rule("f-paused", &["B"]) },
        Rule { destinations: vec![tagged("role=wall", &["show"])], ..rule("g-nowhere", &[]) },
        Rule { destinations: vec![Destination::Stage(stage("A"))], ..rule("h-itself", &[]) },
    ]);
    view.tags = Some(tags("role=backup"));
    view.publisher.as_mut().unwrap().attributes = Some(tags("role=secret"));
    let told = told(&view);
    let words: Vec<_> = told.unmatched.iter().map(|rule| format!("{}: {}", rule.id, rule.words)).collect();
    assert_eq!(
        words,
        [
            "a-user: the user id \"host-1\" does not match \"guest-*\"",
            "b-attribute: the attribute \"role\" does not match \"host\"",
            "c-tags: the rule's source has the tag role=main, and the stage has role=backup; zone=eu, and the stage has no such tag",
            "d-expired: the rule has expired at 2026-01-01T00:00:50Z",
            "e-other: the rule's source is another stage, arn:aws:ivs:us-east-1:123456789012:stage/Z",
            "f-paused: the rule is paused",
            "g-nowhere: no stage is known with role=wall and the source's show",
            "h-itself: the destination is the source itself",
        ]
    );
    assert!(!told.to_string().contains("secret"), "values of attributes are the customer's own");
}

#[test]
fn the_last_error_is_told_with_its_request() {
    let error = LastError {
        rejection: None,
        code: "AccessDeniedException".to_owned(),
        message: "no\u{1b}[2J".to_owned(),
        request_id: Some("r-7".to_owned()),
        at: at("00:00:30"),
    };
    let blocked =
        Phase::Blocked(Blocked { reason: BlockedReason::AccessDenied, until: Some(at("00:05:00")) });
    let stored = Replica {
        phase: blocked,
        desired: Desired::Replicated,
        last_error: Some(error),
        ..Replica::new(to("B"))
    };
    let view = View { replicas: vec![stored], ..host(vec![rule("main", &["B"])]) };
    let text = told(&view).to_string();
    for expected in [
        "last error: AccessDeniedException: no\\u{1b}[2J (at 2026-01-01T00:00:30Z, 30 s ago; request id r-7)",
        "next: at 2026-01-01T00:05:00Z, in 4 min",
        "wanted by rule main (priority 50, revision 1): its source is this stage, it names the destination",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}
