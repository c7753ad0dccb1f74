//! The recording of replicas: on which destination stages the rules have a say in it, and which to look at next.
//!
//! IVS records the replicas on a stage that records its participants, unless the stage says otherwise. A rule with
//! `record_replicas` has its destination stages say what it wants.
//!
//! # Guarantees
//! * A stage that no active rule has a say in is left as it is, also if one had it before.
//! * If a rule cannot be read, nothing is looked at: it may be the one that counts.
//!
//! # Caveats
//! * IVS refuses to change a stage while somebody there is being recorded. It is tried again, as everything is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Inventory, ListedStage, Roster, SweepPolicy};
use crate::{Destination, Rule, RuleId, StageArn};

/// How a stage records those who publish there, as GetStage gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Whether anybody is recorded: whether it has a storage configuration.
    pub on: bool,
    /// Whether replicas are, too.
    pub replicas: bool,
    /// All of it, in IVS's own words (JSON), so that nothing else is changed with it.
    pub settings: String,
}

impl Recording {
    /// Whether there is nothing to change. Where nobody is recorded, no replica is.
    pub fn is_in_line(&self, record_replicas: bool) -> bool {
        !self.on || self.replicas == record_replicas
    }
}

/// What was found when a stage's recording was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingCheck {
    /// What the rules wanted.
    pub record_replicas: bool,
    /// Whether it was so afterwards.
    pub in_line: bool,
    /// When.
    pub at: Timestamp,
}

/// A stage whose recording has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingDue {
    /// The stage.
    pub stage: ListedStage,
    /// What its recording of replicas has to be.
    pub record_replicas: bool,
    /// The rule that says so.
    pub rule: RuleId,
}

/// The stages whose recording is due to be looked at: first those never looked at for what is wanted now, then the longest
/// not looked at; no more than one sweep does.
pub fn recordings_due(
    inventory: &Inventory,
    roster: &Roster,
    now: Timestamp,
    policy: &SweepPolicy,
) -> Vec<RecordingDue> {
    if inventory.rules_incomplete {
        return Vec::new();
    }
    let mut due: Vec<(Option<Timestamp>, RecordingDue)> = wanted(inventory, roster, now)
        .into_values()
        .filter_map(|wanted| {
            let known = inventory.knowledge(&wanted.stage.stage).and_then(|known| known.recording);
            let looked_at =
                known.filter(|known| known.record_replicas == wanted.record_replicas).map(|known| known.at);
            let is_due = looked_at.is_none_or(|at| now.duration_since(at) >= policy.recording_after)
                || inventory.asked_of(&wanted.stage.stage, now, policy).is_some();
            is_due.then_some((looked_at, wanted))
        })
        .collect();
    due.sort_by_key(|(looked_at, _)| *looked_at);
    due.into_iter().map(|(_, due)| due).take(policy.recordings_per_sweep).collect()
}

/// What the rules want of the recording on one stage, if they have a say in it.
pub fn wanted_recording(inventory: &Inventory, stage: &ListedStage, now: Timestamp) -> Option<RecordingDue> {
    let stages = BTreeMap::from([(stage.stage.clone(), stage.clone())]);
    wanted(inventory, &Roster { stages, complete: false }, now).remove(&stage.stage)
}

/// What each stage's recording has to be: what the rule with the highest priority says, among equals the first by id.
pub(crate) fn wanted<'a>(
    inventory: &'a Inventory,
    roster: &'a Roster,
    now: Timestamp,
) -> BTreeMap<&'a StageArn, RecordingDue> {
    let mut rules: Vec<&Rule> = inventory.rules.iter().filter(|rule| rule.is_active(now)).collect();
    rules.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id)));
    let mut wanted = BTreeMap::new();
    for rule in rules {
        let Some(record_replicas) = rule.record_replicas else { continue };
        for stage in destinations_of(rule, roster) {
            wanted.entry(&stage.stage).or_insert_with(|| RecordingDue {
                stage: stage.clone(),
                record_replicas,
                rule: rule.id.clone(),
            });
        }
    }
    wanted
}

