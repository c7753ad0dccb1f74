//! Burst: many hosts publish at the same moment, and are replicated at the pace of IVS's quota.

use std::time::Duration;

use super::Outcome;
use crate::demo::{
    checks::{AT_THE_END, Check},
    play::{PATIENCE, Play, Replication, SceneError, Stage},
};

/// Publishers of a stage at most; not adjustable (IVS service quotas).
const PUBLISHERS_PER_STAGE: usize = 12;

/// StartParticipantReplication calls per second: the share of the quota that the template gives, 80 % of 5.
const STARTS_PER_SECOND: f64 = 4.0;

/// Plays the scene: all publish, all are replicated in little more time than the quota needs, all leave.
pub(in crate::demo) async fn play(play: &Play<'_>, publishers: usize) -> Result<Outcome, SceneError> {
    play.timeline.headline(&format!("Burst: {publishers} hosts publish at the same moment"));
    let pairs: Vec<[Stage; 2]> = (1..=publishers.div_ceil(PUBLISHERS_PER_STAGE))
        .map(|n| ["studio", "arena"].map(|name| play.stage(&format!("{name}-{n}"))))
        .collect();
    play.rules(&rules(&pairs)).await?;

    let places: Vec<&[Stage; 2]> = (0..publishers).map(|n| &pairs[n / PUBLISHERS_PER_STAGE]).collect();
    let before = play.starts();
    let hosts = play.crowd("host", places.iter().map(|[source, _]| source))?;
    let all: Vec<Replication> =
        hosts.iter().zip(&places).map(|(host, [_, destination])| host.replicated_into(destination)).collect();
    let quota = Duration::from_secs_f64(publishers as f64 / STARTS_PER_SECOND);
    let took = play.count_to(publishers, &all, quota * 2 + PATIENCE).await?;
    let text = format!("{publishers} hosts are replicated");
    play.timeline.measured(
        &text,
        took,
        &format!("after publishing; the share of the quota alone takes {quota:.0?}"),
    );
    play.all_are("Active", &all, PATIENCE).await?;
    let calls = play.starts() - before;
    play.timeline.happened(&format!("IVS has received {calls} Start calls"));

    play.disperse(&hosts).await?;
    play.count_to(0, &all, PATIENCE).await?;
    play.all_are(AT_THE_END, &all, quota + PATIENCE * 2).await?;
    play.timeline.happened("all are gone, in the table too");

    let seconds = (quota.as_secs_f64() * 1.5 + 10.0).ceil();
    Ok(Outcome {
        expected: all.iter().map(|each| each.expected_in("burst")).collect(),
        checks: vec![
            Check::new(
                took.as_secs_f64() <= seconds,
                format!("burst: all are replicated within {seconds} s"),
                || format!("it took {took:.1?}"),
            ),
            Check::new(
                calls * 20 <= publishers * 21,
                "burst: at most 5 % more Start calls than hosts",
                || format!("{calls} calls"),
            ),
        ],
    })
}

fn rules(pairs: &[[Stage; 2]]) -> String {
    let rule = |(n, [source, destination]): (usize, &[Stage; 2])| {
        format!(
            "  - id: studio-{n}
    source: {{ stage: {} }}
    destinations: [{{ stage: {} }}]
    reconnect_window_seconds: 0
",
            source.arn, destination.arn
        )
    };
    format!("rules:\n{}", pairs.iter().enumerate().map(rule).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_a_rules_file() {
        let stage = |id: String| Stage {
            arn: format!("arn:aws:ivs:us-east-1:123456789012:stage/AAAAAAAAAA{id}"),
            name: id,
        };
        let pairs: Vec<_> = (10..27).map(|n| ["s", "d"].map(|name| stage(format!("{name}{n}")))).collect();
        assert_eq!(rules_file::parse(&rules(&pairs)).unwrap().len(), 17);
    }
}
