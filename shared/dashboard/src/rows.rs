//! The table as the page has it: rows in sections, each with a key that never changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use replication::sweep::StageItems;
use replication::{Control, Phase, Publishing, Replica, StageArn};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Reading;

/// All rows.
pub type Rows = BTreeMap<Section, BTreeMap<String, Value>>;

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Stages, by ARN.
    Stages,
    /// Who publishes, or has replications, by stage and participant.
    Publishers,
    /// Replications, by source stage, participant and destination stage.
    Replicas,
    /// Versus sessions, by id.
    Versus,
    /// Rules, by id.
    Rules,
    /// What is ordered for all stages: `pause`, `brake`; and `rules`, if one cannot be read.
    Control,
}

/// The rows that a reading makes. What is at rest is left out: a replication that has ended, and somebody who does not publish and
/// has no other replication. The table keeps them for a week, and nobody watches them.
pub fn rows(reading: &Reading) -> Rows {
    let mut rows = Rows::new();
    let mut put = |section, key: String, row: Value| {
        rows.entry(section).or_default().insert(key, row);
    };
    for (arn, items) in &reading.inventory.stages {
        put(Section::Stages, arn.to_string(), row(&Stage::of(arn, items)));
        let live = || items.replicas.values().filter(|replica| replica.phase != Phase::Stopped);
        for known in items.publishers.values() {
            let replicated = live().any(|replica| replica.key.participant == known.key.participant);
            if replicated || known.publishing() != Publishing::No {
                let view = views::Publisher::from(known);
                put(Section::Publishers, format!("{arn} {}", known.key.participant), row(&view));
            }
        }
        for replica in live() {
            put(Section::Replicas, replica.key.to_string(), row(&Replicated::of(replica, items)));
        }
    }
    for rule in &reading.inventory.rules {
        put(Section::Rules, rule.id.to_string(), row(&views::Rule::from(rule)));
    }
    for session in &reading.versus {
        put(Section::Versus, session.terms.id.to_string(), row(&views::Versus::from(session)));
    }
    for (name, order) in orders(&reading.inventory.control, reading.at) {
        put(Section::Control, name.to_owned(), order);
    }
    if reading.inventory.rules_incomplete {
        put(Section::Control, "rules".to_owned(), json!({ "incomplete": true }));
    }
    rows
}

/// A stage.
#[derive(Serialize)]
struct Stage<'a> {
    stage: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    /// The active session: somebody is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    /// Places of the stage that are taken; there only for a destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    occupied: Option<usize>,
}

impl<'a> Stage<'a> {
    fn of(arn: &'a StageArn, items: &'a StageItems) -> Self {
        let listed = items.knowledge.as_ref().map(|known| &known.listed);
        Self {
            stage: arn.as_str(),
            name: listed.map_or("", |listed| &listed.name),
            tags: listed.map(|listed| &listed.tags).filter(|tags| !tags.is_empty()),
            session: listed.and_then(|listed| listed.active_session.as_ref()).map(|session| session.as_str()),
            occupied: items.occupants.as_ref().map(|occupants| occupants.len()),
        }
    }
}

/// A replication, with what the page would have to look up elsewhere.
#[derive(Serialize)]
struct Replicated<'a> {
    #[serde(flatten)]
    replica: views::Replica,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_id: &'a str,
    /// Whether the brake on mass stops keeps it running.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    held_by_brake: bool,
}

impl<'a> Replicated<'a> {
    fn of(replica: &Replica, items: &'a StageItems) -> Self {
        let publisher = items.publishers.get(&replica.key.participant);
        Self {
            replica: views::Replica::from(replica),
            user_id: publisher.map_or("", |publisher| publisher.user_id.as_str()),
            held_by_brake: replica.is_held_by_brake(),
        }
    }
}

fn orders(control: &Control, now: Timestamp) -> Vec<(&'static str, Value)> {
    let mut orders = Vec::new();
    if let Some(pause) = &control.pause {
        let order = json!({ "reason": pause.reason, "by": pause.by, "at": pause.at.to_string() });
        orders.push(("pause", order));
    }
    if let Some(until) = control.brake_released_until.filter(|until| now < *until) {
        orders.push(("brake", json!({ "released_until": until.to_string() })));
    }
    orders
}

/// As JSON. The forms have only texts as keys, which alone could make this fail.
fn row(form: &impl Serialize) -> Value {
    serde_json::to_value(form).unwrap_or(Value::Null)
}
