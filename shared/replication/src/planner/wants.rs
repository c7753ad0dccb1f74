//! What the rules want of one publisher.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    Decision, Desired, Destination, Line, Match, Replica, Rule, RuleId, RuleRef, Source, StageArn, Status,
    Unmatched, View,
};

/// A destination, and the rule that wants it.
pub(crate) struct Want<'a> {
    pub(crate) destination: &'a StageArn,
    pub(crate) rule: &'a Rule,
}

impl Want<'_> {
    pub(super) fn rule_ref(&self) -> RuleRef {
        RuleRef { id: self.rule.id.clone(), revision: self.rule.revision, priority: self.rule.priority }
    }

    pub(super) fn priority(&self) -> u8 {
        self.rule.priority
    }

    pub(super) fn is_of_versus(&self) -> bool {
        self.rule.id.is_of_versus()
    }

    /// Whether it takes the slot of a lower priority.
    pub(super) fn preempts(&self) -> bool {
        self.rule.preempt
    }

    pub(super) fn line(&self, decision: Decision, why: impl Into<Cow<'static, str>>) -> Line {
        let (destination, rule) = (self.destination.clone(), Some(self.rule.id.clone()));
        Line { destination, rule, decision, why: why.into() }
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
/// rules that do not speak of this publisher, or of which that is not known.
pub(crate) fn wants(view: &View, now: Timestamp) -> (Vec<Want<'_>>, Vec<(RuleId, Unmatched)>) {
    let mut rules: Vec<&Rule> = view.rules.iter().collect();
    rules.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id)));
    let (mut wants, mut unmatched) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for rule in rules {
        if let Some(why) = mismatch(rule, view, now) {
            unmatched.push((rule.id.clone(), why));
            continue;
        }
        let mut reasons = BTreeSet::new();
        let mut selected_any = false;
        for destination in &rule.destinations {
            let selected = selected(destination, view, &mut reasons);
            selected_any |= !selected.is_empty();
            let new = selected.into_iter().filter(|stage| seen.insert(*stage));
            wants.extend(new.map(|destination| Want { destination, rule }));
        }
        if !selected_any && reasons.is_empty() {
            reasons.insert(Unmatched::NoDestination);
        }
        unmatched.extend(reasons.into_iter().map(|why| (rule.id.clone(), why)));
    }
    (wants, unmatched)
}

/// The stages that a destination means, by ARN, without the source itself.
fn selected<'a>(
    destination: &'a Destination,
    view: &'a View,
    reasons: &mut BTreeSet<Unmatched>,
) -> Vec<&'a StageArn> {
    let source = &view.key.stage;
    match destination {
        Destination::Stage(stage) if stage == source => {
            reasons.insert(Unmatched::DestinationIsSource);
            Vec::new()
        }
        Destination::Stage(stage) => vec![stage],
        Destination::Tags { .. } => {
            let mut selected = Vec::new();
            for (stage, tags) in view.directory.iter().filter(|(stage, _)| *stage != source) {
                match destination.selects(view.tags.as_ref(), tags) {
                    Match::Yes => selected.push(stage),
                    Match::Unknown => drop(reasons.insert(Unmatched::TagsUnknown)),
                    Match::No => {}
                }
            }
            selected
        }
    }
}

/// Why a rule does not speak of a publisher, or why that is not known. An unknown user id mismatches nothing: that would
/// stop replicas for want of news.
pub(super) fn mismatch(rule: &Rule, view: &View, now: Timestamp) -> Option<Unmatched> {
    let publisher = view.publisher.as_ref();
    let covers = rule.covers(&view.key.stage, view.tags.as_ref());
    let user_id = publisher.map(|publisher| publisher.user_id.as_str());
    let attributes = publisher.and_then(|publisher| publisher.attributes.as_ref());
    match (covers, rule.participants.matches_attributes(attributes)) {
        (Match::No, _) if matches!(rule.source, Source::Tags(_)) => Some(Unmatched::Tags),
        (Match::No, _) => Some(Unmatched::OtherSource),
        _ if rule.status == Status::Paused => Some(Unmatched::Paused),
        _ if !rule.is_active(now) => Some(Unmatched::Expired),
        _ if user_id.is_some_and(|user_id| !rule.participants.matches(user_id)) => Some(Unmatched::UserId),
        (_, Match::No) => Some(Unmatched::Attributes),
        (Match::Unknown, _) => Some(Unmatched::TagsUnknown),
        (Match::Yes, Match::Unknown) => Some(Unmatched::AttributesUnknown),
        (Match::Yes, Match::Yes) => None,
    }
}
