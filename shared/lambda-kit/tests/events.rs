//! Every envelope in `events/`, and what the decoder makes of it; and what no envelope may do to the decoder. Mutations of the files,
//! and what functions make of them, are in `tests/tests/fuzzed.rs`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lambda_kit::{EnvelopeError, EventSources, Ignored, News, decode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use replication::{Observation, Policy, PublisherKey, Publishing, ReplicationKey, View};
use serde_json::{Value, json};

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// The envelopes of one file: one document, or one per line.
fn read(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(events().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let envelopes = serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<Vec<_>, _>>();
    envelopes.unwrap_or_else(|error| panic!("{file}: {error}"))
}

// ---- what each file means -------------------------------------------------------------------------------------------

const DOCUMENTED: &str = "arn:aws:ivs:us-west-2:123456789012:stage/AbCdef1G2hij";
const DOCUMENTED_DESTINATION: &str = "arn:aws:ivs:us-west-2:123456789012:stage/XYZdef1G2hij";
const SOURCE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/oWXSOfbOLMte";
const DESTINATION: &str = "arn:aws:ivs:us-east-1:123456789012:stage/Qm7RkT2vXb9d";
const PARTICIPANT: &str = "03JY4smU3eXc";
const SOURCE_SESSION: &str = "st-1CVugbu2cf2n8";
const DESTINATION_SESSION: &str = "st-7hQz2LmVb4kXc";

fn publisher(stage: &str, participant: &str) -> PublisherKey {
    PublisherKey { stage: stage.parse().unwrap(), participant: participant.parse().unwrap() }
}

fn replication(source: &str, participant: &str, destination: &str) -> ReplicationKey {
    let PublisherKey { stage, participant } = publisher(source, participant);
    ReplicationKey { source: stage, participant, destination: destination.parse().unwrap() }
}

/// News of the captured participant on its own stage.
fn original(publishing: bool, user_id: &str, at: &str) -> News {
    let key = publisher(SOURCE, PARTICIPANT);
    let session = SOURCE_SESSION.parse().unwrap();
    let (user_id, at) = (user_id.to_owned(), at.parse().unwrap());
    News::Observation(if publishing {
        Observation::Published { key, session, user_id, at }
    } else {
        Observation::Unpublished { key, session, user_id, at }
    })
}

fn replica_active(key: ReplicationKey, destination_session: &str, at: &str) -> News {
    let destination_session = Some(destination_session.parse().unwrap());
    News::Observation(Observation::ReplicaActive { key, destination_session, at: at.parse().unwrap() })
}

fn replica_ended(key: ReplicationKey, at: &str) -> News {
    News::Observation(Observation::ReplicaEnded { key, at: at.parse().unwrap() })
}

fn replica_failed(key: ReplicationKey, code: &str, at: &str) -> News {
    News::Observation(Observation::ReplicaFailed { key, code: code.to_owned(), at: at.parse().unwrap() })
}

fn foreign(source: &str, detail_type: &str) -> News {
    let (source, detail_type) = (source.to_owned(), detail_type.to_owned());
    News::Ignored(Ignored::Foreign { source, detail_type })
}

/// Each file that can be read, and its news.
fn readable() -> Vec<(&'static str, News)> {
    let irrelevant = |why| News::Ignored(Ignored::Irrelevant(why));
    let same_stage = || irrelevant("source and destination are the same stage");
    let may_come_back =
        || irrelevant("a replica may come back; its replication ends with an event of its own");
    let documented = || replication(DOCUMENTED, "xYz1c2d3e4f", DOCUMENTED_DESTINATION);
    let at_destination = || replication(SOURCE, PARTICIPANT, DESTINATION);
    vec![
        ("foreign-recording-state-change.json", foreign("aws.ivs", "IVS Recording State Change")),
        ("foreign-source.json", foreign("example.shows", "IVS Stage Update")),
        (
            "participant-publish-error.json",
            irrelevant("an attempt to publish that failed changes no publishing"),
        ),
        ("participant-publish-error-replica.json", same_stage()),
        (
            "participant-publish-error-replica-at-destination.json",
            replica_failed(at_destination(), "QUOTA_EXCEEDED", "2026-07-01T18:00:01.500000001Z"),
        ),
        ("participant-published.json", original(true, "", "2025-04-23T06:36:53Z")),
        ("participant-published-precise.json", original(true, "host-1", "2026-07-01T18:00:00.250000Z")),
        ("participant-published-replica.json", same_stage()),
        (
            "participant-published-replica-at-destination.json",
            replica_active(at_destination(), DESTINATION_SESSION, "2026-07-01T18:00:01.125000Z"),
        ),
        ("participant-published-replica-false.json", original(true, "host-1", "2026-07-01T18:00:00.250000Z")),
        ("participant-replication-end.json", replica_ended(documented(), "2025-11-18T16:40:32Z")),
        (
            "participant-replication-start.json",
            replica_active(documented(), "aBC1c2d3e4f", "2025-11-18T16:40:32Z"),
        ),
        ("participant-unpublished.json", original(false, "host-1", "2026-07-01T19:00:00.750000Z")),
        ("participant-unpublished-replica.json", same_stage()),
        ("participant-unpublished-replica-at-destination.json", may_come_back()),
        ("scheduled-event.json", foreign("aws.events", "Scheduled Event")),
        ("token-exchanged.json", irrelevant("a token exchange changes no publishing")),
        ("unknown-event-name.json", News::Ignored(Ignored::UnknownName("Participant Joined".to_owned()))),
    ]
}

/// Each file that cannot be read, the field that the error names, and a part of what it says of it.
const MALFORMED: [(&str, &str, &str); 26] = [
    ("destination-stage-arn-missing.json", "detail.destination_stage_arn", "is missing"),
    ("destination-stage-arn-of-another-partition.json", "detail.destination_stage_arn", "\"arn:aws-cn:"),
    ("detail-a-list.json", "detail", "is not an object"),
    ("detail-missing.json", "(the event)", "missing field `detail`"),
    ("detail-not-an-object.json", "detail", "is not an object"),
    ("detail-null.json", "detail", "is not an object"),
    ("detail-type-missing.json", "(the event)", "missing field `detail-type`"),
    ("event-name-missing.json", "detail.event_name", "is missing"),
    ("event-name-not-text.json", "detail.event_name", "invalid type: integer `7`"),
    ("event-not-an-object.json", "(the event)", "is not an object"),
    ("event-time-missing.json", "detail.event_time", "is missing"),
    ("event-time-not-a-time.json", "detail.event_time", "\"yesterday\" is not valid: allowed is RFC 3339"),
    ("event-time-precise-not-a-time.json", "detail.event_time_precise", "\"18:00:00.250\" is not valid"),
    ("event-time-without-zone.json", "detail.event_time", "\"2026-07-01T18:00:00\" is not valid"),
    ("participant-id-empty.json", "detail.participant_id", "participant id \"\" is not valid"),
    ("participant-id-missing.json", "detail.participant_id", "is missing"),
    ("participant-id-with-space.json", "detail.participant_id", "allowed is 1-64 letters, digits"),
    ("replica-not-a-boolean.json", "detail.replica", "invalid type: string \"true\", expected a boolean"),
    ("resources-empty.json", "resources[0]", "is missing"),
    ("resources-missing.json", "resources[0]", "is missing"),
    ("resources-not-a-list.json", "resources", "invalid type: string"),
    ("session-id-missing.json", "detail.session_id", "is missing"),
    ("session-id-too-long.json", "detail.session_id", "allowed is 1-64 printable ASCII"),
    ("source-stage-arn-missing.json", "detail.source_stage_arn", "is missing"),
    ("stage-arn-of-a-channel.json", "resources[0]", ":channel/oWXSOfbOLMte\" is not valid"),
    ("time-not-a-time.json", "time", "premature end of input"),
];

/// What is no envelope of EventBridge: for functions that the table's stream or HTTP invokes.
const NO_ENVELOPES: [&str; 3] = ["api-request.json", "stream-due-work.json", "stream-rules.json"];

const SEQUENCE: &str = "sequence-disordered.jsonl";

// ---- the files ------------------------------------------------------------------------------------------------------

#[test]
fn every_readable_file_has_its_news() {
    for (file, expected) in readable() {
        let envelopes = read(file);
        assert_eq!(envelopes.len(), 1, "{file} must be one envelope, for --data-file");
        assert_eq!(decode(envelopes[0].clone(), &EventSources::default()), Ok(expected), "{file}");
    }
}

#[test]
fn every_malformed_file_is_refused_by_the_name_of_its_field() {
    for (file, field, part) in MALFORMED {
        let envelopes = read(&format!("malformed/{file}"));
        assert_eq!(envelopes.len(), 1, "{file} must be one document, for --data-file");
        let error = decode(envelopes[0].clone(), &EventSources::default()).expect_err(file);
        assert_eq!(error.field, field, "{file}: {error}");
        assert!(error.problem.contains(part), "{file}: {error}");
    }
}

#[test]
fn what_is_no_envelope_is_taken_for_none() {
    for file in NO_ENVELOPES {
        let documents = read(file);
        assert_eq!(documents.len(), 1, "{file} must be one document, for --data-file");
        assert_eq!(
            decode(documents[0].clone(), &EventSources::default()).expect_err(file).field,
            "(the event)",
            "{file}"
        );
    }
}

/// The names of all files under `events/` but the README, relative to it.
fn files() -> BTreeSet<String> {
    let names = |folder: &str| {
        let entries = std::fs::read_dir(events().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let malformed = names("malformed").into_iter().map(|name| format!("malformed/{name}"));
    let others = names("").into_iter().filter(|name| name != "README.md" && name != "malformed");
    malformed.chain(others).collect()
}

#[test]
fn every_file_is_expected_here_and_described_in_the_readme() {
    let mut expected: BTreeSet<String> = readable().into_iter().map(|(file, _)| file.to_owned()).collect();
    expected.extend(MALFORMED.map(|(file, ..)| format!("malformed/{file}")));
    expected.extend(NO_ENVELOPES.map(str::to_owned));
    expected.insert(SEQUENCE.to_owned());
    let files = files();
    let only_in_one = |other| files.symmetric_difference(other).cloned().collect::<Vec<String>>();
    assert_eq!(only_in_one(&expected), [""; 0], "in events/ or expected in this test, but not both");

    // A row of one of its tables begins with the file's name in backticks.
    let readme = std::fs::read_to_string(events().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let described: BTreeSet<String> =
        rows.map(|(file, _)| file.to_owned()).filter(|file| file.contains(".json")).collect();
    assert_eq!(only_in_one(&described), [""; 0], "in events/ or in a row of its README.md, but not both");
}

#[test]
fn the_disordered_sequence_is_uncertain_where_it_must_be_and_ends_with_nobody_publishing() {
    use Publishing::{No, Uncertain, Yes};

    let news: Vec<Observation> = read(SEQUENCE).into_iter().map(observation).collect();
    let verdicts = |news: &mut dyn Iterator<Item = &Observation>| {
        let key = publisher("arn:aws:ivs:us-east-1:123456789012:stage/h4Tq9VwLs2Bn", "Zk3sWq8nYt1B");
        let mut view = View::empty(key);
        let fold = |observation: &Observation| {
            assert_eq!(observation.publisher(), view.key, "one participant");
            observation.fold_into(&mut view, &Policy::default());
            view.publisher.as_ref().unwrap().publishing()
        };
        news.map(fold).collect::<Vec<_>>()
    };
    let as_they_arrive = [No, No, No, Yes, Yes, Yes, Uncertain, Yes, Yes, No, No, No];
    assert_eq!(verdicts(&mut news.iter()), as_they_arrive);
    assert_eq!(verdicts(&mut news.iter().rev()).last(), Some(&No), "whatever the order");
}

fn observation(envelope: Value) -> Observation {
    match decode(envelope, &EventSources::default()) {
        Ok(News::Observation(observation)) => observation,
        other => panic!("no observation: {other:?}"),
    }
}

// ---- what holds for every envelope ----------------------------------------------------------------------------------

/// The documentation's own events break the model, so a field that is not needed may hold any text, or be absent.
#[test]
fn what_is_not_needed_is_not_asked_for() {
    for file in ["participant-replication-start.json", "participant-published-replica-at-destination.json"] {
        let mut envelope = read(file).remove(0);
        for field in ["session_id", "destination_session_id", "source_session_id", "user_id"] {
            envelope["detail"][field] = json!("");
        }
        let fields = envelope.as_object_mut().unwrap();
        fields.retain(|field, _| ["source", "detail-type", "resources", "detail"].contains(&field.as_str()));
        let Observation::ReplicaActive { destination_session, .. } = observation(envelope) else {
            panic!("{file} tells of no replica")
        };
        assert_eq!(destination_session, None, "{file}: an empty id names no session");
    }
}

/// Decodes, and checks what must hold of whatever the answer is.
fn decoded(envelope: &Value) -> Result<News, EnvelopeError> {
    let decoded = decode(envelope.clone(), &EventSources::default());
    match &decoded {
        Ok(News::Observation(Observation::Published { .. } | Observation::Unpublished { .. })) => {
            assert_ne!(envelope["detail"]["replica"], true, "a replica taken for an original");
        }
        Ok(News::Observation(
            Observation::ReplicaActive { key, .. }
            | Observation::ReplicaEnded { key, .. }
            | Observation::ReplicaFailed { key, .. },
        )) => assert_ne!(key.source, key.destination),
        Ok(News::Observation(news @ (Observation::Attributes { .. } | Observation::ReplicaOwner { .. }))) => {
            panic!("no event tells this: {news:?}")
        }
        Ok(News::Ignored(_)) => {}
        Err(error) => assert!(!error.field.is_empty() && !error.problem.is_empty(), "{error:?}"),
    }
    decoded
}

/// What would make two stages that replicate into each other loop for ever.
#[test]
fn no_replica_is_ever_taken_for_an_original() {
    let originals = readable().into_iter().filter(|(_, news)| {
        matches!(news, News::Observation(Observation::Published { .. } | Observation::Unpublished { .. }))
    });
    for (file, _) in originals {
        let mut envelope = read(file).remove(0);
        envelope["detail"]["replica"] = json!(true);
        let error = decoded(&envelope).expect_err(file);
        assert_eq!(error.field, "detail.source_stage_arn", "{file}");

        envelope["detail"]["source_stage_arn"] = json!(DESTINATION);
        match decoded(&envelope) {
            Ok(News::Observation(Observation::ReplicaActive { key, .. })) => {
                assert_eq!(key, replication(DESTINATION, PARTICIPANT, SOURCE), "{file}");
            }
            Ok(News::Ignored(Ignored::Irrelevant(_))) => {}
            other => panic!("{file}: taken for an original: {other:?}"),
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "aws.ivs",
        "IVS Stage Update",
        "Participant Published",
        "Participant Replication End",
        "2026-07-01T18:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-30T22:00:00Z",
        "-009999-01-02T01:59:59Z",
        "2026-07-01T18:00:00.1234567891234Z",
        "2026-07-01T18:00:00Z/2026-07-01T17:00:00Z",
        "2016-12-31T23:59:60Z",
        SOURCE,
        DESTINATION,
        PARTICIPANT,
        SOURCE_SESSION,
        "",
    ];
    prop_oneof![select(KNOWN).prop_map(str::to_owned), any::<String>()]
}

fn field() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "source",
        "detail-type",
        "time",
        "resources",
        "detail",
        "event_name",
        "event_time",
        "event_time_precise",
        "session_id",
        "user_id",
        "participant_id",
        "replica",
        "source_stage_arn",
        "destination_stage_arn",
        "destination_session_id",
        "error_code",
    ];
    prop_oneof![9 => select(KNOWN).prop_map(str::to_owned), 1 => any::<String>()]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(field(), inner, 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    // A failure prints the smallest input that fails; that becomes a file in events/, so no seeds are kept.
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn arbitrary_json_never_panics(envelope in any_json()) {
        drop(decoded(&envelope));
    }

    #[test]
    fn arbitrary_details_never_panic(detail in any_json(), resources in vec(text(), 0..3)) {
        let envelope = json!({
            "source": "aws.ivs", "detail-type": "IVS Stage Update", "resources": resources, "detail": detail,
        });
        drop(decoded(&envelope));
    }

    #[test]
    fn a_value_that_cannot_be_read_is_an_error_of_its_field(
        value in text(),
        field in select(["event_time", "event_time_precise", "participant_id", "session_id"].as_slice()),
    ) {
        let mut envelope = read("participant-published.json").remove(0);
        envelope["detail"][field] = json!(value);
        if let Err(error) = decoded(&envelope) {
            prop_assert_eq!(error.field, format!("detail.{field}"));
        }
    }
}
