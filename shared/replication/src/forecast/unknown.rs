//! What a forecast cannot tell from the table, and what only a sweep does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::NotKnown;
use super::settle::Settled;
use crate::sweep::recording::wanted;
use crate::sweep::{Inventory, RecordingDue, Roster};
use crate::{Destination, Rule, RuleChange, Source, Tags};

/// Stages whose recording the new rules want otherwise than the present ones, and that are not known to be so already.
pub(super) fn recordings(inventory: &Inventory, rules: &[Rule], now: Timestamp) -> Vec<RecordingDue> {
    if inventory.rules_incomplete {
        return Vec::new();
    }
    let roster = Roster::remembered(inventory);
    let after = Inventory { rules: rules.to_vec(), ..Inventory::default() };
    let (before, after) = (wanted(inventory, &roster, now), wanted(&after, &roster, now));
    let is_new = |due: &&RecordingDue| {
        let stage = &due.stage.stage;
        let known = inventory.knowledge(stage).and_then(|known| known.recording);
        let in_line =
            known.is_some_and(|known| known.in_line && known.record_replicas == due.record_replicas);
        let wanted = before.get(stage).is_some_and(|other| other.record_replicas == due.record_replicas);
        !wanted && !in_line
    };
    after.values().filter(is_new).cloned().collect()
}

/// What has to be found out before it can be told what the changed rules do.
pub(super) fn not_known(
    inventory: &Inventory,
    changes: &[RuleChange],
    before: &Settled,
    after: &Settled,
    now: Timestamp,
) -> Vec<NotKnown> {
    let changed: BTreeMap<_, _> =
        changes.iter().filter_map(|change| change.after.as_ref()).map(|rule| (&rule.id, rule)).collect();
    let open = after.open.iter().filter(|open| changed.contains_key(&open.1) || !before.open.contains(open));
    let publishers = open.map(|(publisher, rule, why)| NotKnown::Publisher {
        publisher: publisher.clone(),
        rule: rule.clone(),
        why: *why,
    });
    let present: Vec<&Rule> = inventory.rules.iter().filter(|rule| rule.is_active(now)).collect();
    let roster = Roster::default();
    let seen = inventory.concerned(&roster, now);
    let active = || changed.values().filter(|rule| rule.is_active(now));
    let sources = active().filter_map(|rule| {
        let (rule, stage) = match &rule.source {
            Source::Stage(stage) => {
                let nobody =
                    inventory.knowledge(stage).is_some_and(|known| known.listed.active_session.is_none());
                (!seen.contains(stage) && !nobody).then_some((rule, Some(stage.clone())))?
            }
            Source::Any => {
                (!present.iter().any(|rule| rule.source == Source::Any)).then_some((rule, None))?
            }
            Source::Tags(tags) => {
                (!present.iter().any(|rule| covers_all(rule, tags))).then_some((rule, None))?
            }
        };
        Some(NotKnown::Source { rule: rule.id.clone(), stage })
    });
    let every_stage_is_kept = present.iter().any(|rule| rule.asks_for_source_tags());
    let destinations = active().filter(|rule| {
        let is_new = |destination: &Destination| !present.iter().any(|rule| selects_all(rule, destination));
        !every_stage_is_kept && rule.destinations.iter().any(is_new)
    });
    let destinations = destinations.map(|rule| NotKnown::Destinations { rule: rule.id.clone() });
    publishers.chain(sources).chain(destinations).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a rule speaks of every stage with these tags.
fn covers_all(rule: &Rule, tags: &Tags) -> bool {
    match &rule.source {
        Source::Any => true,
        Source::Stage(_) => false,
        Source::Tags(wanted) => wanted.iter().all(|(key, value)| tags.get(key) == Some(value)),
    }
}

/// Whether a rule has every stage that this destination can mean in the directory; a stage that is named need not be there.
fn selects_all(rule: &Rule, destination: &Destination) -> bool {
    let Destination::Tags { tags: wanted, .. } = destination else { return true };
    rule.destinations.iter().any(|known| match known {
        Destination::Stage(_) => false,
        Destination::Tags { tags, same } => {
            let is_wider = tags.iter().all(|(key, value)| wanted.get(key) == Some(value));
            known == destination || same.is_empty() && is_wider
        }
    })
}
