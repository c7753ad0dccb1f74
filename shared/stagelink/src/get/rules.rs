//! `stagelink get rules`.

use jiff::Timestamp;
use replication::{Destination, Match, ParticipantFilter, Rule, Source, StageArn, Status, Tags};

use super::{Get, document, json};
use crate::ages::until;
use crate::output::{Cell, Column, Format};
use crate::sight::Sight;
use crate::{Error, Screen};

/// A rule as it stands in the list.
struct Row {
    rule: Rule,
    source: String,
    destinations: String,
    running: usize,
    pending: usize,
    blocked: usize,
    now: Timestamp,
}

/// Prints the list.
pub(super) fn print(sight: &Sight, get: &Get, screen: &mut Screen<'_>) -> Result<(), Error> {
    let narrowed = get.filters.narrowed(sight, None)?;
    let wide = get.output.format == Format::Wide;
    let id = get.name.as_deref().or(get.filters.rule.as_ref().map(|rule| rule.as_str()));
    let is_wanted = |rule: &&Rule| {
        let tags = narrowed.source.as_ref().and_then(|stage| sight.inventory.tags(stage));
        id.is_none_or(|id| rule.id.as_str() == id)
            && narrowed.source.as_ref().is_none_or(|stage| rule.covers(stage, tags) != Match::No)
            && narrowed
                .destination
                .as_ref()
                .is_none_or(|stage| rule.leads_to(tags, stage, &sight.inventory.directory) != Match::No)
    };
    let mut rules: Vec<_> = sight.inventory.rules.iter().filter(is_wanted).collect();
    // As the planner takes them: the higher priority first, then the id.
    rules.sort_by(|a, b| (b.priority, &a.id).cmp(&(a.priority, &b.id)));
    let rows: Vec<_> = rules.into_iter().map(|rule| row(sight, rule, wide)).collect();
    let column = |name, only_wide, cell: fn(&Row) -> Cell| Column { name, only_wide, cell };
    let columns = [
        column("RULE", false, |row| Cell::new(row.rule.id.as_str())),
        column("REVISION", false, |row| Cell::new(row.rule.revision.to_string())),
        column("PRIORITY", false, |row| Cell::new(row.rule.priority.to_string())),
        column("STATUS", false, |row| status(&row.rule, row.now)),
        column("SOURCE", false, |row| Cell::new(&row.source)),
        column("PARTICIPANTS", false, |row| Cell::new(participants(&row.rule.participants))),
        column("WINDOW", true, |row| Cell::new(format!("{}s", row.rule.reconnect_window.seconds()))),
        column("PREEMPT", true, |row| Cell::new(if row.rule.preempt { "yes" } else { "no" })),
        column("EXPIRES", true, |row| {
            Cell::new(row.rule.expires_at.map_or("-".to_owned(), |at| at.to_string()))
        }),
        column("RUNNING", false, |row| Cell::new(row.running.to_string())),
        column("PENDING", false, |row| counted(row.pending, Cell::passing)),
        column("BLOCKED", false, |row| counted(row.blocked, Cell::bad)),
        column("DESTINATIONS", false, |row| Cell::new(&row.destinations)),
    ];
    let left_out = &sight.inventory.left_out;
    get.output.list(screen, &columns, &rows, || {
        let json = |row: &Row| {
            let mut value = json(&views::Rule::from(&row.rule));
            let counts = [("running", row.running), ("pending", row.pending), ("blocked", row.blocked)];
            for (field, count) in counts {
                value[field] = count.into();
            }
            value
        };
        document("rules", rows.iter().map(json).collect(), left_out)
    })
}

fn row(sight: &Sight, rule: &Rule, wide: bool) -> Row {
    let stage = |stage: &StageArn| if wide { stage.to_string() } else { sight.names.short(stage).to_owned() };
    let destination = |destination: &Destination| match destination {
        Destination::Stage(named) => stage(named),
        Destination::Tags { tags: selected, same } if same.is_empty() => tags(selected),
        Destination::Tags { tags: selected, same } => format!("{} same {}", tags(selected), same.join(" ")),
    };
    let of_rule = || {
        let behind = |replica: &&replication::Replica| {
            replica.rule.as_ref().is_some_and(|behind| behind.id == rule.id)
        };
        sight.inventory.replicas().filter(behind)
    };
    Row {
        source: match &rule.source {
            Source::Any => "any".to_owned(),
            Source::Stage(named) => stage(named),
            Source::Tags(source) => tags(source),
        },
        destinations: rule.destinations.iter().map(destination).collect::<Vec<_>>().join(", "),
        running: of_rule().filter(|replica| replica.runs_as_ours()).count(),
        pending: of_rule()
            .filter(|replica| replica.is_pending(sight.now) && replica.blocked().is_none())
            .count(),
        blocked: of_rule().filter(|replica| replica.blocked().is_some()).count(),
        rule: rule.clone(),
        now: sight.now,
    }
}

fn status(rule: &Rule, now: Timestamp) -> Cell {
    match (rule.status, rule.expires_at) {
        (Status::Paused, _) => Cell::passing("paused"),
        (Status::Enabled, None) => Cell::good("enabled"),
        (Status::Enabled, Some(end)) if end <= now => Cell::new("expired"),
        (Status::Enabled, end) => Cell::good(format!("ends {}", until(now, end))),
    }
}

fn counted(count: usize, styled: fn(String) -> Cell) -> Cell {
    if count == 0 { Cell::new("0") } else { styled(count.to_string()) }
}

fn participants(filter: &ParticipantFilter) -> String {
    let user = filter.user_id.iter().map(|pattern| format!("user {}", pattern.as_str()));
    let attributes = filter.attributes.iter().map(|(key, pattern)| format!("{key}={}", pattern.as_str()));
    let all: Vec<_> = user.chain(attributes).collect();
    if all.is_empty() { "all".to_owned() } else { all.join(", ") }
}

fn tags(tags: &Tags) -> String {
    let pairs: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("tags {}", pairs.join(" "))
}
