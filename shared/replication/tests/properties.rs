//! What holds for every view and every order of news.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod arbitrary;
mod build;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use replication::invariant::{applied, violations};
use replication::{
    Allowance, BlockedReason, Capabilities, Context, Control, Decision, Destination, Line, Mode, Moment,
    Observation, Operation, Outcome, Pattern, Pause, Phase, Plan, Policy, Publishing, Question, Receipt,
    Refusal, Rejection, Replica, Rule, SecondWitness, Source, StageArn, Step, StopReason, StopRequest, Tags,
    View, plan,
};

use arbitrary::now;
use build::{publisher, to};

fn context(policy: &Policy, can: Capabilities) -> Context<'_> {
    Context { now: now(), policy, can, allowance: Allowance::UNLIMITED, holder: "me", witness: None }
}

/// The rule that wins each destination, told without the planner: of all active rules that certainly speak of the publisher.
fn winners(view: &View) -> BTreeMap<StageArn, &Rule> {
    let mut winners: BTreeMap<StageArn, &Rule> = BTreeMap::new();
    for rule in view.rules.iter().filter(|rule| speaks(rule, view) == Some(true)) {
        for stage in destinations(rule, view) {
            let better = winners
                .get(&stage)
                .is_none_or(|other| (rule.priority, &other.id) > (other.priority, &rule.id));
            if stage != view.key.stage && better {
                winners.insert(stage, rule);
            }
        }
    }
    winners
}

/// Whether a rule speaks of the publisher; nothing if that is not known.
fn speaks(rule: &Rule, view: &View) -> Option<bool> {
    let publisher = view.publisher.as_ref();
    let source = match &rule.source {
        Source::Any => Some(true),
        Source::Stage(stage) => Some(*stage == view.key.stage),
        Source::Tags(tags) if tags.is_empty() => Some(true),
        Source::Tags(tags) => {
            view.tags.as_ref().map(|has| tags.iter().all(|tag| has.iter().any(|t| t == tag)))
        }
    };
    let user = publisher.is_none_or(|publisher| rule.participants.matches(&publisher.user_id));
    let attributes = publisher.and_then(|publisher| publisher.attributes.as_ref());
    let role = match (rule.participants.attributes.get("role"), attributes) {
        (None, _) => Some(true),
        (Some(_), None) => None,
        (Some(pattern), Some(has)) => Some(has.get("role").is_some_and(|role| pattern.matches(role))),
    };
    if !rule.is_active(now()) || !user || source == Some(false) || role == Some(false) {
        return Some(false);
    }
    source.and(role)
}

/// The stages a rule certainly leads to, in order of preference; some more than once.
fn destinations(rule: &Rule, view: &View) -> Vec<StageArn> {
    let selects = |of: &Tags, tags: &Tags, same: &[String]| {
        let source = view.tags.as_ref();
        tags.iter().all(|(key, value)| of.get(key) == Some(value))
            && same
                .iter()
                .all(|key| of.contains_key(key) && source.is_some_and(|s| s.get(key) == of.get(key)))
    };
    let each = rule.destinations.iter().map(|destination| match destination {
        Destination::Stage(stage) => vec![stage.clone()],
        Destination::Tags { tags, same } => {
            let listed = view.directory.iter().filter(|(_, of)| selects(of, tags, same));
            listed.map(|(stage, _)| stage.clone()).collect()
        }
    });
    each.flatten().collect()
}

fn after(view: &View, made: &Plan, destination: &StageArn) -> Option<Replica> {
    applied(view, made).replicas.into_iter().find(|replica| replica.key.destination == *destination)
}

