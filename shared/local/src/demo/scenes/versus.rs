//! VS mode by rules: two hosts on two stages, each replicated into the other's.

use std::time::Duration;

use super::Outcome;
use crate::demo::{
    checks::Check,
    play::{PATIENCE, Play, SceneError},
};

const WINDOW: Duration = Duration::from_secs(3);

/// Plays the scene: both appear at each other's, one reconnects inside the window, one leaves, then the other.
pub(in crate::demo) async fn play(play: &Play<'_>) -> Result<Outcome, SceneError> {
    play.timeline.headline("VS mode by rules: two hosts, two stages, both directions");
    let (left, right) = (play.stage("versus-left"), play.stage("versus-right"));
    play.rules(&rules(&left.arn, &right.arn)).await?;

    let mut anna = play.publish("anna", &left)?;
    let mut ben = play.publish("ben", &right)?;
    let (annas, bens) = (anna.replicated_into(&right), ben.replicated_into(&left));
    tokio::try_join!(
        play.appear(&anna, std::slice::from_ref(&annas), 1),
        play.appear(&ben, std::slice::from_ref(&bens), 1),
    )?;

    play.unpublish(&mut anna)?;
    tokio::time::sleep(WINDOW / 3).await;
    play.republish(&mut anna)?;
    // Past the end of the window that the interruption had opened.
    tokio::time::sleep(WINDOW).await;
    let kept = play.is_active(&annas);
    if kept {
        play.timeline.happened("anna reconnected inside the window: the replica is still there");
    }

    play.leave(&mut anna)?;
    play.disappear(&anna, std::slice::from_ref(&annas), WINDOW + PATIENCE).await?;
    let untouched = play.is_active(&bens);
    play.leave(&mut ben)?;
    play.disappear(&ben, std::slice::from_ref(&bens), WINDOW + PATIENCE).await?;

    let seconds = WINDOW.as_secs();
    Ok(Outcome {
        expected: vec![annas.expected(true), bens.expected(true)],
        checks: vec![
            Check::new(kept, format!("a reconnect inside the {seconds} s window keeps the replica"), || {
                "it was gone".to_owned()
            }),
            Check::new(untouched, "ben's replica outlives anna's", || "it was gone".to_owned()),
        ],
    })
}

fn rules(left: &str, right: &str) -> String {
    let window = WINDOW.as_secs();
    format!(
        "rules:
  - id: left-to-right
    source: {{ stage: {left} }}
    destinations: [{{ stage: {right} }}]
    reconnect_window_seconds: {window}
  - id: right-to-left
    source: {{ stage: {right} }}
    destinations: [{{ stage: {left} }}]
    reconnect_window_seconds: {window}
"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rules_are_a_rules_file() {
        let stage = |id: &str| format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}");
        let rules = rules_file::parse(&super::rules(&stage("AAAAAAAAAAAA"), &stage("BBBBBBBBBBBB"))).unwrap();
        assert_eq!(rules.len(), 2);
    }
}
