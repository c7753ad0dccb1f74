//! What a change of rules would do: told before anybody makes it, by the planner itself.

#![allow(clippy::unwrap_used)]

mod build;

use std::collections::BTreeMap;

use build::{moment, rule, stage, tagged, tags, time, window};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use replication::forecast::{Effect, Fingerprint, NotKnown, Obstacle, Terms, settled};
use replication::sweep::{Inventory, ListedStage, StageKnowledge};
use replication::{
    BlockedReason, Control, Desired, Evidence, Forecast, Operation, Owner, Pause, Phase, Policy, Publisher,
    PublisherKey, Replica, ReplicationKey, Rule, RuleRef, Source, Status, StopReason, Unmatched, forecast,
};

/// A table on which somebody publishes on stage `A`.
#[derive(Debug)]
struct World {
    inventory: Inventory,
    policy: Policy,
    now: Timestamp,
}

fn publisher(stage_id: &str, participant: &str) -> PublisherKey {
    PublisherKey { stage: stage(stage_id), participant: participant.parse().unwrap() }
}

impl World {
    fn new(rules: &[Rule]) -> Self {
        let inventory = Inventory { rules: rules.to_vec(), ..Inventory::default() };
        Self { inventory, policy: Policy::default(), now: time("01:00:00") }
    }

    fn publishing(mut self, stage_id: &str, participants: &[&str]) -> Self {
        for participant in participants {
            self.inventory.put_publisher(Publisher {
                user_id: format!("user-{participant}"),
                evidence: Evidence { on: Some(moment("00:00:01.000000")), off: None },
                ..Publisher::new(publisher(stage_id, participant))
            });
        }
        self
    }

    /// A running replica of ours from stage `A`, under a rule of this world.
    fn running(mut self, participant: &str, destination: &str, rule: &str) -> Self {
        let rule = self.inventory.rules.iter().find(|known| known.id.as_str() == rule).unwrap();
        let replica = Replica {
            phase: Phase::Active,
            owner: Owner::Stagelink,
            desired: Desired::Replicated,
            rule: Some(RuleRef { id: rule.id.clone(), revision: rule.revision, priority: rule.priority }),
            evidence: Evidence { on: Some(moment("00:00:02.000000")), off: None },
            wanted_until: rule.expires_at,
            ..Replica::new(key(participant, destination))
        };
        self.inventory.put_replica(replica);
        self
    }

    fn knowing(mut self, stage_id: &str, with: &str) -> Self {
        let listed = ListedStage {
            stage: stage(stage_id),
            name: String::new(),
            tags: tags(with),
            active_session: Some(build::session("st-1")),
        };
        self.inventory.put_knowledge(StageKnowledge::new(listed, time("00:00:00")));
        self
    }

    fn terms(&self) -> Terms<'_> {
        Terms { now: self.now, policy: &self.policy, share_percent: 80 }
    }

    /// Once everything is done that these rules ask for, and a second later.
    fn settled(&self, rules: &[Rule]) -> Self {
        let inventory = settled(&self.inventory, rules, self.terms());
        Self { inventory, policy: self.policy.clone(), now: self.now + SignedDuration::from_secs(1) }
    }

    fn forecast(&self, rules: &[Rule]) -> Forecast {
        let made = forecast(&self.inventory, rules, self.terms());
        // Whatever is forecast: once it is done, there is nothing left to do.
        let after = self.settled(rules);
        let again = forecast(&after.inventory, rules, after.terms());
        assert_nothing(&again);
        assert_eq!(again.running.before, made.running.after);
        made
    }
}

fn key(participant: &str, destination: &str) -> ReplicationKey {
    let PublisherKey { stage: source, participant } = publisher("A", participant);
    ReplicationKey { source, participant, destination: stage(destination) }
}

fn assert_nothing(made: &Forecast) {
    assert!(made.is_empty() && made.replications.is_empty() && made.calls.is_empty(), "{made:#?}");
    assert!(made.recordings.is_empty() && made.not_known.is_empty() && made.brake.is_none(), "{made:#?}");
    assert_eq!(made.running.before, made.running.after);
}

