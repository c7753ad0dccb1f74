//! Looks that somebody asks for: before all others, once, and with everything that a look leads to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use controller::Clock;
use controller::sweep::port::{AskForLooks, SweepStore};
use ivs_sim::{Config, Publish};
use replication::StageArn;
use replication::sweep::{Answer, Asked, SweepPolicy};
use serde_json::json;
use stagelink_tests::in_process::{InProcess, Lie};
use stagelink_tests::rows;

/// More active stages than one sweep can look at, half of them replicated to one of the others each.
struct Crowd {
    world: Arc<InProcess>,
    stages: Vec<StageArn>,
}

const STAGES: usize = 200;

impl Crowd {
    /// All has been found, and all is as the rules want.
    async fn at_rest() -> Self {
        let world = InProcess::new(Config::default());
        let stages: Vec<StageArn> = (0..STAGES)
            .map(|i| world.simulator.create_stage(&format!("s{i}"), BTreeMap::new()).parse().unwrap())
            .collect();
        let pairs = stages[..STAGES / 2].iter().zip(&stages[STAGES / 2..]);
        world.rules(
            pairs
                .enumerate()
                .map(|(i, (a, b))| rows::rule(&format!("r{i}"), a.as_str(), b.as_str()))
                .collect(),
        );
        let crowd = Self { world, stages };
        for i in 0..STAGES {
            crowd.publish(i);
        }
        for _ in 0..8 {
            crowd.world.minute().await.unwrap();
        }
        assert_eq!(crowd.world.running().len(), STAGES / 2);
        crowd
    }

    fn publish(&self, i: usize) {
        let stage_arn = self.stages[i].to_string();
        let publish = Publish { stage_arn, participant_id: Some(format!("p{i}")), ..Publish::default() };
        self.world.simulator.publish(publish).unwrap();
    }

    async fn ask(&self, stage: Option<&StageArn>) -> Asked {
        let asked = Asked { at: Clock::now(&*self.world), by: "kim".to_owned() };
        self.world.store.ask_for_look(stage, &asked).await.unwrap();
        asked
    }

    /// The stages that a sweep looks at, in order; and how many pages of stages it lists.
    async fn sweep(&self) -> (Vec<StageArn>, usize) {
        let before = self.world.simulator.ledger().len();
        self.world.sweep().await.unwrap();
        let ledger = self.world.simulator.ledger().split_off(before);
        let of = |operation: &'static str| ledger.iter().filter(move |entry| entry.operation == operation);
        let looked_at =
            of("ListParticipants").map(|entry| entry.key.split(' ').next().unwrap().parse().unwrap());
        let looked_at = looked_at.collect();
        let pages = of("ListStages").count();
        self.world.dispatch().await.unwrap();
        self.world.next_minute();
        (looked_at, pages)
    }

    /// The source stage that was looked at last, together with its destination stage.
    async fn last(&self) -> StageArn {
        let inventory = self.world.store.inventory().await.unwrap();
        let looked_at = |stage: &StageArn| inventory.knowledge(stage).and_then(|known| known.looked_at);
        let (sources, destinations) = self.stages.split_at(STAGES / 2);
        let pairs = sources.iter().zip(destinations);
        let last = pairs.max_by_key(|(source, destination)| looked_at(source).min(looked_at(destination)));
        last.unwrap().0.clone()
    }

    async fn answer(&self, asked: &Asked, stage: &StageArn) -> Answer {
        let inventory = self.world.store.inventory().await.unwrap();
        let (stages, now) = (BTreeSet::from([stage.clone()]), Clock::now(&*self.world));
        inventory.answers(asked, Some(&stages), now, &SweepPolicy::default()).unwrap()[stage]
    }

    /// Somebody else stops the replica of a stage's publisher, and nobody is told.
    fn stop_behind_our_back(&self, source: &StageArn) -> (String, String, String) {
        let running = self.world.running();
        let replica = running.into_iter().find(|(from, ..)| from == source.as_str()).unwrap();
        let input = json!({"sourceStageArn": replica.0, "participantId": replica.1, "destinationStageArn": replica.2});
        self.world.simulator.call("StopParticipantReplication", input).unwrap();
        replica
    }
}

#[tokio::test]
async fn what_is_asked_for_is_looked_at_first_once_and_put_right() {
    let crowd = Crowd::at_rest().await;
    let stage = crowd.last().await;
    // The look shows nothing new of what was started or stopped a moment ago.
    crowd.world.wait(60);
    let drifted = crowd.stop_behind_our_back(&stage);
    assert!(!crowd.world.running().contains(&drifted));

    let asked = crowd.ask(Some(&stage)).await;
    assert_eq!(crowd.answer(&asked, &stage).await, Answer::Waiting);
    let (looked_at, pages) = crowd.sweep().await;
    assert!(looked_at.len() < STAGES, "not all of them fit into one sweep");
    assert_eq!((&looked_at[0], pages), (&stage, STAGES.div_ceil(100)));
    assert!(crowd.world.running().contains(&drifted), "{:#?}", crowd.world.store.activity().last());
    let answer = crowd.answer(&asked, &stage).await;
    assert!(matches!(answer, Answer::LookedAt(at) if at >= asked.at), "{answer:?}");

    let (looked_at, _) = crowd.sweep().await;
    assert!(!looked_at.contains(&stage), "others have their turn");
}

