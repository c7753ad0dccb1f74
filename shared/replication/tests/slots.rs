//! Who gets the slots of a participant, against an exhaustive search of all that could.
//!
//! The planner gives them one after the other, over several plans. What they come to is said here without any planning: of all sets
//! of destinations, the one that keeps what is promised (`shared/ARCHITECTURE.md`, Placement).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use replication::invariant::applied;
use replication::{
    Allowance, Context, Desired, Evidence, Lease, Moment, Outcome, Owner, Phase, Policy, Publisher, Receipt,
    Replica, Rule, RuleId, RuleRef, StageArn, Step, View, plan,
};

use build::{ALL_CALLS, moment, publisher, rule, stage, time, to};

/// A destination that some rule wants, and where it stands in the line for slots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Want {
    /// The higher priority first, then the rule's id, then the order in the rule.
    place: (Reverse<u8>, RuleId, usize),
    destination: StageArn,
    preempts: bool,
}

impl Want {
    fn priority(&self) -> u8 {
        self.place.0.0
    }
}

/// A participant with some destinations, more than there are slots for.
#[derive(Debug, Clone)]
struct Instance {
    policy: Policy,
    rules: Vec<Rule>,
    /// What runs already, and whose it is.
    running: Vec<(StageArn, Owner)>,
}

impl Instance {
    /// What is wanted, the first in line first.
    fn wants(&self) -> Vec<Want> {
        let all = self.rules.iter().flat_map(|rule| {
            let destinations = rule.destinations.iter().enumerate();
            destinations.map(|(i, destination)| Want {
                place: (Reverse(rule.priority), rule.id.clone(), i),
                destination: match destination {
                    replication::Destination::Stage(stage) => stage.clone(),
                    replication::Destination::Tags { .. } => panic!("no rule here selects by tag"),
                },
                preempts: rule.preempt,
            })
        });
        let mut all: Vec<Want> = all.collect();
        all.sort();
        let mut seen = BTreeSet::new();
        all.retain(|want| seen.insert(want.destination.clone()));
        all
    }

    fn view(&self) -> View {
        let evidence = Evidence { on: Some(moment("00:00:05.000000")), off: None };
        let replica = |(destination, owner): &(StageArn, Owner)| Replica {
            phase: Phase::Active,
            owner: *owner,
            desired: if *owner == Owner::Stagelink { Desired::Replicated } else { Desired::Released },
            rule: (*owner == Owner::Stagelink).then(|| RuleRef {
                id: "before".parse().unwrap(),
                revision: 1,
                priority: 50,
            }),
            evidence,
            ..Replica::new(to(destination.resource_id()))
        };
        let mut replicas: Vec<_> = self.running.iter().map(replica).collect();
        replicas.sort_by(|a, b| a.key.cmp(&b.key));
        View {
            publisher: Some(Publisher { evidence, ..Publisher::new(publisher()) }),
            tags: Some(build::tags("")),
            rules: self.rules.clone(),
            replicas,
            ..View::empty(publisher())
        }
    }

    /// The sets of destinations that keep every promise, by the number of those that lose their slot for it: all are looked at.
    fn right(&self) -> Vec<(usize, BTreeSet<StageArn>)> {
        let wants = self.wants();
        let of =
            |owner| self.running.iter().filter(move |(_, of)| *of == owner).map(|(stage, _)| stage.clone());
        let (ours, foreign): (BTreeSet<_>, BTreeSet<_>) =
            (of(Owner::Stagelink).collect(), of(Owner::Foreign).collect());
        // What runs as somebody else's takes a slot, and needs no start if it is wanted.
        let wants: Vec<_> = wants.into_iter().filter(|want| !foreign.contains(&want.destination)).collect();
        let slots = self.policy.slots_per_participant.saturating_sub(foreign.len());
        let all = (0..1_u32 << wants.len()).map(|set| {
            let is_in = |i: usize| set & (1 << i) != 0;
            let (with, without): (Vec<_>, Vec<_>) = wants.iter().enumerate().partition(|(i, _)| is_in(*i));
            let of = |these: Vec<(usize, &Want)>, running: bool| -> Vec<Want> {
                let these = these.into_iter().map(|(_, want)| want.clone());
                these.filter(|want| ours.contains(&want.destination) == running).collect()
            };
            let (kept, won) = (of(with.clone(), true), of(with, false));
            (kept, won, of(without.clone(), true), of(without, false))
        });
        let right = all.filter(|(kept, won, lost, waiting)| {
            let fits = kept.len() + won.len() <= slots;
            let none_idle = lost.is_empty() && waiting.is_empty() || kept.len() + won.len() == slots;
            let in_order = won.iter().all(|won| waiting.iter().all(|waits| won < waits));
            let the_last_lost = lost.iter().all(|lost| kept.iter().all(|kept| kept < lost));
            let higher = won.iter().chain(waiting).filter(|want| want.preempts);
            let for_cause =
                lost.iter().all(|lost| higher.clone().any(|want| want.priority() > lost.priority()));
            let none_gives_way_in_vain = waiting
                .iter()
                .filter(|want| want.preempts)
                .all(|want| kept.iter().all(|kept| kept.priority() >= want.priority()));
            fits && none_idle && in_order && the_last_lost && for_cause && none_gives_way_in_vain
        });
        right
            .map(|(kept, won, lost, _)| {
                (lost.len(), kept.into_iter().chain(won).map(|want| want.destination).collect())
            })
            .collect()
    }

