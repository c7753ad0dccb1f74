//! What the rules want of one publisher.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    Decision, Desired, Destination, Line, Replica, Rule, RuleId, RuleRef, StageArn, Status, Unmatched, View,
};

/// A destination, and the rule that wants it.
pub(super) struct Want<'a> {
    pub(super) destination: &'a StageArn,
    rule: &'a Rule,
}

impl Want<'_> {
    pub(super) fn rule_ref(&self) -> RuleRef {
        RuleRef { id: self.rule.id.clone(), revision: self.rule.revision, priority: self.rule.priority }
    }

    pub(super) fn line(&self, decision: Decision, why: String) -> Line {
        Line { destination: self.destination.clone(), rule: Some(self.rule.id.clone()), decision, why }
    }

    /// The replication as the rule asks for it.
    pub(super) fn asked_of(&self, replica: Replica) -> Replica {
        Replica {
            desired: Desired::Replicated,
            rule: Some(self.rule_ref()),
            reconnect_window: self.rule.reconnect_window,
            attributes: self.rule.attributes.clone(),
            wanted_until: self.until(),
            ..replica
        }
    }

    /// Until when the rule wants it; nothing if it has no end.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.rule.expires_at
    }
}

/// Every wanted destination once, by the rule with the highest priority, in the order in which slots are given; and the
/// rules that do not speak of this publisher.
pub(super) fn wants(view: &View, now: Timestamp) -> (Vec<Want<'_>>, Vec<(RuleId, Unmatched)>) {
    let user_id = view.publisher.as_ref().map(|publisher| publisher.user_id.as_str());
    let mut rules: Vec<&Rule> = view.rules.iter().collect();
    rules.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id)));
    let (mut wants, mut unmatched) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for rule in rules {
        if let Some(why) = mismatch(rule, &view.key.stage, user_id, now) {
            unmatched.push((rule.id.clone(), why));
            continue;
        }
        for destination in &rule.destinations {
            let Destination::Stage(destination) = destination else { continue };
            if *destination == view.key.stage {
                unmatched.push((rule.id.clone(), Unmatched::DestinationIsSource));
            } else if seen.insert(destination) {
                wants.push(Want { destination, rule });
            }
        }
    }
    (wants, unmatched)
}

/// Why a rule does not speak of a publisher. An unknown user id mismatches nothing: that would stop replicas for want of news.
fn mismatch(rule: &Rule, stage: &StageArn, user_id: Option<&str>, now: Timestamp) -> Option<Unmatched> {
    if !rule.covers(stage) {
        return Some(Unmatched::OtherSource);
    }
    if rule.status == Status::Paused {
        return Some(Unmatched::Paused);
    }
    if !rule.is_active(now) {
        return Some(Unmatched::Expired);
    }
    user_id.is_some_and(|user_id| !rule.participants.matches(user_id)).then_some(Unmatched::UserId)
}
