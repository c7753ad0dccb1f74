//! A rule.

use std::collections::BTreeMap;

use replication::{Destination, ParticipantFilter, Pattern, ReconnectWindow, Rule, Source, Status, Tags};
use serde::{Deserialize, Serialize};

use super::{ANY_STAGE, SCHEMA, Unreadable, parse, parse_some, stage_pk};

/// The form of a rule that selects by tag or by attribute. Who knows only the first form would take it for a rule of any
/// stage and any participant, so it must not be able to read it.
const SELECTING: u8 = 2;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RuleItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    id: String,
    pub(crate) revision: u64,
    priority: u8,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_tags: Option<Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// Patterns by the key of the participant's attribute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    participant_attributes: BTreeMap<String, String>,
    /// The destinations that are named.
    destination_stages: Vec<String>,
    /// All destinations in order, if some are selected by tag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    destinations: Vec<DestinationForm>,
    reconnect_window_seconds: u64,
    attributes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    preempt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_replicas: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_expires_at: Option<String>,
}

/// One destination: either `stage`, or `tags` and `same`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DestinationForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    same: Vec<String>,
}

impl From<&Rule> for RuleItem {
    fn from(rule: &Rule) -> Self {
        let (source_stage, source_tags) = match &rule.source {
            Source::Any => (None, None),
            Source::Stage(stage) => (Some(stage), None),
            Source::Tags(tags) => (None, Some(tags.clone())),
        };
        let named = rule.destinations.iter().filter_map(|destination| match destination {
            Destination::Stage(stage) => Some(stage.to_string()),
            Destination::Tags { .. } => None,
        });
        let all = rule.destinations.iter().filter(|_| rule.selects_destinations());
        let patterns = rule.participants.attributes.iter();
        let selects =
            source_tags.is_some() || rule.selects_destinations() || !rule.participants.attributes.is_empty();
        Self {
            pk: source_stage.map_or(ANY_STAGE.to_owned(), stage_pk),
            sk: format!("RULE#{}", rule.id),
            schema: if selects { SELECTING } else { SCHEMA },
            id: rule.id.to_string(),
            revision: rule.revision,
            priority: rule.priority,
            status: match rule.status {
                Status::Enabled => "enabled".to_owned(),
                Status::Paused => "paused".to_owned(),
            },
            source_stage: source_stage.map(ToString::to_string),
            source_tags,
            user_id: rule.participants.user_id.as_ref().map(ToString::to_string),
            participant_attributes: patterns.map(|(key, value)| (key.clone(), value.to_string())).collect(),
            destination_stages: named.collect(),
            destinations: all.map(DestinationForm::from).collect(),
            reconnect_window_seconds: rule.reconnect_window.seconds().into(),
            attributes: rule.attributes.clone(),
            preempt: rule.preempt,
            record_replicas: rule.record_replicas,
            rule_expires_at: rule.expires_at.map(|at| at.to_string()),
        }
    }
}

impl From<&Destination> for DestinationForm {
    fn from(destination: &Destination) -> Self {
        match destination {
            Destination::Stage(stage) => {
                Self { stage: Some(stage.to_string()), tags: None, same: Vec::new() }
            }
            Destination::Tags { tags, same } => {
                Self { stage: None, tags: Some(tags.clone()), same: same.clone() }
            }
        }
    }
}

impl DestinationForm {
    fn read(&self) -> Result<Destination, Unreadable> {
        match (&self.stage, &self.tags) {
            (Some(stage), None) => Ok(Destination::Stage(parse("destinations", stage)?)),
            (None, Some(tags)) => Ok(Destination::Tags { tags: tags.clone(), same: self.same.clone() }),
            (stage, _) => {
                let value = if stage.is_some() { "a stage with tags" } else { "neither a stage nor tags" };
                Err(Unreadable::new("destinations", value, "a stage, or tags"))
            }
        }
    }
}

impl RuleItem {
    pub(crate) fn read(&self) -> Result<Rule, Unreadable> {
        if !(SCHEMA..=SELECTING).contains(&self.schema) {
            return Err(Unreadable::new("schema", self.schema, format!("{SCHEMA}-{SELECTING}")));
        }
        let window = self.reconnect_window_seconds;
        Ok(Rule {
            id: parse("id", &self.id)?,
            revision: self.revision,
            priority: self.priority,
            status: match self.status.as_str() {
                "enabled" => Status::Enabled,
                "paused" => Status::Paused,
                other => return Err(Unreadable::new("status", other, "enabled, paused")),
            },
            source: match (&self.source_stage, &self.source_tags) {
                (None, None) => Source::Any,
                (Some(stage), None) => Source::Stage(parse("source_stage", stage)?),
                (None, Some(tags)) => Source::Tags(tags.clone()),
                (Some(stage), Some(_)) => {
                    return Err(Unreadable::new("source_stage", stage, "no stage beside source_tags"));
                }
            },
            participants: self.participants()?,
            destinations: match self.destinations.as_slice() {
                [] => {
                    let named = self.destination_stages.iter();
                    named
                        .map(|stage| parse("destination_stages", stage).map(Destination::Stage))
                        .collect::<Result<_, _>>()?
                }
                all => all.iter().map(DestinationForm::read).collect::<Result<_, _>>()?,
            },
            reconnect_window: ReconnectWindow::from_seconds(window)
                .ok_or_else(|| Unreadable::new("reconnect_window_seconds", window, "0-300"))?,
            attributes: self.attributes.clone(),
            preempt: self.preempt,
            record_replicas: self.record_replicas,
            expires_at: parse_some("rule_expires_at", self.rule_expires_at.as_ref())?,
        })
    }

