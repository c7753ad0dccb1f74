//! A plan in words and columns.

use std::io;

use aws_adapters::DynamoStore;
use replication::forecast::{Backlog, Change, Effect};
use replication::sweep::Inventory;
use replication::{ChangeKind, Forecast, RuleChange, RuleId, StageArn, plain};

use crate::output::{BAD, Cell, Column, GOOD, Output, PASSING};
use crate::stage_names::StageNames;
use crate::{Error, Screen};

/// Lines of replications in a table; `wide` and the documents have all of them.
const LINES: usize = 50;

/// What changes, and what follows from it.
pub(super) fn plan(
    screen: &mut Screen<'_>,
    output: Output,
    made: &Forecast,
    inventory: &Inventory,
) -> Result<(), Error> {
    if made.is_empty() {
        let rules = count(made.unchanged, "rule");
        screen.line(format_args!(
            "Nothing changes: the table has {} already.",
            these(made.unchanged, &rules)
        ))?;
        return Ok(());
    }
    let of = |kind| made.rules.iter().filter(|change| change.kind() == kind).count();
    let (added, changed, deleted) = (of(ChangeKind::Added), of(ChangeKind::Changed), of(ChangeKind::Deleted));
    screen.line(format_args!(
        "Rules: {added} added, {changed} changed, {deleted} deleted, {} unchanged",
        made.unchanged
    ))?;
    for change in &made.rules {
        rule(screen, change)?;
    }
    screen.line("")?;
    screen.line(format_args!("Replications: {}", summary(made)))?;
    replications(screen, output, made, inventory)?;
    screen.line("")?;
    consequences(screen, made)?;
    Ok(())
}

/// What follows from a change, without the replications one by one.
fn consequences(screen: &mut Screen<'_>, made: &Forecast) -> io::Result<()> {
    let budget = |calls: usize, takes: jiff::SignedDuration| match takes.is_zero() {
        true => format!("{}, at once", count(calls, "call")),
        false => format!("{}, which take {:.1} s at the budget", count(calls, "call"), takes.as_secs_f64()),
    };
    let calls: Vec<_> = made
        .calls
        .iter()
        .map(|(operation, cost)| format!("{operation} {}", budget(cost.calls, cost.takes)))
        .collect();
    screen.line(format_args!(
        "Calls: {}",
        if calls.is_empty() { "none".to_owned() } else { calls.join("; ") }
    ))?;
    let Backlog { starts, stops } = made.backlog;
    if starts + stops > 0 {
        screen.line(format_args!(
            "       {} and {} are due anyway, and may come first",
            count(starts, "start"),
            count(stops, "stop")
        ))?;
    }
    let running = made.running;
    let ending = match running.ending {
        0 => String::new(),
        ending => {
            let hours = running.until_end.as_secs_f64() / 3_600.0;
            format!("; {ending} of them end by themselves, after {hours:.1} replica-hours in all")
        }
    };
    screen.line(format_args!(
        "Replicas: {} without this change, {} with it: {:+} replica-hours per hour{ending}",
        running.before,
        running.after,
        running.change()
    ))?;
    for due in &made.recordings {
        let what = if due.record_replicas { "recorded from now on" } else { "not recorded any more" };
        screen.line(format_args!(
            "Recording: replicas on {} are {what}, by rule {}; a sweep sets it",
            due.stage.stage, due.rule
        ))?;
    }
    for unknown in &made.not_known {
        let line = format!("Not known yet: rule {}: {unknown}", unknown.rule());
        screen.line(plain(&line))?;
    }
    if let Some(brake) = made.brake {
        let line = format!(
            "The brake on mass stops makes {} of {} at once; the others wait for a sweep or two that agrees, or for \
             `stagelink release-brake`.",
            brake.at_once,
            count(brake.stops, "stop")
        );
        let line = screen.painted(PASSING, &line);
        screen.line(line)?;
    }
    if let Some(pause) = &made.paused {
        let line = format!(
            "Paused by {} since {} ({}): nothing of this happens before `stagelink resume`.",
            pause.by, pause.at, pause.reason
        );
        let line = screen.painted(PASSING, &plain(&line));
        screen.line(line)?;
    }
    Ok(())
}

/// What follows from a change that is made, in one line, and then what is worth knowing about it.
pub(crate) fn follows(screen: &mut Screen<'_>, made: &Forecast) -> io::Result<()> {
    screen.line(format_args!("Replications: {}", summary(made)))?;
    consequences(screen, made)
}

/// When changed rules take effect.
pub(crate) fn in_force(screen: &mut Screen<'_>) -> io::Result<()> {
    let seconds = DynamoStore::SELECTOR_CACHE.as_secs();
    screen.line(format_args!(
        "Every function uses them within {seconds} s (its SELECTOR_CACHE_SECONDS, if that is set); function rule-changed takes them \
         to everybody who publishes already."
    ))
}

/// That a change was made.
pub(super) fn done(change: &RuleChange) -> String {
    let id = change.id().map_or("", RuleId::as_str);
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("added    {id}, revision {}", after.revision),
        (Some(before), Some(after)) => {
            format!("changed  {id}, revision {} (before: {})", after.revision, before.revision)
        }
        (Some(before), None) => format!("deleted  {id} (it had revision {})", before.revision),
        (None, None) => String::new(),
    }
}

