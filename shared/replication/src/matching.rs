//! Whether a rule speaks of a stage, a participant or a destination, by what is known of them.
//!
//! No event carries tags or attributes, so there is a third answer: not known yet. It starts nothing and stops nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{Destination, ParticipantFilter, Rule, Source, StageArn, Tags, View};

/// Stages with their tags, of those that some rule can select as destinations.
pub type Directory = BTreeMap<StageArn, Tags>;

/// Whether something matches. In this order, the least of several is what holds of all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Match {
    /// It does not.
    No,
    /// It cannot be told by what is known.
    Unknown,
    /// It does.
    Yes,
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

impl Rule {
    /// Whether the rule speaks of publishers on `stage`, which has these tags.
    pub fn covers(&self, stage: &StageArn, tags: Option<&Tags>) -> Match {
        match (&self.source, tags) {
            (Source::Any, _) => Match::Yes,
            (Source::Stage(source), _) => Match::from(source == stage),
            (Source::Tags(wanted), _) if wanted.is_empty() => Match::Yes,
            (Source::Tags(_), None) => Match::Unknown,
            (Source::Tags(wanted), Some(tags)) => Match::from(has_all(tags, wanted)),
        }
    }

    /// Whether one of its destinations is `stage`, for publishers of a stage with the tags `source`.
    pub fn leads_to(&self, source: Option<&Tags>, stage: &StageArn, directory: &Directory) -> Match {
        let each = self.destinations.iter().map(|destination| match (destination, directory.get(stage)) {
            (Destination::Stage(named), _) => Match::from(named == stage),
            (Destination::Tags { .. }, None) => Match::Unknown,
            (Destination::Tags { .. }, Some(tags)) => destination.selects(source, tags),
        });
        each.max().unwrap_or(Match::No)
    }

    /// Whether it wants the publisher of `view` on `stage`, at `now`.
    pub fn wants(&self, view: &View, stage: &StageArn, now: Timestamp) -> Match {
        let publisher = view.publisher.as_ref();
        let attributes = publisher.and_then(|publisher| publisher.attributes.as_ref());
        // An unknown user id mismatches nothing: without a publisher, there is no news of publishing either.
        let user_id = publisher.is_none_or(|publisher| self.participants.matches(&publisher.user_id));
        let tags = view.tags.as_ref();
        Match::from(self.is_active(now) && *stage != view.key.stage)
            .min(Match::from(user_id))
            .min(self.covers(&view.key.stage, tags))
            .min(self.participants.matches_attributes(attributes))
            .min(self.leads_to(tags, stage, &view.directory))
    }

    /// Whether a stage with these tags can be one of its destinations by tag.
    pub fn can_select(&self, tags: &Tags) -> bool {
        self.destinations.iter().any(|destination| destination.selects(None, tags) != Match::No)
    }

    /// Whether it has a destination by tag.
    pub fn selects_destinations(&self) -> bool {
        self.destinations.iter().any(|destination| matches!(destination, Destination::Tags { .. }))
    }

    /// Whether what it says of a publisher can depend on the tags of its stage.
    pub fn asks_for_source_tags(&self) -> bool {
        let joins = |destination: &Destination| match destination {
            Destination::Stage(_) => false,
            Destination::Tags { same, .. } => !same.is_empty(),
        };
        matches!(self.source, Source::Tags(_)) || self.destinations.iter().any(joins)
    }
}

impl Destination {
    /// Whether it selects a stage with these tags, for publishers of a stage with the tags `source`. A destination that
    /// names its stage selects none.
    pub fn selects(&self, source: Option<&Tags>, tags: &Tags) -> Match {
        let Self::Tags { tags: wanted, same } = self else { return Match::No };
        let joined = same.iter().map(|key| match (tags.get(key), source) {
            (None, _) => Match::No,
            (Some(_), None) => Match::Unknown,
            (Some(value), Some(source)) => Match::from(source.get(key) == Some(value)),
        });
        joined.min().unwrap_or(Match::Yes).min(Match::from(has_all(tags, wanted)))
    }
}

impl ParticipantFilter {
    /// Whether a participant with this user id can be meant.
    pub fn matches(&self, user_id: &str) -> bool {
        self.user_id.as_ref().is_none_or(|pattern| pattern.matches(user_id))
    }

    /// Whether a participant with these attributes of its token can be meant.
    pub fn matches_attributes(&self, attributes: Option<&BTreeMap<String, String>>) -> Match {
        let Some(attributes) =
            attributes.or(self.attributes.is_empty().then_some(const { &BTreeMap::new() }))
        else {
            return Match::Unknown;
        };
        let mut wanted = self.attributes.iter();
        Match::from(
            wanted.all(|(key, pattern)| attributes.get(key).is_some_and(|value| pattern.matches(value))),
        )
    }
}

