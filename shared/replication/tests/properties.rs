//! What holds for every view and every order of news.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod arbitrary;
mod build;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed};
use replication::invariant::{applied, violations};
use replication::{
    Allowance, BlockedReason, Capabilities, Context, Decision, Destination, Line, Moment, Observation,
    Operation, Outcome, Pattern, Phase, Plan, Policy, Publishing, Receipt, Refusal, Rejection, Replica, Rule,
    StageArn, Step, View, plan,
};

use arbitrary::now;
use build::{publisher, to};

/// The same cases in every run; `SEED=2 cargo test` makes others.
fn config() -> Config {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    Config { cases: 256, failure_persistence: None, rng_seed: RngSeed::Fixed(seed), ..Config::default() }
}

fn context(policy: &Policy, can: Capabilities) -> Context<'_> {
    Context { now: now(), policy, can, allowance: Allowance::UNLIMITED, holder: "me" }
}

/// The rule that wins each destination, told without the planner: of all active rules that speak of the publisher.
fn winners(view: &View) -> BTreeMap<StageArn, &Rule> {
    let user = view.publisher.as_ref().map(|publisher| publisher.user_id.as_str());
    let mut winners: BTreeMap<StageArn, &Rule> = BTreeMap::new();
    for rule in &view.rules {
        let speaks = rule.is_active(now())
            && rule.covers(&view.key.stage)
            && user.is_none_or(|user| rule.participants.matches(user));
        for destination in rule.destinations.iter().filter(|_| speaks) {
            let Destination::Stage(stage) = destination else { continue };
            let better = winners
                .get(stage)
                .is_none_or(|other| (rule.priority, &other.id) > (other.priority, &rule.id));
            if *stage != view.key.stage && better {
                winners.insert(stage.clone(), rule);
            }
        }
    }
    winners
}

