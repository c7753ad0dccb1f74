//! The directory of stages that rules can select as destinations: what a list of all stages changes in it.
//!
//! A stage that is missing there is not known, and what is not known stops nothing. So a stage to which a rule has
//! something replicated stays in it with the tags it has now, whatever they are: only then the planner sees that the rule
//! does not select it any more. A stage that is gone has no tags.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inventory, Roster, is_live};
use crate::{Replica, StageArn, Standing, Tags};

/// The stages of the directory that are not listed although everything was. A second witness has to say that they are gone.
pub fn unlisted<'a>(inventory: &'a Inventory, roster: &Roster) -> Vec<&'a StageArn> {
    let unlisted = inventory.directory.keys().filter(|stage| !roster.stages.contains_key(*stage));
    unlisted.filter(|_| roster.complete).collect()
}

/// What has to be written: the tags of stages that are new or changed, and nothing for those that are to be taken out.
/// `gone` are stages that IVS refused as unknown.
pub fn directory_changes(
    inventory: &Inventory,
    roster: &Roster,
    gone: &BTreeSet<StageArn>,
) -> BTreeMap<StageArn, Option<Tags>> {
    let selected = |tags: &Tags| inventory.rules.iter().any(|rule| rule.can_select(tags));
    let by_tag = |replica: &&Replica| {
        let rule = inventory.rules.iter().find(|rule| Some(&rule.id) == replica.rule.as_ref().map(|r| &r.id));
        is_live(replica) && rule.is_some_and(|rule| rule.selects_destinations())
    };
    let replicas = inventory.replicas().filter(by_tag);
    let in_use: BTreeSet<&StageArn> = replicas.map(|replica| &replica.key.destination).collect();
    let mut changes = BTreeMap::new();
    for stage in gone {
        let runs = inventory.replicas_to(stage).filter(by_tag).any(may_run);
        match inventory.directory.get(stage) {
            Some(known) if runs && known.is_empty() => {}
            _ => drop(changes.insert(stage.clone(), runs.then(Tags::new))),
        }
    }
    for (stage, listed) in &roster.stages {
        let known = inventory.directory.get(stage);
        if selected(&listed.tags) || in_use.contains(stage) {
            if known != Some(&listed.tags) {
                changes.insert(stage.clone(), Some(listed.tags.clone()));
            }
        } else if known.is_some() && !inventory.rules_incomplete {
            changes.insert(stage.clone(), None);
        }
    }
    changes
}

fn may_run(replica: &Replica) -> bool {
    replica.holds_slot() || matches!(replica.evidence.standing(), Standing::On | Standing::Uncertain)
}
