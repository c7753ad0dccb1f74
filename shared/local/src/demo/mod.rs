//! The demo: scenes played on a stand of its own, told as they happen, and judged by the simulator's ledger and the
//! table.

mod checks;
mod play;
mod scenes;
mod timeline;

use std::time::{Duration, Instant};

use self::{
    checks::{AT_THE_END, Call, Check, Evidence, judge},
    play::{PATIENCE, Play, SceneError, active},
    scenes::Outcome,
    timeline::Timeline,
};
use crate::{
    delivery::Status,
    stand::Stand,
    table::{ReplicationRow, TableError},
};

pub use self::scenes::Scene;

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    /// The scenes, in this order.
    pub scenes: Vec<Scene>,
    /// How many hosts publish at the same moment in the burst.
    pub publishers: usize,
}

/// Plays the scenes and prints them. Returns whether everything was as it must be.
pub async fn play(stand: &Stand, programme: &Programme) -> bool {
    let timeline = Timeline::begin();
    let play = Play { stand, timeline: &timeline };
    let mut outcome = Outcome::default();
    let result = scenes(&play, programme, &mut outcome).await;

    timeline.headline("Checks");
    let mut all = outcome.checks;
    if let Err(error) = &result {
        all.push(Check { passed: false, text: controller::with_causes(error) });
    }
    match evidence(stand).await {
        Ok(evidence) => all.extend(judge(&outcome.expected, &evidence)),
        Err(error) => all.push(Check { passed: false, text: controller::with_causes(&error) }),
    }
    all.iter().for_each(|check| timeline.check(check.passed, &check.text));

    let failed = all.iter().filter(|check| !check.passed).count();
    if failed > 0 {
        explain(stand, &timeline);
        timeline.plain(&format!("\n{failed} of {} checks failed.", all.len()));
    } else {
        timeline.plain(&format!("\nAll {} checks passed.", all.len()));
    }
    failed == 0
}

async fn scenes(play: &Play<'_>, programme: &Programme, outcome: &mut Outcome) -> Result<(), SceneError> {
    for scene in &programme.scenes {
        outcome.add(scene.play(play, programme.publishers).await?);
    }
    Ok(())
}

/// What is to be seen when nothing is under way any more.
async fn evidence(stand: &Stand) -> Result<Evidence, TableError> {
    let table = settled_table(stand).await?;
    let _ = tokio::time::timeout(PATIENCE, nothing_under_way(stand)).await;
    let calls = stand.simulator().ledger().into_iter();
    Ok(Evidence {
        calls: calls
            .map(|entry| Call { operation: entry.operation, key: entry.key, status: entry.status })
            .collect(),
        active: active(stand),
        table,
        dead_letters: stand.deliveries().dead_letters().len(),
    })
}

/// Waits for what may still call. Sweeps are left out: they start and stop nothing, and one is always under way where they are
/// begun more often than the stages can be looked at.
async fn nothing_under_way(stand: &Stand) {
    let recent = stand.deliveries().recent();
    let open = recent.iter().filter(|each| each.status == Status::Pending && each.function != "reconcile");
    let open: Vec<u64> = open.map(|each| each.number).collect();
    stand.deliveries().ended(&open).await;
}

/// The table once every replication is at its end, or when that has taken too long.
async fn settled_table(stand: &Stand) -> Result<Vec<ReplicationRow>, TableError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rows = stand.table().replications().await?;
        if rows.iter().all(|row| row.phase == AT_THE_END) || Instant::now() > deadline {
            return Ok(rows);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What helps to find out why a check failed.
fn explain(stand: &Stand, timeline: &Timeline) {
    timeline.headline("Ledger");
    for entry in stand.simulator().ledger() {
        let error = entry.error.unwrap_or_default();
        timeline.plain(&format!("  {} {} {} {error}", entry.status, entry.operation, entry.key));
    }
    for letter in stand.deliveries().dead_letters() {
        timeline.headline("Dead letter");
        timeline.plain(&letter.to_string());
    }
    for name in stand.function_names() {
        timeline.headline(&format!("Last output of {name}"));
        let lines = stand.functions().logs(name).unwrap_or_default();
        lines.iter().skip(lines.len().saturating_sub(30)).for_each(|line| timeline.plain(line));
    }
}
