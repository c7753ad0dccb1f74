//! Lost events: EventBridge promises best effort only, so half of all events never arrive; the sweep finds what they would have
//! told.

use std::time::Duration;

use ivs_sim::Faults;

use super::Outcome;
use crate::demo::{
    checks::{AT_THE_END, Check},
    play::{Play, Replication, SceneError, Stage},
};

/// Hosts that publish, one after the other.
const HOSTS: usize = 8;

/// How long the sweep may take for its part. It comes every few seconds here, and every minute in AWS.
const SWEPT: Duration = Duration::from_secs(60);

/// Plays the scene: everybody is replicated all the same, and everybody's replica ends.
pub(in crate::demo) async fn play(play: &Play<'_>) -> Result<Outcome, SceneError> {
    play.timeline.headline("Lost events: half of all events never arrive, and the sweep repairs it");
    let (main, mirror) = (play.stage("lossy"), play.stage("lossy-overflow"));
    play.rules(&rules(&main.arn, &mirror.arn)).await?;

    let before = play.deliveries("Participant Published");
    play.faults(half_is_lost());
    let played = lossy(play, &main, &mirror).await;
    play.faults(Faults::default());
    let (all, replicated) = played?;

    let delivered = play.deliveries("Participant Published") - before;
    let originals = delivered.min(HOSTS);
    let text = format!("of {HOSTS} publishes, {originals} events arrived; all {HOSTS} hosts were replicated");
    play.timeline.measured(&text, replicated, "after publishing");
    Ok(Outcome {
        expected: all.iter().map(|each| each.expected_in("lost events")).collect(),
        checks: vec![Check::new(originals < HOSTS, "lost events: the event of a publish was lost", || {
            format!("{delivered} were delivered for {HOSTS} hosts")
        })],
    })
}

async fn lossy(
    play: &Play<'_>,
    main: &Stage,
    mirror: &Stage,
) -> Result<(Vec<Replication>, Duration), SceneError> {
    let hosts = play.crowd("lost", std::iter::repeat_n(main, HOSTS))?;
    let all: Vec<Replication> = hosts.iter().map(|host| host.replicated_into(mirror)).collect();
    let replicated = play.count_to(HOSTS, &all, SWEPT).await?;
    play.all_are("Active", &all, SWEPT).await?;
    play.disperse(&hosts).await?;
    play.count_to(0, &all, SWEPT).await?;
    play.all_are(AT_THE_END, &all, SWEPT).await?;
    Ok((all, replicated))
}

fn half_is_lost() -> Faults {
    let mut faults = Faults { seed: 7, ..Faults::default() };
    faults.events.loss = 0.5;
    faults
}

fn rules(source: &str, destination: &str) -> String {
    format!(
        "rules:
  - id: lossy-to-overflow
    source: {{ stage: {source} }}
    destinations: [{{ stage: {destination} }}]
    reconnect_window_seconds: 0
"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rules_are_a_rules_file_and_the_faults_can_be_had() {
        let stage = |id: &str| format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}");
        let rules = rules_file::parse(&super::rules(&stage("AAAAAAAAAAAA"), &stage("BBBBBBBBBBBB"))).unwrap();
        assert_eq!(rules.len(), 1);
        super::half_is_lost().check().unwrap();
    }
}