proptest! {
    #[test]
    fn a_plan_makes_no_more_calls_than_the_budget_has_left(
        view in arbitrary::view(),
        (start, stop, list) in (0..4_usize, 0..4_usize, 0..2_usize),
    ) {
        let policy = Policy::default();
        let asks = Allowance { get_stage: list, get_participant: list, ..Allowance::NONE };
        let allowance = Allowance { start, stop, list, ..asks };
        let context = Context { allowance, ..context(&policy, build::ALL_CALLS) };
        let made = plan(&view, context);
        let count = |of: Operation| made.steps.iter().filter(|step| Operation::of(step) == of).count();
        prop_assert!(count(Operation::Start) <= start);
        prop_assert!(count(Operation::Stop) <= stop);
        prop_assert!(count(Operation::List) <= list);
        prop_assert!(list > 0 || made.asks.is_empty());
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

    /// P9: with the brake on, nothing is stopped but what was told ahead or somebody else vouches for; and it is told so.
    #[test]
    fn the_brake_holds_what_nobody_vouches_for(
        view in arbitrary::view(),
        recent_stops in 0..40_usize,
        unwanted in proptest::bool::ANY,
        gone_at in proptest::option::of(arbitrary::timestamp()),
    ) {
        let policy = Policy::default();
        let destinations = view.replicas.iter().map(|replica| replica.key.destination.clone());
        let unwanted: BTreeSet<_> = destinations.filter(|_| unwanted).collect();
        let witness = SecondWitness { unwanted: unwanted.clone(), gone_at };
        let allowance = Allowance { recent_stops, ..Allowance::UNLIMITED };
        let context = Context { allowance, witness: Some(&witness), ..context(&policy, build::ALL_CALLS) };
        let made = plan(&view, context);
        prop_assert_eq!(violations(&view, context, &made), vec![], "{}", made.report);
        let stops = made.steps.iter().filter_map(|step| match step {
            Step::Stop(request) => Some(request),
            _ => None,
        });
        let left = view.publisher.as_ref().and_then(|publisher| publisher.evidence.off);
        for (i, request) in stops.filter(|request| !request.reason.is_announced()).enumerate() {
            let before = view.replicas.iter().find(|replica| replica.key == request.key).unwrap();
            let vouched = before.braked.is_some_and(|braked| braked.confirmed_at.is_some())
                || match request.reason {
                    StopReason::Unwanted => unwanted.contains(&request.key.destination),
                    _ => left.map(|left| left.latest()) < gone_at,
                };
            prop_assert!(vouched || before.braked.is_none() && recent_stops + i < 20);
        }
        let held = made.report.lines.iter().filter(|line| line.decision == Decision::Brake);
        for line in held {
            let replica = after(&view, &made, &line.destination).unwrap();
            prop_assert!(replica.is_held_by_brake() && replica.due().is_none(), "{:?}", replica);
        }
    }

    /// P14: while it is hands off, nothing is started or stopped, and nothing is left due but doubts.
    #[test]
    fn hands_off_leaves_only_questions_due(
        view in arbitrary::view(),
        can in arbitrary::capabilities(),
        observing in proptest::bool::ANY,
    ) {
        let pause = Pause { reason: "test".to_owned(), by: "me".to_owned(), at: now() };
        let mode = if observing { Mode::Observe } else { Mode::Enforce };
        let policy = Policy { mode, ..Policy::default() };
        let control = Control { pause: (!observing).then_some(pause), ..Control::default() };
        let view = View { control, ..view };
        let context = context(&policy, can);
        let made = plan(&view, context);
        prop_assert_eq!(violations(&view, context, &made), vec![], "{}", made.report);
        for line in &made.report.lines {
            let replica = after(&view, &made, &line.destination);
            match line.decision {
                Decision::Verify => {}
                Decision::Wait | Decision::Defer => {
                    prop_assert!(line.why.starts_with("in doubt") || line.why.starts_with("a call by"), "{}", line.why);
                }
                Decision::Start | Decision::Stop | Decision::Brake => prop_assert!(false, "{}", line.why),
                // What runs is looked at once when its rule ends, and kept then.
                Decision::Keep => {
                    let end = replica.as_ref().and_then(|replica| replica.wanted_until);
                    prop_assert_eq!(replica.and_then(|replica| replica.due()), end, "{}", line.why);
                }
                _ => prop_assert_eq!(replica.and_then(|replica| replica.due()), None, "{}", line.why),
            }
            if let Decision::Hold = line.decision {
                let before = view.replicas.iter().find(|r| r.key.destination == line.destination).unwrap();
                let after = after(&view, &made, &line.destination).unwrap();
                prop_assert_eq!((after.phase, after.desired), (Phase::Active, before.desired));
            }
        }
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
            let winner = winners.get(&line.destination).map(|rule| &rule.id);
            // Else it can only be the rule that wanted it last, as long as that is not decided.
            let replica = view.replicas.iter().find(|replica| replica.key.destination == line.destination);
            let last = replica.and_then(|replica| replica.rule.as_ref()).map(|rule| &rule.id);
            prop_assert!(line.rule.as_ref() == winner || winner.is_none() && line.rule.as_ref() == last);
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

    /// Nothing is forgotten: what is not at rest has a time at which somebody must look again, and what is has none but the
    /// end of its rule, for which nobody waits.
    #[test]
    fn what_is_not_at_rest_is_due(view in arbitrary::view(), can in arbitrary::capabilities()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, can));
        let winners = winners(&view);
        for line in &made.report.lines {
            let named = view.rules.iter().find(|rule| Some(&rule.id) == line.rule.as_ref());
            let end = winners.get(&line.destination).copied().or(named).and_then(|rule| rule.expires_at);
            let replica = after(&view, &made, &line.destination);
            let due = replica.as_ref().and_then(Replica::due);
            match line.decision {
                Decision::Keep => prop_assert_eq!(due, end, "{}", line.why),
                Decision::Rest | Decision::Foreign | Decision::Brake => prop_assert_eq!(due, None, "{}", line.why),
                Decision::Wait | Decision::Hold => {
                    prop_assert!(due > Some(now()), "{:?} {} {:?}", line.decision, line.why, replica);
                    prop_assert!(made.wake_at <= due && made.wake_at > Some(now()));
                }
                Decision::Defer => prop_assert!(due.is_some_and(|due| due <= now()), "{}", line.why),
                Decision::Start | Decision::Stop | Decision::Verify => {
                    prop_assert!(due == now().checked_add(policy.lease).ok(), "{:?}", replica);
                }
                Decision::Block(BlockedReason::DestinationFull) => {
                    let retry = now().checked_add(policy.full_retry).ok();
                    prop_assert!(due == retry.into_iter().chain(end).min(), "{:?}", replica);
                }
                Decision::Block(reason) => {
                    prop_assert_eq!(reason, BlockedReason::ParticipantSlotsFull);
                    prop_assert_eq!(due, end);
                }
            }
        }
        let rests = |line: &Line| matches!(line.decision, Decision::Keep | Decision::Rest | Decision::Foreign);
        prop_assert!(made.wake_at.is_none() || !made.report.lines.iter().all(rests));
    }

    /// What runs and is wanted is stopped only for a higher priority that may pre-empt, and never more than that needs.
    #[test]
    fn only_a_lower_priority_gives_way(view in arbitrary::view(), can in arbitrary::capabilities()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, can));
        let winners = winners(&view);
        let starters: Vec<u8> = made
            .report
            .lines
            .iter()
            .filter(|line| line.decision == Decision::Block(BlockedReason::ParticipantSlotsFull))
            .map(|line| winners[&line.destination])
            .filter(|rule| rule.preempt)
            .map(|rule| rule.priority)
            .collect();
        let mut outranked = 0;
        for step in &made.steps {
            let Step::Stop(StopRequest { key, reason, .. }) = step else { continue };
            let (Some(rule), Publishing::Yes) = (winners.get(&key.destination), made.report.publishing) else {
                continue;
            };
            if let StopReason::Outranked { .. } = reason {
                outranked += 1;
                prop_assert!(starters.iter().any(|priority| *priority > rule.priority), "{}", made.report);
            } else {
                let replica = view.replicas.iter().find(|replica| replica.key == *key);
                let gives_way = replica.and_then(|replica| replica.gives_way.as_ref());
                prop_assert!(gives_way.is_some_and(|to| to.priority > rule.priority), "{}", made.report);
            }
        }
        prop_assert!(outranked <= starters.len(), "{}", made.report);
        for eviction in &made.evictions {
            let weakest = view.full.values().filter_map(|crowd| crowd.weakest.as_ref());
            let mut lower = weakest.filter(|(key, priority)| *key == eviction.key && *priority < eviction.priority);
            prop_assert!(lower.next().is_some(), "{}", made.report);
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
            let at = destinations(rule, &view).iter().position(|stage| stage == destination);
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

    /// P9: as long as a rule cannot be decided on, nothing starts for it, and what it wanted last is not stopped, unless another rule
    /// wants that for certain and is outranked.
    #[test]
    fn what_is_not_known_yet_starts_nothing_and_stops_nothing(view in arbitrary::view()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, build::ALL_CALLS));
        let winners = winners(&view);
        for step in &made.steps {
            match step {
                Step::Start(request) => prop_assert!(winners.contains_key(&request.key.destination)),
                Step::Stop(StopRequest { key, reason: StopReason::Outranked { .. } | StopReason::GivesWay { .. }, .. }) => {
                    prop_assert!(winners.contains_key(&key.destination), "{}", made.report);
                }
                Step::Stop(StopRequest { key, .. }) if made.report.publishing != Publishing::No => {
                    let replica = view.replicas.iter().find(|replica| replica.key == *key).unwrap();
                    let last = view.rules.iter().find(|rule| replica.rule.as_ref().is_some_and(|r| r.id == rule.id));
                    prop_assert!(last.is_none_or(|rule| !is_open(rule, &view, &key.destination)), "{}", made.report);
                }
                Step::Stop(_) | Step::Verify(_) => {}
            }
        }
    }

    /// Once everything is known, nothing is open; and what is asked is what was missing.
    #[test]
    fn a_question_is_asked_only_while_its_answer_is_missing(view in arbitrary::view()) {
        let policy = Policy::default();
        let made = plan(&view, context(&policy, build::ALL_CALLS));
        let attributes = view.publisher.as_ref().and_then(|publisher| publisher.attributes.as_ref());
        prop_assert!(view.tags.is_none() || !made.asks.contains(&Question::Tags));
        prop_assert!(attributes.is_none() || !made.asks.contains(&Question::Attributes));
        let all_ask = view.rules.iter().any(|rule| {
            rule.is_active(now()) && (rule.asks_for_source_tags() || !rule.participants.attributes.is_empty())
        });
        prop_assert!(all_ask || made.asks.is_empty(), "{}", made.report);
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
        again in proptest::collection::vec(any::<Index>(), 0..8),
        order in proptest::collection::vec(any::<u32>(), 16),
    ) {
        let known = |news: Vec<&Observation>| {
            let mut view = folded(View::empty(publisher()), news);
            view.replicas.iter_mut().for_each(|replica| replica.destination_session = None);
            view
        };
        prop_assert_eq!(known(shuffled(&news, &again, &order)), known(news.iter().collect()));
    }

    /// From any state, the evidence is the same. Whether a Publish Error still blocks depends on the phase it meets.
    #[test]
    fn evidence_does_not_depend_on_the_order_of_news(
        view in arbitrary::view(),
        news in proptest::collection::vec(arbitrary::observation(), 1..8),
        again in proptest::collection::vec(any::<Index>(), 0..8),
        order in proptest::collection::vec(any::<u32>(), 16),
    ) {
        let known = |news: Vec<&Observation>| {
            let view = folded(view.clone(), news);
            let evidence: Vec<_> = view.replicas.iter().map(|r| (r.key.clone(), r.evidence)).collect();
            (view.publisher.map(|publisher| publisher.evidence), evidence)
        };
        prop_assert_eq!(known(shuffled(&news, &again, &order)), known(news.iter().collect()));
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

/// Whether a rule may want a destination and that is not known.
fn is_open(rule: &Rule, view: &View, stage: &StageArn) -> bool {
    let certain = rule.destinations.contains(&Destination::Stage(stage.clone()));
    let perhaps = rule.destinations.iter().any(|destination| match destination {
        Destination::Stage(_) => false,
        Destination::Tags { tags, same } => view.directory.get(stage).is_none_or(|of| {
            let fits = tags.iter().all(|(key, value)| of.get(key) == Some(value));
            fits && !same.is_empty() && view.tags.is_none() && same.iter().all(|key| of.contains_key(key))
        }),
    });
    let leads = destinations(rule, view).contains(stage) || certain;
    *stage != view.key.stage
        && match speaks(rule, view) {
            Some(true) => !leads && perhaps,
            Some(false) => false,
            None => leads || perhaps,
        }
}

fn folded(mut view: View, news: Vec<&Observation>) -> View {
    news.into_iter().for_each(|one| one.fold_into(&mut view, &Policy::default()));
    view
}

/// All the news and some of it once more, in any order: that of the numbers.
fn shuffled<'a>(news: &'a [Observation], again: &[Index], order: &[u32]) -> Vec<&'a Observation> {
    let all = news.iter().chain(again.iter().map(|index| index.get(news)));
    let mut numbered: Vec<_> = order.iter().zip(all).collect();
    numbered.sort_by_key(|(number, _)| **number);
    numbered.into_iter().map(|(_, news)| news).collect()
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
        Step::Stop(request) => Outcome::Stop(request.key.clone(), done),
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
    let mut runner =
        proptest::test_runner::TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let mut seen = BTreeSet::new();
    let policy = Policy::default();
    for _ in 0..500 {
        let view = arbitrary::view().new_tree(&mut runner).unwrap().current();
        let can = arbitrary::capabilities().new_tree(&mut runner).unwrap().current();
        let made = plan(&view, context(&policy, can));
        seen.extend(made.report.lines.iter().map(|line| line.decision.to_string()));
    }
    let full = ["blocked(DestinationFull)", "blocked(ParticipantSlotsFull)"];
    let all = ["brake", "defer", "foreign", "hold", "keep", "rest", "start", "stop", "verify", "wait"];
    let expected: BTreeSet<_> = all.into_iter().chain(full).map(str::to_owned).collect();
    assert_eq!(seen, expected);
}
