//! `stagelink get stages`: the stages that are known; and of one stage, everybody on it and since when.

use jiff::Timestamp;
use replication::occupancy::{Holder, PLACES};
use replication::{Phase, Publishing, Replica, StageArn, plain};

use super::{Get, document, json, publishers};
use crate::ages::age;
use crate::output::{Cell, Column, Format};
use crate::sight::Sight;
use crate::stage_names::StageArgument;
use crate::{Error, Screen};

/// A stage as it stands in the list.
struct Row {
    stage: StageArn,
    /// What it is called where its ARN does not stand.
    short: String,
    name: String,
    session: Option<String>,
    publishers: usize,
    arriving: usize,
    leaving: usize,
    blocked: usize,
    places: Option<usize>,
    looked_at: Option<Timestamp>,
    tags: String,
    now: Timestamp,
}

/// Somebody on a stage.
struct Guest {
    participant: String,
    user_id: String,
    from: String,
    phase: Cell,
    since: Option<Timestamp>,
    rule: String,
    note: String,
    now: Timestamp,
}

/// Prints the list, or one stage.
pub(super) fn print(sight: &Sight, get: &Get, screen: &mut Screen<'_>) -> Result<(), Error> {
    match get.name.as_deref().map(str::parse::<StageArgument>) {
        Some(Ok(argument)) => one(sight, &sight.names.resolve(&argument)?, get, screen),
        _ => all(sight, get, screen),
    }
}

fn all(sight: &Sight, get: &Get, screen: &mut Screen<'_>) -> Result<(), Error> {
    let rows: Vec<_> = sight.inventory.stages.keys().map(|stage| row(sight, stage)).collect();
    let column = |name, only_wide, cell: fn(&Row) -> Cell| Column { name, only_wide, cell };
    let wide = get.output.format == Format::Wide;
    let columns = [
        column(
            "STAGE",
            false,
            if wide { |row| Cell::new(row.stage.as_str()) } else { |row: &Row| Cell::new(&row.short) },
        ),
        column("NAME", true, |row| Cell::new(&row.name)),
        column("ACTIVE", false, |row| match row.session {
            Some(_) => Cell::good("yes"),
            None => Cell::new("no"),
        }),
        column("SESSION", true, |row| Cell::new(row.session.as_deref().unwrap_or("-"))),
        column("PUBLISHERS", false, |row| Cell::new(row.publishers.to_string())),
        column("REPLICAS IN", false, |row| Cell::new(row.arriving.to_string())),
        column("REPLICAS OUT", false, |row| Cell::new(row.leaving.to_string())),
        column("PLACES", false, |row| match row.places {
            Some(taken) if taken >= PLACES => Cell::passing(format!("{taken}/{PLACES}")),
            Some(taken) => Cell::new(format!("{taken}/{PLACES}")),
            None => Cell::new("-"),
        }),
        column("BLOCKED", false, |row| match row.blocked {
            0 => Cell::new("0"),
            blocked => Cell::bad(blocked.to_string()),
        }),
        column("LOOKED AT", false, |row| Cell::new(age(row.now, row.looked_at))),
        column("TAGS", true, |row| Cell::new(&row.tags)),
    ];
    let left_out = &sight.inventory.left_out;
    get.output.list(screen, &columns, &rows, || {
        document("stages", rows.iter().map(|row| row.json(sight)).collect(), left_out)
    })
}

fn row(sight: &Sight, stage: &StageArn) -> Row {
    let inventory = &sight.inventory;
    let known = inventory.knowledge(stage);
    let holds = |replica: &&Replica| replica.holds_slot();
    let tags = known.map(|known| known.listed.tags.iter().map(|(key, value)| format!("{key}={value}")));
    Row {
        short: sight.names.short(stage).to_owned(),
        name: known.map(|known| known.listed.name.clone()).unwrap_or_default(),
        session: known.and_then(|known| known.listed.active_session.as_ref()).map(ToString::to_string),
        publishers: inventory
            .publishers_on(stage)
            .filter(|known| known.publishing() == Publishing::Yes)
            .count(),
        arriving: inventory.replicas_to(stage).filter(holds).count(),
        leaving: inventory.replicas_from(stage).filter(holds).count(),
        blocked: inventory.replicas_to(stage).filter(|replica| replica.blocked().is_some()).count(),
        places: inventory.occupants(stage).map(|there| there.len()),
        looked_at: known.and_then(|known| known.looked_at),
        tags: tags.map(|tags| tags.collect::<Vec<_>>().join(" ")).unwrap_or_default(),
        stage: stage.clone(),
        now: sight.now,
    }
}

