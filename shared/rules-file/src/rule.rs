//! One rule: from what is written to what is meant.

use std::collections::BTreeMap;

use jiff::Timestamp;
use replication::{
    Destination, IdError, ParticipantFilter, Pattern, ReconnectWindow, Rule, RuleError, Source, StageArn,
    Status, cut,
};

use crate::document::{DestinationEntry, Entry, ParticipantsEntry, SourceEntry};
use crate::wrong::number;

impl Entry {
    /// The rule. `place` is where it stands among the rules, from 1.
    pub(crate) fn rule(self, place: usize) -> Result<Rule, RuleError> {
        let id: replication::RuleId = self.id.parse().map_err(|problem: IdError| RuleError {
            rule: number(place),
            field: "id".to_owned(),
            value: format!("{:?}", problem.value),
            allowed: problem.allowed.to_owned(),
        })?;
        let reading = Reading { rule: id.as_str() };
        let window = self.reconnect_window_seconds;
        Ok(Rule {
            revision: 1,
            priority: u8::try_from(self.priority)
                .ok()
                .filter(|priority| *priority <= Rule::MAX_PRIORITY)
                .ok_or_else(|| reading.error("priority", self.priority, "0-100"))?,
            status: match self.status.as_deref() {
                None | Some("enabled") => Status::Enabled,
                Some("paused") => Status::Paused,
                Some(other) => return Err(reading.error("status", quoted(other), "enabled, paused")),
            },
            source: reading.source(self.source)?,
            participants: reading.participants(&self.participants)?,
            destinations: self
                .destinations
                .into_iter()
                .enumerate()
                .map(|(i, destination)| reading.destination(i, destination))
                .collect::<Result<_, _>>()?,
            reconnect_window: u64::try_from(window)
                .ok()
                .and_then(ReconnectWindow::from_seconds)
                .ok_or_else(|| reading.error("reconnect_window_seconds", window, "0-300"))?,
            attributes: self.attributes,
            preempt: self.preempt,
            record_replicas: self.record_replicas,
            expires_at: self.expires_at.map(|text| reading.time("expires_at", &text)).transpose()?,
            id,
        })
    }
}

/// Reads the fields of one rule.
struct Reading<'a> {
    rule: &'a str,
}

impl Reading<'_> {
    fn source(&self, entry: SourceEntry) -> Result<Source, RuleError> {
        match entry {
            SourceEntry { stage: Some(arn), tags: None, any: None } => {
                self.stage("source.stage", &arn).map(Source::Stage)
            }
            SourceEntry { stage: None, tags: Some(tags), any: None } => Ok(Source::Tags(tags)),
            SourceEntry { stage: None, tags: None, any: Some(true) } => Ok(Source::Any),
            SourceEntry { stage: None, tags: None, any: Some(false) } => {
                Err(self.error("source.any", false, "true, or stage or tags instead"))
            }
            SourceEntry { stage, tags, any } => {
                let given = [("stage", stage.is_some()), ("tags", tags.is_some()), ("any", any.is_some())];
                Err(self.error("source", with(&given), "exactly one of stage, tags and any"))
            }
        }
    }

    fn destination(&self, i: usize, entry: DestinationEntry) -> Result<Destination, RuleError> {
        let field = |name: &str| format!("destinations[{i}]{name}");
        match entry {
            DestinationEntry { stage: Some(arn), tags: None, same: None } => {
                self.stage(&field(".stage"), &arn).map(Destination::Stage)
            }
            DestinationEntry { stage: None, tags: Some(tags), same } => {
                Ok(Destination::Tags { tags, same: same.unwrap_or_default() })
            }
            DestinationEntry { tags: None, same: Some(same), .. } => Err(self.error(
                &field(".same"),
                format!("[ {} ]", cut(&same.join(", "))),
                "same only together with tags",
            )),
            DestinationEntry { stage, tags, .. } => {
                let given = [("stage", stage.is_some()), ("tags", tags.is_some())];
                Err(self.error(&field(""), with(&given), "exactly one of stage and tags"))
            }
        }
    }

    fn participants(&self, entry: &ParticipantsEntry) -> Result<ParticipantFilter, RuleError> {
        let user_id = entry.user_id.as_ref().map(|text| self.pattern("participants.user_id", text));
        let attributes = entry.attributes.iter().map(|(key, text)| {
            Ok((key.clone(), self.pattern(&format!("participants.attributes.{}", cut(key)), text)?))
        });
        Ok(ParticipantFilter {
            user_id: user_id.transpose()?,
            attributes: attributes.collect::<Result<BTreeMap<_, _>, _>>()?,
        })
    }

    fn stage(&self, field: &str, text: &str) -> Result<StageArn, RuleError> {
        text.parse().map_err(|problem: IdError| self.error(field, quoted(&problem.value), problem.allowed))
    }

    fn pattern(&self, field: &str, text: &str) -> Result<Pattern, RuleError> {
        text.parse().map_err(|allowed: String| self.error(field, quoted(text), &allowed))
    }

    fn time(&self, field: &str, text: &str) -> Result<Timestamp, RuleError> {
        let allowed = "an RFC 3339 time with zone, such as 2026-12-01T20:00:00Z";
        text.parse().map_err(|_| self.error(field, quoted(text), allowed))
    }

    fn error(&self, field: &str, value: impl ToString, allowed: &str) -> RuleError {
        RuleError {
            rule: self.rule.to_owned(),
            field: field.to_owned(),
            value: value.to_string(),
            allowed: allowed.to_owned(),
        }
    }
}

/// Which of these fields were given.
fn with(given: &[(&str, bool)]) -> String {
    let given: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if given.is_empty() { "with none of them".to_owned() } else { format!("with {}", given.join(" and ")) }
}

fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}
