//! Random walks through the world in random dialects: whatever happens, the books are right.
//!
//! `WALKS=2000` in the environment walks longer than the 60 walks of an ordinary run.

use ivs_sim::{Config, Dialect};
use jiff::SignedDuration;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::bench::Bench;

const STAGES: [&str; 5] = ["A", "B", "C", "D", "E"];

#[test]
fn the_books_are_right_after_every_step_in_every_dialect() {
    for seed in 0..walks() {
        let mut random = SmallRng::seed_from_u64(seed);
        let dialect = random_dialect(&mut random);
        let mut bench = Bench::with(Config { seed, dialect: dialect.clone(), ..Config::default() });
        for step in 0..100 {
            let done = random_step(&bench, &mut random);
            let at = format!("seed {seed}, step {step}, {done}, {dialect:?}");
            check_state(&bench.simulator.state(), &dialect, &at);
            bench.envelopes().iter().for_each(|envelope| check_envelope(envelope, &at));
        }
    }
}

#[test]
fn when_everybody_has_left_and_all_is_stopped_nothing_is_left() {
    for seed in 0..walks() {
        let mut random = SmallRng::seed_from_u64(seed);
        let bench = Bench::with(Config { dialect: random_dialect(&mut random), ..Config::default() });
        for _ in 0..60 {
            random_step(&bench, &mut random);
        }
        for stage in STAGES {
            for number in 0..30 {
                let _ = bench.simulator.leave(&bench.arn(stage), &format!("{stage}{number}"));
            }
        }
        bench.wait(4_000);
        for key in bench.simulator.replicas() {
            let input = serde_json::to_value(key).unwrap();
            bench.call("StopParticipantReplication", input).unwrap();
        }
        bench.wait(4_000);
        let state = bench.simulator.state();
        assert_eq!(state["replications"], serde_json::json!([]), "seed {seed}");
        for stage in state["stages"].as_array().unwrap() {
            assert!(stage["activeSessionId"].is_null(), "seed {seed}: {stage:#}");
        }
        assert_eq!(bench.simulator.next_due(), None, "seed {seed}");
    }
}

/// How many walks to take; each has its number as its seed.
fn walks() -> u64 {
    std::env::var("WALKS").map_or(60, |walks| walks.parse().unwrap())
}

/// A dialect with every switch set at random.
fn random_dialect(random: &mut SmallRng) -> Dialect {
    Dialect::switches().iter().fold(Dialect::default(), |dialect, switch| {
        dialect.with(switch.name, switch.options.choose(random).unwrap()).unwrap()
    })
}

/// Does something, sensible or not, and says what.
fn random_step(bench: &Bench, random: &mut SmallRng) -> String {
    let (stage, other) = (*STAGES.choose(random).unwrap(), *STAGES.choose(random).unwrap());
    // Mostly one of few participants, so that things meet; sometimes one of many, so that stages fill.
    let home = STAGES.choose(random).unwrap();
    let crowd = if random.random_bool(0.7) { 2 } else { 14 };
    let participant = format!("{home}{}", random.random_range(0..crowd));
    let arn = bench.arn(stage);
    let done = match random.random_range(0..10) {
        0..=2 => {
            format!("publish {:?}", bench.try_publish(home, &participant).map_err(|error| error.to_string()))
        }
        3 => format!("unpublish {:?}", bench.simulator.unpublish(&bench.arn(home), &participant)),
        4 => format!("leave {:?}", bench.simulator.leave(&bench.arn(home), &participant)),
        5 | 6 => {
            let window = [0, 0, 5, 60].choose(random).unwrap();
            let from = if random.random_bool(0.8) { home } else { stage };
            let extra = serde_json::json!({"reconnectWindowSeconds": window});
            format!("start {}", bench.start_with(from, &participant, other, extra))
        }
        7 => format!("stop {}", bench.stop(home, &participant, other)),
        8 => {
            let input = serde_json::json!({"stageArn": arn, "participantId": participant});
            format!("disconnect {:?}", bench.call("DisconnectParticipant", input).is_ok())
        }
        _ => {
            bench.clock.advance(SignedDuration::from_millis(random.random_range(0..90_000)));
            "wait".to_owned()
        }
    };
    format!("{participant} {stage} {other} {done}")
}

