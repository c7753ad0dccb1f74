//! The operator's command on the embedded table: what it prints, what it changes, and when it does not.
//!
//! What it says when there is no table to work on stands with the command itself, in `shared/stagelink/tests`.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use controller::{Operator, Store, VersusStore, Write, versus};
use jiff::Timestamp;
use replication::{
    Blocked, BlockedReason, Braked, LastError, Owner, Pause, Phase, Replica, RuleRef, VersusTerms,
};
use stagelink_tests::rows::{self, stage};
use stagelink_tests::{Said, World, assert_golden};

/// Whether a command did all it was asked for, and what it said.
async fn run(world: &World, arguments: &[&str]) -> (bool, String) {
    let said = world.console().run(arguments).await;
    (said.code == 0, said.text)
}

/// A file in a folder of this test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("stagelink-operator-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

fn rules_file(name: &str) -> PathBuf {
    let (a, b, c) = (stage("A"), stage("B"), stage("C"));
    let text = format!(
        r#"rules:
  - {{ id: main, priority: 90, source: {{ stage: "{a}" }}, destinations: [ {{ stage: "{b}" }}, {{ stage: "{c}" }} ] }}
  - {{ id: by-tag, status: paused, source: {{ tags: {{ role: main, zone: eu }} }}, destinations: [ {{ tags: {{ role: overflow }}, same: [ show ] }} ] }}
  - {{ id: of-any, expires_at: 2026-12-01T20:00:00Z, source: {{ any: true }}, destinations: [ {{ tags: {{ role: archive }} }} ] }}
"#
    );
    file(name, &text)
}

fn replica(participant: &str, destination: &str, phase: Phase) -> Replica {
    let rule = RuleRef { id: "main".parse().unwrap(), revision: 1, priority: 90 };
    rows::replica(rule, participant, destination, phase)
}

/// Replicas of every kind: two that run, one of them held, one that waits, one that ended, one of somebody else.
fn replicas() -> Vec<Replica> {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let full = Blocked { reason: BlockedReason::DestinationFull, until: None };
    vec![
        Replica {
            braked: Some(Braked { since: at("2026-06-29T16:41:00.5Z"), confirmed_at: None }),
            ..replica("p-1", "B", Phase::Active)
        },
        Replica {
            last_error: Some(LastError {
                rejection: None,
                code: "AccessDeniedException".to_owned(),
                message: "no".to_owned(),
                request_id: Some("r-1".to_owned()),
                at: at("2026-06-29T16:40:39Z"),
            }),
            ..replica("p-1", "C", Phase::Stopping)
        },
        replica("p-2", "B", Phase::Blocked(full)),
        replica("p-2", "C", Phase::Stopped),
        Replica { owner: Owner::Foreign, rule: None, ..replica("p-3", "B", Phase::Active) },
    ]
}

/// A table with three rules, these replicas and a running session; nobody works on it.
async fn filled() -> World {
    let world = World::start().await.unwrap();
    let rules = rules_file("filled.yaml");
    let (done, _) = run(&world, &["apply", "-f", rules.to_str().unwrap(), "--yes"]).await;
    assert!(done);
    world.store.write(&Write { replicas: replicas(), ..Write::default() }).await.unwrap();
    let terms = VersusTerms::new("duel".parse().unwrap(), vec![stage("V1"), stage("V2")], 300);
    versus::start(&world.store, terms, Timestamp::now()).await.unwrap();
    world
}

#[tokio::test]
async fn a_pause_is_ordered_replaced_and_ended() {
    let world = World::start().await.unwrap();
    let store = &world.store;
    assert_eq!(run(&world, &["resume"]).await, (true, "There is no pause.\n".to_owned()));
    let (paused, output) = run(&world, &["pause", "--reason", "a fire", "--by", "kim"]).await;
    assert!(paused && output.starts_with("Paused. Within 5 s nothing is started or stopped"), "{output}");
    let pause = store.control().await.unwrap().pause.unwrap();
    assert_eq!((pause.reason.as_str(), pause.by.as_str()), ("a fire", "kim"));
    let (_, output) = run(&world, &["pause", "--reason", "two fires", "--by", "sam"]).await;
    assert!(
        output.starts_with(&format!("This replaces the pause by kim since {} (a fire).\n", pause.at)),
        "{output}"
    );
    let (_, output) = run(&world, &["resume"]).await;
    assert!(
        output.starts_with("The pause by sam since ") && output.ends_with(" (two fires) is over.\n"),
        "{output}"
    );
    assert_eq!(store.control().await.unwrap().pause, None);
}