/// Without having been asked, the same stage would have waited for its turn.
#[tokio::test]
async fn what_nobody_asked_for_waits_for_its_turn() {
    let crowd = Crowd::at_rest().await;
    let stage = crowd.last().await;
    let drifted = crowd.stop_behind_our_back(&stage);
    let (looked_at, _) = crowd.sweep().await;
    assert!(!looked_at.contains(&stage) && !crowd.world.running().contains(&drifted));
}

#[tokio::test]
async fn every_stage_is_looked_at_once_before_any_is_looked_at_again() {
    let crowd = Crowd::at_rest().await;
    let asked = crowd.ask(None).await;
    let (now, policy) = (Clock::now(&*crowd.world), SweepPolicy::default());
    let inventory = crowd.world.store.inventory().await.unwrap();
    assert_eq!(inventory.answers(&asked, None, now, &policy), None, "not listed since");

    let (mut looked_at, mut sweeps) = (Vec::new(), 0);
    while looked_at.len() < STAGES {
        looked_at.extend(crowd.sweep().await.0);
        sweeps += 1;
        assert!(sweeps < 10, "{} of {STAGES}", looked_at.len());
    }
    let first: BTreeSet<_> = looked_at[..STAGES].iter().collect();
    assert_eq!(first.len(), STAGES);
    let inventory = crowd.world.store.inventory().await.unwrap();
    let answers = inventory.answers(&asked, None, now, &policy).unwrap();
    assert_eq!(answers.len(), STAGES);
    assert!(answers.values().all(|answer| matches!(answer, Answer::LookedAt(_))), "{answers:?}");
}

/// A stage on which nobody is, one that no rule speaks of, and one that is not there.
#[tokio::test]
async fn what_there_is_to_be_said_without_a_look_is_said() {
    let world = InProcess::new(Config::default());
    let [empty, aside]: [StageArn; 2] =
        ["empty", "aside"].map(|name| world.simulator.create_stage(name, BTreeMap::new()).parse().unwrap());
    let gone: StageArn = format!("{empty}gone").parse().unwrap();
    let crowd = Crowd { stages: vec![aside.clone()], world };
    crowd.publish(0);
    let mut asked = Vec::new();
    for stage in [&empty, &aside, &gone] {
        asked.push(crowd.ask(Some(stage)).await);
    }
    let (looked_at, _) = crowd.sweep().await;
    assert_eq!(looked_at, std::slice::from_ref(&aside), "also where no rule wants anything");
    assert_eq!(crowd.answer(&asked[0], &empty).await, Answer::Nobody);
    assert!(matches!(crowd.answer(&asked[1], &aside).await, Answer::LookedAt(_)));
    assert_eq!(crowd.answer(&asked[2], &gone).await, Answer::NoSuchStage);
    assert_eq!(crowd.sweep().await.0, []);
}

/// A look that fails is asked for again, comes first each time, and delays the others by no more than itself; for half an hour.
#[tokio::test]
async fn a_look_that_fails_is_made_again_and_starves_nobody() {
    let crowd = Crowd::at_rest().await;
    let stage = crowd.last().await;
    let asked = crowd.ask(Some(&stage)).await;
    crowd.world.lie("ListParticipants", Some(Lie::Fails));
    for _ in 0..2 {
        let (looked_at, _) = crowd.sweep().await;
        assert_eq!(looked_at[0], stage);
    }
    assert_eq!(crowd.answer(&asked, &stage).await, Answer::Waiting);
    crowd.world.wait(30 * 60);
    let (looked_at, _) = crowd.sweep().await;
    assert_ne!(looked_at[0], stage, "it was given up");
    crowd.world.lie("ListParticipants", None);
    crowd.sweep().await;
}

/// Killed after any await, the next sweep does what was asked for.
#[tokio::test]
async fn a_sweep_that_is_killed_forgets_nothing_of_what_was_asked() {
    for steps in [1, 2, 5, 10, 40] {
        let world = InProcess::new(Config::default());
        let stages =
            ["A", "B"].map(|name| world.simulator.create_stage(name, BTreeMap::new()).parse().unwrap());
        let crowd = Crowd { world, stages: stages.into() };
        let [a, b] = &crowd.stages[..] else { panic!("two stages") };
        crowd.world.rules(vec![rows::rule("r", a.as_str(), b.as_str())]);
        crowd.publish(0);
        let asked = crowd.ask(Some(a)).await;
        let sweeper = crowd.world.sweeper();
        let invocation = crowd.world.invocation("killed", 55);
        let mut run = Box::pin(sweeper.run(&invocation));
        for _ in 0..steps {
            if futures::poll!(&mut run).is_ready() {
                break;
            }
        }
        drop(run);
        crowd.world.next_minute();
        crowd.sweep().await;
        let answer = crowd.answer(&asked, a).await;
        assert!(matches!(answer, Answer::LookedAt(_)), "{steps} steps: {answer:?}");
    }
}
