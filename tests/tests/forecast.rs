//! What a plan says of a change of rules, against what the functions then do to IVS.
//!
//! Random tables and changes; each is forecast, then made, then worked off by `rule-changed`, sweeps and `dispatch` on the simulated
//! IVS. What runs in the end, what was started and stopped, and what waits for which reason has to be what was said.
//!
//! Where more want to come than a destination takes, it depends on who comes first, and a plan is wrong about some: how many is
//! measured here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use controller::Clock;
use controller::sweep::port::SweepStore;
use ivs_sim::{Config, Publish};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use replication::forecast::{Change, Effect, Terms};
use replication::{
    BlockedReason, Destination, Forecast, Operation, Phase, Policy, ReplicationKey, Rule, Source, StageArn,
    forecast,
};
use stagelink_tests::in_process::InProcess;
use stagelink_tests::rows;

/// How many tables, if `SEEDS` does not say.
const SEEDS: u64 = 30;

/// Stages that people publish on, and that they are replicated to.
struct Show {
    world: Arc<InProcess>,
    sources: Vec<StageArn>,
    walls: Vec<StageArn>,
    dice: SmallRng,
}

impl Show {
    fn new(seed: u64) -> Self {
        let world = InProcess::new(Config::default());
        let stage = |name: String| world.simulator.create_stage(&name, BTreeMap::new()).parse().unwrap();
        let sources = (0..3).map(|n| stage(format!("source-{n}"))).collect();
        let walls = (0..8).map(|n| stage(format!("wall-{n}"))).collect();
        // No stop is to wait for a second witness: the brake makes it late, and never another one.
        world.set_policy(Policy { brake_percent: 100, ..Policy::default() });
        Self { world, sources, walls, dice: SmallRng::seed_from_u64(seed) }
    }

    fn some_rules(&mut self, for_each: Option<u8>) -> Vec<Rule> {
        let Some(publishers) = for_each else {
            let number = self.dice.random_range(0..4);
            return (0..number).map(|n| self.a_rule(n)).collect();
        };
        let mut priorities: Vec<u8> = (0..publishers).collect();
        priorities.shuffle(&mut self.dice);
        let of = |(n, priority): (u8, u8)| {
            let mut rule = Rule { priority, source: Source::Any, ..self.a_rule(n) };
            rule.participants.user_id = Some(format!("user-p{n:02}").parse().unwrap());
            rule
        };
        (0..publishers).zip(priorities).map(of).collect()
    }

    /// Some rules, with one that looks at everybody and leads nowhere: so everybody is known.
    fn with_somebody_watching(&mut self, for_each: Option<u8>) -> Vec<Rule> {
        let nowhere = BTreeMap::from([("role".to_owned(), "nowhere".to_owned())]);
        let watching = Rule {
            source: Source::Any,
            destinations: vec![Destination::Tags { tags: nowhere, same: Vec::new() }],
            ..rows::rule("watching", self.sources[0].as_str(), self.walls[0].as_str())
        };
        let mut rules = self.some_rules(for_each);
        rules.push(watching);
        rules
    }

    fn a_rule(&mut self, n: u8) -> Rule {
        let source = self.sources.choose(&mut self.dice).unwrap().to_string();
        let many = self.dice.random_range(1..8);
        let to: Vec<StageArn> = self.walls.choose_multiple(&mut self.dice, many).cloned().collect();
        Rule {
            priority: 10 * (n % 4) + self.dice.random_range(0..30),
            source: if self.dice.random_bool(0.2) {
                Source::Any
            } else {
                Source::Stage(source.parse().unwrap())
            },
            preempt: self.dice.random_bool(0.3),
            destinations: to.into_iter().map(Destination::Stage).collect(),
            ..rows::rule(&format!("r{n}"), &source, self.walls[0].as_str())
        }
    }

    fn publish(&self, n: u8) {
        let (name, stage) = (format!("p{n:02}"), &self.sources[usize::from(n) % self.sources.len()]);
        let publish = Publish {
            stage_arn: stage.to_string(),
            participant_id: Some(name.clone()),
            user_id: Some(format!("user-{name}")),
            ..Publish::default()
        };
        self.world.simulator.publish(publish).unwrap();
    }

    async fn minutes(&self, minutes: usize) {
        for _ in 0..minutes {
            self.world.minute().await.unwrap();
        }
    }

