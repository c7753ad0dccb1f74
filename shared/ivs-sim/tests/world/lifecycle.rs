//! Replications from Start to their end, in the default dialect.

use serde_json::json;

use crate::bench::Bench;

#[test]
fn a_replica_appears_with_start_and_goes_with_stop() {
    let mut bench = Bench::new();
    let source = bench.publish("A", "p");
    assert_eq!(bench.start("A", "p", "B"), "ok");
    assert_eq!(bench.events(), ["A Published p", "A Replication Start p to B", "B Published p from A"]);
    assert_eq!(bench.replicas("A", "p"), ["B ACTIVE"]);
    let destination = bench.session("B").unwrap();

    assert_eq!(bench.stop("A", "p", "B"), "ok");
    assert_eq!(bench.events(), ["A Replication End p to B", "B Unpublished p from A"]);
    assert_eq!(bench.replicas("A", "p"), ["B STOPPED"]);
    let expected = ["JOINED", "PUBLISH_STARTED", "REPLICATION_STARTED to B", "REPLICATION_STOPPED to B"];
    assert_eq!(bench.history("A", &source, "p"), expected);
    let expected = ["JOINED", "PUBLISH_STARTED", "PUBLISH_STOPPED", "LEFT"];
    assert_eq!(bench.history("B", &destination, "p"), expected);
}

#[test]
fn source_and_replica_know_of_each_other() {
    let bench = Bench::new();
    let source = bench.publish("A", "p");
    assert_eq!(bench.participant("A", &source, "p")["replicationType"], "NONE");
    assert_eq!(bench.start("A", "p", "B"), "ok");
    let destination = bench.session("B").unwrap();

    let original = bench.participant("A", &source, "p");
    assert_eq!(
        (&original["replicationType"], &original["replicationState"]),
        (&json!("SOURCE"), &json!("ACTIVE"))
    );
    assert!(original["sourceStageArn"].is_null());
    let replica = bench.participant("B", &destination, "p");
    assert_eq!(
        (&replica["replicationType"], &replica["replicationState"]),
        (&json!("REPLICA"), &json!("ACTIVE"))
    );
    assert_eq!(replica["sourceStageArn"], bench.arn("A"));
    assert_eq!(replica["sourceSessionId"], source);
    assert_eq!((&replica["published"], &replica["state"]), (&json!(true), &json!("CONNECTED")));

    bench.stop("A", "p", "B");
    assert_eq!(bench.participant("A", &source, "p")["replicationState"], "STOPPED");
    let replica = bench.participant("B", &destination, "p");
    assert_eq!(replica["replicationState"], "STOPPED");
    assert_eq!((&replica["published"], &replica["state"]), (&json!(true), &json!("DISCONNECTED")));
}

#[test]
fn without_a_window_the_replication_ends_with_the_publishing() {
    for leave in [false, true] {
        let mut bench = Bench::new();
        bench.publish("A", "p");
        bench.start("A", "p", "B");
        bench.events();
        if leave {
            bench.leave("A", "p");
        } else {
            bench.unpublish("A", "p");
        }
        let expected = ["A Unpublished p", "A Replication End p to B", "B Unpublished p from A"];
        assert_eq!(bench.events(), expected);
        bench.publish("A", "p");
        assert_eq!(bench.events(), ["A Published p"]);
        assert!(bench.simulator.replicas().is_empty());
    }
}

#[test]
fn inside_the_window_the_replication_stays_active_and_goes_on() {
    let mut bench = Bench::new();
    let session = bench.publish("A", "p");
    bench.start_window("A", "p", "B", 30);
    bench.events();
    bench.leave("A", "p");
    assert_eq!(bench.events(), ["A Unpublished p", "B Unpublished p from A"]);
    bench.wait(29);
    assert_eq!(bench.replicas("A", "p"), ["B ACTIVE"]);
    assert_eq!(bench.publish("A", "p"), session);
    assert_eq!(bench.events(), ["A Published p", "B Published p from A"]);
    bench.wait(60);
    assert!(bench.events().is_empty(), "the old window must not strike");
    assert_eq!(bench.simulator.replicas().len(), 1);
}

#[test]
fn at_the_end_of_the_window_the_replication_ends() {
    let mut bench = Bench::new();
    bench.publish("A", "p");
    bench.start_window("A", "p", "B", 30);
    bench.leave("A", "p");
    bench.events();
    bench.wait(29);
    assert!(bench.events().is_empty());
    bench.wait(1);
    assert_eq!(bench.events(), ["A Replication End p to B"]);
    assert!(bench.simulator.replicas().is_empty());
    bench.publish("A", "p");
    assert_eq!(bench.events(), ["A Published p"]);
}

