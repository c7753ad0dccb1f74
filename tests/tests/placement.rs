//! Twelve publishers to a stage, whoever they are: planned, kept to, and filled as soon as one leaves. No event is delivered.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::Clock;
use ivs_sim::{Config, Limits, Publish};
use proptest::prelude::*;
use replication::{
    BlockedReason, Destination, Moment, Observation, ParticipantFilter, Phase, PublisherKey, ReconnectWindow,
    Replica, Rule, Source, StageArn, Status,
};
use stagelink_tests::in_process::InProcess;

/// A wall that other stages replicate to.
struct Wall {
    world: Arc<InProcess>,
    first: StageArn,
    second: StageArn,
    third: StageArn,
    wall: StageArn,
}

impl Wall {
    fn new() -> Self {
        Self::on(Config::default())
    }

    fn on(config: Config) -> Self {
        let world = InProcess::new(config);
        let stage = |name| world.simulator.create_stage(name, BTreeMap::new()).parse().unwrap();
        let (first, second) = (stage("first"), stage("second"));
        let (third, wall) = (stage("third"), stage("wall"));
        Self { world, first, second, third, wall }
    }

    fn rule(&self, source: Source, priority: u8, preempt: bool) -> Rule {
        Rule {
            id: format!("priority-{priority}").parse().unwrap(),
            revision: 1,
            priority,
            status: Status::Enabled,
            source,
            participants: ParticipantFilter::default(),
            destinations: vec![Destination::Stage(self.wall.clone())],
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            preempt,
            record_replicas: None,
            expires_at: None,
        }
    }

    /// Everybody of two stages.
    fn publish_all(&self, participants: usize) {
        for i in 0..participants {
            self.publish(if i % 2 == 0 { &self.first } else { &self.second }, &format!("p{i:02}"));
        }
    }

    fn leave(&self, participant: &str) {
        let stages = [&self.first, &self.second, &self.third, &self.wall];
        let left = stages.map(|stage| self.world.simulator.leave(stage.as_str(), participant).is_ok());
        assert!(left.contains(&true), "{participant} is nowhere");
    }

    fn publish(&self, stage: &StageArn, participant: &str) {
        let publish = Publish {
            stage_arn: stage.to_string(),
            participant_id: Some(participant.to_owned()),
            ..Publish::default()
        };
        self.world.simulator.publish(publish).unwrap();
    }

    async fn minutes(&self, minutes: usize) {
        for _ in 0..minutes {
            self.world.minute().await.unwrap();
        }
    }

    /// Starts that IVS refused.
    fn refused(&self) -> usize {
        let ledger = self.world.simulator.ledger();
        let starts = ledger.iter().filter(|entry| entry.operation == "StartParticipantReplication");
        starts.filter(|entry| entry.status != 200).count()
    }

    fn in_phase(&self, wanted: impl Fn(&Phase) -> bool) -> Vec<Replica> {
        self.world.store.replicas().into_iter().filter(|replica| wanted(&replica.phase)).collect()
    }

    fn waiting(&self) -> Vec<Replica> {
        self.in_phase(|phase| {
            matches!(phase, Phase::Blocked(blocked) if blocked.reason == BlockedReason::DestinationFull)
        })
    }

    fn running(&self, participant: &str) -> bool {
        self.world.running().iter().any(|(_, who, _)| who == participant)
    }
}

#[tokio::test]
async fn the_thirteenth_waits_without_a_call_and_comes_as_soon_as_one_leaves() {
    let wall = Wall::new();
    wall.world.rules(vec![wall.rule(Source::Any, 50, false)]);
    wall.publish_all(13);
    wall.minutes(2).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len(), wall.refused()), (12, 1, 0));
    let mutations = wall.world.mutations();
    wall.minutes(3).await;
    assert_eq!(wall.world.mutations(), mutations, "the one that waits costs calls");

    let late = wall.waiting()[0].key.participant.to_string();
    wall.leave("p03");
    wall.minutes(2).await;
    assert!(wall.running(&late) && !wall.running("p03"));
    assert_eq!((wall.world.running().len(), wall.waiting().len(), wall.refused()), (12, 0, 0));
}

#[tokio::test]
async fn a_rule_that_may_pre_empt_gets_the_place_of_the_lowest_priority() {
    let wall = Wall::new();
    let third = Source::Stage(wall.third.clone());
    wall.world.rules(vec![wall.rule(Source::Any, 10, false), wall.rule(third, 90, true)]);
    wall.publish_all(12);
    wall.minutes(2).await;
    assert_eq!(wall.world.running().len(), 12);
    wall.publish(&wall.third, "star");
    wall.minutes(2).await;
    assert!(wall.running("star"), "{:#?}", wall.world.store.activity());
    assert_eq!((wall.world.running().len(), wall.waiting().len(), wall.refused()), (12, 1, 0));
    let mutations = wall.world.mutations();
    wall.minutes(4).await;
    assert_eq!(wall.world.mutations(), mutations, "the two fight for the place");

    // The place is given back.
    wall.leave("star");
    wall.minutes(3).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len()), (12, 0));
}

