//! A plan that breaks an invariant is found out: each is broken once, by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use std::collections::BTreeSet;

use replication::invariant::{Invariant, forbids, is_quiet, violations};
use replication::{
    Allowance, Capabilities, Context, Control, Mode, Observation, Outcome, Owner, Pause, Phase, Plan, Policy,
    Receipt, Replica, Rule, Source, Step, StopReason, StopRequest, View, plan,
};

use build::{ALL_CALLS, moment, publisher, rule, session, tags, time, to};

fn at<'a>(now: &str, policy: &'a Policy) -> Context<'a> {
    let (now, allowance) = (time(now), Allowance::UNLIMITED);
    Context { now, policy, can: ALL_CALLS, allowance, holder: "me", witness: None }
}

fn publishing(rules: Vec<Rule>) -> View {
    let mut view = View { rules, ..View::empty(publisher()) };
    let (key, session, user_id) = (publisher(), session("st-1"), String::new());
    let news = Observation::Published { key, session, user_id, at: moment("00:00:05") };
    news.fold_into(&mut view, &Policy::default());
    view
}

/// A replica to B that runs by a rule.
fn running() -> View {
    let (mut view, policy) = (publishing(vec![rule("main", &["B"])]), Policy::default());
    let made = plan(&view, at("00:00:06", &policy));
    made.changes.into_iter().for_each(|change| view.put(change));
    let lease = view.replicas[0].lease.clone().unwrap();
    Outcome::Start(to("B"), Ok(Receipt::default())).apply(&mut view, &lease, moment("00:00:06"), &policy);
    view
}

fn stop(destination: &str) -> Step {
    Step::Stop(StopRequest { key: to(destination), reason: StopReason::Unwanted, confirmed: false })
}

#[track_caller]
fn assert_broken(invariant: Invariant, view: &View, context: Context<'_>, wrong: &Plan) {
    let broken = violations(view, context, wrong);
    assert!(broken.contains(&invariant), "{broken:?}");
    let forbidden = forbids(view, context, wrong);
    assert!(forbidden.contains(&invariant), "{forbidden:?}");
}

#[test]
fn a_call_without_its_intent() {
    let (view, policy) = (publishing(vec![rule("main", &["B"])]), Policy::default());
    let context = at("00:00:06", &policy);
    let right = plan(&view, context);
    assert_eq!((violations(&view, context, &right), forbids(&view, context, &right)), (vec![], vec![]));
    let forgotten = Plan { changes: Vec::new(), ..right.clone() };
    assert_broken(Invariant::IntentBeforeCall, &view, context, &forgotten);
    let unleased = right.changes.iter().cloned().map(|change| Replica { lease: None, ..change }).collect();
    assert_broken(Invariant::IntentBeforeCall, &view, context, &Plan { changes: unleased, ..right });
}

#[test]
fn a_sixth_replication() {
    let destinations = ["B", "C", "D", "E", "F", "G"];
    let view = publishing(vec![rule("main", &destinations)]);
    let generous = Policy { slots_per_participant: 6, ..Policy::default() };
    let six = plan(&view, at("00:00:06", &generous));
    assert_eq!(six.steps.len(), 6);
    assert_broken(Invariant::ParticipantSlots, &view, at("00:00:06", &Policy::default()), &six);
}

#[test]
fn a_replica_on_its_own_stage() {
    let (view, policy) = (publishing(vec![rule("main", &["B"])]), Policy::default());
    let mut made = plan(&view, at("00:00:06", &policy));
    let Step::Start(request) = &mut made.steps[0] else { panic!("a start") };
    request.key.destination = request.key.source.clone();
    assert_broken(Invariant::NoLoops, &view, at("00:00:06", &policy), &made);
}

#[test]
fn a_stop_of_what_is_not_ours() {
    let (mut view, policy) = (running(), Policy::default());
    view.rules.clear();
    let made = plan(&view, at("00:00:10", &policy));
    assert_eq!(made.steps, [stop("B")]);
    view.replicas[0].owner = Owner::Foreign;
    assert_broken(Invariant::OwnOnly, &view, at("00:00:10", &policy), &made);
}

#[test]
fn a_stop_for_want_of_news() {
    let (mut view, policy) = (running(), Policy::default());
    view.publisher = None;
    let context = at("00:00:10", &policy);
    let wrong = Plan { steps: vec![stop("B")], ..plan(&view, context) };
    assert_broken(Invariant::NoStopWithoutNews, &view, context, &wrong);
}

#[test]
fn a_stop_while_its_rule_cannot_be_decided_on() {
    let (mut view, policy) = (running(), Policy::default());
    view.rules[0].source = Source::Tags(tags("role=main"));
    let context = at("00:00:10", &policy);
    let wrong = Plan { steps: vec![stop("B")], ..plan(&view, context) };
    assert_broken(Invariant::UnknownStopsNothing, &view, context, &wrong);
}

