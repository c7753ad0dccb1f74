//! What is otherwise than before.

use std::collections::BTreeSet;

use replication::sweep::Inventory;
use replication::{Moment, Owner, Phase, Publisher, Publishing, Replica, StageArn};

use replication::plain;

/// What is otherwise of these stages, a line each: who publishes there, and what is replicated there and from there.
pub(super) fn changes(before: &Inventory, after: &Inventory, stages: &BTreeSet<StageArn>) -> Vec<String> {
    let mut lines = Vec::new();
    for publisher in stages.iter().flat_map(|stage| after.publishers_on(stage)) {
        let was = before.publisher(&publisher.key).map(Publisher::publishing);
        lines.extend(of_publisher(was, publisher));
    }
    for replica in after.replicas() {
        if stages.contains(&replica.key.source) || stages.contains(&replica.key.destination) {
            lines.extend(of_replica(before.replica(&replica.key), replica));
        }
    }
    lines
}

fn of_publisher(was: Option<Publishing>, publisher: &Publisher) -> Option<String> {
    let is = publisher.publishing();
    if was == Some(is) {
        return None;
    }
    let what = match (was, is) {
        (_, Publishing::Yes) => "publishes, which was not known",
        (Some(Publishing::Yes | Publishing::Uncertain), Publishing::No) => "publishes no more",
        (_, Publishing::Uncertain) => "may publish, or not",
        (_, Publishing::No | Publishing::Unknown) => return None,
    };
    let user = match publisher.user_id.is_empty() {
        true => String::new(),
        false => format!(" ({})", plain(&publisher.user_id)),
    };
    Some(format!("{}{user} on {}: {what}", publisher.key.participant, publisher.key.stage))
}

fn of_replica(before: Option<&Replica>, after: &Replica) -> Option<String> {
    /// What counts as another state. When it was last seen running does not.
    fn state(replica: &Replica) -> (Phase, Owner, Option<Moment>) {
        let phase = match &replica.phase {
            Phase::Blocked(blocked) => {
                Phase::Blocked(replication::Blocked { reason: blocked.reason, until: None })
            }
            other => other.clone(),
        };
        (phase, replica.owner, replica.evidence.off)
    }
    let key = &after.key;
    let line =
        |what: String| Some(format!("{} of {} on {}: {what}", key.participant, key.source, key.destination));
    let foreign = if after.owner == Owner::Foreign { ", started by somebody else" } else { "" };
    let Some(before) = before else {
        return line(format!("{}{foreign}, which was not known", after.phase));
    };
    if state(before) == state(after) {
        return None;
    }
    match (&before.phase, &after.phase) {
        (Phase::Active, Phase::Active) if before.owner != after.owner => {
            line(format!("runs{foreign}, which was not known"))
        }
        (Phase::Active, Phase::Active) => line("had ended, and was started again".to_owned()),
        (was, is) if was == is => None,
        (was, is) => line(format!("was {was}, is {is}{foreign}")),
    }
}
