//! `stagelink get versus`.

use jiff::Timestamp;
use replication::{Versus, VersusState};

use super::{Get, document, json};
use crate::ages::{age, until};
use crate::output::{Cell, Column, Format};
use crate::sight::Sight;
use crate::{Error, Screen};

/// A session as it stands in the list.
struct Row {
    session: Versus,
    stages: String,
    now: Timestamp,
}

/// Prints the list.
pub(super) fn print(
    sight: &Sight,
    sessions: &[Versus],
    get: &Get,
    screen: &mut Screen<'_>,
) -> Result<(), Error> {
    let narrowed = get.filters.narrowed(sight, None)?;
    let wide = get.output.format == Format::Wide;
    let is_wanted = |session: &&Versus| {
        get.name.as_ref().is_none_or(|id| session.terms.id.as_str() == id)
            && narrowed.source.as_ref().is_none_or(|stage| session.terms.stages.contains(stage))
            && narrowed.takes_phase(session.state.name())
    };
    let row = |session: &Versus| {
        let stages = session.terms.stages.iter();
        let stages = stages.map(|stage| if wide { stage.as_str() } else { sight.names.short(stage) });
        Row { stages: stages.collect::<Vec<_>>().join(" "), session: session.clone(), now: sight.now }
    };
    let rows: Vec<_> = sessions.iter().filter(is_wanted).map(row).collect();
    let column = |name, only_wide, cell: fn(&Row) -> Cell| Column { name, only_wide, cell };
    let columns = [
        column("SESSION", false, |row| Cell::new(row.session.terms.id.as_str())),
        column("STATE", false, |row| match &row.session.state {
            VersusState::Starting => Cell::passing("Starting"),
            VersusState::Running => Cell::good("Running"),
            VersusState::Ended => Cell::new("Ended"),
            VersusState::Failed(_) => Cell::bad("Failed"),
        }),
        column("AGE", false, |row| Cell::new(age(row.now, Some(row.session.starts_at)))),
        column("ENDS", false, |row| match row.session.is_over() {
            true => Cell::new("over"),
            false => Cell::new(until(row.now, Some(row.session.ends_at))),
        }),
        column("STARTED AT", true, |row| Cell::new(row.session.starts_at.to_string())),
        column("ENDS AT", true, |row| Cell::new(row.session.ends_at.to_string())),
        column("PRIORITY", false, |row| Cell::new(row.session.terms.priority.to_string())),
        column("STAGES", false, |row| Cell::new(&row.stages)),
        column("REASON", false, |row| match &row.session.state {
            VersusState::Failed(failure) => Cell::new(failure.to_string()),
            _ => Cell::default(),
        }),
    ];
    let left_out = &sight.inventory.left_out;
    get.output.list(screen, &columns, &rows, || {
        document(
            "versus",
            rows.iter().map(|row| json(&views::Versus::from(&row.session))).collect(),
            left_out,
        )
    })
}
