//! What a forecast cannot tell from the table, and what only a sweep does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::NotKnown;
use super::settle::Settled;
use crate::sweep::recording::wanted;
use crate::sweep::{Inventory, RecordingDue, Roster};
use crate::{Destination, Match, ParticipantFilter, Rule, RuleChange, Source, Tags};

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
    let active = || changed.values().filter(|rule| rule.is_active(now));
    let sources = active().filter_map(|rule| {
        // Only who is meant by a rule is looked for.
        let mut looked_for = present.iter().filter(|known| means_all_of(known, rule));
        let stage = match &rule.source {
            Source::Stage(stage) => {
                let known = inventory.knowledge(stage);
                let nobody = known.is_some_and(|known| known.listed.active_session.is_none());
                let covered = looked_for.any(|rule| rule.covers(stage, inventory.tags(stage)) == Match::Yes);
                (!covered && !nobody).then_some(Some(stage.clone()))?
            }
            Source::Any => (!looked_for.any(|rule| rule.source == Source::Any)).then_some(None)?,
            Source::Tags(tags) => (!looked_for.any(|rule| covers_all(rule, tags))).then_some(None)?,
        };
        Some(NotKnown::Source { rule: rule.id.clone(), stage })
    });
    let every_stage_is_kept = present.iter().any(|rule| rule.asks_for_source_tags());
    let destinations = active().filter(|rule| {
        let is_new = |destination: &Destination| match destination {
            Destination::Stage(_) => false,
            Destination::Tags { tags, .. } => {
                !present.iter().any(|rule| selects_all(rule, destination, tags))
            }
        };
        !every_stage_is_kept && rule.destinations.iter().any(is_new)
    });
    let destinations = destinations.map(|rule| NotKnown::Destinations { rule: rule.id.clone() });
    publishers.chain(sources).chain(destinations).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a rule means every participant of its stages that the other one would mean there.
fn means_all_of(rule: &Rule, other: &Rule) -> bool {
    rule.participants == ParticipantFilter::default() || rule.participants == other.participants
}

/// Whether a rule speaks of every stage with these tags.
fn covers_all(rule: &Rule, tags: &Tags) -> bool {
    match &rule.source {
        Source::Any => true,
        Source::Stage(_) => false,
        Source::Tags(wanted) => wanted.iter().all(|(key, value)| tags.get(key) == Some(value)),
    }
}

/// Whether a rule has every stage that this destination by tag can mean in the directory.
fn selects_all(rule: &Rule, destination: &Destination, wanted: &Tags) -> bool {
    rule.destinations.iter().any(|known| match known {
        Destination::Stage(_) => false,
        Destination::Tags { tags, same } => {
            let is_wider = tags.iter().all(|(key, value)| wanted.get(key) == Some(value));
            known == destination || same.is_empty() && is_wider
        }
    })
}
