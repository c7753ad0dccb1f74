//! The book of rules: the same promises of the table and of the store in memory.

#![allow(clippy::unwrap_used)]

use controller::rules::{self, Error, Revision, delete, put, replace, rollback, set_status};
use controller::{MemoryStore, Order, RuleBook, Store, Write};
use jiff::{SignedDuration, Timestamp};
use replication::{Desired, Lease, Phase, Replica, Rule, RuleId, RuleRef, Status};
use serde_json::json;
use stagelink_tests::World;
use stagelink_tests::rows::{replica, rule, stage};
use stagelink_tests::world::with_time;

fn by(name: &str) -> Order {
    Order { by: name.to_owned(), reason: Some(format!("{name} says so")), at: Timestamp::UNIX_EPOCH }
}

fn main_rule() -> Rule {
    rule("main", stage("A").as_str(), stage("B").as_str())
}

fn id(id: &str) -> RuleId {
    id.parse().unwrap()
}

/// `3 kim deleted`, the newest first.
async fn history(book: &dyn RuleBook, rule: &str) -> Vec<String> {
    let told = |revision: &Revision| {
        let by = revision.ordered.as_ref().map_or("-", |order| order.by.as_str());
        let what = match &revision.rule {
            None => "deleted".to_owned(),
            Some(rule) => {
                assert_eq!(rule.revision, revision.revision);
                format!("{:?} {}", rule.status, rule.priority)
            }
        };
        format!("{} {by} {what}", revision.revision)
    };
    let revisions = rules::all_revisions(book, &id(rule)).await.unwrap();
    revisions.iter().map(|revision| told(revision.as_ref().unwrap())).collect()
}

async fn keeps_its_promises(book: &dyn RuleBook) {
    // A rule comes, changes, goes, and comes back: its revisions go on.
    let made = put(book, &main_rule(), Some(0), &by("kim")).await.unwrap();
    assert_eq!(made.after.as_ref().map(|rule| rule.revision), Some(1));
    let again = put(book, &main_rule(), None, &by("kim")).await.unwrap();
    assert!(again.is_nothing() && again.after.unwrap().revision == 1, "what is so already is left alone");
    let paused = set_status(book, &id("main"), Status::Paused, Some(1), &by("sam")).await.unwrap();
    assert_eq!(paused.after.unwrap().revision, 2);
    let gone = delete(book, &id("main"), Some(2), &by("kim")).await.unwrap();
    assert_eq!(gone.after, None);
    let back = rollback(book, &id("main"), None, Some(0), &by("sam")).await.unwrap().after.unwrap();
    assert_eq!((back.revision, back.status), (4, Status::Paused));
    let first = rollback(book, &id("main"), Some(1), Some(4), &by("sam")).await.unwrap().after.unwrap();
    assert_eq!((first.revision, first.status), (5, Status::Enabled));
    assert_eq!(
        history(book, "main").await,
        ["5 sam Enabled 50", "4 sam Paused 50", "3 kim deleted", "2 sam Paused 50", "1 kim Enabled 50"]
    );

    // Without a revision to go back to, the last change is undone, and then that.
    let undone = rollback(book, &id("main"), None, None, &by("sam")).await.unwrap().after.unwrap();
    assert_eq!((undone.revision, undone.status), (6, Status::Paused));

    // What cannot be is refused, by what it is.
    let refused = |error: Error| error.to_string();
    for (made, expected) in [
        (
            put(book, &main_rule(), Some(1), &by("kim")).await,
            "rule main: revision 1 is not valid: allowed is the current one, 6",
        ),
        (
            put(book, &Rule { id: id("new"), ..main_rule() }, Some(3), &by("kim")).await,
            "rule new: revision 3 is not valid: allowed is the current one, 0 (there is no such rule)",
        ),
        (
            delete(book, &id("new"), None, &by("kim")).await,
            "rule new is not known: allowed is the id of a rule that is there",
        ),
        (
            put(book, &Rule { priority: 101, ..main_rule() }, None, &by("kim")).await,
            "rule main: priority 101 is not valid: allowed is 0-100",
        ),
        (
            rollback(book, &id("main"), Some(3), None, &by("kim")).await,
            "rule main: revision 3 is not valid: allowed is 1, 5",
        ),
        (
            put(book, &Rule { id: id("versus.duel.1"), ..main_rule() }, None, &by("kim")).await,
            "rule versus.duel.1 is not valid here: allowed is a rule of no versus session; those begin and end with their session",
        ),
    ] {
        assert_eq!(refused(made.unwrap_err()), expected);
    }
    set_status(book, &id("main"), Status::Enabled, None, &by("kim")).await.unwrap();
    let twin = Rule { id: id("twin"), preempt: true, ..main_rule() };
    let made = put(book, &twin, None, &by("kim")).await;
    assert!(matches!(made, Err(Error::Contradicts(_))), "{made:?}");
    let known = book.rules().await.unwrap();
    assert_eq!((known.rules.len(), known.get(&id("main")).unwrap().revision), (1, 7));

    // A set of rules takes the place of all others, if they are as they were read.
    let basis = known.revisions();
    let wanted = [Rule { priority: 60, ..main_rule() }, Rule { id: id("other"), ..main_rule() }];
    let made = replace(book, &wanted, Some(&basis), &by("sam")).await.unwrap();
    let told: Vec<_> =
        made.iter().map(|change| (change.id().unwrap().as_str(), change.kind().name())).collect();
    assert_eq!(told, [("main", "changed"), ("other", "added")]);
    let stale = replace(book, &[], Some(&basis), &by("kim")).await.unwrap_err();
    assert!(matches!(stale, Error::Conflict { expected: 7, current: 8, .. }), "{stale}");
    assert_eq!(replace(book, &wanted, None, &by("kim")).await.unwrap(), []);
    let made = replace(book, &[], None, &by("kim")).await.unwrap();
    assert_eq!(made.len(), 2);
    assert_eq!(history(book, "other").await, ["2 kim deleted", "1 sam Enabled 50"]);
    assert!(book.rules().await.unwrap().rules.is_empty());

    // Who writes by an old edition is refused, whatever the rule.
    let change = replication::RuleChange { before: None, after: Some(main_rule()) };
    let made = book.change_rules(std::slice::from_ref(&change), 0, &by("kim")).await;
    assert!(matches!(made, Err(rules::WriteError::Conflict)), "{made:?}");
}

