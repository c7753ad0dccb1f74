//! Rules that select stages by tag and participants by attribute, end to end on a simulated IVS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::sweep::port::SweepStore;
use ivs_sim::{Config, Dialect, Limits, Publish};
use replication::{
    Destination, Directory, ParticipantFilter, ReconnectWindow, Rule, Source, StageArn, Status, Tags,
};
use serde_json::json;
use stagelink_tests::World;
use stagelink_tests::in_process::{InProcess, Lie};
use stagelink_tests::world::invoke;

/// `role=main show=7`
fn tags(text: &str) -> Tags {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Everybody on a main stage appears on the overflow stages of the same show.
fn overflow() -> Rule {
    Rule {
        id: "main-to-overflow".parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source: Source::Tags(tags("role=main")),
        participants: ParticipantFilter::default(),
        destinations: vec![Destination::Tags { tags: tags("role=overflow"), same: vec!["show".to_owned()] }],
        reconnect_window: ReconnectWindow::default(),
        attributes: BTreeMap::new(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

fn hosts() -> Rule {
    let attributes = BTreeMap::from([("role".to_owned(), "host".parse().unwrap())]);
    Rule { participants: ParticipantFilter { user_id: None, attributes }, ..overflow() }
}

/// Stages of several shows, by name. No event is ever delivered.
struct Town {
    world: Arc<InProcess>,
    stages: BTreeMap<&'static str, StageArn>,
}

const STAGES: [(&str, &str); 6] = [
    ("main-7", "role=main show=7"),
    ("over-7a", "role=overflow show=7"),
    ("over-7b", "role=overflow show=7 more=x"),
    ("over-8", "role=overflow show=8"),
    ("main-8", "role=main show=8"),
    ("lobby", "show=7"),
];

impl Town {
    fn new(rules: Vec<Rule>) -> Self {
        Self::within(Limits::default(), rules)
    }

    fn within(limits: Limits, rules: Vec<Rule>) -> Self {
        Self::with(Config { limits, ..Config::default() }, rules)
    }

    fn with(config: Config, rules: Vec<Rule>) -> Self {
        let world = InProcess::new(config);
        let mut town = Self { world, stages: BTreeMap::new() };
        STAGES.iter().for_each(|(name, tags)| town.create(name, tags));
        town.world.rules(rules);
        town
    }

    fn create(&mut self, name: &'static str, of: &str) {
        let arn = self.world.simulator.create_stage(name, tags(of));
        self.stages.insert(name, arn.parse().unwrap());
    }

    fn call(&self, operation: &str, input: serde_json::Value) {
        self.world.simulator.call(operation, input).unwrap();
    }

    fn tag(&self, stage: &str, of: &str) {
        self.call("TagResource", json!({"resourceArn": self.stages[stage].as_str(), "tags": tags(of)}));
    }

    fn publish(&self, stage: &str, participant: &str, attributes: &str) {
        let publish = Publish {
            stage_arn: self.stages[stage].to_string(),
            participant_id: Some(participant.to_owned()),
            attributes: tags(attributes),
            ..Publish::default()
        };
        self.world.simulator.publish(publish).unwrap();
    }

    async fn minutes(&self, minutes: usize) {
        for _ in 0..minutes {
            self.world.minute().await.unwrap();
        }
    }

    /// What runs: `main-7 p1 over-7a`, …
    fn running(&self) -> Vec<String> {
        let name = |arn: &String| {
            let known = self.stages.iter().find(|(_, stage)| stage.as_str() == arn);
            known.map_or("?", |(name, _)| *name)
        };
        let running = self.world.running();
        let mut running: Vec<_> =
            running.iter().map(|(from, who, to)| format!("{} {who} {}", name(from), name(to))).collect();
        running.sort();
        running
    }

    /// The directory as it is stored, by the names of its stages.
    async fn directory(&self) -> Vec<&'static str> {
        let directory: Arc<Directory> = self.world.store.inventory().await.unwrap().directory;
        let named = self.stages.iter().filter(|(_, stage)| directory.contains_key(*stage));
        named.map(|(name, _)| *name).collect()
    }

    fn calls(&self, operation: &str) -> usize {
        self.world.simulator.ledger().iter().filter(|entry| entry.operation == operation).count()
    }

    /// P1: it stays. Two more sweeps make no mutating call.
    async fn assert_at_rest(&self) {
        let (mutations, running) = (self.world.mutations(), self.running());
        self.minutes(2).await;
        assert_eq!(self.world.mutations(), mutations, "{:#?}", self.world.store.activity());
        assert_eq!(self.running(), running);
    }
}

const BOTH: [&str; 2] = ["main-7 p1 over-7a", "main-7 p1 over-7b"];

#[tokio::test]
async fn a_publisher_appears_on_exactly_the_overflow_stages_of_its_show() {
    let town = Town::new(vec![overflow()]);
    town.publish("main-7", "p1", "");
    town.publish("main-8", "p2", "");
    town.publish("lobby", "p3", "");
    town.minutes(2).await;
    assert_eq!(town.running(), [BOTH[0], BOTH[1], "main-8 p2 over-8"]);
    assert_eq!(town.directory().await, ["over-7a", "over-7b", "over-8"]);
    town.assert_at_rest().await;
    assert_eq!((town.calls("GetStage"), town.calls("GetParticipant")), (0, 0), "tags come with the list");
}

/// P13: whatever IVS's documentation leaves open.
#[tokio::test]
async fn in_every_dialect_hosts_appear_follow_their_show_and_end_with_their_stage() {
    for switch in Dialect::switches() {
        for option in &switch.options {
            let name = format!("{}={option}", switch.name);
            let dialect = Dialect::default().with(switch.name, option).unwrap();
            let slow = dialect.replication_start_delay_ms.0.max(dialect.list_replicas_lag_ms.0) > 60_000;
            let minutes = if slow { 12 } else { 4 };
            let town = Town::with(Config { dialect, ..Config::default() }, vec![hosts()]);
            for stage in ["over-7a", "over-7b", "over-8"] {
                town.publish(stage, &format!("guest-{stage}"), "");
            }
            town.publish("main-7", "p1", "role=host");
            town.publish("main-7", "g1", "role=guest");
            town.minutes(minutes).await;
            assert_eq!(town.running(), BOTH, "{name}");
            assert_eq!(town.calls("GetParticipant"), 2, "{name}");

            town.tag("main-7", "show=8");
            town.minutes(minutes).await;
            assert_eq!(town.running(), ["main-7 p1 over-8"], "{name}");
            let deleted =
                town.world.simulator.call("DeleteStage", json!({"arn": town.stages["over-8"].as_str()}));
            if deleted.is_err() {
                // Where a stage with participants cannot be deleted.
                town.tag("over-8", "role=archive");
            }
            town.minutes(minutes).await;
            assert_eq!(town.running(), Vec::<String>::new(), "{name}");
            town.assert_at_rest().await;
        }
    }
}

#[tokio::test]
async fn a_tag_that_changes_on_a_live_stage_withdraws_and_starts() {
    let town = Town::new(vec![overflow()]);
    town.publish("main-7", "p1", "");
    town.minutes(2).await;

    town.tag("main-7", "show=8");
    town.minutes(1).await;
    assert_eq!(town.running(), ["main-7 p1 over-8"], "in the sweep that sees it");
    town.tag("main-7", "role=rehearsal");
    town.minutes(1).await;
    assert_eq!(town.running(), Vec::<String>::new());
    town.tag("main-7", "role=main show=7");
    town.minutes(1).await;
    assert_eq!(town.running(), BOTH);

    town.tag("over-7b", "role=archive");
    town.minutes(1).await;
    assert_eq!(town.running(), BOTH[..1]);
    town.minutes(1).await;
    assert_eq!(town.directory().await, ["over-7a", "over-8"], "taken out once nothing is replicated there");
    town.assert_at_rest().await;
}

#[tokio::test]
async fn a_new_overflow_stage_gets_the_replica_and_a_deleted_one_is_forgotten() {
    let mut town = Town::new(vec![overflow()]);
    town.publish("main-7", "p1", "");
    town.minutes(2).await;

    town.create("over-7c", "role=overflow show=7");
    town.minutes(1).await;
    assert_eq!(town.running(), [BOTH[0], BOTH[1], "main-7 p1 over-7c"]);

    town.call("DeleteStage", json!({"arn": town.stages["over-7b"].as_str()}));
    town.minutes(3).await;
    assert_eq!(town.running(), [BOTH[0], "main-7 p1 over-7c"]);
    assert_eq!(town.directory().await, ["over-7a", "over-7c", "over-8"]);
    town.assert_at_rest().await;
    let asked = town.calls("GetStage");
    town.minutes(3).await;
    assert_eq!(town.calls("GetStage"), asked, "what is gone is not asked for again");
}

#[tokio::test]
async fn a_rule_that_names_no_stage_any_more_leaves_an_empty_directory() {
    let town = Town::new(vec![overflow()]);
    town.publish("main-7", "p1", "");
    town.minutes(2).await;
    town.world.rules(vec![]);
    town.minutes(2).await;
    assert_eq!((town.running(), town.directory().await), (vec![], vec![]));
}

/// A rule by name that becomes one by tag: nothing is stopped before the tags of its destinations are known.
#[tokio::test]
async fn a_rule_that_changes_from_names_to_tags_stops_nothing_that_it_still_means() {
    let town = Town::new(vec![]);
    let named = ["over-7a", "over-7b"].map(|name| Destination::Stage(town.stages[name].clone()));
    town.world.rules(vec![Rule { destinations: named.to_vec(), ..overflow() }]);
    town.publish("main-7", "p1", "");
    town.minutes(2).await;
    assert_eq!((town.running(), town.directory().await), (BOTH.map(str::to_owned).to_vec(), vec![]));
    let mutations = town.world.mutations();

    town.world.rules(vec![Rule { revision: 2, ..overflow() }]);
    town.world.lie("ListStages", Some(Lie::Fails));
    town.minutes(2).await;
    town.world.lie("ListStages", None);
    town.minutes(2).await;
    assert_eq!((town.running(), town.world.mutations()), (BOTH.map(str::to_owned).to_vec(), mutations));

    // One that it does not mean is withdrawn once that is known.
    let other = Destination::Tags { tags: tags("more=x"), same: vec![] };
    town.world.rules(vec![Rule { revision: 3, destinations: vec![other], ..overflow() }]);
    town.minutes(2).await;
    assert_eq!(town.running(), BOTH[1..]);
    town.assert_at_rest().await;
}

#[tokio::test]
async fn hosts_are_started_and_guests_are_not_and_each_is_asked_for_once() {
    let town = Town::new(vec![hosts()]);
    for (who, attributes) in [("p1", "role=host"), ("g1", "role=guest"), ("g2", ""), ("g3", "team=red")] {
        town.publish("main-7", who, attributes);
    }
    town.publish("lobby", "g4", "role=host");
    town.minutes(2).await;
    assert_eq!(town.running(), BOTH);
    town.minutes(4).await;
    assert_eq!(town.calls("GetParticipant"), 4, "nobody of a stage that the rule does not mean");

    town.world.simulator.leave(town.stages["main-7"].as_str(), "p1").unwrap();
    town.minutes(3).await;
    assert_eq!((town.running(), town.calls("GetParticipant")), (vec![], 4));
}

/// Many come at once: the questions keep to their pace, and the looks do not wait for them.
#[tokio::test]
async fn questions_keep_to_half_of_the_quota() {
    let town = Town::within(Limits { publishers_per_stage: 1_000, ..Limits::default() }, vec![hosts()]);
    for i in 0..60 {
        town.publish("main-7", &format!("g{i}"), "role=guest");
    }
    town.minutes(3).await;
    let ledger = town.world.simulator.ledger();
    let asked: Vec<_> = ledger.iter().filter(|entry| entry.operation == "GetParticipant").collect();
    assert_eq!(asked.len(), 60);
    for from in &asked {
        let within =
            asked.iter().filter(|to| to.at >= from.at && to.at.duration_since(from.at).as_millis() < 1_000);
        assert!(within.count() <= 2, "{from:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_empty_cut_or_missing_changes_nothing() {
    let town = Town::new(vec![overflow()]);
    town.publish("main-7", "p1", "");
    town.minutes(2).await;
    let (mutations, directory) = (town.world.mutations(), town.directory().await);
    for lie in [Lie::Empty, Lie::Truncated, Lie::Fails] {
        for get_stage in [None, Some(Lie::Fails)] {
            town.world.lie("ListStages", Some(lie));
            town.world.lie("GetStage", get_stage);
            town.minutes(3).await;
            assert_eq!(town.running(), BOTH, "{lie:?}");
            assert_eq!(town.world.mutations(), mutations, "{lie:?}");
            assert_eq!(town.directory().await, directory, "{lie:?}");
        }
    }
    town.world.lie("GetParticipant", Some(Lie::Fails));
    town.world.rules(vec![Rule { revision: 2, ..hosts() }]);
    town.minutes(3).await;
    assert_eq!((town.running(), town.world.mutations()), (BOTH.map(str::to_owned).to_vec(), mutations));
}

/// Selecting by tag costs no more reads than naming the same stages.
#[tokio::test]
async fn a_sweep_costs_the_same_by_tag_and_by_name() {
    let mut costs = Vec::new();
    for by_tag in [true, false] {
        let town = Town::new(vec![]);
        let named = |source: &str, to: &[&str]| Rule {
            id: source.parse().unwrap(),
            source: Source::Stage(town.stages[source].clone()),
            destinations: to.iter().map(|name| Destination::Stage(town.stages[*name].clone())).collect(),
            ..overflow()
        };
        town.world.rules(match by_tag {
            true => vec![overflow()],
            false => vec![named("main-7", &["over-7a", "over-7b"]), named("main-8", &["over-8"])],
        });
        town.publish("main-7", "p1", "");
        town.publish("main-8", "p2", "");
        let mut calls = Vec::new();
        for _ in 0..6 {
            calls.push(town.world.minute().await.unwrap().calls);
        }
        assert_eq!(town.running().len(), 3);
        costs.push(calls);
    }
    assert_eq!(costs[0], costs[1]);
}

/// The functions' own code on the embedded table: the stage is asked for when nothing is known of it, and only then.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_event_of_a_stage_asks_for_its_tags_and_hosts_start_at_once() {
    let mut world = World::start().await.unwrap();
    let create = |name: &str, of: &str| world.simulator.create_stage(name, tags(of));
    let over = create("over-7", "role=overflow show=7");
    create("over-8", "role=overflow show=8");
    world.rules(&[hosts()]).await.unwrap();
    world.sweep().await.unwrap();
    let main = world.simulator.create_stage("main-7", tags("role=main show=7"));
    let lobby = world.simulator.create_stage("lobby", tags("show=7"));
    let function = world.function("participant-published").await;

    let mut costs = Vec::new();
    for (stage, role) in
        [(&main, "host"), (&main, "host"), (&main, "guest"), (&lobby, "host"), (&lobby, "host")]
    {
        let attributes = tags(&format!("role={role}"));
        let publish = Publish { stage_arn: stage.clone(), attributes, ..Publish::default() };
        world.simulator.publish(publish).unwrap();
        let mut event = world.event("Participant Published").await.unwrap();
        while event["detail"]["replica"] == true {
            event = world.event("Participant Published").await.unwrap();
        }
        invoke(&function, event).await.unwrap();
        let requests = world.recording.take();
        let operations: Vec<_> = requests.iter().map(|request| request.operation.clone()).collect();
        costs.push(operations.join(" "));
    }
    let started = "GetParticipant TransactWriteItems StartParticipantReplication TransactWriteItems";
    assert_eq!(
        costs,
        [
            format!("Query TransactWriteItems GetStage TransactWriteItems {started}"),
            format!("Query TransactWriteItems {started}"),
            "Query TransactWriteItems GetParticipant TransactWriteItems".to_owned(),
            "Query TransactWriteItems GetStage TransactWriteItems".to_owned(),
            "Query".to_owned(),
        ]
    );
    let running = world.simulator.replicas();
    assert!(running.iter().all(|key| key.destination_stage_arn == over) && running.len() == 2, "{running:?}");
}
