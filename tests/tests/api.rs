//! Function `api`: events as a Function URL sends them, on the embedded table, with every answer as it goes back.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use controller::{Operator, Store, Write};
use http_api::Api;
use replication::{
    Blocked, BlockedReason, Braked, Destination, Evidence, GiveWay, LastError, Lease, Owner,
    ParticipantFilter, Pause, Phase, Publisher, PublisherKey, ReconnectWindow, Replica, Rule, RuleRef,
    Source, Status, Tags,
};
use serde_json::{Value, json};
use stagelink_tests::http::{Asked, api, connected};
use stagelink_tests::rows::{self, stage};
use stagelink_tests::{World, assert_golden};

fn rule(id: &str, source: Source) -> Rule {
    Rule {
        id: id.parse().unwrap(),
        revision: 1,
        priority: 50,
        status: Status::Enabled,
        source,
        participants: ParticipantFilter::default(),
        destinations: vec![Destination::Stage(stage("B"))],
        reconnect_window: ReconnectWindow::default(),
        attributes: Default::default(),
        preempt: false,
        record_replicas: None,
        expires_at: None,
    }
}

/// One rule with all there is, one by tag, one for any stage, one of another stage.
fn rules() -> Vec<Rule> {
    let tags = |pairs: &[(&str, &str)]| -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    vec![
        Rule {
            priority: 90,
            status: Status::Paused,
            participants: ParticipantFilter {
                user_id: Some("host-*".parse().unwrap()),
                attributes: [("role".to_owned(), "host".parse().unwrap())].into(),
            },
            destinations: vec![
                Destination::Stage(stage("B")),
                Destination::Tags { tags: tags(&[("role", "overflow")]), same: vec!["show".to_owned()] },
                Destination::Tags { tags: tags(&[("role", "archive")]), same: Vec::new() },
            ],
            reconnect_window: ReconnectWindow::from_seconds(30).unwrap(),
            attributes: tags(&[("via", "main")]),
            preempt: true,
            record_replicas: Some(false),
            expires_at: Some("2026-12-01T20:00:00Z".parse().unwrap()),
            ..rule("full", Source::Stage(stage("A")))
        },
        rule("by-tag", Source::Tags(tags(&[("role", "main")]))),
        rule("of-any", Source::Any),
        rule("of-another", Source::Stage(stage("Z"))),
    ]
}

fn publisher(participant: &str) -> Publisher {
    let key = PublisherKey { stage: stage("A"), participant: participant.parse().unwrap() };
    Publisher {
        session: Some("st-1CVugbu2cf2n8".parse().unwrap()),
        user_id: "host-1".to_owned(),
        attributes: Some([("role".to_owned(), "a secret".to_owned())].into()),
        evidence: Evidence {
            on: Some("2026-06-29T16:40:32.123456Z".parse().unwrap()),
            off: Some("2026-06-29T16:40:30Z".parse().unwrap()),
        },
        ..Publisher::new(key)
    }
}

fn replica(participant: &str, destination: &str, phase: Phase) -> Replica {
    let rule = RuleRef { id: "main".parse().unwrap(), revision: 3, priority: 70 };
    rows::replica(rule, participant, destination, phase)
}

/// A replica with all there is, one that is blocked, one of somebody else.
fn replicas() -> Vec<Replica> {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let until = Some(at("2026-06-29T17:00:00Z"));
    vec![
        Replica {
            reconnect_window: ReconnectWindow::from_seconds(30).unwrap(),
            attributes: [("via".to_owned(), "a secret".to_owned())].into(),
            evidence: Evidence {
                on: Some("2026-06-29T16:40:32Z".parse().unwrap()),
                off: Some("2026-06-29T16:40:31.5Z".parse().unwrap()),
            },
            destination_session: Some("st-aBC1c2d3e4f".parse().unwrap()),
            attempts: 4,
            next_attempt: until,
            wanted_until: Some(at("2026-06-29T18:00:00Z")),
            lease: Some(Lease {
                holder: "request-1".to_owned(),
                since: at("2026-06-29T16:40:33Z"),
                until: at("2026-06-29T16:40:41Z"),
            }),
            last_error: Some(LastError {
                rejection: None,
                code: "ConflictException".to_owned(),
                message: "no".to_owned(),
                request_id: Some("r-1".to_owned()),
                at: at("2026-06-29T16:40:39Z"),
            }),
            gives_way: Some(GiveWay { priority: 90, until: at("2026-06-29T16:41:39Z") }),
            braked: Some(Braked { since: at("2026-06-29T16:41:00Z"), confirmed_at: until }),
            ..replica("p-1", "B", Phase::Starting)
        },
        replica("p-1", "C", Phase::Blocked(Blocked { reason: BlockedReason::DestinationFull, until })),
        Replica { owner: Owner::Foreign, rule: None, ..replica("p-2", "B", Phase::Active) },
    ]
}

