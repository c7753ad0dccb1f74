//! What is written is read again as it was: rules as JSON, as YAML and in the table, versus sessions over HTTP and in the table.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use controller::VersusStore;
use controller::sweep::port::SweepStore;
use jiff::Timestamp;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;
use replication::versus::Failure;
use replication::{
    BlockedReason, Destination, ParticipantFilter, Pattern, ReconnectWindow, ReplicationKey, Rule, Source,
    StageArn, Status, Tags, Versus, VersusState, VersusTerms,
};
use rules_file::{Json, rules_from_json};
use serde_json::{Value, json};
use stagelink_tests::fuzzed::rules_file::document;
use stagelink_tests::fuzzed::table::on_a_table;
use stagelink_tests::http::Asked;
use stagelink_tests::rows::{ordered, stage};

// ---- rules and sessions, whatever they may hold ---------------------------------------------------------------------

fn stages() -> impl Strategy<Value = StageArn> {
    "[A-Za-z0-9]{1,12}".prop_map(|id| stage(&id))
}

/// Texts that may stand anywhere: also what YAML takes for a number, a date or a mark, and what nobody would write.
fn text() -> impl Strategy<Value = String> {
    const ODD: [&str; 14] = [
        "",
        "~",
        "null",
        "yes",
        "1e3",
        "0o7",
        "1.10",
        "2026-12-01",
        "- a",
        "a: b",
        "#",
        " a ",
        "|\n",
        "\u{1b}\u{85}\u{2028}\u{feff}",
    ];
    prop_oneof![select(&ODD[..]).prop_map(str::to_owned), any::<String>(), "[a-z]{1,8}"]
}

/// Characters that a tag may hold.
const OF_TAGS: &str = "[a-zA-Z0-9äß _.:/=+@-]";

fn tags() -> impl Strategy<Value = Tags> {
    let key = string_regex(&format!("{OF_TAGS}{{1,16}}")).unwrap();
    btree_map(key, string_regex(&format!("{OF_TAGS}{{0,16}}")).unwrap(), 1..4)
}

fn attributes() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(), text(), 0..4)
}

fn pattern() -> impl Strategy<Value = Pattern> {
    text().prop_filter_map("a pattern", |text| text.parse().ok())
}

fn participants() -> impl Strategy<Value = ParticipantFilter> {
    let attributes = btree_map(text(), pattern(), 0..3);
    (option::of(pattern()), attributes)
        .prop_map(|(user_id, attributes)| ParticipantFilter { user_id, attributes })
}

fn window() -> impl Strategy<Value = ReconnectWindow> {
    (0..=300_u64).prop_map(|seconds| ReconnectWindow::from_seconds(seconds).unwrap())
}

fn time() -> impl Strategy<Value = Timestamp> {
    let all = Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond();
    let seconds = (0..4_000_000_000_i64).prop_map(|second| Timestamp::from_second(second).unwrap());
    prop_oneof![all.prop_map(|nanosecond| Timestamp::from_nanosecond(nanosecond).unwrap()), seconds]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Any), stages().prop_map(Source::Stage), tags().prop_map(Source::Tags)]
}

fn destination() -> impl Strategy<Value = Destination> {
    let same = btree_set("[a-z]{1,8}", 0..3).prop_map(|same| same.into_iter().collect());
    let by_tag = (tags(), same).prop_map(|(tags, same)| Destination::Tags { tags, same });
    prop_oneof![stages().prop_map(Destination::Stage), by_tag]
}

fn rule() -> impl Strategy<Value = Rule> {
    let flags = (any::<bool>(), option::of(any::<bool>()), any::<bool>());
    let asked = (participants(), window(), attributes());
    ("[A-Za-z0-9_.-]{1,64}", 0..=100_u8, source(), vec(destination(), 1..6), asked, flags, option::of(time()))
        .prop_map(
            |(id, priority, source, destinations, asked, (preempt, record_replicas, paused), expires_at)| {
                Rule {
                    id: id.parse().unwrap(),
                    revision: 1,
                    priority,
                    status: if paused { Status::Paused } else { Status::Enabled },
                    source,
                    participants: asked.0,
                    destinations,
                    reconnect_window: asked.1,
                    attributes: asked.2,
                    preempt,
                    record_replicas,
                    expires_at,
                }
            },
        )
        .prop_filter("a valid rule", |rule| rule.validate().is_ok() && !rule.id.is_of_versus())
}