/// `p1 B start`, …
fn effects(made: &Forecast) -> Vec<String> {
    let word = |effect: &Effect| match effect {
        Effect::Start { until: None } => "start".to_owned(),
        Effect::Start { until: Some(end) } => format!("start until {end}"),
        Effect::Stop { reason, wanted: false } => format!("stop, {reason}"),
        Effect::Stop { reason, wanted: true } => format!("pre-empted, {reason}"),
        Effect::Restart { .. } => "restart".to_owned(),
        Effect::Block { reason, .. } => format!("blocked {reason}"),
        Effect::Withdraw => "withdraw".to_owned(),
        Effect::Spare => "spare".to_owned(),
        Effect::RunsOn(adjusted) => {
            let under =
                adjusted.was_under.as_ref().map_or(String::new(), |rule| format!(" instead of {rule}"));
            format!("runs on{under} {}", adjusted.as_started.join(" ")).trim().to_owned()
        }
    };
    let line = |change: &replication::forecast::Change| {
        let to = change.key.destination.resource_id();
        format!("{} {to} {}", change.key.participant, word(&change.effect))
    };
    made.replications.iter().map(line).collect()
}

fn calls(made: &Forecast) -> BTreeMap<Operation, usize> {
    made.calls.iter().map(|(operation, cost)| (*operation, cost.calls)).collect()
}

#[test]
fn the_same_rules_forecast_nothing_whatever_is_due_anyway() {
    let rules = [rule("main", &["B", "C"])];
    let world = World::new(&rules).publishing("A", &["p1", "p2"]).running("p1", "B", "main");
    let made = world.forecast(&rules);
    assert_nothing(&made);
    assert_eq!((made.unchanged, made.staying), (1, 1));
    assert_eq!((made.backlog.starts, made.backlog.stops), (3, 0), "due, and not the change's doing");
    assert_eq!(made.running.before, 4);
}

#[test]
fn an_added_destination_is_a_start_for_each_publisher() {
    let world = World::new(&[rule("main", &["B"])]).publishing("A", &["p1", "p2"]);
    let world = world.running("p1", "B", "main").running("p2", "B", "main");
    let made = world.forecast(&[rule("main", &["B", "C"])]);
    assert_eq!(effects(&made), ["p1 C start", "p2 C start"]);
    assert_eq!(made.replications[0].user_id, "user-p1");
    assert_eq!(made.staying, 2);
    assert_eq!(calls(&made), [(Operation::Start, 2)].into());
    assert_eq!((made.running.before, made.running.after, made.running.ending), (2, 4, 0));
    assert_eq!(made.rules[0].fields()[0].field, "destinations[1]");
}

#[test]
fn a_deleted_or_paused_rule_stops_what_runs_and_withdraws_what_waits() {
    let world = World::new(&[rule("main", &["B", "C"])]).publishing("A", &["p1"]).running("p1", "B", "main");
    let expected = ["p1 B stop, no rule wants it", "p1 C withdraw"];
    assert_eq!(effects(&world.forecast(&[])), expected);
    let paused = Rule { status: Status::Paused, ..rule("main", &["B", "C"]) };
    let made = world.forecast(&[paused]);
    assert_eq!(effects(&made), expected);
    assert_eq!(calls(&made), [(Operation::Stop, 1)].into());
    assert_eq!((made.running.before, made.running.after), (2, 0));
}

#[test]
fn the_sixth_replication_is_blocked_by_the_five_that_are_there() {
    let world = World::new(&[]).publishing("A", &["p1"]);
    let made = world.forecast(&[rule("main", &["B", "C", "D", "E", "F", "G"])]);
    assert_eq!(effects(&made).last().unwrap(), "p1 G blocked ParticipantSlotsFull");
    let Effect::Block { by: Obstacle::Slots(taken), .. } = &made.replications[5].effect else {
        panic!("{made:#?}")
    };
    assert_eq!(*taken, ["B", "C", "D", "E", "F"].map(stage));
    assert_eq!(calls(&made), [(Operation::Start, 5)].into());
}

#[test]
fn the_highest_priority_gets_the_twelve_places_and_preemption_takes_one() {
    let names: Vec<String> = (1..=12).map(|n| format!("p{n:02}")).collect();
    let low = rule("low", &["B"]);
    let mut world = World::new(std::slice::from_ref(&low))
        .publishing("A", &names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        world = world.running(name, "B", "low");
    }
    world = world.publishing("A2", &["star"]);
    let of_star =
        |preempt| Rule { source: Source::Stage(stage("A2")), priority: 90, preempt, ..rule("star", &["B"]) };
    let made = world.forecast(&[low.clone(), of_star(false)]);
    assert_eq!(effects(&made), ["star B blocked DestinationFull"]);
    let Effect::Block { by: Obstacle::Places(there), .. } = &made.replications[0].effect else { panic!() };
    assert_eq!(there.len(), 12);
    let made = world.forecast(&[low, of_star(true)]);
    let told = effects(&made);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].ends_with("B pre-empted, a rule of priority 90 needs the place at the destination"),
        "{told:?}"
    );
    assert_eq!(told[1], "star B start");
    assert_eq!((made.running.before, made.running.after), (12, 12));
}

