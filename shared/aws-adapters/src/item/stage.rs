//! What sweeps know of a stage, and of all stages together.

use std::collections::BTreeMap;

use replication::sweep::{ListedStage, RecordingCheck, StageKnowledge};
use serde::{Deserialize, Serialize};

use super::{ANY_STAGE, HISTORY, SCHEMA, Timestamp, Unreadable, check_schema, parse, parse_some, stage_pk};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StageItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    stage: String,
    name: String,
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_session: Option<String>,
    known_since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<RecordingItem>,
    expires_at: i64,
}

/// What was found of the stage's recording.
#[derive(Debug, Serialize, Deserialize)]
struct RecordingItem {
    record_replicas: bool,
    in_line: bool,
    at: String,
}

impl StageItem {
    /// The sort key.
    pub(crate) const SK: &str = "STAGE";

    pub(crate) fn new(known: &StageKnowledge, now: Timestamp) -> Self {
        Self {
            pk: stage_pk(&known.listed.stage),
            sk: Self::SK.to_owned(),
            schema: SCHEMA,
            stage: known.listed.stage.to_string(),
            name: known.listed.name.clone(),
            tags: known.listed.tags.clone(),
            active_session: known.listed.active_session.as_ref().map(ToString::to_string),
            known_since: known.known_since.to_string(),
            looked_at: known.looked_at.map(|at| at.to_string()),
            looked_in: known.looked_in.as_ref().map(ToString::to_string),
            attempted_at: known.attempted_at.map(|at| at.to_string()),
            confirmed_at: known.confirmed_at.map(|at| at.to_string()),
            recording: known.recording.map(|found| RecordingItem {
                record_replicas: found.record_replicas,
                in_line: found.in_line,
                at: found.at.to_string(),
            }),
            // What is not looked at any more is forgotten.
            expires_at: (now + HISTORY).as_second(),
        }
    }

    pub(crate) fn read(&self) -> Result<StageKnowledge, Unreadable> {
        check_schema(self.schema)?;
        Ok(StageKnowledge {
            listed: ListedStage {
                stage: parse("stage", &self.stage)?,
                name: self.name.clone(),
                tags: self.tags.clone(),
                active_session: parse_some("active_session", self.active_session.as_ref())?,
            },
            known_since: parse("known_since", &self.known_since)?,
            looked_at: parse_some("looked_at", self.looked_at.as_ref())?,
            looked_in: parse_some("looked_in", self.looked_in.as_ref())?,
            attempted_at: parse_some("attempted_at", self.attempted_at.as_ref())?,
            confirmed_at: parse_some("confirmed_at", self.confirmed_at.as_ref())?,
            recording: self.recording.as_ref().map(RecordingItem::read).transpose()?,
        })
    }
}

impl RecordingItem {
    fn read(&self) -> Result<RecordingCheck, Unreadable> {
        let at = parse("recording.at", &self.at)?;
        Ok(RecordingCheck { record_replicas: self.record_replicas, in_line: self.in_line, at })
    }
}

/// When all stages were listed last.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListingItem {
    pk: String,
    sk: String,
    schema: u8,
    listed_at: String,
}

impl ListingItem {
    /// The sort key.
    pub(crate) const SK: &str = "STAGE";

    pub(crate) fn new(at: Timestamp) -> Self {
        Self { pk: ANY_STAGE.to_owned(), sk: Self::SK.to_owned(), schema: SCHEMA, listed_at: at.to_string() }
    }

    pub(crate) fn read(&self) -> Result<Timestamp, Unreadable> {
        check_schema(self.schema)?;
        parse("listed_at", &self.listed_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_of_a_recording_is_read_back_and_may_be_absent() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let stage = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
        let listed = ListedStage { stage, name: String::new(), tags: BTreeMap::new(), active_session: None };
        let known = StageKnowledge::new(listed, now);
        let found = RecordingCheck { record_replicas: true, in_line: false, at: now };
        for known in [StageKnowledge { recording: Some(found), ..known.clone() }, known.clone()] {
            let item = serde_json::to_value(StageItem::new(&known, now)).unwrap();
            assert_eq!(item.get("recording").is_some(), known.recording.is_some());
            assert_eq!(serde_json::from_value::<StageItem>(item).unwrap().read().unwrap(), known);
        }
        let wrong = RecordingItem { record_replicas: true, in_line: true, at: "soon".to_owned() };
        let item = StageItem { recording: Some(wrong), ..StageItem::new(&known, now) };
        let error = item.read().unwrap_err().of("pk", "sk").to_string();
        assert!(error.contains("attribute recording.at is soon: allowed is"), "{error}");
    }
}
