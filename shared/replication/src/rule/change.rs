//! What changes when one set of rules takes the place of another: rule by rule, field by field.

use std::collections::BTreeMap;
use std::fmt;

use super::{Destination, Rule, Source, Status, Tags};
use crate::RuleId;

/// A rule that is added, changed or deleted. One of the two sides is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// The rule as it is; nothing if it is added.
    pub before: Option<Rule>,
    /// The rule as it will be, with its next revision; nothing if it is deleted.
    pub after: Option<Rule>,
}

/// What becomes of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// There was none of its id.
    Added,
    /// It says something else than before.
    Changed,
    /// It goes.
    Deleted,
}

/// A field in which a rule differs from itself before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The field's path, as it is written in the rules file: `participants.user_id`.
    pub field: String,
    /// Its value before, in one line; nothing if it was not said.
    pub before: Option<String>,
    /// Its value now, in one line; nothing if it is not said.
    pub after: Option<String>,
}

impl ChangeKind {
    /// The kind as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl RuleChange {
    /// The changes that turn `current` into `wanted`, by id. Rules of versus sessions are left out on both sides: they are not
    /// for anybody to change. A rule that says the same as before is no change, whatever its revision.
    pub fn between(current: &[Rule], wanted: &[Rule]) -> Vec<Self> {
        let mut changes: BTreeMap<&RuleId, Self> = BTreeMap::new();
        for rule in current.iter().filter(|rule| !rule.id.is_of_versus()) {
            changes.insert(&rule.id, Self { before: Some(rule.clone()), after: None });
        }
        for rule in wanted.iter().filter(|rule| !rule.id.is_of_versus()) {
            let change = changes.entry(&rule.id).or_insert(Self { before: None, after: None });
            let revision = change.before.as_ref().map_or(0, |before| before.revision) + 1;
            change.after = Some(Rule { revision, ..rule.clone() });
        }
        changes.into_values().filter(|change| !change.is_nothing()).collect()
    }

    /// The rules as they are once these changes are made.
    pub fn applied(changes: &[Self], current: &[Rule]) -> Vec<Rule> {
        let changed = |rule: &&Rule| changes.iter().any(|change| change.id() == Some(&rule.id));
        let kept = current.iter().filter(|rule| !changed(rule));
        kept.chain(changes.iter().filter_map(|change| change.after.as_ref())).cloned().collect()
    }

    /// The rule that it is about; nothing if neither side is there.
    pub fn id(&self) -> Option<&RuleId> {
        self.before.as_ref().or(self.after.as_ref()).map(|rule| &rule.id)
    }

    /// What becomes of the rule.
    pub fn kind(&self) -> ChangeKind {
        match (&self.before, &self.after) {
            (None, _) => ChangeKind::Added,
            (Some(_), Some(_)) => ChangeKind::Changed,
            (Some(_), None) => ChangeKind::Deleted,
        }
    }

    /// What differs, in the order of the rules file; for a rule that is added or deleted, all that it says or said.
    pub fn fields(&self) -> Vec<FieldChange> {
        let (before, after) = (self.before.as_ref().map(fields), self.after.as_ref().map(fields));
        let (mut before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let mut changes = Vec::new();
        for (field, after) in after {
            let known = before.iter().position(|(other, _)| *other == field);
            let before = known.map(|i| before.remove(i).1);
            changes.push(FieldChange { field, before, after: Some(after) });
        }
        changes.extend(before.into_iter().map(|(field, before)| FieldChange {
            field,
            before: Some(before),
            after: None,
        }));
        changes.retain(|change| change.before != change.after);
        changes
    }

    /// Whether the rule says the same afterwards.
    pub fn is_nothing(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => before.says_the_same(after),
            (before, after) => before.is_none() && after.is_none(),
        }
    }
}

impl Rule {
    /// Whether both say the same, whatever their revisions.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let same = Self { revision: self.revision, ..other.clone() };
        *self == same
    }
}