    /// Starts and stops that IVS accepted so far, by replication.
    fn calls(&self) -> BTreeMap<&'static str, usize> {
        let mut calls = BTreeMap::new();
        for entry in self.world.simulator.ledger() {
            let verb = match entry.operation.as_str() {
                "StartParticipantReplication" => "start",
                "StopParticipantReplication" => "stop",
                _ => continue,
            };
            assert_eq!(entry.status, 200, "IVS refuses nothing here: {entry:?}");
            *calls.entry(verb).or_default() += 1;
        }
        calls
    }

    /// Who waits for which reason.
    fn blocked(&self) -> BTreeSet<(String, BlockedReason)> {
        let replicas = self.world.store.replicas().into_iter();
        let blocked = replicas.filter_map(|replica| match &replica.phase {
            Phase::Blocked(blocked) => Some((replica.key.to_string(), blocked.reason)),
            _ => None,
        });
        blocked.collect()
    }

    async fn forecast(&self, rules: &[Rule]) -> Forecast {
        let policy = Policy::default();
        let terms = Terms { now: self.world.now(), policy: &policy, share_percent: 100 };
        forecast(&self.world.store.inventory().await.unwrap(), rules, terms)
    }
}

/// Source stage, participant and destination stage.
type Replication = (String, String, String);

fn name(key: &ReplicationKey) -> Replication {
    (key.source.to_string(), key.participant.to_string(), key.destination.to_string())
}

/// What ran, what was said to run, and what does.
struct Compared {
    show: Show,
    said: Forecast,
    expected: BTreeSet<Replication>,
    runs: BTreeSet<Replication>,
    /// Starts and stops that the change took.
    calls: BTreeMap<&'static str, usize>,
}

impl Compared {
    /// Rules are changed at random, and it is said before what will follow.
    async fn of(seed: u64, crowded: bool) -> Self {
        let mut show = Show::new(seed);
        let publishers = show.dice.random_range(if crowded { 13..25 } else { 0..13 });
        let for_each = crowded.then_some(publishers);
        let before = show.with_somebody_watching(for_each);
        show.world.rules(before.clone());
        (0..publishers).for_each(|n| show.publish(n));
        show.minutes(4).await;
        let (running, calls) = (show.world.running(), show.calls());

        let mut after = show.with_somebody_watching(for_each);
        for rule in &mut after {
            let known = before.iter().find(|known| known.id == rule.id);
            rule.revision = known.map_or(1, |known| known.revision + u64::from(!known.says_the_same(rule)));
        }
        let nothing = show.forecast(&before).await;
        assert!(nothing.replications.is_empty() && nothing.calls.is_empty(), "seed {seed}: {nothing:#?}");
        let said = show.forecast(&after).await;
        assert_eq!(said.running.before, running.len(), "seed {seed}");
        let mut expected = running;
        for change in &said.replications {
            let told = match change.effect {
                Effect::Start { .. } => expected.insert(name(&change.key)),
                Effect::Stop { .. } => expected.remove(&name(&change.key)),
                _ => true,
            };
            assert!(told, "seed {seed}: {change:?} of what runs already, or does not");
        }
        assert_eq!(expected.len(), said.running.after, "seed {seed}");

        show.world.rules(after);
        show.world.rule_changed().await.unwrap();
        show.world.dispatch().await.unwrap();
        show.minutes(4).await;
        let runs = show.world.running();
        let made = show.calls().into_iter().map(|(verb, all)| (verb, all - calls.get(verb).unwrap_or(&0)));
        let calls = made.filter(|(_, made)| *made > 0).collect();
        Self { show, said, expected, runs, calls }
    }

    /// What runs and was not said to, or the other way round.
    fn wrong(&self) -> Vec<&Replication> {
        self.runs.symmetric_difference(&self.expected).collect()
    }
}

fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

/// Of a few hundred changes one is settled by which of two calls came first.
#[tokio::test]
async fn what_a_plan_says_is_what_the_functions_do() {
    let mut exact = 0;
    for seed in 0..seeds() {
        let compared = Compared::of(seed, false).await;
        exact += u64::from(compared.wrong().is_empty() && is_explained(&compared));
    }
    println!("{exact} of {} changes went as they were said to", seeds());
    assert!(exact * 100 >= seeds() * 98, "{exact} of {}", seeds());
}

/// Whether as many calls were made, and those wait who were said to, for the same reasons.
fn is_explained(compared: &Compared) -> bool {
    let Compared { said, calls, .. } = compared;
    let blocked = compared.show.blocked();
    let is_so = |change: &Change| match change.effect {
        Effect::Block { reason, .. } => blocked.contains(&(change.key.to_string(), reason)),
        _ => true,
    };
    let of = |operation| said.calls.get(&operation).map_or(0, |cost| cost.calls);
    let made = |verb| calls.get(verb).copied().unwrap_or(0);
    let as_many = (of(Operation::Start), of(Operation::Stop)) == (made("start"), made("stop"));
    as_many && said.replications.iter().all(is_so)
}

#[tokio::test]
async fn a_plan_of_a_crowd_is_wrong_about_few() {
    let (mut wrong, mut all) = (0, 0);
    for seed in 0..seeds() {
        let compared = Compared::of(seed, true).await;
        (wrong, all) = (wrong + compared.wrong().len(), all + compared.runs.len());
    }
    println!("{wrong} of {all} replications are not as they were said to be");
    assert!(wrong * 20 <= all, "{wrong} of {all}");
}