/// What must hold whatever the dialect.
fn check_state(state: &Value, dialect: &Dialect, at: &str) {
    for stage in state["stages"].as_array().unwrap() {
        for session in stage["sessions"].as_array().unwrap() {
            let active = session["sessionId"] == stage["activeSessionId"];
            let participants = session["participants"].as_array().unwrap();
            for participant in participants {
                let connected = participant["state"] == "CONNECTED";
                let publishing = participant["publishing"] == true;
                assert!(!publishing || connected, "publishes without being connected: {participant} {at}");
                assert!(!connected || active, "connected to a session that ended: {participant} {at}");
                if publishing && participant["replica"] == true {
                    assert!(
                        has_replication(state, stage, participant),
                        "a leaked replica: {participant} {at}"
                    );
                }
            }
            let counts = |found: &&Value| {
                found["publishing"] == true
                    && (dialect.replicas_count_as_publishers || found["replica"] == false)
            };
            assert!(participants.iter().filter(counts).count() <= 12, "too many publishers {at}");
        }
    }
    for replication in state["replications"].as_array().unwrap() {
        let source = present(state, &replication["sourceStageArn"], &replication["participantId"]);
        let replica = present(state, &replication["destinationStageArn"], &replication["participantId"]);
        match replication["phase"].as_str().unwrap() {
            "LIVE" => {
                assert!(source.is_some_and(|found| found["publishing"] == true), "{replication} {at}");
                let replica = replica.unwrap_or_else(|| panic!("no replica: {replication} {at}"));
                assert_eq!(replica["publishing"], true, "{replication} {at}");
                assert_eq!(replica["sourceStageArn"], replication["sourceStageArn"], "{at}");
                assert_eq!(replica["sourceSessionId"], replication["sourceSessionId"], "{at}");
            }
            "HELD" => {
                assert!(source.is_none_or(|found| found["publishing"] == false), "{replication} {at}");
                let until = replication["heldUntil"].as_str();
                assert!(
                    until.is_none_or(|until| until > state["time"].as_str().unwrap()),
                    "{replication} {at}"
                );
            }
            phase => assert_eq!(phase, "STARTING", "{at}"),
        }
        let same = |other: &&Value| other["participantId"] == replication["participantId"];
        let concurrent = state["replications"].as_array().unwrap().iter().filter(same).count();
        assert!(concurrent <= 5, "{replication} {at}");
    }
}

fn has_replication(state: &Value, stage: &Value, participant: &Value) -> bool {
    state["replications"].as_array().unwrap().iter().any(|replication| {
        replication["destinationStageArn"] == stage["arn"]
            && replication["sourceStageArn"] == participant["sourceStageArn"]
            && replication["participantId"] == participant["participantId"]
    })
}

/// The participant in the active session of a stage.
fn present<'a>(state: &'a Value, stage_arn: &Value, participant_id: &Value) -> Option<&'a Value> {
    let stages = state["stages"].as_array().unwrap();
    let stage = stages.iter().find(|stage| stage["arn"] == *stage_arn)?;
    let sessions = stage["sessions"].as_array().unwrap();
    let session = sessions.iter().find(|session| session["sessionId"] == stage["activeSessionId"])?;
    session["participants"].as_array().unwrap().iter().find(|found| found["participantId"] == *participant_id)
}

fn check_envelope(envelope: &Value, at: &str) {
    let detail = &envelope["detail"];
    assert_eq!(envelope["source"], "aws.ivs", "{at}");
    assert_eq!(envelope["resources"].as_array().unwrap().len(), 1, "{at}");
    assert_eq!(detail["session_id"].as_str().unwrap().len(), 16, "{envelope} {at}");
    let name = detail["event_name"].as_str().unwrap();
    let replication = name.starts_with("Participant Replication");
    assert_eq!(detail["destination_session_id"].is_string(), replication, "{envelope} {at}");
    assert_eq!(detail["error_code"].is_string(), name == "Participant Publish Error", "{envelope} {at}");
    assert_eq!(detail["replica"] == true, detail["source_stage_arn"].is_string(), "{envelope} {at}");
    assert!(!replication || detail["replica"].is_null(), "{envelope} {at}");
}