async fn filled() -> (World, Api) {
    let world = World::start().await.unwrap();
    world.rules(&rules()).await.unwrap();
    let unheard_of = Publisher::new(publisher("p-2").key);
    for publisher in [publisher("p-1"), unheard_of] {
        world.store.write(&Write { publisher: Some(publisher), ..Write::default() }).await.unwrap();
    }
    world.store.write(&Write { replicas: replicas(), ..Write::default() }).await.unwrap();
    let api = api(&world).await;
    (world, api)
}

/// The body of the answer to a GET, which has to have this status.
async fn get(api: &Api, status: u16, path: &str, query: &str) -> Value {
    Asked::get(path, query).of(api).await.with(status)
}

/// Every kind of answer, and that no more than Query is asked of the table.
#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_answered_and_only_queried() {
    let (world, api) = filled().await;
    let (a, b) = (stage("A"), stage("B"));
    for (name, path, query) in [
        ("health", "/health", String::new()),
        ("rules", "/rules", String::new()),
        ("rules_of_a_source", "/rules", format!("source={a}")),
        ("publishers", "/publishers", format!("stage={a}")),
        ("replicas_of_a_source", "/replicas", format!("source={a}")),
        ("replicas_of_a_destination", "/replicas", format!("destination={b}")),
    ] {
        let answer = Asked::get(path, &query).of(&api).await;
        let text = answer.shown().replace(env!("CARGO_PKG_VERSION"), "(version)");
        assert_golden(&format!("api/{name}.txt"), &text);
        assert_eq!(answer.status, 200, "{name}");
        assert!(!text.contains("a secret"), "{name} tells values of attributes");
    }
    let operations: BTreeSet<_> =
        world.recording.take().into_iter().map(|request| request.operation).collect();
    assert_eq!(operations, BTreeSet::from(["Query".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phase_selects_from_a_source_and_from_a_destination() {
    let (_world, api) = filled().await;
    let found = async |query: String| {
        let body = get(&api, 200, "/replicas", &query).await;
        let replicas = body["replicas"].as_array().unwrap().iter();
        replicas.map(|replica| replica["participant"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (a, b) = (stage("A"), stage("B"));
    assert_eq!(found(format!("source={a}&phase=Active")).await, ["p-2"]);
    assert_eq!(found(format!("source={a}&phase=Blocked")).await, ["p-1"]);
    assert_eq!(found(format!("destination={b}&phase=Active")).await, ["p-2"]);
    assert_eq!(found(format!("destination={b}&phase=Stopped")).await, Vec::<String>::new());
    assert_eq!(found(format!("source={b}")).await, Vec::<String>::new());
}

/// Each list in pages of every size is the list in one page.
#[tokio::test(flavor = "multi_thread")]
async fn pages_together_are_the_list() {
    let world = World::start().await.unwrap();
    let phases = [Phase::Active, Phase::Stopped, Phase::Pending];
    let many = (0..7).map(|i| replica(&format!("p-{i}"), "B", phases[i % 3].clone())).collect();
    world.store.write(&Write { replicas: many, ..Write::default() }).await.unwrap();
    let any: Vec<_> = (0..7).map(|i| rule(&format!("r-{i}"), Source::Any)).collect();
    world.rules(&any).await.unwrap();
    for i in 0..7 {
        let publisher = Some(publisher(&format!("p-{i}")));
        world.store.write(&Write { publisher, ..Write::default() }).await.unwrap();
    }
    let api = api(&world).await;
    let (a, b) = (stage("A"), stage("B"));
    for (list, path, query, expected) in [
        ("rules", "/rules", String::new(), 7),
        ("publishers", "/publishers", format!("stage={a}&"), 7),
        ("replicas", "/replicas", format!("source={a}&"), 7),
        ("replicas", "/replicas", format!("source={a}&phase=Active&"), 3),
        ("replicas", "/replicas", format!("destination={b}&"), 7),
        ("replicas", "/replicas", format!("destination={b}&phase=Active&"), 3),
    ] {
        let whole = get(&api, 200, path, &query).await;
        let items = whole[list].as_array().unwrap();
        assert_eq!((items.len(), &whole["next"]), (expected, &Value::Null), "{path}?{query}");
        for limit in 1..=8 {
            let (mut together, mut next, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let body = get(&api, 200, path, &format!("{query}limit={limit}{next}")).await;
                let page = body[list].as_array().unwrap();
                assert!(page.len() <= limit, "{path}?{query} {limit}");
                together.extend(page.clone());
                pages += 1;
                let Some(token) = body["next"].as_str() else { break };
                next = format!("&next={token}");
            }
            assert_eq!((&together, pages), (items, expected.div_ceil(limit)), "{path}?{query} by {limit}");
        }
    }
}

/// A filter that finds nothing among many replicas does not read for ever: the answer is a short page, and the way on.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_short_where_a_filter_finds_little() {
    let world = World::start().await.unwrap();
    let many: Vec<_> = (0..1_100).map(|i| replica(&format!("p-{i:04}"), "B", Phase::Active)).collect();
    for some in many.chunks(90) {
        world.store.write(&Write { replicas: some.to_vec(), ..Write::default() }).await.unwrap();
    }
    let api = api(&world).await;
    let query = format!("source={}&phase=Pending", stage("A"));
    let first = get(&api, 200, "/replicas", &query).await;
    assert_eq!(first["replicas"], json!([]));
    let next = first["next"].as_str().unwrap();
    let last = get(&api, 200, "/replicas", &format!("{query}&next={next}")).await;
    assert_eq!((&last["replicas"], &last["next"]), (&json!([]), &Value::Null));
}

/// Every answer to a request that is not as it must be.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_named() {
    let (_world, api) = filled().await;
    let (a, b) = (stage("A"), stage("B"));
    let token = get(&api, 200, "/replicas", &format!("source={a}&limit=1")).await["next"].clone();
    let token = token.as_str().unwrap();
    let mut text = String::new();
    for (method, path, query) in [
        ("GET", "/", String::new()),
        ("GET", "/rules/full/", String::new()),
        ("PATCH", "/rules", String::new()),
        ("DELETE", "/health", "colour=red".to_owned()),
        ("GET", "/health", "limit=5".to_owned()),
        ("GET", "/rules", "stage=x".to_owned()),
        ("GET", "/rules", "source=here".to_owned()),
        ("GET", "/rules", format!("source={a}&source={a}")),
        ("GET", "/rules", "source=%zz".to_owned()),
        ("GET", "/rules", "limit=101".to_owned()),
        ("GET", "/rules", "next=here".to_owned()),
        ("GET", "/rules", format!("next={token}")),
        ("GET", "/replicas", format!("source={b}&next={token}")),
        ("GET", "/replicas", format!("destination={a}&next={token}")),
        ("GET", "/publishers", String::new()),
        ("GET", "/replicas", "phase=Active".to_owned()),
        ("GET", "/replicas", format!("source={a}&destination={b}")),
        ("GET", "/replicas", format!("source={a}&phase=active")),
    ] {
        let answer = Asked::new(method, path).query(&query).of(&api).await;
        assert!(answer.status >= 400, "{answer:?}");
        let query = query.replace(token, "(token of replicas from A)");
        text.push_str(&format!("{method} {path}?{query}\n{}\n", answer.shown()));
    }
    assert_golden("api/wrong_requests.txt", &text);
}

/// What a client sends without encoding it is an answer like any other, and does not end the function.
#[tokio::test(flavor = "multi_thread")]
async fn characters_that_no_url_has_are_answered() {
    let (_world, api) = filled().await;
    for (path, query) in
        [("/ru<les", ""), ("/rules", "source=<x>"), ("/rules", "source=a b"), ("/ü", "ü=^|`\"{}")]
    {
        let answer = Asked::get(path, query).of(&api).await;
        assert!([400, 404].contains(&answer.status), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let (_world, api) = filled().await;
    for (path, status) in [("/rules", 200), ("/nowhere", 404)] {
        let answer = Asked::new("HEAD", path).of(&api).await;
        assert_eq!((answer.status, answer.raw()), (status, ""), "{answer:?}");
    }
}

/// One item that cannot be read is named, and the others are answered.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_read_is_left_out_by_name() {
    let (world, api) = filled().await;
    let pk = format!("STAGE#{}", stage("A"));
    let item = json!({"pk": {"S": pk}, "sk": {"S": "REP#p-0#broken"}, "phase": {"S": "Active"}});
    world.put(&item).await.unwrap();
    let body = get(&api, 200, "/replicas", &format!("source={}&limit=1", stage("A"))).await;
    assert_eq!(body["replicas"], json!([]));
    assert_eq!(body["left_out"][0]["item"], format!("{pk} REP#p-0#broken"));
    assert!(body["left_out"][0]["problem"].as_str().unwrap().contains("allowed is the form of this version"));
    assert!(body["next"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_table_is_told_without_details() {
    let (world, api) = filled().await;
    let mut text = String::new();
    let mut tell = async |name: &str, api: &Api| {
        let answer = Asked::get("/health", "").of(api).await;
        text.push_str(&format!("{name}\n{}\n", answer.shown()));
    };
    world
        .store
        .pause(&Pause { reason: "r".to_owned(), by: "kim".to_owned(), at: jiff::Timestamp::UNIX_EPOCH })
        .await
        .unwrap();
    assert_eq!(get(&api, 200, "/health", "").await["paused"], true);
    let control =
        json!({"pk": {"S": "STAGE#*"}, "sk": {"S": "CONTROL"}, "schema": {"N": "9"}, "version": {"N": "9"}});
    world.put(&control).await.unwrap();
    tell("orders that cannot be read", &api).await;
    tell("no such table", &connected(world.urls()[0], "elsewhere").await).await;
    tell("no answer", &connected("http://127.0.0.1:1", "elsewhere").await).await;
    assert_golden("api/wrong_table.txt", &text);
    assert!(!text.contains("elsewhere"), "{text}");
}
