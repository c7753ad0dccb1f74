//! Texts of others on the operator's screen: whatever stands in the table, at IVS or in an error, no command prints anything that a
//! terminal would obey, and no line that it did not write itself.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use controller::sweep::port::SweepStore;
use controller::{Activity, History, Operator, Order, Store, VersusStore, Write, rules};
use jiff::Timestamp;
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Blocked, BlockedReason, Destination, LastError, Lease, Owner, ParticipantFilter, Pause, Phase, Publisher,
    PublisherKey, Replica, ReplicationKey, Rule, RuleRef, Source, Versus, VersusTerms, is_obeyed,
};
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::aws_stub::{AwsStub, Stubbed};
use stagelink_tests::console::{Console, Said};
use stagelink_tests::rows::{rule, stage};

/// What begins a line that no command writes.
const FORGED: &str = "FORGED";

/// Escape sequences that clear, colour and rename, old ones of one character among them; a bell, a backspace and a delete; line
/// breaks of every kind with a line behind them; what turns the text around and what nobody sees; markup, and what separates cells.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{1b}]0;owned\u{7}\u{8}\u{7f}\r\nFORGED\nFORGED\u{85}FORGED\u{2028}FORGED\u{2029}FORGED\u{b}\u{c}\
    \u{202e}\u{2066}\u{61c}\u{200f}\u{200b}\u{2060}\u{feff}<img src=x onerror=1>\t\",;='\\u{1b}{{}}%s";

fn hostile(name: &str) -> String {
    format!("{name}{HOSTILE}")
}

fn map(name: &str) -> BTreeMap<String, String> {
    [(hostile(name), hostile(name))].into()
}

/// That a terminal shows this as it is written, a line of ours for each of its lines.
fn check(command: &str, text: &str) {
    let obeyed: BTreeSet<char> = text.chars().filter(|c| *c != '\n' && is_obeyed(*c)).collect();
    assert!(obeyed.is_empty(), "{command} prints {obeyed:?}:\n{text:?}");
    let forged = text.lines().find(|line| line.trim_start().starts_with(FORGED));
    assert_eq!(forged, None, "{command} prints a line of somebody else's:\n{text}");
}

fn at(second: i64) -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_secs(second)
}

fn rules() -> Vec<Rule> {
    let (a, b) = (stage("A"), stage("B"));
    let pattern = || "*\u{1b}[2J\nFORGED\u{202e}".parse().unwrap();
    let attributes = [(hostile("key"), pattern())].into();
    let tags: BTreeMap<_, _> = [("role".to_owned(), "main".to_owned())].into();
    vec![
        Rule {
            participants: ParticipantFilter { user_id: Some(pattern()), attributes },
            attributes: [("via\u{1b}[2J\nFORGED".to_owned(), hostile("rule"))].into(),
            record_replicas: Some(false),
            ..rule("main", a.as_str(), b.as_str())
        },
        Rule {
            source: Source::Any,
            destinations: vec![Destination::Tags { tags, same: Vec::new() }],
            attributes: map("any"),
            priority: 10,
            ..rule("of-any", a.as_str(), b.as_str())
        },
    ]
}

fn replicas() -> Vec<Replica> {
    let of = |participant: &str, destination: &str, phase: Phase| Replica {
        phase,
        owner: Owner::Stagelink,
        rule: Some(RuleRef { id: "main".parse().unwrap(), revision: 1, priority: 50 }),
        attributes: map("replica"),
        last_error: Some(LastError {
            rejection: None,
            code: hostile("code"),
            message: hostile("message"),
            request_id: Some(hostile("request")),
            at: at(-30),
        }),
        ..Replica::new(ReplicationKey {
            source: stage("A"),
            participant: participant.parse().unwrap(),
            destination: stage(destination),
        })
    };
    let lease = Some(Lease { holder: hostile("lambda"), since: at(-5), until: at(5) });
    let refused = Blocked { reason: BlockedReason::Rejected, until: Some(at(60)) };
    vec![
        of("p-1", "B", Phase::Active),
        Replica { lease, ..of("p-1", "C", Phase::Starting) },
        of("p-2", "B", Phase::Blocked(refused)),
        Replica { owner: Owner::Foreign, rule: None, ..of("p-2", "C", Phase::Active) },
    ]
}

