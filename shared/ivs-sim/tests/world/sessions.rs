//! Stage sessions, tokens, and who may publish.

use ivs_sim::Publish;
use serde_json::{Value, json};

use crate::bench::Bench;

#[test]
fn a_session_ends_a_while_after_the_last_has_left() {
    let bench = Bench::new();
    let first = bench.publish("A", "p");
    bench.publish("A", "q");
    bench.leave("A", "p");
    bench.wait(1_000);
    assert_eq!(bench.session("A"), Some(first.clone()), "q is still there");
    bench.leave("A", "q");
    bench.wait(179);
    assert_eq!(bench.session("A"), Some(first.clone()));
    bench.wait(1);
    assert_eq!(bench.session("A"), None);
    let second = bench.publish("A", "p");
    assert_ne!(first, second);
    let sessions = bench.call("ListStageSessions", json!({"stageArn": bench.arn("A")})).unwrap();
    let ids: Vec<&Value> =
        sessions["stageSessions"].as_array().unwrap().iter().map(|s| &s["sessionId"]).collect();
    assert_eq!(ids, [&json!(second), &json!(first)]);
    assert!(sessions["stageSessions"][0]["endTime"].is_null());
    assert!(sessions["stageSessions"][1]["endTime"].is_string());
}

#[test]
fn somebody_who_comes_back_calls_off_the_end() {
    let bench = Bench::new();
    let session = bench.publish("A", "p");
    for _ in 0..3 {
        bench.leave("A", "p");
        bench.wait(170);
        assert_eq!(bench.publish("A", "p"), session);
        bench.wait(170);
    }
    assert_eq!(bench.session("A"), Some(session));
}

#[test]
fn whoever_leaves_anew_has_the_whole_time_anew() {
    let bench = Bench::new();
    let session = bench.publish("A", "p");
    bench.leave("A", "p");
    bench.wait(100);
    bench.publish("A", "p");
    bench.leave("A", "p");
    bench.wait(100);
    assert_eq!(bench.session("A"), Some(session), "200 s after the first time, 100 s after the second");
    bench.wait(80);
    assert_eq!(bench.session("A"), None);
}

#[test]
fn an_open_window_keeps_the_session() {
    let bench = Bench::new();
    let session = bench.publish("A", "p");
    bench.start_window("A", "p", "B", 300);
    bench.leave("A", "p");
    bench.wait(299);
    assert_eq!(bench.publish("A", "p"), session);
    bench.leave("A", "p");
    bench.wait(300);
    bench.wait(180);
    assert_eq!(bench.session("A"), None);
    assert_eq!(bench.session("B"), None, "the replica is gone as well");
}

#[test]
fn sessions_end_by_publishers_alone_if_the_dialect_says_so() {
    let mut bench =
        Bench::dialect(json!({"session_ends_after": "last_publisher_stops", "session_end_delay_ms": 1_000}));
    let session = bench.publish("A", "p");
    bench.unpublish("A", "p");
    bench.wait(1);
    assert_eq!(bench.session("A"), None);
    assert_eq!(bench.history("A", &session, "p"), ["JOINED", "PUBLISH_STARTED", "PUBLISH_STOPPED", "LEFT"]);
    assert_eq!(bench.events(), ["A Published p", "A Unpublished p"]);
}

#[test]
fn a_participant_that_published_stays_published_for_the_session() {
    let bench = Bench::new();
    let session = bench.publish("A", "p");
    bench.unpublish("A", "p");
    let participant = bench.participant("A", &session, "p");
    assert_eq!((&participant["published"], &participant["state"]), (&json!(true), &json!("CONNECTED")));
    bench.leave("A", "p");
    let participant = bench.participant("A", &session, "p");
    assert_eq!((&participant["published"], &participant["state"]), (&json!(true), &json!("DISCONNECTED")));
}

#[test]
fn publishing_twice_changes_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.publish("A", "p"), bench.publish("A", "p"));
    assert_eq!(bench.events(), ["A Published p"]);
    bench.unpublish("A", "p");
    bench.unpublish("A", "p");
    assert_eq!(bench.events(), ["A Unpublished p"]);
}

#[test]
fn a_token_lasts_for_its_duration_and_allows_what_it_says() {
    let mut bench = Bench::new();
    let token = |extra: Value| {
        let mut input = json!({"stageArn": bench.arn("A")});
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        bench.call("CreateParticipantToken", input).unwrap()["participantToken"].clone()
    };
    let id = |token: &Value| token["participantId"].as_str().unwrap().to_owned();
    let short = token(json!({"duration": 1}));
    let mute = token(json!({"capabilities": ["SUBSCRIBE"]}));
    assert_eq!(short["duration"], 1);
    assert_eq!(mute["capabilities"], json!(["SUBSCRIBE"]));
    assert_eq!(mute["duration"], 720);

    let error = bench.try_publish("A", &id(&mute)).unwrap_err();
    assert_eq!(error.status, 403);
    assert_eq!(bench.events(), [format!("A Publish Error {} INSUFFICIENT_CAPABILITIES", id(&mute))]);

    bench.publish("A", &id(&short));
    bench.wait(61);
    bench.publish("A", &id(&short));
    bench.leave("A", &id(&short));
    assert_eq!(bench.try_publish("A", &id(&short)).unwrap_err().status, 403, "expired, and not connected");
}

#[test]
fn what_publish_is_told_comes_over_the_token_and_bad_input_is_refused() {
    let bench = Bench::new();
    let publish = |participant_id: &str, user_id: &str, attribute: &str| {
        let attributes = [("k".to_owned(), attribute.to_owned())].into();
        let (participant_id, user_id) = (Some(participant_id.to_owned()), Some(user_id.to_owned()));
        bench.simulator.publish(Publish { stage_arn: bench.arn("A"), participant_id, user_id, attributes })
    };
    let published = publish("p", "ann", "v").unwrap();
    let participant = bench.participant("A", &published.session_id, "p");
    assert_eq!((&participant["userId"], &participant["attributes"]), (&json!("ann"), &json!({"k": "v"})));
    assert_eq!(publish("p q", "", "").unwrap_err().status, 400);
    assert_eq!(publish("p", &"u".repeat(129), "").unwrap_err().status, 400);
    assert_eq!(publish("p", "", &"a".repeat(1024)).unwrap_err().status, 400);
    let nowhere = Publish { stage_arn: format!("{}x", bench.arn("A")), ..Publish::default() };
    assert_eq!(bench.simulator.publish(nowhere).unwrap_err().status, 404);
}

#[test]
fn an_id_is_made_up_if_none_is_given() {
    let bench = Bench::new();
    let publish =
        || bench.simulator.publish(Publish { stage_arn: bench.arn("A"), ..Publish::default() }).unwrap();
    let (one, two) = (publish(), publish());
    assert_eq!(one.participant_id.len(), 12);
    assert_ne!(one.participant_id, two.participant_id);
}