fn terms() -> impl Strategy<Value = VersusTerms> {
    let stages =
        btree_set(stages(), 2..=6).prop_map(|stages| stages.into_iter().collect::<Vec<_>>()).prop_shuffle();
    let asked = (participants(), window(), attributes());
    ("[A-Za-z0-9_-]{1,48}", stages, 1..=86_400_u32, 0..=100_u8, any::<bool>(), asked)
        .prop_map(
            |(
                id,
                stages,
                duration_seconds,
                priority,
                preempt,
                (participants, reconnect_window, attributes),
            )| VersusTerms {
                priority,
                preempt,
                reconnect_window,
                participants,
                attributes,
                ..VersusTerms::new(id.parse().unwrap(), stages, duration_seconds)
            },
        )
        .prop_filter("valid terms", |terms| terms.validate().is_ok())
}

fn state() -> impl Strategy<Value = VersusState> {
    let key =
        ReplicationKey { source: stage("A"), participant: "p-1".parse().unwrap(), destination: stage("B") };
    let blocked =
        select(BlockedReason::ALL.to_vec()).prop_map(move |reason| Failure::Blocked(key.clone(), reason));
    prop_oneof![
        Just(VersusState::Starting),
        Just(VersusState::Running),
        Just(VersusState::Ended),
        stages().prop_map(|stage| VersusState::Failed(Failure::NoPublisher(stage))),
        blocked.prop_map(VersusState::Failed),
    ]
}

// ---- and back again -------------------------------------------------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_rule_is_the_same_after_json_and_after_yaml(rule in rule()) {
        let document = document(std::slice::from_ref(&rule));
        let json = Json::parse(document.to_string().as_bytes()).and_then(|json| rules_from_json(&json));
        prop_assert_eq!(json.as_deref(), Ok(&[rule.clone()][..]), "{}", &document);
        let as_yaml = rules_file::parse(&document.to_string());
        prop_assert_eq!(as_yaml.as_deref(), Ok(&[rule.clone()][..]), "JSON is YAML: {}", &document);
        let yaml = serde_saphyr::to_string(&document).unwrap();
        let read = rules_file::parse(&yaml);
        prop_assert_eq!(read.as_deref(), Ok(&[rule][..]), "{}", &yaml);
    }
}

proptest! {
    // Each case costs some requests to the table.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_rule_is_the_same_after_the_table(rules in vec(rule(), 1..4)) {
        let mut rules = rules;
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        rules.dedup_by(|a, b| a.id == b.id);
        on_a_table(async |table| {
            table.world.store.replace_rules(&rules, &ordered()).await.unwrap();
            let inventory = table.world.store.inventory().await.unwrap();
            assert_eq!(inventory.left_out.len(), 0, "{:?}", inventory.left_out);
            let mut read = inventory.rules;
            read.sort_by(|a, b| a.id.cmp(&b.id));
            assert_eq!(read, rules);
        });
    }

    #[test]
    fn a_session_is_the_same_after_a_request_and_after_the_table(terms in terms(), state in state(), ends_at in time()) {
        on_a_table(async |table| {
            let store = &table.world.store;
            Asked::post("/versus", &asked_for(&terms)).of(&table.api).await.with(201);
            let started = store.versus(&terms.id).await.unwrap().unwrap();
            assert_eq!(started.terms, terms);
            let changed = Versus { state: state.clone(), ends_at, revision: 2, ..started };
            store.write_versus(&changed).await.unwrap();
            let read = store.versus(&terms.id).await.unwrap().unwrap();
            assert_eq!(read, Versus { version: read.version, ..changed });
        });
    }
}

/// The body that asks for a session on these terms.
fn asked_for(terms: &VersusTerms) -> Value {
    let mut body = json!({
        "id": terms.id.as_str(),
        "stages": terms.stages.iter().map(StageArn::as_str).collect::<Vec<_>>(),
        "duration_seconds": terms.duration_seconds,
        "priority": terms.priority,
        "preempt": terms.preempt,
        "reconnect_window_seconds": terms.reconnect_window.seconds(),
        "attributes": terms.attributes,
        "participants": {},
    });
    let of = |(key, pattern): (&String, &Pattern)| (key.clone(), pattern.as_str().into());
    let attributes = terms.participants.attributes.iter().map(of).collect();
    body["participants"]["attributes"] = Value::Object(attributes);
    if let Some(pattern) = &terms.participants.user_id {
        body["participants"]["user_id"] = pattern.as_str().into();
    }
    body
}