fn rule(screen: &mut Screen<'_>, change: &RuleChange) -> io::Result<()> {
    let id = change.id().map_or("", RuleId::as_str);
    let revision = change.before.as_ref().map_or(0, |rule| rule.revision);
    let line = match change.kind() {
        ChangeKind::Added => screen.painted(GOOD, &format!("  + {id}")),
        ChangeKind::Changed => screen.painted(PASSING, &format!("  ~ {id} (revision {revision})")),
        ChangeKind::Deleted => screen.painted(BAD, &format!("  - {id} (revision {revision})")),
    };
    screen.line(line)?;
    for field in change.fields() {
        let none = || "(nothing)".to_owned();
        let line = match (change.kind(), field.before, field.after) {
            (ChangeKind::Added, _, Some(after)) => format!("      {}: {after}", field.field),
            (ChangeKind::Deleted, Some(before), _) => format!("      {}: {before}", field.field),
            (_, before, after) => format!(
                "      {}: {} -> {}",
                field.field,
                before.unwrap_or_else(none),
                after.unwrap_or_else(none)
            ),
        };
        screen.line(plain(&line))?;
    }
    Ok(())
}

/// Effects that are counted together, and the words for so many.
type Counted = (&'static str, fn(&Effect) -> bool);

/// `2 to start, 1 to stop; 14 run on as they are`.
fn summary(made: &Forecast) -> String {
    let of: [Counted; 8] = [
        ("to start", |effect| matches!(effect, Effect::Start { .. })),
        ("to stop", |effect| matches!(effect, Effect::Stop { wanted: false, .. })),
        ("to be pre-empted", |effect| matches!(effect, Effect::Stop { wanted: true, .. })),
        ("to start again", |effect| matches!(effect, Effect::Restart { .. })),
        ("blocked", |effect| matches!(effect, Effect::Block { .. })),
        ("not wanted any more before they ran", |effect| matches!(effect, Effect::Withdraw)),
        ("not stopped after all", |effect| matches!(effect, Effect::Spare)),
        ("run on otherwise", |effect| matches!(effect, Effect::RunsOn(_))),
    ];
    let counted = of.into_iter().map(|(words, is)| (made.count(is), words)).filter(|(n, _)| *n > 0);
    let counted: Vec<_> = counted.map(|(n, words)| format!("{n} {words}")).collect();
    let changes = if counted.is_empty() { "none changes".to_owned() } else { counted.join(", ") };
    let adjusted = made.count(|effect| matches!(effect, Effect::RunsOn(_)));
    format!("{changes}; {} run on as they are", made.staying.saturating_sub(adjusted))
}

/// A line of the list: what changes, with the names of its stages.
struct Row {
    change: Change,
    source: String,
    destination: String,
}

const COLUMNS: [Column<Row>; 6] = [
    Column { name: "WHAT", only_wide: false, cell: |row| what(&row.change.effect) },
    Column { name: "PARTICIPANT", only_wide: false, cell: |row| Cell::new(participant(&row.change)) },
    Column { name: "SOURCE", only_wide: false, cell: |row| Cell::new(&row.source) },
    Column { name: "DESTINATION", only_wide: false, cell: |row| Cell::new(&row.destination) },
    Column {
        name: "RULE",
        only_wide: false,
        cell: |row| Cell::new(row.change.rule.as_ref().map_or("-", RuleId::as_str)),
    },
    Column {
        name: "WHY",
        only_wide: false,
        cell: |row| Cell::new(row.change.effect.why().unwrap_or_default()),
    },
];

fn replications(
    screen: &mut Screen<'_>,
    output: Output,
    made: &Forecast,
    inventory: &Inventory,
) -> Result<(), Error> {
    if made.replications.is_empty() {
        return Ok(());
    }
    let names = StageNames::of(inventory);
    let name = |stage: &StageArn| match output.is_wide() {
        true => stage.to_string(),
        false => names.short(stage).to_owned(),
    };
    let shown = if output.is_wide() { usize::MAX } else { LINES };
    let rows: Vec<_> = made
        .replications
        .iter()
        .take(shown)
        .map(|change| Row {
            change: change.clone(),
            source: name(&change.key.source),
            destination: name(&change.key.destination),
        })
        .collect();
    output.list(screen, &COLUMNS, &rows, || serde_json::Value::Null)?;
    let more = made.replications.len() - rows.len();
    if more > 0 {
        screen.line(format_args!("... and {more} more; `stagelink plan -o wide` lists all of them"))?;
    }
    Ok(())
}

fn what(effect: &Effect) -> Cell {
    match effect {
        Effect::Start { .. } | Effect::Spare => Cell::good(effect.name()),
        Effect::Stop { .. } | Effect::Block { .. } => Cell::bad(effect.name()),
        Effect::Restart { .. } | Effect::Withdraw => Cell::passing(effect.name()),
        Effect::RunsOn(_) => Cell::new(effect.name()),
    }
}

fn participant(change: &Change) -> String {
    match change.user_id.as_str() {
        "" => change.key.participant.to_string(),
        user => format!("{} ({user})", change.key.participant),
    }
}

/// `1 rule`, `2 rules`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn these(number: usize, counted: &str) -> String {
    match number {
        0 => "no rule".to_owned(),
        1 => "this 1 rule".to_owned(),
        _ => format!("these {counted}"),
    }
}