/// It is wanted by another rule for certain, and that one is outranked: what the undecided one wants makes no difference.
#[test]
fn a_certain_rule_is_outranked_whatever_another_may_want() {
    let (mut view, policy) = (running(), Policy::default());
    let undecided = Rule { source: Source::Tags(tags("role=main")), ..rule("main", &["B"]) };
    let certain = Rule { priority: 10, ..rule("certain", &["B"]) };
    let urgent = Rule { priority: 90, preempt: true, ..rule("urgent", &["C", "D", "E", "F", "G"]) };
    view.rules = vec![undecided, certain, urgent];
    let context = Context { can: Capabilities { get_stage: false, ..ALL_CALLS }, ..at("00:00:10", &policy) };
    let made = plan(&view, context);
    assert!(
        made.steps.iter().any(|step| matches!(step, Step::Stop(stop) if stop.key == to("B"))),
        "{}",
        made.report
    );
    assert_eq!(violations(&view, context, &made), [], "{}", made.report);
}

#[test]
fn more_stops_than_the_brake_lets_pass() {
    let (mut view, policy) = (running(), Policy::default());
    view.rules.clear();
    let context = at("00:00:10", &policy);
    let made = plan(&view, context);
    let recent_stops = 1_000;
    let busy = Context { allowance: Allowance { recent_stops, ..Allowance::UNLIMITED }, ..context };
    assert_broken(Invariant::Brake, &view, busy, &made);
}

#[test]
fn a_call_while_it_is_hands_off() {
    let (mut view, policy) = (running(), Policy::default());
    view.rules.clear();
    let made = plan(&view, at("00:00:10", &policy));
    let observing = Policy { mode: Mode::Observe, ..Policy::default() };
    assert_broken(Invariant::HandsOff, &view, at("00:00:10", &observing), &made);
    let pause = Pause { reason: String::new(), by: "me".to_owned(), at: time("00:00:09") };
    let paused = View { control: Control { pause: Some(pause), ..view.control.clone() }, ..view };
    assert_broken(Invariant::HandsOff, &paused, at("00:00:10", &policy), &made);
}

#[test]
fn two_plans_in_a_row_and_a_key_that_is_not_explained() {
    let (view, policy) = (running(), Policy::default());
    let context = at("00:00:10", &policy);
    let right = plan(&view, context);
    let silent =
        Plan { report: replication::Report { lines: Vec::new(), ..right.report.clone() }, ..right.clone() };
    assert_eq!(violations(&view, context, &silent), [Invariant::EveryKeyExplained]);
    let (view, mut unwritten) = (publishing(vec![rule("main", &["B"])]), right);
    unwritten.report = plan(&view, context).report;
    assert_eq!(violations(&view, context, &unwritten), [Invariant::PlanTwice]);
    assert_eq!(forbids(&view, context, &unwritten), [], "no call is wrong");
}

#[test]
fn a_call_more_than_the_brake_allows() {
    let (mut view, policy) = (running(), Policy::default());
    view.rules.clear();
    let allowance = Allowance { recent_stops: 19, ..Allowance::UNLIMITED };
    let context = Context { allowance, ..at("00:05:00", &policy) };
    let last = plan(&view, context);
    assert_eq!((last.steps.len(), forbids(&view, context, &last)), (1, vec![]));
    let allowance = Allowance { recent_stops: 20, ..Allowance::UNLIMITED };
    assert_broken(Invariant::Brake, &view, Context { allowance, ..context }, &last);
}

#[test]
fn every_invariant_has_a_name_of_its_own_that_begins_with_its_promise() {
    let names: BTreeSet<_> = Invariant::ALL.iter().map(|invariant| invariant.id()).collect();
    assert_eq!(names.len(), Invariant::ALL.len());
    for invariant in Invariant::ALL {
        assert_eq!(invariant.to_string(), invariant.id());
        let (promise, name) = invariant.id().split_once('-').unwrap();
        let number: u8 = promise.strip_prefix('P').unwrap().parse().unwrap();
        assert!((1..=14).contains(&number) && !name.is_empty(), "{invariant}");
    }
}

#[test]
fn a_view_is_quiet_when_nothing_is_under_way_and_nothing_waits() {
    let quiet = running();
    assert!(is_quiet(&quiet));
    let with = |change: fn(&mut Replica)| {
        let mut view = quiet.clone();
        change(&mut view.replicas[0]);
        is_quiet(&view)
    };
    assert!(with(|replica| replica.wanted_until = Some(time("00:10:00"))), "its rule's end is no work");
    assert!(!with(|replica| replica.phase = Phase::Pending));
    assert!(!with(|replica| replica.next_attempt = Some(time("00:10:00"))));
}