async fn filled() -> World {
    let world = World::start().await.unwrap();
    let store = &world.store;
    let order = Order { by: hostile("by"), reason: Some(hostile("reason")), at: at(-100) };
    store.replace_rules(&rules(), &order).await.unwrap();
    let main: replication::RuleId = "main".parse().unwrap();
    rules::set_status(store, &main, replication::Status::Paused, None, &order).await.unwrap();
    rules::set_status(store, &main, replication::Status::Enabled, None, &order).await.unwrap();
    for participant in ["p-1", "p-2"] {
        let key = PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() };
        let mut publisher = Publisher {
            user_id: hostile("user"),
            session: Some("st-1".parse().unwrap()),
            attributes: Some(map("token")),
            ..Publisher::new(key)
        };
        publisher.evidence.saw_on(replication::Moment::exact(at(-60)));
        store.write(&Write { publisher: Some(publisher), ..Write::default() }).await.unwrap();
    }
    let line = |second: i64| Activity {
        at: at(second),
        stage: stage("A"),
        participant: Some("p-1".parse().unwrap()),
        destination: Some(stage("B")),
        operation: "StartParticipantReplication",
        rule: Some("main".parse().unwrap()),
        outcome: hostile("outcome"),
        reason: Some(hostile("why")),
        request_id: Some(hostile("request")),
        caller: hostile("caller"),
    };
    let write = Write { replicas: replicas(), activity: vec![line(-20), line(-10)], ..Write::default() };
    store.write(&write).await.unwrap();
    for id in ["A", "B", "C"] {
        let listed = ListedStage {
            stage: stage(id),
            name: hostile(id),
            tags: [(hostile("tag"), hostile("tag")), ("role".to_owned(), "main".to_owned())].into(),
            active_session: Some("st-1".parse().unwrap()),
        };
        store.remember_stage(&StageKnowledge::new(listed, at(-60))).await.unwrap();
    }
    store.remember_listing(at(-30)).await.unwrap();
    let terms = VersusTerms {
        attributes: map("versus"),
        ..VersusTerms::new("duel".parse().unwrap(), vec![stage("A"), stage("B")], 3_600)
    };
    store.write_versus(&Versus::new(terms, at(-60))).await.unwrap();
    store.note(&order.line("Adopt", hostile("ok"))).await.unwrap();
    world
}

/// Items that none of ours wrote, with keys and values of somebody else's making.
async fn unreadable(world: &World) {
    let a = format!("STAGE#{}", stage("A"));
    for (pk, sk) in [
        (a.clone(), hostile("RULE#")),
        (a.clone(), hostile("PUB#")),
        (a.clone(), hostile("REP#")),
        (a.clone(), format!("ACT#{}#{HOSTILE}", at(-40))),
        (format!("STAGE#{HOSTILE}"), "STAGE".to_owned()),
        ("STAGE#*".to_owned(), hostile("DEST#")),
        (hostile("VERSUS#"), "VERSUS".to_owned()),
        ("HISTORY#main".to_owned(), hostile("REV#")),
    ] {
        let text = json!({ "S": HOSTILE });
        let item = json!({
            "pk": { "S": pk }, "sk": { "S": sk }, "schema": { "N": "1" }, "status": text, "id": text, "stage": text, "phase": text,
            "participant": text, "at": text, "operation": text, "outcome": text, "caller": text, "expires_at": { "N": "1" },
        });
        world.put(&item).await.unwrap();
    }
}

