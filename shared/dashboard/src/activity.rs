//! Lines of history for the page, and which stages may have new ones.

use controller::history::{HistoryEntry, HistoryPage};
use replication::StageArn;
use replication::sweep::{Inventory, StageItems};
use serde::Serialize;

/// The most lines that are told at once.
pub(crate) const LINES: usize = 200;

/// One line of history, and what tells it from all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) key: String,
    #[serde(flatten)]
    line: views::Activity,
}

/// The lines of a page that can be read, the newest first, and how many cannot.
pub(crate) fn lines(page: HistoryPage) -> (Vec<Line>, usize) {
    let all = page.found.len();
    let lines: Vec<Line> = page.found.into_iter().filter_map(line).collect();
    let left_out = all - lines.len();
    (lines, left_out)
}

fn line(entry: HistoryEntry) -> Option<Line> {
    let line = views::Activity::from(&entry.line.ok()?);
    Some(Line { key: entry.key.to_string(), line })
}

/// The stages with history: those of which anybody is known.
pub(crate) fn with_history(inventory: &Inventory) -> Vec<Option<StageArn>> {
    let peopled = |(_, items): &(&StageArn, &StageItems)| {
        !items.publishers.is_empty() || !items.replicas.is_empty() || is_recording_kept(items)
    };
    let stages = inventory.stages.iter().filter(peopled).map(|(arn, _)| Some(arn.clone()));
    stages.chain([None]).collect()
}

/// The stages where something was written between two looks. Every call has an outcome in a row of its stage, so history is asked
/// for only there: asking for it everywhere would cost as much as the look.
pub(crate) fn with_news(before: &Inventory, after: &Inventory) -> Vec<Option<StageArn>> {
    let stages = after.stages.iter().filter(|(arn, items)| {
        before.stages.get(*arn).is_none_or(|earlier| {
            earlier.publishers != items.publishers
                || earlier.replicas != items.replicas
                || recording(earlier) != recording(items)
        })
    });
    stages.map(|(arn, _)| Some(arn.clone())).chain([None]).collect()
}

fn recording(items: &StageItems) -> Option<&replication::sweep::RecordingCheck> {
    items.knowledge.as_ref()?.recording.as_ref()
}

fn is_recording_kept(items: &StageItems) -> bool {
    recording(items).is_some()
}