    fn participants(&self) -> Result<ParticipantFilter, Unreadable> {
        let attributes = self.participant_attributes.iter();
        let attributes =
            attributes.map(|(key, text)| Ok((key.clone(), pattern("participant_attributes", text)?)));
        Ok(ParticipantFilter {
            user_id: self.user_id.as_ref().map(|text| pattern("user_id", text)).transpose()?,
            attributes: attributes.collect::<Result<_, _>>()?,
        })
    }
}

/// A pattern. One that is wrong is not repeated: it is of user ids or of attributes, which stand in no log.
fn pattern(attribute: &str, text: &str) -> Result<Pattern, Unreadable> {
    text.parse().map_err(|allowed: String| {
        Unreadable::new(attribute, format!("of {} characters", text.chars().count()), allowed)
    })
}

#[cfg(test)]
mod tests {
    use serde_dynamo::AttributeValue;

    use super::*;

    type Item = std::collections::HashMap<String, AttributeValue>;

    const STAGE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/";

    fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    fn map(pairs: &[(&str, AttributeValue)]) -> AttributeValue {
        AttributeValue::M(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    /// A rule as the first version wrote it.
    fn old() -> Item {
        let number = |value: u32| AttributeValue::N(value.to_string());
        let stage = |id: &str| text(&format!("{STAGE}{id}"));
        let pairs = [
            ("pk", text(&format!("STAGE#{STAGE}A"))),
            ("sk", text("RULE#r")),
            ("schema", number(1)),
            ("id", text("r")),
            ("revision", number(3)),
            ("priority", number(50)),
            ("status", text("enabled")),
            ("source_stage", stage("A")),
            ("destination_stages", AttributeValue::L(vec![stage("B"), stage("C")])),
            ("reconnect_window_seconds", number(30)),
            ("attributes", map(&[("via", text("main"))])),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value)).into()
    }

    fn read(item: Item) -> Result<Rule, Unreadable> {
        serde_dynamo::from_item::<_, RuleItem>(item).unwrap().read()
    }

    #[test]
    fn a_rule_of_the_first_version_is_readable_and_written_as_it_was() {
        let rule = read(old()).unwrap();
        assert!(rule.participants.attributes.is_empty() && !rule.preempt && rule.record_replicas.is_none());
        assert_eq!(rule.destinations.len(), 2);
        let written: Item = serde_dynamo::to_item(RuleItem::from(&rule)).unwrap();
        assert_eq!(written, old());
    }

    #[test]
    fn a_rule_that_selects_is_not_readable_for_the_first_version() {
        let by_tag = Destination::Tags { tags: Tags::new(), same: vec!["show".to_owned()] };
        let plain = read(old()).unwrap();
        let host = [("role".to_owned(), "host".parse().unwrap())].into();
        for (rule, schema) in [
            (plain.clone(), 1),
            (Rule { preempt: true, record_replicas: Some(true), ..plain.clone() }, 1),
            (Rule { source: Source::Tags(Tags::new()), ..plain.clone() }, 2),
            (Rule { destinations: vec![by_tag], ..plain.clone() }, 2),
            (Rule { participants: ParticipantFilter { user_id: None, attributes: host }, ..plain }, 2),
        ] {
            let item = RuleItem::from(&rule);
            assert_eq!((item.schema, item.read().unwrap()), (schema, rule));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_attribute() {
        let with = |name: &str, value: AttributeValue| {
            let mut item = old();
            item.insert(name.to_owned(), value);
            read(item).unwrap_err().of("pk", "sk").to_string()
        };
        for (name, value, allowed) in [
            ("schema", AttributeValue::N("3".to_owned()), "schema is 3: allowed is 1-2"),
            ("source_tags", map(&[("role", text("main"))]), "no stage beside source_tags"),
            (
                "destinations",
                AttributeValue::L(vec![map(&[])]),
                "neither a stage nor tags: allowed is a stage, or tags",
            ),
            ("participant_attributes", map(&[("role", text(""))]), "participant_attributes"),
        ] {
            let error = with(name, value);
            assert!(error.contains(allowed), "{error}");
        }
    }
}