/// The stages, of those that there are, to which a rule can replicate.
fn destinations_of<'a>(rule: &'a Rule, roster: &'a Roster) -> impl Iterator<Item = &'a ListedStage> {
    let named = rule.destinations.iter().filter_map(|destination| match destination {
        Destination::Stage(stage) => roster.stages.get(stage),
        Destination::Tags { .. } => None,
    });
    named.chain(roster.stages.values().filter(|stage| rule.can_select(&stage.tags)))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::sweep::StageKnowledge;
    use crate::{ParticipantFilter, ReconnectWindow, Source, Status};

    fn arn(id: &str) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    fn listed(id: &str) -> ListedStage {
        ListedStage { stage: arn(id), name: String::new(), tags: BTreeMap::new(), active_session: None }
    }

    fn rule(id: &str, priority: u8, destinations: &[&str], record_replicas: Option<bool>) -> Rule {
        Rule {
            id: id.parse().unwrap(),
            revision: 1,
            priority,
            status: Status::Enabled,
            source: Source::Any,
            participants: ParticipantFilter::default(),
            destinations: destinations.iter().map(|id| Destination::Stage(arn(id))).collect(),
            reconnect_window: ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            preempt: false,
            record_replicas,
            expires_at: None,
        }
    }

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn roster() -> Roster {
        let stages = ["A", "B", "C", "D"].map(|id| (arn(id), listed(id)));
        Roster { stages: stages.into(), complete: true }
    }

    fn inventory(rules: Vec<Rule>) -> Inventory {
        Inventory { rules, ..Inventory::default() }
    }

    /// What is due: `B false by rule`, …
    fn due(inventory: &Inventory) -> Vec<String> {
        let due = recordings_due(inventory, &roster(), now(), &SweepPolicy::default());
        let id = |stage: &StageArn| stage.as_str().rsplit('/').next().unwrap().to_owned();
        due.iter()
            .map(|due| format!("{} {} by {}", id(&due.stage.stage), due.record_replicas, due.rule))
            .collect()
    }

    fn looked_at(
        inventory: &mut Inventory,
        id: &str,
        record_replicas: bool,
        in_line: bool,
        minutes_ago: i64,
    ) {
        let at = now() - SignedDuration::from_mins(minutes_ago);
        let recording = Some(RecordingCheck { record_replicas, in_line, at });
        inventory.put_knowledge(StageKnowledge { recording, ..StageKnowledge::new(listed(id), at) });
    }

    #[test]
    fn the_highest_priority_that_says_something_decides() {
        let rules = vec![
            rule("silent", 90, &["B"], None),
            rule("b", 50, &["B", "C"], Some(true)),
            rule("a", 50, &["C"], Some(false)),
            rule("high", 70, &["B"], Some(false)),
        ];
        assert_eq!(due(&inventory(rules)), ["B false by high", "C false by a"]);
    }

    #[test]
    fn what_is_wanted_of_one_stage_is_told_whatever_is_due() {
        let mut world = inventory(vec![rule("quiet", 50, &["B"], Some(false))]);
        looked_at(&mut world, "B", false, true, 1);
        let wanted = wanted_recording(&world, &listed("B"), now()).unwrap();
        assert_eq!((wanted.record_replicas, wanted.rule.as_str()), (false, "quiet"));
        assert_eq!(wanted_recording(&world, &listed("C"), now()), None);
    }

    #[test]
    fn rules_that_do_not_act_and_stages_that_are_not_there_are_nothing_to_look_at() {
        let paused = Rule { status: Status::Paused, ..rule("paused", 90, &["B"], Some(true)) };
        let expired = Rule { expires_at: Some(now()), ..rule("expired", 90, &["C"], Some(true)) };
        assert_eq!(
            due(&inventory(vec![paused, expired, rule("gone", 50, &["Z"], Some(true))])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_rule_that_cannot_be_read_may_be_the_one_that_counts() {
        let incomplete =
            Inventory { rules_incomplete: true, ..inventory(vec![rule("r", 50, &["B"], Some(false))]) };
        assert_eq!(due(&incomplete), Vec::<String>::new());
    }

    #[test]
    fn what_was_looked_at_is_left_for_ten_minutes_unless_something_else_is_wanted() {
        let mut world = inventory(vec![rule("r", 50, &["A", "B", "C", "D"], Some(false))]);
        looked_at(&mut world, "A", false, true, 9);
        looked_at(&mut world, "B", false, false, 9);
        looked_at(&mut world, "C", false, true, 10);
        looked_at(&mut world, "D", true, true, 1);
        assert_eq!(due(&world), ["D false by r", "C false by r"]);
        looked_at(&mut world, "B", false, false, 11);
        assert_eq!(due(&world), ["D false by r", "B false by r", "C false by r"], "the oldest first");
    }

    #[test]
    fn a_sweep_looks_at_few() {
        let world = inventory(vec![rule("r", 50, &["A", "B", "C", "D"], Some(false))]);
        let policy = SweepPolicy { recordings_per_sweep: 3, ..SweepPolicy::default() };
        assert_eq!(recordings_due(&world, &roster(), now(), &policy).len(), 3);
    }

    #[test]
    fn where_nobody_is_recorded_everything_is_in_line() {
        let recording = |on, replicas| Recording { on, replicas, settings: String::new() };
        assert!(recording(true, false).is_in_line(false) && !recording(true, true).is_in_line(false));
        assert!(recording(false, true).is_in_line(false) && !recording(true, false).is_in_line(true));
    }
}
