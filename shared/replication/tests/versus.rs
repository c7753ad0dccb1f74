//! How a versus session is judged: tables of what is known against what it comes to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use jiff::{SignedDuration, Timestamp};
use replication::versus::{Failure, Verdict, judge, to_plan};
use replication::{
    Blocked, BlockedReason, Desired, Evidence, LastError, Moment, Owner, ParticipantFilter, Phase, Policy,
    Publisher, PublisherKey, Replica, ReplicationKey, RuleRef, Versus, VersusState, VersusTerms, View,
};

use build::{stage, time};

/// When the session is asked for. It has 60 s, and 15 s to start.
fn start() -> Timestamp {
    time("00:01:00")
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn session(stages: &[&str]) -> Versus {
    let stages = stages.iter().map(|id| stage(id)).collect();
    Versus::new(VersusTerms::new("duel".parse().unwrap(), stages, 60), start())
}

fn key(source: &str, participant: &str, destination: &str) -> ReplicationKey {
    ReplicationKey {
        source: stage(source),
        participant: participant.parse().unwrap(),
        destination: stage(destination),
    }
}

/// A replica that runs, by the session's rule for its source stage.
fn running(source: &str, participant: &str, destination: &str) -> Replica {
    let place = source.bytes().next().map_or(0, |letter| usize::from(letter - b'A'));
    let id = session(&["A", "B"]).terms.id.rule(place + 1);
    Replica {
        phase: Phase::Active,
        desired: Desired::Replicated,
        owner: Owner::Stagelink,
        rule: Some(RuleRef { id, revision: 1, priority: 90 }),
        evidence: Evidence { on: Some(Moment::exact(after(1))), off: None },
        wanted_until: Some(after(60)),
        ..Replica::new(key(source, participant, destination))
    }
}

fn of_another_rule(replica: Replica) -> Replica {
    Replica { rule: Some(RuleRef { id: "other".parse().unwrap(), revision: 1, priority: 95 }), ..replica }
}

fn blocked(replica: Replica, reason: BlockedReason, refused_at: Option<Timestamp>) -> Replica {
    let last_error = refused_at.map(|at| LastError {
        rejection: None,
        code: "Code".to_owned(),
        message: "no".to_owned(),
        request_id: None,
        at,
    });
    let phase = Phase::Blocked(Blocked { reason, until: Some(after(300)) });
    Replica { phase, last_error, owner: Owner::Nobody, evidence: Evidence::default(), ..replica }
}

/// Somebody on a stage who publishes, with these replications.
fn view(source: &str, participant: &str, replicas: Vec<Replica>) -> View {
    let key = PublisherKey { stage: stage(source), participant: participant.parse().unwrap() };
    let evidence = Evidence { on: Some(Moment::exact(time("00:00:30"))), off: None };
    let publisher = Publisher { evidence, user_id: "host".to_owned(), ..Publisher::new(key.clone()) };
    View { publisher: Some(publisher), replicas, ..View::empty(key) }
}

/// Two hosts, each at the other's.
fn complete() -> [View; 2] {
    [view("A", "anna", vec![running("A", "anna", "B")]), view("B", "ben", vec![running("B", "ben", "A")])]
}

fn judged(versus: &Versus, views: &[View], now: Timestamp) -> Verdict {
    judge(versus, views, now, &Policy::default())
}

#[test]
fn a_session_runs_when_everybody_is_everywhere() {
    let duel = session(&["A", "B"]);
    assert_eq!(judged(&duel, &complete(), after(2)), Verdict::Running);
    assert_eq!(judged(&duel, &complete(), after(15)), Verdict::Running, "just in time");

    let foreign = Replica { owner: Owner::Foreign, desired: Desired::Released, ..running("B", "ben", "A") };
    let [anna, _] = complete();
    assert_eq!(judged(&duel, &[anna.clone(), view("B", "ben", vec![foreign])], after(2)), Verdict::Running);
    let theirs = of_another_rule(running("B", "ben", "A"));
    assert_eq!(judged(&duel, &[anna, view("B", "ben", vec![theirs])], after(2)), Verdict::Running);
}

#[test]
fn what_is_missing_is_waited_for_and_fails_the_session_at_the_deadline() {
    let duel = session(&["A", "B"]);
    let [anna, ben] = complete();
    let mut gone = ben.clone();
    let left = Some(Moment::exact(after(1)));
    gone.publisher.as_mut().unwrap().evidence.off = left;
    let with = |replica: Replica| view("B", "ben", vec![replica]);
    let late = || Failure::Late(key("B", "ben", "A"));
    let refused = |reason| Failure::Blocked(key("B", "ben", "A"), reason);
    let base = || running("B", "ben", "A");
    let ended = Evidence { on: Some(Moment::exact(after(1))), off: Some(Moment::exact(after(2))) };
    let cases = [
        ("nobody is there", vec![anna.clone()], Failure::NoPublisher(stage("B"))),
        ("he left", vec![anna.clone(), gone], Failure::NoPublisher(stage("B"))),
        ("no replica yet", vec![anna.clone(), view("B", "ben", vec![])], late()),
        ("pending", vec![anna.clone(), with(Replica { phase: Phase::Pending, ..base() })], late()),
        ("starting", vec![anna.clone(), with(Replica { phase: Phase::Starting, ..base() })], late()),
        ("it ended", vec![anna.clone(), with(Replica { evidence: ended, ..base() })], late()),
        (
            "to be released",
            vec![anna.clone(), with(Replica { desired: Desired::Released, ..base() })],
            late(),
        ),
        (
            "throttled",
            vec![anna.clone(), with(blocked(base(), BlockedReason::Throttled, Some(after(1))))],
            refused(BlockedReason::Throttled),
        ),
        (
            "not publishing, says IVS",
            vec![anna.clone(), with(blocked(base(), BlockedReason::NotPublishing, Some(after(1))))],
            refused(BlockedReason::NotPublishing),
        ),
        ("the second of two", vec![anna, ben, view("B", "bob", vec![])], Failure::Late(key("B", "bob", "A"))),
    ];
    for (what, views, failure) in cases {
        assert_eq!(judged(&duel, &views, after(2)), Verdict::Wait(after(15)), "{what}");
        assert_eq!(judged(&duel, &views, after(15)), Verdict::Failed(failure), "{what}");
    }
}

#[test]
fn what_will_not_pass_by_itself_fails_it_at_once() {
    use BlockedReason::{AccessDenied, DestinationFull, ParticipantSlotsFull, Rejected, StageGone};
    let duel = session(&["A", "B"]);
    let [anna, _] = complete();
    for reason in [ParticipantSlotsFull, DestinationFull, AccessDenied, StageGone, Rejected] {
        let at_once = Verdict::Failed(Failure::Blocked(key("B", "ben", "A"), reason));
        let judge = |replica| judged(&duel, &[anna.clone(), view("B", "ben", vec![replica])], after(2));
        let wait = Verdict::Wait(after(15));
        assert_eq!(judge(blocked(running("B", "ben", "A"), reason, Some(after(1)))), at_once, "{reason}");

        // Nobody asked IVS: the plan itself found it so.
        assert_eq!(judge(blocked(running("B", "ben", "A"), reason, None)), at_once, "{reason} as planned");

        // What was refused before the session began, or to another rule, is asked again.
        let before = blocked(running("B", "ben", "A"), reason, Some(time("00:00:59")));
        let stale = reason != ParticipantSlotsFull;
        assert_eq!(judge(before), if stale { wait.clone() } else { at_once }, "{reason} before");
        let other = of_another_rule(blocked(running("B", "ben", "A"), reason, Some(after(1))));
        assert_eq!(judge(other), wait, "{reason} of another rule");
    }
}

#[test]
fn who_pre_empts_waits_for_a_place() {
    let mut duel = session(&["A", "B"]);
    duel.terms.preempt = true;
    let [anna, _] = complete();
    for reason in [BlockedReason::ParticipantSlotsFull, BlockedReason::DestinationFull] {
        let ben = view("B", "ben", vec![blocked(running("B", "ben", "A"), reason, Some(after(1)))]);
        let views = [anna.clone(), ben];
        assert_eq!(judged(&duel, &views, after(14)), Verdict::Wait(after(15)));
        let failure = Failure::Blocked(key("B", "ben", "A"), reason);
        assert_eq!(judged(&duel, &views, after(15)), Verdict::Failed(failure));
    }
}

#[test]
fn the_first_hopeless_one_is_named_though_others_are_late() {
    let trio = session(&["A", "B", "C"]);
    let full = blocked(running("C", "cleo", "B"), BlockedReason::ParticipantSlotsFull, None);
    let views = [
        view("A", "anna", vec![running("A", "anna", "B")]),
        view("B", "ben", vec![]),
        view("C", "cleo", vec![running("C", "cleo", "A"), full]),
    ];
    let failure = Failure::Blocked(key("C", "cleo", "B"), BlockedReason::ParticipantSlotsFull);
    assert_eq!(
        failure.to_string().replace("arn:aws:ivs:us-east-1:123456789012:stage/", ""),
        "C cleo B is blocked: ParticipantSlotsFull"
    );
    assert_eq!(judged(&trio, &views, after(1)), Verdict::Failed(failure));
}

#[test]
fn only_those_who_are_meant_count() {
    let mut duel = session(&["A", "B"]);
    duel.terms.participants =
        ParticipantFilter { user_id: Some("host*".parse().unwrap()), ..ParticipantFilter::default() };
    let [anna, ben] = complete();
    let mut guest = view("B", "guest", vec![]);
    guest.publisher.as_mut().unwrap().user_id = "guest".to_owned();
    assert_eq!(judged(&duel, &[anna.clone(), ben, guest.clone()], after(1)), Verdict::Running);
    let alone = judged(&duel, &[anna, guest], after(15));
    assert_eq!(alone, Verdict::Failed(Failure::NoPublisher(stage("B"))));
}

#[test]
fn who_joins_or_leaves_later_changes_nothing() {
    let duel = Versus { state: VersusState::Running, ..session(&["A", "B"]) };
    let full = blocked(running("A", "late", "B"), BlockedReason::ParticipantSlotsFull, Some(after(20)));
    let [anna, ben] = complete();
    for views in [vec![anna, ben, view("A", "late", vec![full])], vec![]] {
        assert_eq!(judged(&duel, &views, after(59)), Verdict::Wait(after(60)));
        assert_eq!(judged(&duel, &views, after(60)), Verdict::Ended);
    }
}

/// What ended ran; what did not run failed, whoever ended it.
#[test]
fn a_session_that_ends_before_it_runs_has_failed() {
    let short = Versus { ends_at: after(3), ..session(&["A", "B"]) };
    assert_eq!(judged(&short, &[], after(2)), Verdict::Wait(after(3)));
    assert_eq!(judged(&short, &[], after(3)), Verdict::Failed(Failure::NoPublisher(stage("A"))));
    assert_eq!(judged(&short, &complete(), after(3)), Verdict::Ended);
}

#[test]
fn what_is_over_stays_over() {
    let failure = Failure::NoPublisher(stage("A"));
    let failed = Versus { state: VersusState::Failed(failure.clone()), ..session(&["A", "B"]) };
    let ended = Versus { state: VersusState::Ended, ..session(&["A", "B"]) };
    assert_eq!(judged(&failed, &complete(), after(1)), Verdict::Failed(failure));
    assert_eq!(judged(&ended, &complete(), after(1)), Verdict::Ended);
}

#[test]
fn a_starting_session_plans_those_whom_nobody_planned_for_it() {
    let duel = session(&["A", "B"]);
    let [anna, _] = complete();
    let ben = |replicas| view("B", "ben", replicas);
    let plans = |ben: View| to_plan(&duel, &[anna.clone(), ben.clone()], after(1)) == [ben.key];
    let pending = Replica { phase: Phase::Pending, next_attempt: Some(after(0)), ..running("B", "ben", "A") };
    assert!(plans(ben(vec![])));
    assert!(plans(ben(vec![of_another_rule(pending.clone())])));
    assert!(!plans(ben(vec![pending])), "it is due");
    assert!(!plans(ben(vec![of_another_rule(running("B", "ben", "A"))])), "it runs");
}

#[test]
fn a_session_that_is_over_withdraws_what_is_not_due_by_itself() {
    let failed = session(&["A", "B"]).judged(&Verdict::Failed(Failure::NoPublisher(stage("B"))));
    let [anna, _] = complete();
    let plans = |now| to_plan(&failed, std::slice::from_ref(&anna), now);
    assert_eq!(plans(after(15)), std::slice::from_ref(&anna.key));
    assert_eq!(plans(after(60)), [], "its rule has expired, so it is due");
    let theirs = view("A", "anna", vec![of_another_rule(running("A", "anna", "B"))]);
    assert_eq!(to_plan(&failed, &[theirs], after(15)), []);
    let running = Versus { state: VersusState::Running, ..session(&["A", "B"]) };
    assert_eq!(to_plan(&running, &[view("A", "late", vec![])], after(20)), []);
}
