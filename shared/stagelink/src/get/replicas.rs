//! `stagelink get replicas`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use replication::explain::{Drift, Slot, slots};
use replication::occupancy::PLACES;
use replication::{Owner, Phase, Policy, PublisherKey, Replica, StageArn, View};

use super::{Get, document, json};
use crate::ages::{age, until};
use crate::output::{Cell, Column, Format, Output};
use crate::sight::Sight;
use crate::{Error, Screen};

/// A replication as it stands in the list.
pub(super) struct Row {
    pub(super) replica: Replica,
    pub(super) user_id: String,
    pub(super) source: String,
    pub(super) destination: String,
    slot: Option<Slot>,
    places: Option<usize>,
    pub(super) since: Option<Timestamp>,
    pub(super) now: Timestamp,
}

/// Prints the list.
pub(super) fn print(sight: &Sight, get: &Get, screen: &mut Screen<'_>) -> Result<(), Error> {
    let narrowed = get.filters.narrowed(sight, get.name.as_deref())?;
    let asked_for = get.all || get.filters.phase.is_some();
    let rows = rows(sight, get.output, |replica| {
        narrowed.takes(replica) && (asked_for || replica.phase != Phase::Stopped)
    });
    let left_out = &sight.inventory.left_out;
    get.output.list(screen, &columns(), &rows, || {
        document("replicas", rows.iter().map(|row| row.json(sight)).collect(), left_out)
    })
}

/// Replications in the columns of this list, where another command has some.
pub(crate) fn list<'a>(
    replicas: impl IntoIterator<Item = &'a Replica>,
    now: Timestamp,
    screen: &mut Screen<'_>,
) -> Result<(), Error> {
    let mut replicas: Vec<_> = replicas.into_iter().collect();
    replicas.sort_by(|a, b| a.key.cmp(&b.key));
    let row = |replica: &Replica| Row {
        replica: replica.clone(),
        user_id: String::new(),
        source: replica.key.source.to_string(),
        destination: replica.key.destination.to_string(),
        slot: None,
        places: None,
        since: since(replica, None),
        now,
    };
    let rows: Vec<_> = replicas.into_iter().map(row).collect();
    let wanted = ["SOURCE", "PARTICIPANT", "DESTINATION", "PHASE", "AGE", "RULE", "REASON"];
    let output = Output { format: Format::Table };
    let columns: Vec<_> = columns().into_iter().filter(|column| wanted.contains(&column.name)).collect();
    output.list(screen, &columns, &rows, || serde_json::Value::Null)
}

/// The replications that are wanted, in the order of their keys; with the names of stages, or with their ARNs.
pub(super) fn rows(sight: &Sight, output: Output, wanted: impl Fn(&Replica) -> bool) -> Vec<Row> {
    let inventory = &sight.inventory;
    let name = |stage: &StageArn| match output.format {
        Format::Wide => stage.to_string(),
        _ => sight.names.short(stage).to_owned(),
    };
    let mut slots_of: BTreeMap<PublisherKey, BTreeMap<StageArn, Slot>> = BTreeMap::new();
    let mut rows = Vec::new();
    for replica in inventory.replicas().filter(|replica| wanted(replica)) {
        let publisher = replica.key.publisher();
        let known = inventory.publisher(&publisher);
        let on = slots_of.entry(publisher.clone()).or_insert_with(|| {
            let view: View = inventory.view(&publisher);
            slots(&view, &Policy::default(), sight.now)
        });
        rows.push(Row {
            user_id: known.map(|known| known.user_id.clone()).unwrap_or_default(),
            source: name(&replica.key.source),
            destination: name(&replica.key.destination),
            slot: on.get(&replica.key.destination).copied(),
            places: inventory.occupants(&replica.key.destination).map(|there| there.len()),
            since: since(replica, known.and_then(|known| known.evidence.on).map(|on| on.earliest())),
            now: sight.now,
            replica: replica.clone(),
        });
    }
    rows
}

/// Since when it is as it is, as far as that is known. What is wanted and does not run is missing since its participant publishes.
fn since(replica: &Replica, published: Option<Timestamp>) -> Option<Timestamp> {
    match &replica.phase {
        Phase::Active => replica.evidence.on.map(|on| on.earliest()),
        Phase::Stopped => replica.evidence.off.map(|off| off.latest()),
        Phase::Starting | Phase::Stopping => replica.lease.as_ref().map(|lease| lease.since),
        Phase::Pending | Phase::Blocked(_) => published,
    }
}