fn after(view: &View, made: &Plan, destination: &StageArn) -> Option<Replica> {
    applied(view, made).replicas.into_iter().find(|replica| replica.key.destination == *destination)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_makes_no_more_calls_than_the_budget_has_left(
        view in arbitrary::view(),
        (start, stop, list) in (0..4_usize, 0..4_usize, 0..2_usize),
    ) {
        let policy = Policy::default();
        let allowance = Allowance { start, stop, list, ..Allowance::NONE };
        let context = Context { allowance, ..context(&policy, build::ALL_CALLS) };
        let made = plan(&view, context);
        let count = |of: Operation| made.steps.iter().filter(|step| Operation::of(step) == of).count();
        prop_assert!(count(Operation::Start) <= start);
        prop_assert!(count(Operation::Stop) <= stop);
        prop_assert!(count(Operation::List) <= list);
        prop_assert_eq!(violations(&view, context, &made), vec![]);
    }

    #[test]
    fn every_plan_keeps_the_invariants(view in arbitrary::view(), can in arbitrary::capabilities()) {
        let policy = Policy::default();
        let context = context(&policy, can);
        let made = plan(&view, context);
        prop_assert_eq!(violations(&view, context, &made), vec![], "{}", made.report);
        let again = plan(&applied(&view, &made), context);
        prop_assert!(again.is_empty(), "{}then\n{}{:#?}", made.report, again.report, again.changes);
    }

    #[test]
    fn every_wanted_or_existing_destination_has_one_line(view in arbitrary::view()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, build::ALL_CALLS));
        let winners = winners(&view);
        let expected: BTreeSet<_> =
            winners.keys().cloned().chain(view.replicas.iter().map(|r| r.key.destination.clone())).collect();
        let lines: Vec<_> = made.report.lines.iter().map(|line| line.destination.clone()).collect();
        prop_assert_eq!(lines.len(), expected.len());
        prop_assert_eq!(lines.into_iter().collect::<BTreeSet<_>>(), expected);
        for line in &made.report.lines {
            prop_assert_eq!(line.rule.as_ref(), winners.get(&line.destination).map(|rule| &rule.id));
        }
    }

    #[test]
    fn only_the_calls_that_may_be_made_are_planned(view in arbitrary::view(), can in arbitrary::capabilities()) {
        let policy = Policy::default();
        for step in plan(&view, context(&policy, can)).steps {
            let allowed = match step {
                Step::Start(_) => can.start,
                Step::Stop(_) => can.stop,
                Step::Verify(_) => can.verify,
            };
            prop_assert!(allowed);
        }
    }

    /// Nothing is forgotten: what is not at rest has a time at which somebody must look again, and what is has none.
    #[test]
    fn what_is_not_at_rest_is_due(view in arbitrary::view(), can in arbitrary::capabilities()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, can));
        for line in &made.report.lines {
            let replica = after(&view, &made, &line.destination);
            let due = replica.as_ref().and_then(Replica::due);
            match line.decision {
                Decision::Keep | Decision::Rest | Decision::Foreign => prop_assert_eq!(due, None, "{}", line.why),
                Decision::Wait | Decision::Hold => {
                    prop_assert!(due > Some(now()), "{:?} {} {:?}", line.decision, line.why, replica);
                    prop_assert!(made.wake_at <= due && made.wake_at > Some(now()));
                }
                Decision::Defer => prop_assert!(due.is_some_and(|due| due <= now()), "{}", line.why),
                Decision::Start | Decision::Stop | Decision::Verify => {
                    prop_assert!(due == now().checked_add(policy.lease).ok(), "{:?}", replica);
                }
                Decision::Block(reason) => prop_assert_eq!(reason, BlockedReason::ParticipantSlotsFull),
            }
        }
    }

    /// Slots go by priority, then rule id, then the order in the rule: nobody starts before one who found them full.
    #[test]
    fn slots_are_given_by_priority(view in arbitrary::view(), can in arbitrary::capabilities()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, can));
        let winners = winners(&view);
        let place = |destination: &StageArn| {
            let rule = winners[destination];
            let at = rule.destinations.iter().position(|named| *named == Destination::Stage((*destination).clone()));
            (std::cmp::Reverse(rule.priority), rule.id.clone(), at)
        };
        let then = applied(&view, &made);
        let with = |wanted: fn(&Replica, &Line) -> bool| -> Vec<StageArn> {
            let lines = made.report.lines.iter();
            lines
                .filter(|line| {
                    let replica = then.replicas.iter().find(|r| r.key.destination == line.destination);
                    replica.is_some_and(|replica| wanted(replica, line))
                })
                .map(|line| line.destination.clone())
                .collect()
        };
        let starting = with(|_, line| {
            line.decision == Decision::Start
                || line.decision == Decision::Defer && line.why.starts_with("to be started")
        });
        let blocked = with(|_, line| line.decision == Decision::Block(BlockedReason::ParticipantSlotsFull));
        let last_started = starting.iter().filter(|d| winners.contains_key(*d)).map(place).max();
        let first_blocked = blocked.iter().map(place).min();
        prop_assert!(last_started.is_none() || first_blocked.is_none() || last_started < first_blocked);

        let held = with(|replica, _| replica.holds_slot()).len();
        let not_started = starting.iter().filter(|_| !can.start).count();
        let waiting = with(|replica, line| {
            let throttled = matches!(&replica.phase, Phase::Blocked(b) if b.reason == BlockedReason::Throttled);
            line.decision == Decision::Wait && (replica.phase == Phase::Pending || throttled)
        });
        if !starting.is_empty() {
            prop_assert!(held + not_started <= policy.slots_per_participant);
        }
        if !blocked.is_empty() {
            prop_assert!(held + not_started + waiting.len() >= policy.slots_per_participant);
        }
    }

    #[test]
    fn nothing_is_started_without_news_of_publishing(view in arbitrary::view()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, build::ALL_CALLS));
        let may = matches!(made.report.publishing, Publishing::Yes | Publishing::Uncertain);
        prop_assert!(may || !made.steps.iter().any(|step| matches!(step, Step::Start(_))));
    }

    /// Whatever is known and whatever comes, nothing panics: also not at the ends of time.
    #[test]
    fn news_and_answers_are_taken_into_every_view(
        mut view in arbitrary::view(),
        news in arbitrary::observation(),
        took in arbitrary::moment(),
        refusal in 0..8_usize,
    ) {
        let policy = Policy::default();
        news.fold_into(&mut view, &policy);
        let made = plan(&view, context(&policy, build::ALL_CALLS));
        let mut view = applied(&view, &made);
        let lease = replication::Lease::taken("me", now(), &policy);
        for step in &made.steps {
            outcome(step, refusal).apply(&mut view, &lease, took, &policy);
        }
        let made = plan(&view, context(&policy, build::ALL_CALLS));
        prop_assert_eq!(violations(&view, context(&policy, build::ALL_CALLS), &made), vec![]);
    }

    /// From nothing, everything known is the same but the destination's session, which is for reading only.
    #[test]
    fn the_order_and_repetition_of_news_does_not_matter(
        news in proptest::collection::vec(arbitrary::observation(), 1..8),
        order in proptest::collection::vec(any::<Index>(), 0..16),
    ) {
        let known = |news: Vec<&Observation>| {
            let mut view = folded(View::empty(publisher()), news);
            view.replicas.iter_mut().for_each(|replica| replica.destination_session = None);
            view
        };
        prop_assert_eq!(known(shuffled(&news, &order)), known(news.iter().collect()));
    }

    /// From any state, the evidence is the same. Whether a Publish Error still blocks depends on the phase it meets.
    #[test]
    fn evidence_does_not_depend_on_the_order_of_news(
        view in arbitrary::view(),
        news in proptest::collection::vec(arbitrary::observation(), 1..8),
        order in proptest::collection::vec(any::<Index>(), 0..16),
    ) {
        let known = |news: Vec<&Observation>| {
            let view = folded(view.clone(), news);
            let evidence: Vec<_> = view.replicas.iter().map(|r| (r.key.clone(), r.evidence)).collect();
            (view.publisher.map(|publisher| publisher.evidence), evidence)
        };
        prop_assert_eq!(known(shuffled(&news, &order)), known(news.iter().collect()));
    }

    #[test]
    fn a_pattern_matches_as_its_definition_says(pattern in "[ab*?]{1,8}", text in "[abc]{0,8}") {
        let made: Pattern = pattern.parse().unwrap();
        prop_assert_eq!(made.matches(&text), matches_slowly(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn a_moment_is_read_as_it_was_written(at in arbitrary::moment()) {
        prop_assert_eq!(at.to_string().parse::<Moment>().unwrap(), at);
    }

    #[test]
    fn a_wait_is_between_half_of_its_step_and_its_step(attempts in any::<u32>()) {
        let policy = Policy::default();
        let doublings = attempts.saturating_sub(1).min(20);
        let step = (policy.backoff_base * (1 << doublings)).min(policy.backoff_cap);
        let wait = policy.backoff(attempts, &to("B"));
        prop_assert!(wait >= step / 2 && wait <= step, "{} {}", attempts, wait);
    }
}

fn folded(mut view: View, news: Vec<&Observation>) -> View {
    news.into_iter().for_each(|one| one.fold_into(&mut view, &Policy::default()));
    view
}

/// All the news backwards, after some of it in any order.
fn shuffled<'a>(news: &'a [Observation], order: &[Index]) -> Vec<&'a Observation> {
    order.iter().map(|index| index.get(news)).chain(news.iter().rev()).collect()
}

