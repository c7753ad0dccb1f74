//! Overflow: one host into six stages, of which IVS allows five.

use super::Outcome;
use crate::{
    demo::{
        checks::Check,
        play::{PATIENCE, Play, SceneError, Stage},
    },
    table::ReplicationRow,
};

/// Concurrent replications per participant; not adjustable (IVS service quotas).
const SLOTS: usize = 5;

/// Why the sixth is not to be had, as the table has it.
const REFUSED: &str = "Blocked(ParticipantSlotsFull)";

/// Plays the scene: five appear, the sixth is refused with its reason, the host leaves, all are gone.
pub(in crate::demo) async fn play(play: &Play<'_>) -> Result<Outcome, SceneError> {
    play.timeline.headline("Overflow: one host into six stages, of which IVS allows five");
    let main = play.stage("main");
    let overflows: Vec<Stage> = (1..=SLOTS + 1).map(|n| play.stage(&format!("overflow-{n}"))).collect();
    play.rules(&rules(&main, &overflows)).await?;

    let mut carla = play.publish("carla", &main)?;
    let all: Vec<_> = overflows.iter().map(|stage| carla.replicated_into(stage)).collect();
    let started = play.appear(&carla, &all, SLOTS).await?;
    let (in_use, refused): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|each| started.iter().any(|started| started.key == each.key));

    let settled = |rows: &[ReplicationRow]| {
        rows.len() == all.len() && rows.iter().all(|row| row.phase == "Active" || row.phase == REFUSED)
    };
    let rows = play.table_has(&all, settled, "five replications Active and the sixth Blocked").await?;
    let reason: Vec<&str> = rows
        .iter()
        .filter(|row| refused.iter().any(|refused| refused.key == row.key))
        .map(|row| row.phase.as_str())
        .collect();
    for sixth in &refused {
        play.timeline.happened(&format!("{} is refused: {}", sixth.label, reason.join(", ")));
    }
    let check = Check::new(reason == [REFUSED], format!("the sixth replication is {REFUSED}"), || {
        format!("the table has {reason:?}")
    });

    play.leave(&mut carla)?;
    play.disappear(&carla, &in_use, PATIENCE).await?;

    let expected = in_use.iter().map(|each| each.expected(true));
    let expected = expected.chain(refused.iter().map(|each| each.expected(false)));
    Ok(Outcome { expected: expected.collect(), checks: vec![check] })
}

fn rules(main: &Stage, overflows: &[Stage]) -> String {
    let destinations: String =
        overflows.iter().map(|stage| format!("      - {{ stage: {} }}\n", stage.arn)).collect();
    format!(
        "rules:
  - id: main-to-overflow
    source: {{ stage: {} }}
    reconnect_window_seconds: 0
    destinations:
{destinations}",
        main.arn
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_a_rules_file() {
        let stage = |id: usize| Stage {
            arn: format!("arn:aws:ivs:us-east-1:123456789012:stage/AAAAAAAAAAA{id}"),
            name: format!("stage-{id}"),
        };
        let overflows: Vec<Stage> = (1..=6).map(stage).collect();
        let rules = rules_file::parse(&rules(&stage(0), &overflows)).unwrap();
        assert_eq!((rules.len(), rules[0].destinations.len()), (1, 6));
    }
}
