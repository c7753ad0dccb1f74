//! Why rules apply and do not, in words that name what the rule says and what is the case.

use crate::{Destination, Publisher, Rule, RuleId, Source, StageArn, Tags, Unmatched, View};

use super::UnmatchedRule;

/// Each rule that does not apply, or of which that is not known.
pub(super) fn rules(view: &View, unmatched: &[(RuleId, Unmatched)]) -> Vec<UnmatchedRule> {
    let words = |id: &RuleId, why: Unmatched| {
        let rule = view.rules.iter().find(|rule| rule.id == *id);
        rule.and_then(|rule| words(rule, view, why)).unwrap_or_else(|| why.to_string())
    };
    let told =
        |(id, why): &(RuleId, Unmatched)| UnmatchedRule { id: id.clone(), why: *why, words: words(id, *why) };
    unmatched.iter().map(told).collect()
}

/// What the rule says and what is the case, where that is more than the reason itself.
fn words(rule: &Rule, view: &View, why: Unmatched) -> Option<String> {
    match (why, &rule.source) {
        (Unmatched::Expired, _) => Some(format!("the rule has expired at {}", rule.expires_at?)),
        (Unmatched::OtherSource, Source::Stage(stage)) => {
            Some(format!("the rule's source is another stage, {stage}"))
        }
        (Unmatched::Tags, Source::Tags(wanted)) => {
            let tags = view.tags.as_ref()?;
            let lacking = wanted.iter().filter(|(key, value)| tags.get(*key) != Some(value));
            let lacking = lacking.map(|(key, value)| match tags.get(key) {
                Some(other) => format!("{key}={value}, and the stage has {key}={other}"),
                None => format!("{key}={value}, and the stage has no such tag"),
            });
            Some(format!("the rule's source has the tag {}", lacking.collect::<Vec<_>>().join("; ")))
        }
        (Unmatched::UserId, _) => {
            let user_id = view.publisher.as_ref().map_or("", |publisher| publisher.user_id.as_str());
            let pattern = rule.participants.user_id.as_ref()?;
            Some(format!("the user id {user_id:?} does not match {:?}", pattern.as_str()))
        }
        (Unmatched::Attributes, _) => {
            let attributes = view.publisher.as_ref()?.attributes.as_ref()?;
            let wanted = rule.participants.attributes.iter();
            let lacking = wanted
                .filter(|(key, pattern)| !attributes.get(*key).is_some_and(|value| pattern.matches(value)));
            // The values may be about a person; the keys are the customer's scheme.
            let lacking = lacking.map(|(key, pattern)| match attributes.contains_key(key) {
                true => format!("the attribute {key:?} does not match {:?}", pattern.as_str()),
                false => format!("there is no attribute {key:?}, which has to match {:?}", pattern.as_str()),
            });
            Some(lacking.collect::<Vec<_>>().join("; "))
        }
        (Unmatched::NoDestination, _) => {
            let wanted = rule.destinations.iter().filter_map(|destination| match destination {
                Destination::Tags { tags, same } => Some(tagged(tags, same)),
                Destination::Stage(_) => None,
            });
            Some(format!("no stage is known with {}", wanted.collect::<Vec<_>>().join(", or ")))
        }
        _ => None,
    }
}

/// What of a rule fits a participant and a destination.
pub(super) fn because(rule: &Rule, view: &View, destination: &StageArn) -> String {
    let source = match &rule.source {
        Source::Any => "its source is any stage".to_owned(),
        Source::Stage(_) => "its source is this stage".to_owned(),
        Source::Tags(tags) => format!("its source is stages with {}", tagged(tags, &[])),
    };
    let mut parts = vec![source];
    let user_id = view.publisher.as_ref().map(|publisher: &Publisher| publisher.user_id.as_str());
    if let (Some(pattern), Some(user_id)) = (&rule.participants.user_id, user_id) {
        parts.push(format!("the user id {user_id:?} matches {:?}", pattern.as_str()));
    }
    for (key, pattern) in &rule.participants.attributes {
        parts.push(format!("the attribute {key:?} matches {:?}", pattern.as_str()));
    }
    let by_tag = rule.destinations.iter().find_map(|of| match of {
        Destination::Tags { tags, same } => {
            let has = view.directory.get(destination)?;
            (of.selects(view.tags.as_ref(), has) == crate::Match::Yes).then(|| tagged(tags, same))
        }
        Destination::Stage(_) => None,
    });
    let named =
        rule.destinations.iter().any(|of| matches!(of, Destination::Stage(stage) if stage == destination));
    match by_tag.filter(|_| !named) {
        Some(tags) => parts.push(format!("the destination is one with {tags}")),
        None => parts.push("it names the destination".to_owned()),
    }
    parts.join(", ")
}

/// `role=main, zone=eu and the source's show`.
fn tagged(tags: &Tags, same: &[String]) -> String {
    let pairs: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    match same {
        [] => pairs.join(", "),
        keys => format!("{} and the source's {}", pairs.join(", "), keys.join(", ")),
    }
}
