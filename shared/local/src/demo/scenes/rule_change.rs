//! Rule change: rules are edited, paused and deleted while somebody publishes, and IVS follows.

use super::Outcome;
use crate::demo::{
    checks::Check,
    play::{PATIENCE, Play, Replication, SceneError, Stage},
};

/// The stages of the scene: one that is published to, and one destination for each thing that happens to a rule.
struct Stages {
    main: Stage,
    before: Stage,
    after: Stage,
    paused: Stage,
    deleted: Stage,
}

/// What times are counted from.
const AFTER: &str = "after the change";

/// Plays the scene: three rules replicate dora; one gets another destination, one is paused, one is deleted.
pub(in crate::demo) async fn play(play: &Play<'_>) -> Result<Outcome, SceneError> {
    play.timeline
        .headline("Rule change: a rule is edited, one is paused, one is deleted, with somebody live");
    let stages = Stages {
        main: play.stage("show"),
        before: play.stage("edited-before"),
        after: play.stage("edited-after"),
        paused: play.stage("paused"),
        deleted: play.stage("deleted"),
    };
    let edited = |destination: &Stage| rule("edited", &stages.main, destination, "enabled");
    let second = |status: &str| rule("second", &stages.main, &stages.paused, status);
    let third = rule("third", &stages.main, &stages.deleted, "enabled");
    play.rules(&file(&[edited(&stages.before), second("enabled"), third.clone()])).await?;

    let mut dora = play.publish("dora", &stages.main)?;
    let into = |stage: &Stage| dora.replicated_into(stage);
    let [before, after, paused, deleted] =
        [into(&stages.before), into(&stages.after), into(&stages.paused), into(&stages.deleted)];
    let first = [before.clone(), paused.clone(), deleted.clone()];
    play.appear(&dora, &first, first.len()).await?;

    play.timeline.happened("the first rule gets another destination");
    let rules = file(&[edited(&stages.after), second("enabled"), third.clone()]);
    tokio::try_join!(play.is_there(&after, AFTER), play.is_gone(&before, AFTER), play.rules(&rules))?;
    let untouched = play.is_active(&paused) && play.is_active(&deleted);

    play.timeline.happened("the second rule is paused");
    let rules = file(&[edited(&stages.after), second("paused"), third]);
    tokio::try_join!(play.is_gone(&paused, AFTER), play.rules(&rules))?;

    play.timeline.happened("the third rule is deleted");
    let rules = file(&[edited(&stages.after), second("paused")]);
    tokio::try_join!(play.is_gone(&deleted, AFTER), play.rules(&rules))?;
    let kept = play.is_active(&after);

    play.leave(&mut dora)?;
    play.disappear(&dora, std::slice::from_ref(&after), PATIENCE).await?;

    let all: [Replication; 4] = [before, after, paused, deleted];
    Ok(Outcome {
        expected: all.iter().map(|each| each.expected(true)).collect(),
        checks: vec![
            Check::new(untouched, "a rule that is edited leaves the replicas of others alone", || {
                "one was gone".to_owned()
            }),
            Check::new(kept, "what the remaining rule wants is kept", || "it was gone".to_owned()),
        ],
    })
}

fn rule(id: &str, source: &Stage, destination: &Stage, status: &str) -> String {
    format!(
        "  - id: {id}
    source: {{ stage: {} }}
    destinations: [{{ stage: {} }}]
    reconnect_window_seconds: 0
    status: {status}
",
        source.arn, destination.arn
    )
}

fn file(rules: &[String]) -> String {
    format!("rules:\n{}", rules.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_a_rules_file() {
        let stage = |id: &str| Stage {
            arn: format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}"),
            name: id.to_owned(),
        };
        let [a, b] = ["AAAAAAAAAAAA", "BBBBBBBBBBBB"].map(stage);
        let rules = [rule("one", &a, &b, "enabled"), rule("two", &a, &b, "paused")];
        assert_eq!(rules_file::parse(&file(&rules)).unwrap().len(), 2);
    }
}
