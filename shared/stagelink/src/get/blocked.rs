//! `stagelink get blocked`: what is wanted and not to be had, or should be stopped and is not; and what to do about it.

use replication::{BlockedReason, Phase, Replica};

use super::replicas::{Row, rows};
use super::{Get, document};
use crate::ages::{age, until};
use crate::output::{Cell, Column};
use crate::sight::Sight;
use crate::{Error, Screen};

/// Prints the list.
pub(super) fn print(sight: &Sight, get: &Get, screen: &mut Screen<'_>) -> Result<(), Error> {
    let narrowed = get.filters.narrowed(sight, get.name.as_deref())?;
    let rows = rows(sight, get.output, |replica| is_blocked(replica) && narrowed.takes(replica));
    let column = |name, cell: fn(&Row) -> Cell| Column { name, only_wide: false, cell };
    let columns = [
        column("REASON", |row| Cell::bad(reason(&row.replica))),
        column("SOURCE", |row| Cell::new(&row.source)),
        column("PARTICIPANT", |row| Cell::new(row.replica.key.participant.as_str())),
        column("USER", |row| Cell::new(&row.user_id)),
        column("DESTINATION", |row| Cell::new(&row.destination)),
        column("RULE", |row| Cell::new(row.replica.rule.as_ref().map_or("-", |rule| rule.id.as_str()))),
        column("SINCE", |row| {
            let held = row.replica.braked.filter(|_| row.replica.is_held_by_brake());
            Cell::new(age(row.now, held.map(|braked| braked.since).or(row.since)))
        }),
        column("UNTIL", |row| {
            let next = until(row.now, row.replica.due());
            Cell::new(if next.is_empty() { "something changes" } else { &next })
        }),
        column("WHAT TO DO", |row| Cell::new(what_to_do(&row.replica))),
    ];
    let left_out = &sight.inventory.left_out;
    get.output.list(screen, &columns, &rows, || {
        let json = |row: &Row| {
            let mut value = row.json(sight);
            value["what_to_do"] = what_to_do(&row.replica).into();
            value
        };
        document("blocked", rows.iter().map(json).collect(), left_out)
    })
}

fn is_blocked(replica: &Replica) -> bool {
    replica.blocked().is_some() || replica.is_held_by_brake()
}

fn reason(replica: &Replica) -> String {
    match &replica.phase {
        Phase::Blocked(blocked) => blocked.reason.to_string(),
        _ => "Brake".to_owned(),
    }
}

fn what_to_do(replica: &Replica) -> &'static str {
    let Some(blocked) = replica.blocked() else {
        return "wait for a sweep or two; if so many are meant to stop: stagelink release-brake --for 10m";
    };
    match blocked.reason {
        BlockedReason::ParticipantSlotsFull => {
            "IVS allows a participant 5: end a rule of lower priority, or set preempt on this one"
        }
        BlockedReason::DestinationFull => {
            "IVS allows a stage 12 publishers: stagelink get stages DESTINATION shows who is there; or set preempt"
        }
        BlockedReason::NotPublishing => "nothing: it starts when the participant publishes",
        BlockedReason::StageGone => "take the stage out of the rule: IVS does not know it any more",
        BlockedReason::AccessDenied => {
            "allow the functions' roles the call on both stages (parameter StageArns)"
        }
        BlockedReason::Throttled => "wait; if it lasts, somebody else calls IVS: lower QuotaShare",
        BlockedReason::Rejected => {
            "stagelink explain PARTICIPANT DESTINATION shows IVS's words and request id"
        }
        BlockedReason::Observing => "set Mode=enforce, if Stagelink is meant to act",
        BlockedReason::Paused => "stagelink resume, when the reason for the pause is gone",
    }
}
