//! `stagelink plan`, `apply` and `rule` on the embedded table: what they print, what they change, and what they refuse to.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use controller::{Order, RuleBook, Store, Write, rules};
use jiff::Timestamp;
use replication::forecast::Fingerprint;
use replication::{Evidence, Pause, Phase, Publisher, PublisherKey, Replica, Rule, RuleRef, Source, Status};
use serde_json::json;
use stagelink_tests::rows::{self, ordered, rule, stage};
use stagelink_tests::{Said, World, assert_golden};

/// A text that is the same in every run: times, and the names of files, are left out of it.
struct Transcript<'a> {
    world: &'a World,
    folder: String,
    text: String,
}

impl<'a> Transcript<'a> {
    /// With a folder of its own: tests run side by side.
    fn of(world: &'a World) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("stagelink-rules-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { world, folder: folder.display().to_string(), text: String::new() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = PathBuf::from(&self.folder).join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A rules file that a command line names by `name` alone.
    fn rules(&self, name: &str, rules: &[&str]) {
        let list: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
        let list = if rules.is_empty() { "rules: []\n".to_owned() } else { format!("rules:\n{list}") };
        self.file(name, &list);
    }

    async fn told(&mut self, command: &str, code: u8) -> Said {
        let arguments = self.arguments(command);
        let said = self.world.console().run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        self.heard(command, said, code)
    }

    async fn answering(&mut self, answer: &str, command: &str, code: u8) -> Said {
        let arguments = self.arguments(command);
        let console = self.world.console();
        let said = console.answering(answer, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        self.heard(command, said, code)
    }

    /// The words of a command line; those that end in `.yaml` are files of this test, `'…'` holds words together.
    fn arguments(&self, command: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (i, part) in command.split('\'').enumerate() {
            match i % 2 {
                1 => words.push(part.to_owned()),
                _ => words.extend(part.split_whitespace().map(str::to_owned)),
            }
        }
        let placed = |word: String| match word.ends_with(".yaml") && !word.starts_with('/') {
            true => format!("{}/{word}", self.folder),
            false => word,
        };
        words.into_iter().map(placed).collect()
    }

    fn heard(&mut self, command: &str, said: Said, code: u8) -> Said {
        let text = said.text.replace(&format!("{}/", self.folder), "");
        self.text += &format!("$ stagelink {command}\n{}(exit code {})\n\n", without_times(&text), said.code);
        assert_eq!(said.code, code, "{}", self.text);
        said
    }
}

/// Times of this run are told as one that is always the same.
fn without_times(text: &str) -> String {
    let is_of_now = |word: &str| {
        let at = word.parse::<Timestamp>().ok();
        at.is_some_and(|at| Timestamp::now().duration_since(at).abs() < jiff::SignedDuration::from_hours(1))
    };
    let words = text.split_inclusive([' ', '\n']);
    let told = words.map(|word| match is_of_now(word.trim_end()) {
        true => word.replace(word.trim_end(), "2026-01-01T00:00:00Z"),
        false => word.to_owned(),
    });
    told.collect()
}

const A_TO_B: &str = r#"{ id: main, source: { stage: "arn:aws:ivs:us-east-1:123456789012:stage/A" }, destinations: [ { stage: "arn:aws:ivs:us-east-1:123456789012:stage/B" } ] }"#;

const A_TO_SIX: &str = r#"{ id: main, priority: 60, source: { stage: "arn:aws:ivs:us-east-1:123456789012:stage/A" }, destinations: [ { stage: "arn:aws:ivs:us-east-1:123456789012:stage/B" }, { stage: "arn:aws:ivs:us-east-1:123456789012:stage/C" }, { stage: "arn:aws:ivs:us-east-1:123456789012:stage/D" }, { stage: "arn:aws:ivs:us-east-1:123456789012:stage/E" }, { stage: "arn:aws:ivs:us-east-1:123456789012:stage/F" }, { stage: "arn:aws:ivs:us-east-1:123456789012:stage/G" } ] }"#;

const OTHER: &str = r#"{ id: other, priority: 10, source: { any: true }, participants: { user_id: "guest-*" }, destinations: [ { tags: { role: wall } } ], status: paused }"#;

async fn publishing(world: &World, participants: &[(&str, &str)]) {
    for (participant, user_id) in participants {
        let key = PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() };
        let publisher = Publisher {
            user_id: (*user_id).to_owned(),
            evidence: Evidence { on: Some("2026-06-29T16:40:32.123456Z".parse().unwrap()), off: None },
            ..Publisher::new(key)
        };
        world.store.write(&Write { publisher: Some(publisher), ..Write::default() }).await.unwrap();
    }
}

async fn running(world: &World, participant: &str, destination: &str, revision: u64) {
    let of = RuleRef { id: "main".parse().unwrap(), revision, priority: 50 };
    let replica = Replica {
        evidence: Evidence { on: Some("2026-06-29T16:40:33.123456Z".parse().unwrap()), off: None },
        ..rows::replica(of, participant, destination, Phase::Active)
    };
    world.store.write(&Write { replicas: vec![replica], ..Write::default() }).await.unwrap();
}

/// The name of a plan that was printed.
fn fingerprint(plan: &str) -> Fingerprint {
    plan.rsplit_once("\nPlan ").unwrap().1.split('.').next().unwrap().parse().unwrap()
}

/// All rules with their revisions, and the number of lines in each history: what must be as before after a refusal.
async fn state(world: &World) -> Vec<(Rule, usize)> {
    let mut state = Vec::new();
    for rule in RuleBook::rules(&world.store).await.unwrap().rules {
        let revisions = rules::all_revisions(&world.store, &rule.id).await.unwrap().len();
        state.push((rule, revisions));
    }
    state
}

/// A table with rule `main` from A to B, whose two publishers run there, and rule `other`.
async fn filled() -> World {
    let world = World::start().await.unwrap();
    let files = Transcript::of(&world);
    files.rules("first.yaml", &[A_TO_B, OTHER]);
    let first = format!("{}/first.yaml", files.folder);
    let said = world.console().run(&["apply", "-f", &first, "--yes", "--by", "kim"]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    publishing(&world, &[("p-1", "host-1"), ("p-2", "guest\u{1b}[31m")]).await;
    running(&world, "p-1", "B", 1).await;
    running(&world, "p-2", "B", 1).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_changes_and_what_follows() {
    let world = filled().await;
    let mut said = Transcript::of(&world);
    said.rules("same.yaml", &[A_TO_B, OTHER]);
    said.rules("six.yaml", &[A_TO_SIX]);
    said.rules("none.yaml", &[]);
    let before = state(&world).await;
    said.told("plan -f same.yaml", 0).await;
    let plan = said.told("plan -f six.yaml", 2).await;
    assert!(plan.text.contains("8 to start, 2 blocked; 2 run on as they are"), "{}", plan.text);
    said.told("plan -f six.yaml -o wide --quota-share 20", 2).await;
    said.told("plan -f none.yaml", 2).await;
    assert_eq!(state(&world).await, before, "a plan changes nothing");
    assert_golden("operator_rules/plan.txt", &said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_a_document_for_programs() {
    let world = filled().await;
    let said = Transcript::of(&world);
    said.rules("six.yaml", &[A_TO_SIX]);
    let file = format!("{}/six.yaml", said.folder);
    let json = world.console().run(&["plan", "-f", &file, "-o", "json"]).await;
    assert_eq!(json.code, 2);
    let mut document: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(document["replications"].as_array().unwrap().len(), 10);
    assert_eq!(document["calls"]["StartParticipantReplication"], json!({ "calls": 8, "seconds": 1.02 }));
    let at: Timestamp = document["at"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(at).as_secs() < 60);
    document["at"] = json!("TIME");
    assert_golden("operator_rules/plan.json", &(serde_json::to_string_pretty(&document).unwrap() + "\n"));
    let yaml = world.console().run(&["plan", "-f", &file, "-o", "yaml"]).await;
    assert!(yaml.code == 2 && yaml.text.contains("effect: block\n"), "{}", yaml.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_applied_as_they_were_planned() {
    let world = World::start().await.unwrap();
    publishing(&world, &[("p-1", "host-1")]).await;
    let mut said = Transcript::of(&world);
    said.rules("first.yaml", &[A_TO_B, OTHER]);
    said.rules("second.yaml", &[A_TO_SIX]);
    said.told("apply -f first.yaml", 1).await;
    said.answering("no\n", "apply -f first.yaml", 1).await;
    assert_eq!(state(&world).await, []);
    said.answering("yes\n", "apply -f first.yaml --by kim --reason 'the show begins'", 0).await;
    said.told("apply -f first.yaml", 0).await;
    let plan = said.told("plan -f second.yaml", 2).await;
    let plan = fingerprint(&plan.text);
    said.told(&format!("apply -f second.yaml --plan {plan} --yes --by sam"), 0).await;
    let stored = state(&world).await;
    assert_eq!(stored.len(), 1);
    assert_eq!((stored[0].0.revision, stored[0].0.priority, stored[0].1), (2, 60, 2));
    let other = rules::all_revisions(&world.store, &"other".parse().unwrap()).await.unwrap();
    let deleted = other[0].as_ref().unwrap();
    assert_eq!((deleted.revision, deleted.rule.as_ref(), other.len()), (2, None, 2));
    assert_golden("operator_rules/apply.txt", &said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rule_is_paused_resumed_deleted_and_rolled_back() {
    let world = filled().await;
    let mut said = Transcript::of(&world);
    said.told("rule pause main --reason 'a fire' --by kim", 0).await;
    said.told("rule pause main --reason 'a fire' --by kim", 0).await;
    said.told("rule resume main --reason 'it is out' --by sam", 0).await;
    said.told("rule delete main --reason 'no more shows'", 1).await;
    said.answering("no\n", "rule delete main --reason 'no more shows'", 1).await;
    assert_eq!(state(&world).await.len(), 2);
    said.answering("yes\n", "rule delete main --reason 'no more shows' --by kim", 0).await;
    assert_eq!(state(&world).await.len(), 1);
    said.told("rule history main", 0).await;
    said.told("rule rollback main --reason 'a mistake' --by sam", 0).await;
    said.told("rule rollback main --to 2 --reason 'not yet' --by sam", 0).await;
    said.told("rule history main", 0).await;
    let (rule, revisions) = state(&world).await.remove(0);
    assert_eq!((rule.status, rule.revision, revisions), (Status::Paused, 6, 6));
    assert_golden("operator_rules/rule.txt", &said.text);
    let json = world.console().run(&["rule", "history", "main", "-o", "json"]).await;
    let document: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    let revisions = document["revisions"].as_array().unwrap();
    assert_eq!(
        (revisions.len(), &revisions[0]["reason"], &revisions[2]["deleted"]),
        (6, &json!("not yet"), &json!(true))
    );
    assert_eq!((&revisions[5]["rule"]["id"], &revisions[5]["by"]), (&json!("main"), &json!("kim")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let world = filled().await;
    let terms = replication::VersusTerms::new("duel".parse().unwrap(), vec![stage("V1"), stage("V2")], 300);
    controller::versus::start(&world.store, terms, Timestamp::now()).await.unwrap();
    let before = state(&world).await;
    let mut said = Transcript::of(&world);
    let with = |from: &str, to: &str| A_TO_B.replace(from, to);
    said.rules("unknown-field.yaml", &[&with("id: main,", "id: main, colour: red,")]);
    said.rules("wrong-arn.yaml", &[&with("stage/B", "channel/B")]);
    said.rules("window-301.yaml", &[&with("id: main,", "id: main, reconnect_window_seconds: 301,")]);
    said.rules("versus.yaml", &[&with("id: main", "id: versus.duel.1")]);
    said.rules("none.yaml", &[]);
    said.rules("six.yaml", &[A_TO_SIX]);
    said.rules("contradicts.yaml", &[A_TO_B, &with("id: main,", "id: twin, preempt: true,")]);
    for file in ["unknown-field", "wrong-arn", "window-301", "versus", "contradicts"] {
        said.told(&format!("plan -f {file}.yaml"), 1).await;
        said.told(&format!("apply -f {file}.yaml --yes"), 1).await;
    }
    said.told("plan -f /nowhere/rules.yaml", 1).await;
    said.told("plan -f six.yaml --quota-share 101", 1).await;
    said.told("apply -f six.yaml --plan 12345", 1).await;
    said.told("apply -f six.yaml --plan 123456789abc --yes", 1).await;
    said.told("apply -f none.yaml --yes", 1).await;
    said.told("rule pause nobody --reason 'a test'", 1).await;
    said.told("rule delete nobody --reason 'a test' --yes", 1).await;
    said.told("rule rollback nobody --reason 'a test'", 1).await;
    said.told("rule history nobody", 1).await;
    said.told("rule pause 'a b' --reason 'a test'", 1).await;
    said.told("rule pause main", 1).await;
    for command in ["pause", "resume", "delete --yes", "rollback"] {
        said.told(&format!("rule {command} versus.duel.1 --reason 'a test'"), 1).await;
    }
    said.told("rule rollback main --reason 'a test'", 1).await;
    said.told("rule rollback main --to 7 --reason 'a test'", 1).await;
    said.told("rule pause main --reason ' '", 1).await;
    assert_eq!(state(&world).await, before);
    assert_golden("operator_rules/refused.txt", &said.text);
}

/// A plan that was read is not made when the world is another: whether a rule or only a publisher is new.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_plan_is_refused() {
    let world = filled().await;
    let mut said = Transcript::of(&world);
    said.rules("six.yaml", &[A_TO_SIX, OTHER]);
    let plan = async |said: &mut Transcript<'_>| fingerprint(&said.told("plan -f six.yaml", 2).await.text);
    let first = plan(&mut said).await;
    assert_eq!(plan(&mut said).await, first, "nothing happened");
    publishing(&world, &[("p-3", "host-3")]).await;
    let before = state(&world).await;
    let refused = said.told(&format!("apply -f six.yaml --plan {first} --yes"), 1).await;
    let second = plan(&mut said).await;
    assert!(
        refused.text.contains(&format!("allowed is the plan of this moment, {second}")),
        "{}",
        refused.text
    );
    assert_eq!(state(&world).await, before);
    rules::set_status(&world.store, &"other".parse().unwrap(), Status::Enabled, None, &ordered())
        .await
        .unwrap();
    let refused = said.told(&format!("apply -f six.yaml --plan {second} --yes"), 1).await;
    assert!(refused.text.contains("--plan"), "{}", refused.text);
    assert_eq!(state(&world).await.iter().map(|(rule, _)| rule.revision).collect::<Vec<_>>(), [1, 2]);
}

/// Not only names of plans are compared: what is written is conditional on what was read.
#[tokio::test(flavor = "multi_thread")]
async fn who_applies_what_somebody_else_changed_meanwhile_is_told() {
    let world = filled().await;
    let basis = RuleBook::rules(&world.store).await.unwrap().revisions();
    let mut main = rule("main", stage("A").as_str(), stage("C").as_str());
    rules::put(&world.store, &main, Some(1), &ordered()).await.unwrap();
    main.priority = 70;
    let refused = rules::replace(&world.store, &[main.clone()], Some(&basis), &ordered()).await.unwrap_err();
    assert_eq!(refused.to_string(), "rule main: revision 1 is not valid: allowed is the current one, 2");
    rules::put(&world.store, &rule("new", stage("Z").as_str(), stage("C").as_str()), Some(0), &ordered())
        .await
        .unwrap();
    let basis = [("main".parse().unwrap(), 2), ("other".parse().unwrap(), 1)].into();
    let refused = rules::replace(&world.store, &[main], Some(&basis), &ordered()).await.unwrap_err();
    assert!(
        matches!(&refused, rules::Error::Conflict { rule, expected: 0, current: 1 } if rule.as_str() == "new"),
        "a rule that came meanwhile would be deleted unseen: {refused}"
    );
}

/// Of two who change a rule at one time, each by what it read, one wins, and the other is told the revision that there is.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_one_wins() {
    let world = filled().await;
    for round in 1..=10 {
        let by = |name: &str| Order { by: name.to_owned(), ..ordered() };
        let changed = |priority| Rule { priority, ..rule("main", stage("A").as_str(), stage("B").as_str()) };
        let (kim, sam) = (changed(round), changed(100 - round));
        let (by_kim, by_sam) = (by("kim"), by("sam"));
        let (one, other) = tokio::join!(
            rules::put(&world.store, &kim, Some(round.into()), &by_kim),
            rules::put(&world.store, &sam, Some(round.into()), &by_sam),
        );
        let (won, lost) = match (one, other) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won.after.unwrap(), lost),
            both => panic!("{both:?}"),
        };
        let next = u64::from(round) + 1;
        assert_eq!(won.revision, next);
        assert!(
            matches!(&lost, rules::Error::Conflict { expected, current, .. } if (*expected, *current) == (next - 1, next)),
            "{lost}"
        );
        let stored = RuleBook::rules(&world.store).await.unwrap();
        assert_eq!(stored.get(&"main".parse().unwrap()), Some(&won));
        let newest =
            rules::all_revisions(&world.store, &"main".parse().unwrap()).await.unwrap().remove(0).unwrap();
        assert_eq!(newest.rule, Some(won));
    }
}

/// Without a revision to hold to, everybody's change is made, one after the other; and contradictions do not slip in between.
#[tokio::test(flavor = "multi_thread")]
async fn many_writers_of_many_rules_contradict_each_other_in_nothing() {
    let world = World::start().await.unwrap();
    let twin = |id: &str, preempt| Rule {
        preempt,
        source: Source::Any,
        ..rule(id, stage("A").as_str(), stage("B").as_str())
    };
    for round in 0..5 {
        let (one, other) = (twin(&format!("one-{round}"), false), twin("other", true));
        let why = ordered();
        let (a, b) = tokio::join!(
            rules::put(&world.store, &one, None, &why),
            rules::put(&world.store, &other, None, &why),
        );
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        let stored = RuleBook::rules(&world.store).await.unwrap().rules;
        replication::check_together(&stored).unwrap();
        for rule in stored {
            rules::delete(&world.store, &rule.id, Some(rule.revision), &ordered()).await.unwrap();
        }
    }
}

/// More rules than one transaction takes are written in parts; each of them has its history.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_rules_are_applied_and_deleted() {
    let world = World::start().await.unwrap();
    let many: Vec<Rule> = (0..200)
        .map(|n| rule(&format!("r-{n:03}"), stage("A").as_str(), stage(&format!("B{n}")).as_str()))
        .collect();
    let made = rules::replace(&world.store, &many, None, &ordered()).await.unwrap();
    assert_eq!(made.len(), 200);
    let stored = RuleBook::rules(&world.store).await.unwrap();
    assert_eq!((stored.rules.len(), stored.edition), (200, 5), "49 of them in a transaction");
    assert_eq!(rules::all_revisions(&world.store, &"r-199".parse().unwrap()).await.unwrap().len(), 1);
    let again = rules::replace(&world.store, &many, None, &ordered()).await.unwrap();
    assert_eq!(again, [], "nothing changed, and nothing is written");
    rules::replace(&world.store, &[], None, &ordered()).await.unwrap();
    assert!(RuleBook::rules(&world.store).await.unwrap().rules.is_empty());
    let made = rules::put(&world.store, &many[7], Some(0), &ordered()).await.unwrap();
    assert_eq!(made.after.unwrap().revision, 3, "revisions go on after a delete");
}

/// A rule that moves to another partition is never there twice, and never gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_moves_with_its_source() {
    let world = filled().await;
    let moved = Rule { source: Source::Any, ..rule("main", stage("A").as_str(), stage("B").as_str()) };
    let made = rules::put(&world.store, &moved, Some(1), &ordered()).await.unwrap().after.unwrap();
    let stored = RuleBook::rules(&world.store).await.unwrap().rules;
    assert_eq!(stored.iter().filter(|rule| rule.id == made.id).collect::<Vec<_>>(), [&made]);
    let back =
        rules::rollback(&world.store, &made.id, Some(1), Some(2), &ordered()).await.unwrap().after.unwrap();
    assert_eq!((back.revision, &back.source), (3, &Source::Stage(stage("A"))));
    assert_eq!(state(&world).await.len(), 2);
}

/// What nobody can read is neither overwritten nor deleted unseen; only who drains takes it away.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_be_read_stops_a_plan() {
    let world = filled().await;
    world.put(&json!({"pk": {"S": "STAGE#*"}, "sk": {"S": "RULE#new"}, "schema": {"N": "9"}})).await.unwrap();
    let mut said = Transcript::of(&world);
    said.rules("six.yaml", &[A_TO_SIX]);
    for command in ["plan -f six.yaml", "apply -f six.yaml --yes", "rule pause new --reason x"] {
        let refused = said.told(command, 1).await.text;
        assert!(
            refused.contains("item STAGE#* RULE#new") && refused.contains("next: put the item right"),
            "{refused}"
        );
    }
    rules::set_status(&world.store, &"main".parse().unwrap(), Status::Paused, None, &ordered())
        .await
        .unwrap();
    let gone = world.store.replace_rules(&[], &ordered()).await.unwrap();
    assert_eq!(gone.deleted.len(), 3, "{gone:?}");
}

/// An operator sees that nothing happens before the pause is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_during_a_pause_says_so() {
    use controller::Operator;
    let world = filled().await;
    let pause = Pause { reason: "a fire".to_owned(), by: "kim".to_owned(), at: Timestamp::UNIX_EPOCH };
    world.store.pause(&pause).await.unwrap();
    let mut said = Transcript::of(&world);
    said.rules("six.yaml", &[A_TO_SIX]);
    let plan = said.told("plan -f six.yaml", 2).await.text;
    assert!(
        plan.contains("Paused by kim since 1970-01-01T00:00:00Z (a fire): nothing of this happens before"),
        "{plan}"
    );
    assert!(plan.contains("8 to start"), "{plan}");
}