#[tokio::test]
async fn a_higher_priority_that_may_not_pre_empt_is_first_in_line() {
    let wall = Wall::new();
    let third = Source::Stage(wall.third.clone());
    wall.world.rules(vec![wall.rule(Source::Any, 10, false), wall.rule(third, 90, false)]);
    wall.publish_all(14);
    wall.minutes(2).await;
    wall.publish(&wall.third, "star");
    wall.minutes(2).await;
    assert_eq!((wall.running("star"), wall.waiting().len()), (false, 3));
    let runs = wall.world.running().iter().next().unwrap().1.clone();
    wall.leave(&runs);
    wall.minutes(2).await;
    assert_eq!((wall.running("star"), wall.waiting().len(), wall.refused()), (true, 2, 0));
}

/// Ten wait for their start after a rule came late, at any priority; who begins to publish then goes first.
#[tokio::test]
async fn a_live_start_goes_before_backfill() {
    let wall = Wall::new();
    wall.publish_all(10);
    wall.minutes(2).await;
    wall.world.rules(vec![wall.rule(Source::Any, 90, false)]);
    wall.world.sweep().await.unwrap();
    wall.publish(&wall.third, "live");
    let key = PublisherKey { stage: wall.third.clone(), participant: "live".parse().unwrap() };
    let (session, at) = ("st-1".parse().unwrap(), Moment::exact(wall.world.now()));
    let news = Observation::Published { key, session, user_id: String::new(), at };
    let function = wall.world.event_function(false, false);
    function.handle(&news, &wall.world.invocation("event", 10)).await.unwrap();
    wall.world.dispatch().await.unwrap();
    let ledger = wall.world.simulator.ledger();
    let first = ledger.iter().find(|entry| entry.operation == "StartParticipantReplication").unwrap();
    assert!(first.key.contains(" live "), "{first:?}");
    assert_eq!(wall.world.running().len(), 11);
}

/// Who publishes on the wall itself is known once it matters; until then IVS refuses what is too much.
#[tokio::test]
async fn those_who_publish_there_themselves_count() {
    let wall = Wall::new();
    wall.world.rules(vec![wall.rule(Source::Any, 50, false)]);
    (0..3).for_each(|i| wall.publish(&wall.wall, &format!("own{i}")));
    wall.publish_all(12);
    wall.minutes(5).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len()), (9, 3));
    let (mutations, refused) = (wall.world.mutations(), wall.refused());
    wall.minutes(5).await;
    assert_eq!((wall.world.mutations(), wall.refused()), (mutations, refused), "asked again and again");

    wall.leave("own1");
    wall.minutes(3).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len()), (10, 2));
}

/// Somebody else replicates to the wall, from a stage of which no rule speaks: seen once, that is a place less.
#[tokio::test]
async fn a_replica_of_somebody_elses_takes_a_place_wherever_it_comes_from() {
    let wall = Wall::new();
    wall.world.rules(vec![wall.rule(Source::Stage(wall.first.clone()), 50, false)]);
    wall.publish(&wall.third, "other");
    wall.publish(&wall.first, "p00");
    wall.minutes(2).await;
    let input = serde_json::json!({
        "sourceStageArn": wall.third.as_str(), "participantId": "other", "destinationStageArn": wall.wall.as_str(),
    });
    wall.world.simulator.call("StartParticipantReplication", input).unwrap();
    (1..12).for_each(|i| wall.publish(&wall.first, &format!("p{i:02}")));
    wall.minutes(4).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len()), (12, 1));
    let refused = wall.refused();
    wall.minutes(5).await;
    assert_eq!(wall.refused(), refused, "asked again and again");
    wall.leave("other");
    wall.minutes(3).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len()), (12, 0));
}

/// IVS counts somebody of whom the table never learns: a quota is lower than its default, or the whole account has reached one. The
/// place that a refused Start leaves is not free, and is handed on to nobody.
#[tokio::test]
async fn who_is_refused_by_a_quota_that_nobody_knows_is_tried_again_no_more_than_once_a_minute() {
    let limits = Limits { publishers_per_stage: 3, ..Limits::default() };
    let wall = Wall::on(Config { limits, ..Config::default() });
    wall.world.rules(vec![wall.rule(Source::Any, 50, false)]);
    wall.publish_all(5);
    wall.minutes(2).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len()), (3, 2));
    let refused = wall.refused();
    wall.minutes(10).await;
    let again = wall.refused() - refused;
    assert!((1..=20).contains(&again), "two that wait were tried {again} times in ten minutes");

    let runs = wall.world.running().iter().next().unwrap().1.clone();
    wall.leave(&runs);
    wall.minutes(2).await;
    assert_eq!((wall.world.running().len(), wall.waiting().len()), (3, 1));
}

