//! `stagelink drain` with the real functions on the local stand.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use controller::{VersusStore, versus};
use ivs_sim::Publish;
use jiff::Timestamp;
use local::{Stand, StandOptions};
use replication::VersusTerms;
use serde_json::json;
use stagelink_tests::Console;

/// Rules, a versus session and somebody else's replica: all of ours end, and the other one stays.
#[tokio::test(flavor = "multi_thread")]
async fn everything_of_ours_is_stopped_and_nothing_else() {
    let options = StandOptions { tick: Some(Duration::from_secs(5)), ..StandOptions::default() };
    let stand = Stand::start(options).await.unwrap();
    let stages: Vec<String> =
        (0..5).map(|i| stand.simulator().create_stage(&format!("stage-{i}"), BTreeMap::new())).collect();
    let publish = |stage: usize, participant: &str| {
        let (stage_arn, participant_id) = (stages[stage].clone(), Some(participant.to_owned()));
        stand.simulator().publish(Publish { stage_arn, participant_id, ..Publish::default() }).unwrap();
    };
    let rules = format!(
        "rules:\n  - {{ id: all, source: {{ stage: \"{}\" }}, destinations: [ {{ stage: \"{}\" }} ] }}\n",
        stages[0], stages[1]
    );
    stand.replace_rules(&rules).await.unwrap();
    publish(0, "by-rule");
    publish(2, "red");
    publish(3, "blue");
    publish(4, "foreign");
    let foreign =
        json!({ "sourceStageArn": stages[4], "participantId": "foreign", "destinationStageArn": stages[1] });
    stand.simulator().call("StartParticipantReplication", foreign).unwrap();
    let store = stand.table().store().await;
    let sides = vec![stages[2].parse().unwrap(), stages[3].parse().unwrap()];
    let terms = VersusTerms::new("duel".parse().unwrap(), sides, 3_600);
    versus::start(&store, terms, Timestamp::now()).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while stand.simulator().replicas().len() < 4 {
        assert!(tokio::time::Instant::now() < deadline, "not there: {:#}", stand.simulator().state());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let said = Console::on(&stand).await.run(&["drain", "--yes", "--timeout", "2m"]).await;
    assert!(said.code == 0 && said.text.contains("nothing of Stagelink's runs"), "{}", said.text);

    let running: Vec<_> =
        stand.simulator().replicas().into_iter().map(|replica| replica.participant_id).collect();
    assert_eq!(running, ["foreign"]);
    assert_eq!(store.all_rules().await.unwrap().len(), 0);
    assert!(store.all_versus().await.unwrap().iter().all(|session| session.is_over()));
}