/// What a rule says, field by field. What is not said, and has no default, is not there.
fn fields(rule: &Rule) -> Vec<(String, String)> {
    let mut fields = vec![
        ("status".to_owned(), status(rule.status).to_owned()),
        ("priority".to_owned(), rule.priority.to_string()),
        ("source".to_owned(), source(&rule.source)),
    ];
    let mut add = |field: &str, value: Option<String>| {
        fields.extend(value.map(|value| (field.to_owned(), value)));
    };
    add(
        "participants.user_id",
        rule.participants.user_id.as_ref().map(|pattern| format!("{pattern:?}", pattern = pattern.as_str())),
    );
    for (key, pattern) in &rule.participants.attributes {
        add(
            &format!("participants.attributes.{}", key.escape_debug()),
            Some(format!("{:?}", pattern.as_str())),
        );
    }
    for (i, to) in rule.destinations.iter().enumerate() {
        add(&format!("destinations[{i}]"), Some(destination(to)));
    }
    add("reconnect_window_seconds", Some(rule.reconnect_window.seconds().to_string()));
    for (key, value) in &rule.attributes {
        add(&format!("attributes.{}", key.escape_debug()), Some(format!("{value:?}")));
    }
    add("preempt", Some(rule.preempt.to_string()));
    add("record_replicas", rule.record_replicas.map(|record| record.to_string()));
    add("expires_at", rule.expires_at.map(|end| end.to_string()));
    fields
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Enabled => "enabled",
        Status::Paused => "paused",
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Any => "any stage".to_owned(),
        Source::Stage(stage) => stage.to_string(),
        Source::Tags(selected) => tags(selected),
    }
}

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Stage(stage) => stage.to_string(),
        Destination::Tags { tags: selected, same } if same.is_empty() => tags(selected),
        Destination::Tags { tags: selected, same } => format!("{} same {}", tags(selected), same.join(" ")),
    }
}

fn tags(tags: &Tags) -> String {
    let pairs: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("tags {}", pairs.join(" ")).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{rule, stage};
    use super::*;
    use crate::ReconnectWindow;

    fn named(id: &str) -> Rule {
        Rule { id: id.parse().unwrap(), ..rule() }
    }

    #[test]
    fn a_set_differs_from_itself_in_nothing() {
        let of_versus = named("versus.duel.1");
        let set = [named("a"), named("b"), of_versus];
        assert_eq!(RuleChange::between(&set, &set), []);
        let again = [named("b"), Rule { revision: 7, ..named("a") }];
        assert_eq!(RuleChange::between(&set, &again), [], "neither the order nor the revision is a change");
    }

    #[test]
    fn rules_are_added_changed_and_deleted_by_id_with_their_next_revision() {
        let before = [Rule { revision: 3, ..named("changed") }, named("deleted"), named("same")];
        let after = [Rule { priority: 60, ..named("changed") }, named("added"), named("same")];
        let changes = RuleChange::between(&before, &after);
        let told: Vec<_> = changes
            .iter()
            .map(|change| {
                let revision = change.after.as_ref().map_or(0, |rule| rule.revision);
                (change.id().unwrap().as_str(), change.kind().name(), revision)
            })
            .collect();
        assert_eq!(told, [("added", "added", 1), ("changed", "changed", 4), ("deleted", "deleted", 0)]);
        let mut ids: Vec<_> = RuleChange::applied(&changes, &before)
            .into_iter()
            .map(|rule| (rule.id.to_string(), rule.revision))
            .collect();
        ids.sort();
        assert_eq!(ids, [("added".to_owned(), 1), ("changed".to_owned(), 4), ("same".to_owned(), 1)]);
    }

    #[test]
    fn what_differs_is_named_as_in_the_rules_file() {
        let before = Rule { attributes: [("via".to_owned(), "main\u{1b}[2J".to_owned())].into(), ..rule() };
        let after = Rule {
            reconnect_window: ReconnectWindow::from_seconds(30).unwrap(),
            destinations: vec![
                Destination::Stage(stage("B")),
                Destination::Tags {
                    tags: [("role".to_owned(), "wall".to_owned())].into(),
                    same: vec!["show".to_owned()],
                },
            ],
            ..rule()
        };
        let fields = RuleChange { before: Some(before), after: Some(after) }.fields();
        let told: Vec<_> = fields
            .iter()
            .map(|change| {
                let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
                format!("{}: {} -> {}", change.field, side(&change.before), side(&change.after))
            })
            .collect();
        assert_eq!(
            told,
            [
                "destinations[1]: - -> tags role=wall same show",
                "reconnect_window_seconds: 0 -> 30",
                "attributes.via: \"main\\u{1b}[2J\" -> -",
            ]
        );
    }
}