impl Row {
    fn json(&self, sight: &Sight) -> serde_json::Value {
        let known = sight.inventory.knowledge(&self.stage);
        let mut value = serde_json::json!({
            "stage": self.stage.as_str(),
            "publishers": self.publishers,
            "replicas_in": self.arriving,
            "replicas_out": self.leaving,
            "blocked": self.blocked,
        });
        let more = [
            ("name", known.map(|known| known.listed.name.clone().into())),
            ("active_session", self.session.clone().map(Into::into)),
            ("places_taken", self.places.map(Into::into)),
            ("looked_at", self.looked_at.map(|at| at.to_string().into())),
            ("tags", known.map(|known| json(&known.listed.tags))),
        ];
        for (field, content) in more {
            if let Some(content) = content {
                value[field] = content;
            }
        }
        value
    }
}

/// Those who have a place on a stage, and of whom nothing else is known there.
fn unaccounted(sight: &Sight, stage: &StageArn) -> Vec<Guest> {
    let occupants = sight.inventory.occupants(stage).into_iter().flatten();
    let holders = occupants.filter_map(|occupant| occupant.on(stage));
    let unknown = holders.filter(|holder| match holder {
        Holder::Replica(key) => sight.inventory.replica(key).is_none(),
        Holder::Publisher(key) => sight.inventory.publisher(key).is_none(),
    });
    let guest = |holder: Holder| Guest {
        participant: holder.publisher().participant.to_string(),
        user_id: String::new(),
        from: match &holder {
            Holder::Replica(key) => sight.names.short(&key.source).to_owned(),
            Holder::Publisher(_) => "here".to_owned(),
        },
        phase: Cell::passing("unknown"),
        since: None,
        rule: "-".to_owned(),
        note: "has a place, and nothing else is known of it: a sweep puts that right".to_owned(),
        now: sight.now,
    };
    unknown.map(guest).collect()
}

/// Everybody on one stage: its own publishers, and those who are replicated to it or shall be.
fn one(sight: &Sight, stage: &StageArn, get: &Get, screen: &mut Screen<'_>) -> Result<(), Error> {
    let summary = row(sight, stage);
    let inventory = &sight.inventory;
    let own = inventory.publishers_on(stage).filter(|known| get.all || known.publishing() != Publishing::No);
    let own = own.map(|publisher| Guest {
        participant: publisher.key.participant.to_string(),
        user_id: publisher.user_id.clone(),
        from: "here".to_owned(),
        phase: match publisher.publishing() {
            Publishing::Yes => Cell::good("publishes"),
            Publishing::No => Cell::new("left"),
            other => publishers::publishing(other),
        },
        since: publishers::since(publisher),
        rule: "-".to_owned(),
        note: String::new(),
        now: sight.now,
    });
    let narrowed =
        |replica: &Replica| replica.key.destination == *stage && (get.all || replica.phase != Phase::Stopped);
    let replicas = super::replicas::rows(sight, get.output, narrowed);
    let arrived = replicas.iter().map(|row| Guest {
        participant: row.replica.key.participant.to_string(),
        user_id: row.user_id.clone(),
        from: row.source.clone(),
        phase: match &row.replica.phase {
            Phase::Active => Cell::good("replica"),
            Phase::Blocked(_) => Cell::bad("Blocked"),
            other => Cell::passing(other.name()),
        },
        since: row.since,
        rule: row.replica.rule.as_ref().map_or("-".to_owned(), |rule| rule.id.to_string()),
        note: row.reason(),
        now: sight.now,
    });
    let guests: Vec<_> = own.chain(arrived).chain(unaccounted(sight, stage)).collect();
    let column = |name, cell: fn(&Guest) -> Cell| Column { name, only_wide: false, cell };
    let columns = [
        column("PARTICIPANT", |guest| Cell::new(&guest.participant)),
        column("USER", |guest| Cell::new(&guest.user_id)),
        column("FROM", |guest| Cell::new(&guest.from)),
        column("IS", |guest| guest.phase.clone()),
        column("AGE", |guest| Cell::new(age(guest.now, guest.since))),
        column("SINCE", |guest| Cell::new(guest.since.map_or("-".to_owned(), |at| at.to_string()))),
        column("RULE", |guest| Cell::new(&guest.rule)),
        column("REASON", |guest| Cell::new(&guest.note)),
    ];
    if !get.output.is_document() {
        let places = summary
            .places
            .map_or("no destination".to_owned(), |taken| format!("{taken} of {PLACES} places taken"));
        let looked = summary.looked_at.map_or("not looked at by a sweep yet".to_owned(), |at| {
            format!("looked at by a sweep {} ago", age(sight.now, Some(at)))
        });
        let active =
            if summary.session.is_some() { "active" } else { "nobody connected, as far as is known" };
        screen.line(format_args!("{}, {stage}: {active}; {places}; {looked}", plain(&summary.short)))?;
    }
    get.output.list(screen, &columns, &guests, || {
        let mut value = summary.json(sight);
        let own: Vec<_> =
            inventory.publishers_on(stage).map(|known| json(&views::Publisher::from(known))).collect();
        value["own_publishers"] = own.into();
        value["replicas"] = replicas.iter().map(|row| row.json(sight)).collect::<Vec<_>>().into();
        value
    })
}