/// Every command that tells something, in every form; those that fail are asked for as well.
const COMMANDS: &[&[&str]] = &[
    &["get", "rules"],
    &["get", "stages"],
    &["get", "stages", "A"],
    &["get", "publishers", "--all"],
    &["get", "replicas"],
    &["get", "replicas", "--source", "A"],
    &["get", "versus"],
    &["get", "budget"],
    &["get", "blocked"],
    &["explain", "p-1"],
    &["explain", "p-2", "B"],
    &["activity"],
    &["activity", "--participant", "p-1"],
    &["rule", "history", "main"],
    &["versus", "list"],
    &["stages", "list"],
];

/// Runs these in each of these forms; gives how often a hostile text was among what was printed.
async fn in_forms(console: &Console, commands: &[&[&str]], forms: &[&str]) -> usize {
    let mut told = 0;
    for command in commands {
        for form in forms {
            let arguments = [command, &["-o", form][..]].concat();
            let Said { text, .. } = console.run(&arguments).await;
            check(&format!("{arguments:?}"), &text);
            told += usize::from(text.contains("202e") || text.contains("202E"));
        }
    }
    told
}

async fn each(console: &Console, commands: &[&[&str]]) {
    for arguments in commands {
        let Said { text, .. } = console.run(arguments).await;
        assert!(!text.contains("Usage: "), "{arguments:?}: {text}");
        check(&format!("{arguments:?}"), &text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_prints_what_a_terminal_obeys() {
    let world = filled().await;
    let denies = AwsStub::start(|_| Stubbed::Denies).await;
    let console = Console::with_aws(&world, &denies.url).await;
    let told = in_forms(&console, COMMANDS, &["table", "wide", "json", "yaml"]).await;
    assert!(told > 3 * COMMANDS.len(), "hostile texts were printed {told} times");
    let document = console.run(&["get", "publishers", "--all", "-o", "json"]).await.text;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["publishers"][0]["user_id"], hostile("user"), "programs get it as it came");
    each(
        &console,
        &[
            &["explain", &hostile("user")],
            &["explain", HOSTILE],
            &["wait", "--for", "versus=duel:Ended", "--timeout", "1s"],
            &["stages", "show", "A"],
            &["adopt", "A", "p-2", "C", "--by", "kim", "--reason", "mine\u{202e}"],
            &["adopt", "--all", "--by", "kim", "--reason", "mine", "--yes"],
            &["rule", "pause", "main", "--reason", "late\u{202e}\u{200b}"],
            &["rule", "rollback", "main", "--to", "1", "--reason", "back\u{202e}"],
            &["rule", "rollback", "main", "--to", "99", "--reason", "back"],
            &["rule", "delete", "nobody", "--reason", "gone"],
            &["versus", "end", "duel"],
            &["versus", "end", "nobody"],
            &["doctor"],
        ],
    )
    .await;
}

/// What cannot be read is named, and that is all that its name does.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_somebody_elses_making_is_named_and_not_obeyed() {
    let world = filled().await;
    unreadable(&world).await;
    let denies = AwsStub::start(|_| Stubbed::Denies).await;
    let console = Console::with_aws(&world, &denies.url).await;
    let told = in_forms(&console, COMMANDS, &["table", "json"]).await;
    assert!(told > COMMANDS.len(), "hostile texts were printed {told} times");
    each(&console, &[&["doctor"], &["plan", "-f", "/dev/null"], &["reconcile", "--timeout", "1s"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_orders_print_nothing_that_a_terminal_obeys() {
    let world = filled().await;
    let denies = AwsStub::start(|_| Stubbed::Denies).await;
    let console = Console::with_aws(&world, &denies.url).await;
    let file = std::env::temp_dir().join(format!("stagelink-hostile-{}.yaml", std::process::id()));
    let path = file.to_str().unwrap().to_owned();
    let escaped = HOSTILE.chars().map(|c| match is_obeyed(c) || c == '"' || c == '\\' {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    });
    let text = format!("\"{}\"", escaped.collect::<String>());
    let (a, b) = (stage("A"), stage("B"));
    let document = |more: &str| {
        format!(
            "rules:\n  - id: main\n    source: {{ stage: \"{a}\" }}\n    destinations: [ {{ stage: \"{b}\" }} ]\n{more}"
        )
    };
    for more in [
        String::new(),
        format!("    attributes: {{ via: {text} }}\n"),
        format!("    participants: {{ user_id: {text} }}\n"),
        format!("    status: {text}\n"),
        format!("    {text}: 1\n"),
        format!("    source: {text}\n"),
        format!("{text}\n"),
        format!(
            "    attributes: {{ {text}: {text} }}\n  - id: other\n    source: {{ any: true }}\n    \
            destinations: [ {{ stage: \"{b}\" }} ]\n    attributes: {{ via: {text} }}\n"
        ),
    ] {
        std::fs::write(&file, document(&more)).unwrap();
        for arguments in
            [&["plan", "-f", &path][..], &["plan", "-f", &path, "-o", "json"], &["apply", "-f", &path]]
        {
            let Said { text, .. } = console.run(arguments).await;
            check(&format!("{arguments:?} {more}"), &text);
        }
    }
    std::fs::remove_file(&file).unwrap();
    // What an operator gives for a name or a reason has no control characters, and may have all else.
    let (by, reason) = ("kim\u{202e}\u{200b}FORGED".to_owned(), "drill\u{2066}\u{61c}".to_owned());
    each(
        &console,
        &[
            &["pause", "--by", &by, "--reason", &reason],
            &["plan", "-f", "/dev/null"],
            &["doctor"],
            &["drain", "--yes", "--timeout", "1s"],
            &["resume", "--by", &by, "--reason", &reason],
            &["release-brake", "--for", "1m", "--by", &by, "--reason", &reason],
        ],
    )
    .await;
    let pause = Pause { by: hostile("by"), reason: hostile("reason"), at: at(-1) };
    world.store.pause(&pause).await.unwrap();
    each(
        &console,
        &[
            &["get", "replicas"],
            &["explain", "p-1"],
            &["plan", "-f", "/dev/null"],
            &["adopt", "--all", "--by", "kim", "--reason", "mine", "--yes"],
            &["reconcile", "--timeout", "1s"],
            &["drain", "--yes", "--timeout", "1s"],
            &["doctor"],
            &["resume", "--by", &by, "--reason", "over"],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_says_in_an_error_is_no_order_to_the_terminal() {
    let world = filled().await;
    for (status, code) in [
        (400, "AccessDeniedException"),
        (400, "ValidationException"),
        (400, "ExpiredTokenException"),
        (400, "UnrecognizedClientException"),
        (404, "ResourceNotFoundException"),
    ] {
        let aws = AwsStub::refusing(status, code, |_| HOSTILE.to_owned()).await;
        let console = Console::at(&world, &aws.url, &aws.url, &aws.url).await;
        for arguments in [
            &["get", "replicas"][..],
            &["explain", "p-1"],
            &["activity"],
            &["rule", "history", "main"],
            &["rule", "pause", "main", "--reason", "late"],
            &["versus", "list"],
            &["stages", "list"],
            &["stages", "create", "--name", "a"],
            &["dead-letters", "list"],
            &["doctor"],
            &["pause", "--by", "kim", "--reason", "drill"],
        ] {
            let Said { text, code: exit } = console.run(arguments).await;
            assert!(exit != 0 || arguments == ["doctor"], "{arguments:?}: {text}");
            check(&format!("{arguments:?} {code}"), &text);
        }
        let console = Console::at(&world, world.urls()[0], &aws.url, &aws.url).await;
        for arguments in [
            &["stages", "list"][..],
            &["stages", "create", "--name", "a"],
            &["stages", "show", "A"],
            &["stages", "record", "A", "--replicas", "no"],
        ] {
            let Said { text, .. } = console.run(arguments).await;
            check(&format!("{arguments:?} IVS says {code}"), &text);
        }
    }
}