    /// The one of these for which the fewest lose their slot.
    fn expected(&self) -> BTreeSet<StageArn> {
        let mut right = self.right();
        right.sort();
        let fewest = right.iter().filter(|(lost, _)| *lost == right[0].0).count();
        assert_eq!(fewest, 1, "{right:?}");
        right.swap_remove(0).1
    }

    /// What runs as ours once everything is done that the planner asks for, and IVS accepts it.
    fn settled(&self) -> BTreeSet<StageArn> {
        let (mut view, mut now) = (self.view(), time("00:01:00"));
        for _ in 0..50 {
            now += SignedDuration::from_millis(1);
            let made = plan(&view, self.context(now));
            if made.is_empty() {
                let runs = view.replicas.into_iter().filter(|replica| replica.runs_as_ours());
                return runs.map(|replica| replica.key.destination).collect();
            }
            view = applied(&view, &made);
            let held = view.replicas.iter().filter(|replica| replica.holds_slot()).count();
            assert!(held <= self.policy.slots_per_participant, "{}", made.report);
            for step in &made.steps {
                let outcome = match step {
                    Step::Start(request) => Outcome::Start(request.key.clone(), Ok(Receipt::default())),
                    Step::Stop(request) => Outcome::Stop(request.key.clone(), Ok(Receipt::default())),
                    Step::Verify(keys) => panic!("nothing was in doubt: {keys:?}"),
                };
                let lease = Lease::taken("me", now, &self.policy);
                outcome.apply(&mut view, &lease, Moment::exact(now), &self.policy);
            }
        }
        panic!("never at rest");
    }

    fn context(&self, now: Timestamp) -> Context<'_> {
        let (policy, can, allowance) = (&self.policy, ALL_CALLS, Allowance::UNLIMITED);
        Context { now, policy, can, allowance, holder: "me", witness: None }
    }
}

fn instance() -> impl Strategy<Value = Instance> {
    let names = vec!["B", "C", "D", "E", "F", "G"];
    let destinations = subsequence(names.clone(), 1..=6).prop_shuffle();
    let rules = proptest::collection::vec((destinations, 0..4_u8, any::<bool>()), 1..4);
    let owner = select(vec![Owner::Stagelink, Owner::Stagelink, Owner::Foreign]);
    let running = (subsequence(names, 0..=4).prop_shuffle(), proptest::collection::vec(owner, 4));
    (1..=4_usize, rules, running).prop_map(|(slots, rules, (running, owners))| {
        let rules = rules.into_iter().enumerate().map(|(i, (destinations, priority, preempt))| Rule {
            priority,
            preempt,
            ..rule(&format!("r{i}"), &destinations)
        });
        Instance {
            // The brake has tests of its own.
            policy: Policy { slots_per_participant: slots, brake_percent: 100, ..Policy::default() },
            rules: rules.collect(),
            running: running.into_iter().map(stage).zip(owners).take(slots).collect(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_planner_gives_the_slots_as_the_search_does(instance in instance()) {
        prop_assert_eq!(instance.settled(), instance.expected());
    }
}