#[test]
fn a_second_departure_opens_a_new_window() {
    let mut bench = Bench::new();
    bench.publish("A", "p");
    bench.start_window("A", "p", "B", 30);
    bench.leave("A", "p");
    bench.wait(20);
    bench.publish("A", "p");
    bench.leave("A", "p");
    bench.wait(20);
    assert_eq!(bench.replicas("A", "p"), ["B ACTIVE"], "40 s after the first, 20 s after the second");
    bench.wait(10);
    assert_eq!(bench.replicas("A", "p"), ["B STOPPED"]);
    assert_eq!(bench.events().last().unwrap(), "A Replication End p to B");
}

#[test]
fn each_replication_has_its_own_window() {
    let mut bench = Bench::new();
    bench.publish("A", "p");
    bench.start("A", "p", "B");
    bench.start_window("A", "p", "C", 10);
    bench.start_window("A", "p", "D", 300);
    bench.events();
    bench.leave("A", "p");
    let expected = [
        "A Unpublished p",
        "A Replication End p to B",
        "B Unpublished p from A",
        "C Unpublished p from A",
        "D Unpublished p from A",
    ];
    assert_eq!(bench.events(), expected);
    bench.wait(15);
    assert_eq!(bench.events(), ["A Replication End p to C"]);
    bench.publish("A", "p");
    assert_eq!(bench.events(), ["A Published p", "D Published p from A"]);
}

#[test]
fn both_directions_are_two_replications_and_one_participant_goes_to_five_at_most() {
    let bench = Bench::new();
    bench.publish("A", "p");
    bench.publish("B", "q");
    assert_eq!(bench.start("A", "p", "B"), "ok");
    assert_eq!(bench.start("B", "q", "A"), "ok");
    for stage in ["C", "D", "E", "F"] {
        assert_eq!(bench.start("A", "p", stage), "ok");
    }
    assert_eq!(bench.start("A", "p", "G"), "402 p has its 5 concurrent replications");
    bench.stop("A", "p", "C");
    assert_eq!(bench.start("A", "p", "G"), "ok");
    assert_eq!(bench.simulator.replicas().len(), 6);
}

#[test]
fn a_stage_has_twelve_publishers_and_replicas_count() {
    let mut bench = Bench::new();
    for number in 0..11 {
        bench.publish("B", &format!("b{number}"));
    }
    bench.publish("A", "p");
    bench.publish("A", "q");
    assert_eq!(bench.start("A", "p", "B"), "ok");
    let refusal = format!("402 {} has no room for another publisher", bench.arn("B"));
    assert_eq!(bench.start("A", "q", "B"), refusal);
    bench.events();
    let error = bench.try_publish("B", "b12").unwrap_err();
    assert_eq!(error.status, 402);
    assert_eq!(bench.events(), ["B Publish Error b12 QUOTA_EXCEEDED"]);
    let session = bench.session("B").unwrap();
    assert_eq!(bench.history("B", &session, "b12"), ["JOINED", "PUBLISH_ERROR QUOTA_EXCEEDED"]);
    bench.unpublish("B", "b0");
    assert_eq!(bench.start("A", "q", "B"), "ok");
}

#[test]
fn a_replica_that_finds_its_place_taken_fails_and_its_replication_ends() {
    let mut bench = Bench::new();
    bench.publish("A", "p");
    bench.start_window("A", "p", "B", 300);
    bench.leave("A", "p");
    for number in 0..12 {
        bench.publish("B", &format!("b{number}"));
    }
    bench.events();
    bench.publish("A", "p");
    let expected = ["A Published p", "B Publish Error p from A QUOTA_EXCEEDED", "A Replication End p to B"];
    assert_eq!(bench.events(), expected);
    assert!(bench.simulator.replicas().is_empty());
}

#[test]
fn attributes_of_start_come_over_those_of_the_participant() {
    let bench = Bench::new();
    let token =
        json!({"stageArn": bench.arn("A"), "userId": "ann", "attributes": {"role": "host", "team": "red"}});
    let token = bench.call("CreateParticipantToken", token).unwrap()["participantToken"].clone();
    let id = token["participantId"].as_str().unwrap();
    bench.publish("A", id);
    assert_eq!(bench.start_with("A", id, "B", json!({"attributes": {"team": "blue", "via": "A"}})), "ok");
    let session = bench.session("B").unwrap();
    let replica = bench.participant("B", &session, id);
    assert_eq!(replica["attributes"], json!({"role": "host", "team": "blue", "via": "A"}));
    assert_eq!(replica["userId"], "ann");
}