impl Row {
    /// Why it is not as wanted, or what else there is to say; the most telling first.
    pub(super) fn reason(&self) -> String {
        let replica = &self.replica;
        let error = replica.last_error.as_ref().map(|last| last.code.clone());
        match &replica.phase {
            _ if replica.owner == Owner::Foreign => "foreign: started by somebody else".to_owned(),
            _ if replica.is_held_by_brake() => "held by the brake".to_owned(),
            Phase::Blocked(blocked) => match error {
                Some(code) => format!("{} ({code})", blocked.reason),
                None => blocked.reason.to_string(),
            },
            Phase::Starting | Phase::Stopping if replica.is_leased(self.now) => "call under way".to_owned(),
            Phase::Starting | Phase::Stopping => match error {
                Some(code) => format!("in doubt ({code})"),
                None => "in doubt".to_owned(),
            },
            _ if replica.gives_way.is_some() => "gives way to a higher priority".to_owned(),
            Phase::Pending if replica.attempts == 0 && replica.next_attempt <= Some(self.now) => {
                "waits for a free call".to_owned()
            }
            Phase::Active if replica.desired == replication::Desired::Released && replica.attempts == 0 => {
                match replica.next_attempt {
                    Some(at) if at > self.now => "its participant left, and may come back".to_owned(),
                    _ => "waits to be stopped".to_owned(),
                }
            }
            _ => error.unwrap_or_default(),
        }
    }

    fn phase(&self) -> Cell {
        let name = self.replica.phase.name();
        match &self.replica.phase {
            Phase::Active if Drift::of(&self.replica).is_none() => Cell::good(name),
            Phase::Blocked(_) => Cell::bad(name),
            Phase::Stopped => Cell::new(name),
            _ => Cell::passing(name),
        }
    }

    pub(super) fn json(&self, sight: &Sight) -> serde_json::Value {
        let mut value = json(&views::Replica::from(&self.replica));
        let name = |stage: &StageArn| sight.inventory.knowledge(stage).map(|known| known.listed.name.clone());
        let more = [
            ("user_id", Some(self.user_id.clone().into())),
            ("source_name", name(&self.replica.key.source).map(Into::into)),
            ("destination_name", name(&self.replica.key.destination).map(Into::into)),
            ("slot", self.slot.map(|slot| slot.number.into())),
            ("destination_places_taken", self.places.map(Into::into)),
            ("drift", Drift::of(&self.replica).map(|drift| drift.to_string().into())),
            ("since", self.since.map(|at| at.to_string().into())),
        ];
        for (field, content) in more {
            if let Some(content) = content {
                value[field] = content;
            }
        }
        value
    }
}

fn columns() -> Vec<Column<Row>> {
    let column = |name, only_wide, cell: fn(&Row) -> Cell| Column { name, only_wide, cell };
    vec![
        column("SOURCE", false, |row| Cell::new(&row.source)),
        column("PARTICIPANT", false, |row| Cell::new(row.replica.key.participant.as_str())),
        column("USER", false, |row| Cell::new(&row.user_id)),
        column("DESTINATION", false, |row| Cell::new(&row.destination)),
        column("PHASE", false, Row::phase),
        column("AGE", false, |row| Cell::new(age(row.now, row.since))),
        column("RULE", false, |row| {
            Cell::new(row.replica.rule.as_ref().map_or("-", |rule| rule.id.as_str()))
        }),
        column("PRIORITY", true, |row| {
            Cell::new(row.replica.rule.as_ref().map_or("-".to_owned(), |rule| rule.priority.to_string()))
        }),
        column("SLOT", false, |row| {
            Cell::new(row.slot.map_or("-".to_owned(), |slot| format!("{}/{}", slot.number, slot.of)))
        }),
        column("PLACES", false, |row| match row.places {
            Some(taken) if taken >= PLACES => Cell::passing(format!("{taken}/{PLACES}")),
            Some(taken) => Cell::new(format!("{taken}/{PLACES}")),
            None => Cell::new("-"),
        }),
        column("DRIFT", false, |row| match Drift::of(&row.replica) {
            Some(drift) => Cell::passing(drift.to_string()),
            None => Cell::new("-"),
        }),
        column("WINDOW", true, |row| Cell::new(format!("{}s", row.replica.reconnect_window.seconds()))),
        column("ATTEMPTS", true, |row| Cell::new(row.replica.attempts.to_string())),
        column("WANTED-UNTIL", true, |row| {
            Cell::new(row.replica.wanted_until.map_or("-".to_owned(), |at| at.to_string()))
        }),
        column("REQUEST", true, |row| {
            let request = row.replica.last_error.as_ref().and_then(|last| last.request_id.as_deref());
            Cell::new(request.unwrap_or("-"))
        }),
        column("NEXT", false, |row| {
            let next = until(row.now, row.replica.due());
            Cell::new(if next.is_empty() { "-" } else { &next })
        }),
        column("REASON", false, |row| Cell::new(row.reason())),
    ]
}
