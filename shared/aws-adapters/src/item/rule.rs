//! A rule.

use std::collections::BTreeMap;

use replication::{Destination, ParticipantFilter, ReconnectWindow, Rule, RuleId, Source, Status};
use serde::{Deserialize, Serialize};

use super::{ANY_STAGE, SCHEMA, Unreadable, check_schema, parse, parse_some, stage_pk};

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
    user_id: Option<String>,
    destination_stages: Vec<String>,
    reconnect_window_seconds: u64,
    attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_expires_at: Option<String>,
}

impl From<&Rule> for RuleItem {
    fn from(rule: &Rule) -> Self {
        let source = match &rule.source {
            Source::Any | Source::Tags(_) => None,
            Source::Stage(stage) => Some(stage),
        };
        Self {
            pk: source.map_or(ANY_STAGE.to_owned(), stage_pk),
            sk: format!("RULE#{}", rule.id),
            schema: SCHEMA,
            id: rule.id.to_string(),
            revision: rule.revision,
            priority: rule.priority,
            status: match rule.status {
                Status::Enabled => "enabled".to_owned(),
                Status::Paused => "paused".to_owned(),
            },
            source_stage: source.map(ToString::to_string),
            user_id: rule.participants.user_id.as_ref().map(ToString::to_string),
            destination_stages: rule
                .destinations
                .iter()
                .filter_map(|destination| match destination {
                    Destination::Stage(stage) => Some(stage.to_string()),
                    Destination::Tags { .. } => None,
                })
                .collect(),
            reconnect_window_seconds: rule.reconnect_window.seconds().into(),
            attributes: rule.attributes.clone(),
            rule_expires_at: rule.expires_at.map(|at| at.to_string()),
        }
    }
}

impl RuleItem {
    /// Whether it belongs to a versus session, also if it cannot be read.
    pub(crate) fn is_of_versus(&self) -> bool {
        self.id.parse().is_ok_and(|id: RuleId| id.is_of_versus())
    }

    pub(crate) fn at_revision(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    pub(crate) fn read(&self) -> Result<Rule, Unreadable> {
        check_schema(self.schema)?;
        let window = self.reconnect_window_seconds;
        let destinations = self.destination_stages.iter();
        Ok(Rule {
            id: parse("id", &self.id)?,
            revision: self.revision,
            priority: self.priority,
            status: match self.status.as_str() {
                "enabled" => Status::Enabled,
                "paused" => Status::Paused,
                other => return Err(Unreadable::new("status", other, "enabled, paused")),
            },
            source: match &self.source_stage {
                None => Source::Any,
                Some(stage) => Source::Stage(parse("source_stage", stage)?),
            },
            participants: ParticipantFilter {
                user_id: parse_some("user_id", self.user_id.as_ref())?,
                ..ParticipantFilter::default()
            },
            destinations: destinations
                .map(|stage| parse("destination_stages", stage).map(Destination::Stage))
                .collect::<Result<_, _>>()?,
            reconnect_window: ReconnectWindow::from_seconds(window)
                .ok_or_else(|| Unreadable::new("reconnect_window_seconds", window, "0-300"))?,
            attributes: self.attributes.clone(),
            preempt: false,
            record_replicas: None,
            expires_at: parse_some("rule_expires_at", self.rule_expires_at.as_ref())?,
        })
    }
}