fn outcome(step: &Step, answer: usize) -> Outcome {
    let refusal = match answer {
        0 => None,
        i @ 1..=4 => Some(Refusal::Rejected(Rejection::ALL[i - 1])),
        5 => Some(Refusal::AccessDenied),
        6 => Some(Refusal::Throttled { retry_after: Some(jiff::SignedDuration::MAX) }),
        _ => Some(Refusal::Unavailable),
    };
    let error = refusal.map(|refusal| replication::CallError {
        refusal,
        code: "Code".to_owned(),
        message: "message".to_owned(),
        request_id: None,
    });
    let done = error.clone().map_or(Ok(Receipt::default()), Err);
    match step {
        Step::Start(request) => Outcome::Start(request.key.clone(), done),
        Step::Stop(key) => Outcome::Stop(key.clone(), done),
        Step::Verify(keys) => Outcome::Verify(keys.clone(), error.map_or(Ok(Vec::new()), Err)),
    }
}

/// The definition, without any cleverness.
fn matches_slowly(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', later)), rest) => {
            matches_slowly(later, text) || rest.is_some_and(|(_, rest)| matches_slowly(pattern, rest))
        }
        (Some((b'?', later)), Some((_, rest))) => matches_slowly(later, rest),
        (Some((c, later)), Some((d, rest))) => c == d && matches_slowly(later, rest),
        (Some(_), None) => false,
    }
}

/// The generator is worth something only if it comes everywhere.
#[test]
fn arbitrary_views_reach_every_decision() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let mut seen = BTreeSet::new();
    let policy = Policy::default();
    for _ in 0..500 {
        let view = arbitrary::view().new_tree(&mut runner).unwrap().current();
        let can = arbitrary::capabilities().new_tree(&mut runner).unwrap().current();
        let made = plan(&view, context(&policy, can));
        seen.extend(made.report.lines.iter().map(|line| line.decision.to_string()));
    }
    let all = ["blocked(ParticipantSlotsFull)", "defer", "foreign", "hold", "keep", "rest", "start", "stop"];
    let expected: BTreeSet<_> = all.into_iter().chain(["verify", "wait"]).map(str::to_owned).collect();
    assert_eq!(seen, expected);
}