#[tokio::test]
async fn the_brake_is_off_for_as_long_as_was_said() {
    let world = World::start().await.unwrap();
    let before = Timestamp::now();
    let (done, output) = run(&world, &["release-brake", "--for", "10m"]).await;
    let until = world.store.control().await.unwrap().brake_released_until.unwrap();
    let said = until.duration_since(before).as_secs();
    assert!((599..=610).contains(&said), "{said} s");
    assert_eq!((done, output), (true, format!("The brake on mass stops is off until {until}.\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_drained_that_is_not_there() {
    let world = World::start().await.unwrap();
    let foreign = replicas().into_iter().filter(|replica| replica.owner == Owner::Foreign).collect();
    world.store.write(&Write { replicas: foreign, ..Write::default() }).await.unwrap();
    let (done, output) = run(&world, &["drain"]).await;
    assert!(done);
    assert_golden("operator/drain_nothing.txt", &output);
}

/// Without `--yes` nothing is changed unless a person says yes; and not during a pause.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_not_begun_by_mistake() {
    let world = filled().await;
    let (done, output) = run(&world, &["drain"]).await;
    assert!(!done);
    assert_golden("operator/drain_not_confirmed.txt", &output);

    for answer in ["", "no\n", "y\n"] {
        let Said { code, text: output } = world.console().answering(answer, &["drain"]).await;
        assert!(code == 1 && output.ends_with("Nothing was changed.\n"), "{output}");
        assert!(output.contains("Stop 2 replicas? Type yes to go on: "), "{output}");
    }
    let pause = Pause { reason: "a fire".to_owned(), by: "kim".to_owned(), at: Timestamp::UNIX_EPOCH };
    world.store.pause(&pause).await.unwrap();
    let (done, output) = run(&world, &["drain", "--yes"]).await;
    assert!(!done);
    assert_golden("operator/drain_paused.txt", &output);

    assert_eq!(world.store.all_rules().await.unwrap().len(), 3 + 2, "those of the session too");
    assert!(world.store.all_versus().await.unwrap().iter().all(|session| !session.is_over()));
    assert!(world.store.control().await.unwrap().pause.is_some());
}

/// Nobody works on the table, so nothing comes to rest: all that could be done from here is done, and what is left is named.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_when_time_is_over_is_named() {
    let world = filled().await;
    let pause = Pause { reason: "a fire".to_owned(), by: "kim".to_owned(), at: Timestamp::UNIX_EPOCH };
    world.store.pause(&pause).await.unwrap();
    let arguments = ["drain", "--resume", "--timeout", "1s"];
    let Said { code, text: output } = world.console().answering("yes\n", &arguments).await;
    assert_eq!(code, 1);
    assert_golden("operator/drain_time_is_over.txt", &output);
    assert!(world.store.control().await.unwrap().pause.is_none());
    let rules = world.store.all_rules().await.unwrap();
    assert!(rules.iter().all(|rule| rule.as_ref().unwrap().id.is_of_versus()), "{rules:?}");
    let now = Timestamp::now();
    assert!(world.store.all_versus().await.unwrap().iter().all(|session| session.ends_at <= now));
}

/// Rules that come while draining would start again what has just been stopped.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_come_while_draining_are_named() {
    let world = World::start().await.unwrap();
    world
        .store
        .write(&Write { replicas: vec![replica("p", "B", Phase::Active)], ..Write::default() })
        .await
        .unwrap();
    let somebody = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let rules = rules_file("late.yaml");
        run(&world, &["apply", "-f", rules.to_str().unwrap(), "--yes"]).await;
        let known = world.store.replicas().await.unwrap().remove(0);
        let stopped = vec![Replica { phase: Phase::Stopped, ..known }];
        world.store.write(&Write { replicas: stopped, ..Write::default() }).await.unwrap();
    };
    let (drained, ()) = tokio::join!(run(&world, &["drain", "--yes", "--timeout", "20s"]), somebody);
    let (done, output) = drained;
    assert!(!done && output.contains("3 rules to delete"), "{output}");
    assert!(output.ends_with("Run `stagelink drain` again.\n"), "{output}");
}

/// The end is not believed before functions that keep rules have let go of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_an_old_rule_starts_late_is_waited_for() {
    let world = World::start().await.unwrap();
    let rules = rules_file("stale.yaml");
    run(&world, &["apply", "-f", rules.to_str().unwrap(), "--yes"]).await;
    let function = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let late = Write { replicas: vec![replica("p", "B", Phase::Active)], ..Write::default() };
        world.store.write(&late).await.unwrap();
    };
    let (drained, ()) = tokio::join!(run(&world, &["drain", "--yes", "--timeout", "2s"]), function);
    let (done, output) = drained;
    assert!(!done && output.contains("Time is over after 2 s"), "{output}");
    assert!(output.contains(&format!("{}  p", stage("A"))), "{output}");
}