// ---- against an exhaustive search -----------------------------------------------------------------------------------

/// A class of participants: the rule for its stage.
#[derive(Debug, Clone, Copy)]
struct Class {
    priority: u8,
    preempt: bool,
}

/// Who comes, in two waves: each of one of three stages. Some publish on the wall itself from the beginning.
#[derive(Debug, Clone)]
struct Crowding {
    classes: [Class; 3],
    own: usize,
    waves: [Vec<usize>; 2],
}

fn crowding() -> impl Strategy<Value = Crowding> {
    let class = || (0..3_u8, any::<bool>()).prop_map(|(priority, preempt)| Class { priority, preempt });
    let classes = [class(), class(), class()];
    let wave = |most| proptest::collection::vec(0..3_usize, 0..=most);
    (classes, 0..3_usize, wave(12), wave(5)).prop_map(|(classes, own, first, second)| Crowding {
        classes,
        own,
        waves: [first, second],
    })
}

/// Sets of participants, each a bit.
type Set = u32;

impl Crowding {
    /// The sets of those who have a place after a wave, of all sets that there are: they keep every promise, and the fewest lose theirs,
    /// but for one more for each newcomer who may not pre-empt: nobody says who of a wave comes first, and the last place may go to
    /// them before somebody comes who takes one from a third. `came` is everybody there by then, by class; `there` had places before.
    fn right(&self, came: &[usize], there: Set) -> Vec<Set> {
        let places = 12 - self.own;
        let class = |i: usize| self.classes[came[i]];
        let members = |set: Set| (0..came.len()).filter(move |i| set & (1 << i) != 0);
        let lowest = |set: Set| members(set).map(|i| class(i).priority).min();
        let highest = |set: Set| members(set).map(|i| class(i).priority).max();
        let pre_empting =
            |set: Set| members(set).filter(|i| class(*i).preempt).map(|i| class(i).priority).max();
        let all: Set = (1 << came.len()) - 1;
        let right = (0..=all).filter(|with| {
            let (kept, won, lost, waiting) =
                (with & there, with & !there, there & !with, all & !with & !there);
            let taken = with.count_ones() as usize;
            let full = taken == places || taken < places && *with == all;
            let in_order = won == 0 || waiting == 0 || lowest(won) >= highest(waiting);
            let the_lowest_lost = lost == 0 || kept == 0 || lowest(kept) >= highest(lost);
            let for_cause = lost == 0 || pre_empting(won | waiting) > highest(lost);
            let none_in_vain =
                pre_empting(waiting).is_none() || kept == 0 || pre_empting(waiting) <= lowest(kept);
            full && in_order && the_lowest_lost && for_cause && none_in_vain
        });
        let right: Vec<Set> = right.collect();
        let lost = |with: &Set| (there & !with).count_ones() as usize;
        let fewest = right.iter().map(lost).min().unwrap_or_default();
        let meek = |with: Set| members(with & !there).filter(|i| !class(*i).preempt).count();
        right.into_iter().filter(|with| lost(with) <= fewest + meek(*with)).collect()
    }

    async fn play(&self) -> Result<(), TestCaseError> {
        let wall = Wall::new();
        let stages = [&wall.first, &wall.second, &wall.third];
        let rules = stages.into_iter().zip(self.classes).enumerate().map(|(i, (stage, class))| Rule {
            id: format!("class-{i}").parse().unwrap(),
            ..wall.rule(Source::Stage(stage.clone()), class.priority, class.preempt)
        });
        wall.world.rules(rules.collect());
        (0..self.own).for_each(|i| wall.publish(&wall.wall, &format!("own{i}")));
        wall.minutes(1).await;
        let (mut came, mut there) = (Vec::new(), 0);
        for wave in &self.waves {
            for class in wave {
                wall.publish(stages[*class], &format!("p{:02}", came.len()));
                came.push(*class);
            }
            wall.minutes(5).await;
            let running = (0..came.len()).filter(|i| wall.running(&format!("p{i:02}")));
            there = {
                let now: Set = running.map(|i| 1 << i).sum();
                let right = self.right(&came, there);
                let shown: Vec<_> = right.iter().map(|set| format!("{set:b}")).collect();
                prop_assert!(
                    right.contains(&now),
                    "{there:b} became {now:b} of {came:?}, and not one of {shown:?}"
                );
                now
            };
        }
        prop_assert!(wall.world.running().len() + self.own <= 12);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn places_are_given_as_an_exhaustive_search_gives_them(crowding in crowding()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(crowding.play())?;
    }
}