fn has_all(tags: &Tags, wanted: &Tags) -> bool {
    wanted.iter().all(|(key, value)| tags.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn overflow(same: &[&str]) -> Destination {
        let same = same.iter().map(|key| (*key).to_owned()).collect();
        Destination::Tags { tags: tags(&[("role", "overflow")]), same }
    }

    fn rule(source: Source, destinations: Vec<Destination>) -> Rule {
        Rule {
            id: "r".parse().unwrap(),
            revision: 1,
            priority: 50,
            status: crate::Status::Enabled,
            source,
            participants: ParticipantFilter::default(),
            destinations,
            reconnect_window: crate::ReconnectWindow::default(),
            attributes: BTreeMap::new(),
            preempt: false,
            record_replicas: None,
            expires_at: None,
        }
    }

    #[test]
    fn what_a_rule_asks_of_tags() {
        let stage: StageArn = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
        let named = || Destination::Stage(stage.clone());
        for (source, destination, selects, asks) in [
            (Source::Stage(stage.clone()), named(), false, false),
            (Source::Stage(stage.clone()), overflow(&[]), true, false),
            (Source::Stage(stage.clone()), overflow(&["show"]), true, true),
            (Source::Tags(tags(&[("role", "main")])), named(), false, true),
            (Source::Any, named(), false, false),
        ] {
            let rule = rule(source, vec![destination]);
            assert_eq!(
                (rule.selects_destinations(), rule.asks_for_source_tags()),
                (selects, asks),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn a_source_by_no_tags_is_every_stage() {
        let stage: StageArn = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
        let of = |wanted: &[(&str, &str)]| rule(Source::Tags(tags(wanted)), Vec::new());
        assert_eq!(of(&[]).covers(&stage, None), Match::Yes);
        assert_eq!(of(&[("role", "main")]).covers(&stage, None), Match::Unknown);
        assert_eq!(of(&[("role", "main")]).covers(&stage, Some(&tags(&[]))), Match::No);
        assert_eq!(of(&[("role", "main")]).covers(&stage, Some(&tags(&[("role", "main")]))), Match::Yes);
    }

    #[test]
    fn a_destination_has_all_tags_and_the_same_value_where_it_must() {
        let source = tags(&[("role", "main"), ("show", "7")]);
        for (destination, of, expected) in [
            (overflow(&[]), tags(&[("role", "overflow"), ("more", "x")]), Match::Yes),
            (overflow(&[]), tags(&[("role", "Overflow")]), Match::No),
            (overflow(&["show"]), tags(&[("role", "overflow"), ("show", "7")]), Match::Yes),
            (overflow(&["show"]), tags(&[("role", "overflow"), ("show", "8")]), Match::No),
            (overflow(&["show"]), tags(&[("role", "overflow")]), Match::No),
            (overflow(&["day"]), tags(&[("role", "overflow"), ("day", "1")]), Match::No),
        ] {
            assert_eq!(destination.selects(Some(&source), &of), expected, "{destination:?} {of:?}");
        }
    }

    #[test]
    fn without_the_source_s_tags_only_what_differs_anyway_is_told() {
        let of = tags(&[("role", "overflow"), ("show", "7")]);
        assert_eq!(overflow(&["show"]).selects(None, &of), Match::Unknown);
        assert_eq!(overflow(&[]).selects(None, &of), Match::Yes);
        assert_eq!(
            overflow(&["day"]).selects(None, &of),
            Match::No,
            "it lacks the tag, whatever the source has"
        );
        assert_eq!(overflow(&["show"]).selects(None, &tags(&[("show", "7")])), Match::No);
    }

    #[test]
    fn attributes_are_asked_for_only_if_the_filter_has_some() {
        let filter = |pairs: &[(&str, &str)]| ParticipantFilter {
            user_id: None,
            attributes: pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.parse().unwrap()))
                .collect(),
        };
        assert_eq!(filter(&[]).matches_attributes(None), Match::Yes);
        assert_eq!(filter(&[("role", "host*")]).matches_attributes(None), Match::Unknown);
        let host = tags(&[("role", "host-1"), ("team", "red")]);
        assert_eq!(filter(&[("role", "host*")]).matches_attributes(Some(&host)), Match::Yes);
        assert_eq!(filter(&[("role", "host*"), ("team", "blue")]).matches_attributes(Some(&host)), Match::No);
        assert_eq!(filter(&[("role", "*")]).matches_attributes(Some(&Tags::new())), Match::No);
    }
}