#[test]
fn a_stop_hands_its_place_to_who_waits_for_it() {
    let names: Vec<String> = (1..=13).map(|n| format!("p{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rules = [rule("main", &["B"])];
    let mut world = World::new(&rules).publishing("A", &names);
    for name in &names[..12] {
        world = world.running(name, "B", "main");
    }
    let mut those_from_ten_on = rule("main", &["B"]);
    those_from_ten_on.participants.user_id = Some("user-p1*".parse().unwrap());
    let made = world.forecast(&[those_from_ten_on]);
    let stops = made.count(|effect| matches!(effect, Effect::Stop { .. }));
    assert_eq!((stops, made.running.after), (9, 4), "{:?}", effects(&made));
    assert_eq!(effects(&made).last().unwrap(), "p13 B start");
}

#[test]
fn what_runs_is_not_started_anew_for_another_window_or_attributes() {
    let world = World::new(&[rule("main", &["B"])]).publishing("A", &["p1"]).running("p1", "B", "main");
    let mut other = Rule { reconnect_window: window(30), ..rule("main", &["B"]) };
    other.attributes.insert("via".to_owned(), "main".to_owned());
    let made = world.forecast(&[other]);
    assert_eq!(effects(&made), ["p1 B runs on reconnect_window_seconds attributes"]);
    assert!(made.calls.is_empty() && made.staying == 1);
    let renamed = world.forecast(&[rule("renamed", &["B"])]);
    assert_eq!(effects(&renamed), ["p1 B runs on instead of main"]);
    assert!(renamed.calls.is_empty());
}

#[test]
fn an_end_that_is_told_ahead_is_counted_in_replica_hours() {
    let world = World::new(&[]).publishing("A", &["p1", "p2"]);
    let until = Rule { expires_at: Some(time("03:00:00")), ..rule("main", &["B"]) };
    let made = world.forecast(std::slice::from_ref(&until));
    assert_eq!(effects(&made)[0], "p1 B start until 2026-01-01T03:00:00Z");
    assert_eq!((made.running.ending, made.running.until_end), (2, SignedDuration::from_hours(4)));
    let world = World::new(&[until]).publishing("A", &["p1"]).running("p1", "B", "main");
    let Effect::RunsOn(adjusted) = &world.forecast(&[rule("main", &["B"])]).replications[0].effect else {
        panic!()
    };
    assert_eq!(adjusted.ends, Some((Some(time("03:00:00")), None)));
}

#[test]
fn calls_take_as_long_as_the_share_of_the_quota_allows() {
    let names: Vec<String> = (0..100).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let by_name = |destinations: &[&str]| {
        let mut rules = Vec::new();
        for (i, some) in names.chunks(10).enumerate() {
            for name in some {
                let mut one = rule(&format!("r-{name}"), &[destinations[i]]);
                one.participants.user_id = Some(format!("user-{name}").parse().unwrap());
                rules.push(one);
            }
        }
        rules
    };
    let stages: Vec<String> = (0..10).map(|n| format!("S{n}")).collect();
    let made = World::new(&[])
        .publishing("A", &names)
        .forecast(&by_name(&stages.iter().map(String::as_str).collect::<Vec<_>>()));
    let cost = made.calls[&Operation::Start];
    // 80 % of 5 is 4 a window of 1.02 s; the first four leave at once.
    assert_eq!((cost.calls, cost.takes), (100, SignedDuration::from_millis(24 * 1_020)));
}

#[test]
fn the_brake_and_a_pause_are_told() {
    let names: Vec<String> = (0..30).map(|n| format!("p{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stages = ["B", "C", "D"];
    let rules = [rule("main", &stages)];
    let mut world = World::new(&rules).publishing("A", &names);
    for (i, name) in names.iter().enumerate() {
        world = world.running(name, stages[i / 10], "main");
    }
    world.inventory.control = Control { running: Some(30), ..Control::default() };
    let made = world.forecast(&[]);
    let brake = made.brake.unwrap();
    assert_eq!((brake.stops, brake.at_once), (30, 20));
    assert_eq!(made.paused, None);
    let pause = Pause { reason: "a fire".to_owned(), by: "kim".to_owned(), at: time("00:00:00") };
    world.inventory.control.pause = Some(pause.clone());
    let paused = world.forecast(&[]);
    assert_eq!(paused.paused, Some(pause));
    assert_eq!(effects(&paused), effects(&made), "what follows when it is over");
}

#[test]
fn what_is_not_known_yet_is_said_and_not_guessed() {
    let world = World::new(&[rule("main", &["B"])]).publishing("A", &["p1"]).running("p1", "B", "main");
    let mut by_attribute = rule("hosts", &["C"]);
    by_attribute.participants.attributes.insert("role".to_owned(), "host".parse().unwrap());
    let elsewhere = Rule { source: Source::Stage(stage("Z")), ..rule("z", &["B"]) };
    let by_tag = Rule {
        source: Source::Tags(tags("role=main")),
        destinations: vec![tagged("role=wall", &[])],
        ..rule("tagged", &[])
    };
    let made = world.forecast(&[rule("main", &["B"]), by_attribute.clone(), elsewhere, by_tag]);
    let id = |id: &str| id.parse().unwrap();
    assert_eq!(
        made.not_known,
        [
            NotKnown::Publisher {
                publisher: publisher("A", "p1"),
                rule: id("hosts"),
                why: Unmatched::AttributesUnknown
            },
            NotKnown::Publisher {
                publisher: publisher("A", "p1"),
                rule: id("tagged"),
                why: Unmatched::TagsUnknown
            },
            NotKnown::Source { rule: id("tagged"), stage: None },
            NotKnown::Source { rule: id("z"), stage: Some(stage("Z")) },
            NotKnown::Destinations { rule: id("tagged") },
        ]
    );
    assert_eq!(made.replications, []);
    assert_eq!(calls(&made), [(Operation::GetStage, 1), (Operation::GetParticipant, 1)].into());
}

#[test]
fn a_new_rule_by_tag_finds_the_stages_that_are_known() {
    let world = World::new(&[rule("main", &["B"])]).publishing("A", &["p1"]).running("p1", "B", "main");
    let world = world
        .knowing("A", "role=main show=7")
        .knowing("W", "role=wall show=7")
        .knowing("V", "role=wall show=8");
    let by_tag = Rule {
        source: Source::Tags(tags("role=main")),
        destinations: vec![tagged("role=wall", &["show"])],
        ..rule("tagged", &[])
    };
    let made = world.forecast(&[rule("main", &["B"]), by_tag]);
    assert_eq!(effects(&made), ["p1 W start"]);
}

#[test]
fn recordings_that_a_rule_wants_otherwise_are_named() {
    let world = World::new(&[rule("main", &["B"])]).publishing("A", &["p1"]).running("p1", "B", "main");
    let world = world.knowing("B", "");
    let made = world.forecast(&[Rule { record_replicas: Some(false), ..rule("main", &["B"]) }]);
    assert_eq!(made.recordings.len(), 1);
    assert_eq!(calls(&made), [(Operation::GetStage, 1), (Operation::UpdateStage, 1)].into());
}

#[test]
fn a_fingerprint_is_of_the_rules_and_of_what_follows() {
    let rules = [rule("main", &["B"])];
    let of = |world: &World, rules: &[Rule]| world.forecast(rules).fingerprint;
    let world = World::new(&rules).publishing("A", &["p1"]);
    let wanted = [rule("main", &["B", "C"])];
    let known = of(&world, &wanted);
    assert_eq!(of(&world, &wanted), known, "the same again");
    let later = Terms { now: time("02:00:00"), ..world.terms() };
    assert_eq!(forecast(&world.inventory, &wanted, later).fingerprint, known, "time alone changes nothing");
    assert_ne!(of(&world, &[rule("main", &["B", "D"])]), known);
    let newer = World::new(&[Rule { revision: 2, ..rules[0].clone() }]).publishing("A", &["p1"]);
    assert_ne!(of(&newer, &wanted), known, "somebody changed the rule");
    assert_ne!(of(&World::new(&rules).publishing("A", &["p1", "p2"]), &wanted), known, "somebody publishes");
    let text = known.to_string();
    assert_eq!((text.len(), text.parse::<Fingerprint>()), (12, Ok(known)));
    for wrong in ["", "12345678901", "12345678901g", "+12345678901"] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

// ---- properties -------------------------------------------------------------------------------------------------------

fn some_rules() -> impl Strategy<Value = Vec<Rule>> {
    let destinations =
        proptest::sample::subsequence(vec!["B", "C", "D", "E", "F", "G", "H"], 1..=7).prop_shuffle();
    let one = (destinations, 0..4_u8, any::<bool>(), 0..5_u8, any::<bool>());
    proptest::collection::vec(one, 0..4).prop_map(|rules| {
        let numbered = rules.into_iter().enumerate();
        numbered
            .map(|(i, (to, priority, preempt, source, paused))| Rule {
                priority,
                preempt,
                source: match source {
                    0 => Source::Any,
                    1 => Source::Stage(stage("B")),
                    _ => Source::Stage(stage("A")),
                },
                status: if paused && source == 4 { Status::Paused } else { Status::Enabled },
                ..rule(&format!("r{i}"), &to)
            })
            .filter(|rule| rule.validate().is_ok())
            .collect()
    })
}

/// A table as rules and publishers leave it: under some rules before, and with those who come then.
fn a_world() -> impl Strategy<Value = World> {
    (some_rules(), 0..16_usize, 0..4_usize, 0..4_usize).prop_map(|(rules, on_a, on_b, late)| {
        let names: Vec<String> = (0..on_a + on_b + late).map(|n| format!("p{n:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let early =
            World::new(&rules).publishing("A", &names[..on_a]).publishing("B", &names[on_a..on_a + on_b]);
        early.settled(&rules).publishing("A", &names[on_a + on_b..])
    })
}

fn most(counted: impl Iterator<Item = String>) -> usize {
    let mut counts = BTreeMap::new();
    counted.for_each(|key| *counts.entry(key).or_insert(0) += 1);
    counts.into_values().max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_set_that_does_not_change_forecasts_nothing(world in a_world()) {
        assert_nothing(&world.forecast(&world.inventory.rules));
    }

    #[test]
    fn once_it_is_done_nothing_is_left_to_do(world in a_world(), rules in some_rules()) {
        let made = world.forecast(&rules);
        let after = world.settled(&rules);
        let again = forecast(&after.inventory, &rules, after.terms());
        prop_assert_eq!((again.backlog.starts, again.backlog.stops), (0, 0));
        let starts = made.calls.get(&Operation::Start).map_or(0, |cost| cost.calls);
        prop_assert!(starts + made.backlog.starts + made.staying + made.replications.len() >= made.running.after);
    }

    #[test]
    fn nobody_has_a_sixth_and_no_stage_a_thirteenth(world in a_world(), rules in some_rules()) {
        let after = world.settled(&rules).inventory;
        let slots = after.replicas().filter(|replica| replica.holds_slot());
        let of_publisher = most(slots.map(|replica| replica.key.publisher().to_string()));
        prop_assert!(of_publisher <= 5, "{}", of_publisher);
        for destination in ["B", "C", "D", "E", "F", "G", "H"] {
            let replicas = after.replicas_to(&stage(destination)).filter(|replica| replica.holds_slot()).count();
            let own = after.publishers_on(&stage(destination)).count();
            prop_assert!(replicas + own <= 12, "{}: {} and {}", destination, replicas, own);
        }
    }

    /// What is blocked says by whom, and they are all there are.
    #[test]
    fn what_is_in_the_way_is_named(world in a_world(), rules in some_rules()) {
        for change in world.forecast(&rules).replications {
            match change.effect {
                Effect::Block { reason: BlockedReason::ParticipantSlotsFull, by } => {
                    prop_assert!(matches!(&by, Obstacle::Slots(taken) if taken.len() == 5), "{:?}", by);
                }
                Effect::Block { reason: BlockedReason::DestinationFull, by } => {
                    prop_assert!(matches!(&by, Obstacle::Places(there) if there.len() == 12), "{:?}", by);
                }
                Effect::Stop { reason: StopReason::Outranked { .. } | StopReason::GivesWay { .. }, wanted } => {
                    prop_assert!(wanted, "{}", change.key);
                }
                _ => {}
            }
        }
    }
}