#[test]
fn the_destination_decides_whether_replicas_are_recorded() {
    let storage = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh";
    for (record, expected) in [(json!(true), "ACTIVE"), (json!(false), "DISABLED"), (json!(null), "ACTIVE")] {
        let bench = Bench::new();
        let configuration = json!({"storageConfigurationArn": storage, "recordParticipantReplicas": record});
        let input = json!({"arn": bench.arn("B"), "autoParticipantRecordingConfiguration": configuration});
        bench.call("UpdateStage", input.clone()).unwrap();
        bench.publish("A", "p");
        bench.start("A", "p", "B");
        let session = bench.session("B").unwrap();
        let replica = bench.participant("B", &session, "p");
        assert_eq!(replica["recordingState"], expected, "{record}");
        assert_eq!(replica["recordingS3BucketName"] != "", expected == "ACTIVE");
        let update = bench.call("UpdateStage", input);
        assert_eq!(
            update.is_err_and(|error| error.status == 409),
            expected == "ACTIVE",
            "while it is recorded"
        );
        bench.stop("A", "p", "B");
        let after = bench.participant("B", &session, "p");
        assert_eq!(after["recordingState"], if expected == "ACTIVE" { "STOPPED" } else { "DISABLED" });
    }
}

#[test]
fn a_replica_can_neither_be_published_nor_disconnected_by_hand() {
    let bench = Bench::new();
    bench.publish("A", "p");
    bench.start("A", "p", "B");
    assert_eq!(bench.try_publish("B", "p").unwrap_err().status, 409);
    assert_eq!(bench.simulator.leave(&bench.arn("B"), "p").unwrap_err().status, 409);
    assert_eq!(bench.simulator.unpublish(&bench.arn("B"), "p").unwrap_err().status, 409);
    assert_eq!(bench.simulator.replicas().len(), 1);
}

#[test]
fn disconnecting_a_participant_releases_its_replicas_and_disconnecting_a_replica_ends_it() {
    let mut bench = Bench::new();
    bench.publish("A", "p");
    bench.start("A", "p", "B");
    bench.events();
    bench.call("DisconnectParticipant", json!({"stageArn": bench.arn("B"), "participantId": "p"})).unwrap();
    assert_eq!(bench.events(), ["A Replication End p to B", "B Unpublished p from A"]);
    bench.start("A", "p", "C");
    bench.events();
    bench.call("DisconnectParticipant", json!({"stageArn": bench.arn("A"), "participantId": "p"})).unwrap();
    let expected = ["A Unpublished p", "A Replication End p to C", "C Unpublished p from A"];
    assert_eq!(bench.events(), expected);
}

#[test]
fn deleting_either_stage_ends_the_replication() {
    let mut bench = Bench::new();
    bench.publish("A", "p");
    bench.start_window("A", "p", "B", 300);
    bench.events();
    bench.call("DeleteStage", json!({"arn": bench.arn("A")})).unwrap();
    let expected = ["A Unpublished p", "A Replication End p to B", "B Unpublished p from A"];
    assert_eq!(bench.events(), expected, "a window is no use without a stage to come back to");

    bench.publish("C", "q");
    bench.start_window("C", "q", "D", 300);
    bench.leave("C", "q");
    bench.events();
    bench.call("DeleteStage", json!({"arn": bench.arn("D")})).unwrap();
    assert_eq!(bench.events(), ["C Replication End q to D"]);
    assert!(bench.simulator.replicas().is_empty());
    let refusal = format!("404 {} does not exist", bench.arn("D"));
    assert_eq!(bench.stop("C", "q", "D"), refusal);
}

#[test]
fn the_earlier_of_two_replications_under_one_key_leaves_one_row() {
    let bench = Bench::new();
    bench.publish("A", "p");
    for _ in 0..3 {
        assert_eq!(bench.start("A", "p", "B"), "ok");
        assert_eq!(bench.replicas("A", "p"), ["B ACTIVE"]);
        assert_eq!(bench.stop("A", "p", "B"), "ok");
        assert_eq!(bench.replicas("A", "p"), ["B STOPPED"]);
    }
}
