//! `stagelink get publishers`.

use jiff::Timestamp;
use replication::{Phase, Publisher, Publishing, Replica};

use super::{Get, document, json};
use crate::ages::age;
use crate::output::{Cell, Column, Format};
use crate::sight::Sight;
use crate::{Error, Screen};

/// A publisher as it stands in the list.
struct Row {
    publisher: Publisher,
    stage: String,
    held: usize,
    replicas: String,
    now: Timestamp,
}

/// Prints the list.
pub(super) fn print(sight: &Sight, get: &Get, screen: &mut Screen<'_>) -> Result<(), Error> {
    let narrowed = get.filters.narrowed(sight, get.name.as_deref())?;
    let stages = sight.inventory.stages.values();
    let publishers = stages.flat_map(|items| items.publishers.values());
    let rows: Vec<_> = publishers
        .filter(|publisher| narrowed.takes_publisher(&publisher.key))
        .filter(|publisher| get.all || get.name.is_some() || publisher.publishing() != Publishing::No)
        .map(|publisher| row(sight, publisher))
        .collect();
    let wide = get.output.format == Format::Wide;
    let column = |name, only_wide, cell: fn(&Row) -> Cell| Column { name, only_wide, cell };
    let stage: fn(&Row) -> Cell =
        if wide { |row| Cell::new(row.publisher.key.stage.as_str()) } else { |row| Cell::new(&row.stage) };
    let columns = [
        column("STAGE", false, stage),
        column("PARTICIPANT", false, |row| Cell::new(row.publisher.key.participant.as_str())),
        column("USER", false, |row| Cell::new(&row.publisher.user_id)),
        column("PUBLISHING", false, |row| publishing(row.publisher.publishing())),
        column("AGE", false, |row| Cell::new(age(row.now, since(&row.publisher)))),
        column("SLOTS", false, |row| Cell::new(format!("{}/5", row.held))),
        column("SESSION", true, |row| {
            Cell::new(row.publisher.session.as_ref().map_or("-", |session| session.as_str()))
        }),
        column("SEEN PUBLISHING", true, |row| {
            Cell::new(row.publisher.evidence.on.map_or("-".to_owned(), |on| on.to_string()))
        }),
        column("SEEN NOT PUBLISHING", true, |row| {
            Cell::new(row.publisher.evidence.off.map_or("-".to_owned(), |off| off.to_string()))
        }),
        column("REPLICAS", false, |row| Cell::new(&row.replicas)),
    ];
    let left_out = &sight.inventory.left_out;
    get.output.list(screen, &columns, &rows, || {
        document(
            "publishers",
            rows.iter().map(|row| json(&views::Publisher::from(&row.publisher))).collect(),
            left_out,
        )
    })
}

fn row(sight: &Sight, publisher: &Publisher) -> Row {
    let replicas: Vec<&Replica> = sight.inventory.replicas_of(&publisher.key).collect();
    let told = replicas.iter().filter(|replica| replica.phase != Phase::Stopped);
    let told =
        told.map(|replica| format!("{} {}", sight.names.short(&replica.key.destination), replica.phase));
    Row {
        stage: sight.names.short(&publisher.key.stage).to_owned(),
        held: replicas.iter().filter(|replica| replica.holds_slot()).count(),
        replicas: told.collect::<Vec<_>>().join(", "),
        publisher: publisher.clone(),
        now: sight.now,
    }
}

pub(super) fn publishing(publishing: Publishing) -> Cell {
    match publishing {
        Publishing::Yes => Cell::good("yes"),
        Publishing::No => Cell::new("no"),
        Publishing::Uncertain => Cell::passing("uncertain"),
        Publishing::Unknown => Cell::passing("unknown"),
    }
}

/// Since when it publishes or does not, as far as news tells.
pub(super) fn since(publisher: &Publisher) -> Option<Timestamp> {
    match publisher.publishing() {
        Publishing::Yes | Publishing::Uncertain => publisher.evidence.on.map(|on| on.earliest()),
        Publishing::No => publisher.evidence.off.map(|off| off.latest()),
        Publishing::Unknown => None,
    }
}