#[tokio::test]
async fn in_memory() {
    keeps_its_promises(&MemoryStore::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_table() {
    keeps_its_promises(&World::start().await.unwrap().store).await;
}

/// Who looks at the activity sees that rules were changed, by whom and why.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_a_line_of_the_activity() {
    use controller::History;
    use controller::history::{Part, Wanted};
    let world = World::start().await.unwrap();
    let now = Timestamp::now();
    let order = Order { at: now, ..by("kim") };
    put(&world.store, &main_rule(), None, &order).await.unwrap();
    let wanted =
        Wanted { since: Timestamp::UNIX_EPOCH, participant: None, destination: None, rule: Some(id("main")) };
    let page = world.store.history(None, &wanted, Part { limit: 10, before: None }).await.unwrap();
    assert_eq!(page.found.len(), 1);
    let line = page.found[0].line.as_ref().unwrap();
    assert_eq!(
        (line.operation.as_str(), line.outcome.as_str(), line.caller.as_str()),
        ("AddRule", "ok, revision 1", "kim")
    );
    assert_eq!(line.reason.as_deref(), Some("kim says so"));
}

/// One more is refused, however it comes; what is there can be changed all the same.
#[tokio::test]
async fn there_are_a_thousand_rules_at_most() {
    let many = |count: usize| -> Vec<Rule> {
        (0..count)
            .map(|i| rule(&format!("r-{i}"), stage(&format!("A{i}")).as_str(), stage("B").as_str()))
            .collect()
    };
    let book = MemoryStore::with_rules(many(Rule::MAX_RULES));
    let refused = [
        put(&book, &main_rule(), None, &by("kim")).await.map(drop).unwrap_err(),
        replace(&book, &many(Rule::MAX_RULES + 1), None, &by("kim")).await.map(drop).unwrap_err(),
    ];
    for error in refused {
        let Error::Invalid(error) = error else { panic!("{error}") };
        assert_eq!(
            (error.field.as_str(), error.allowed.as_str()),
            ("(the rules)", "at most 1000 rules in all")
        );
    }
    set_status(&book, &id("r-7"), Status::Paused, None, &by("kim")).await.unwrap();
    delete(&book, &id("r-8"), None, &by("kim")).await.unwrap();
    put(&book, &main_rule(), None, &by("kim")).await.unwrap();
}

/// Nobody wants it any more, and somebody's call for it is under way: a change of rules waits for that, and is no failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_waits_for_calls_that_are_under_way() {
    let world = World::start().await.unwrap();
    let rule = RuleRef { id: id("main"), revision: 1, priority: 50 };
    let now = Timestamp::now();
    let lease =
        Lease { holder: "dispatch".to_owned(), since: now, until: now + SignedDuration::from_millis(2_500) };
    let held = Replica { lease: Some(lease), ..replica(rule, "p-1", "B", Phase::Active) };
    world.store.write(&Write { replicas: vec![held.clone()], ..Write::default() }).await.unwrap();

    let keys = json!({ "pk": { "S": format!("STAGE#{}", stage("A")) }, "sk": { "S": "RULE#main" } });
    let records = json!({ "Records": [{ "dynamodb": { "Keys": keys } }] });
    let answer = world.rule_changed().handle(with_time(records, 15)).await.unwrap();
    assert_eq!(answer, json!({ "handled": "planned", "publishers": 1 }));
    let view = world.store.load(&held.key.publisher()).await.unwrap();
    assert_eq!(view.replicas[0].desired, Desired::Released);
}
