//! CreateStage, GetStage, UpdateStage, DeleteStage and ListStages.

use serde::Deserialize;
use serde_json::{Value, json};

use super::World;
use super::api_tags::check_tags;
use super::api_tokens::TokenConfiguration;
use super::entities::{ReplicationKey, Stage, Strings};
use super::page::{Direction, page};
use super::recording::{Recording, is_recording};
use crate::dialect::{DeleteActiveStage, Fate};
use crate::error::ApiError;
use crate::model::Operation;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CreateStageRequest {
    name: String,
    participant_token_configurations: Vec<TokenConfiguration>,
    tags: Strings,
    auto_participant_recording_configuration: Recording,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateStageRequest {
    arn: String,
    name: Option<String>,
    auto_participant_recording_configuration: Option<Recording>,
}

impl World {
    pub(super) fn create_stage(&mut self, request: CreateStageRequest) -> Result<Value, ApiError> {
        check_tags(&request.tags)?;
        self.check_room()?;
        let arn = format!("{}{}", self.arn_prefix(), self.ids.resource());
        let recording = request.auto_participant_recording_configuration.normalized();
        self.insert_stage(&arn, request.name, request.tags, recording, false);
        let mut output = json!({});
        if !request.participant_token_configurations.is_empty() {
            let tokens = request.participant_token_configurations;
            let tokens: Result<Vec<Value>, ApiError> =
                tokens.into_iter().map(|configuration| self.issue_token(&arn, configuration)).collect();
            output["participantTokens"] = json!(tokens?);
        }
        output["stage"] = full(self.stage(&arn)?);
        Ok(output)
    }

    /// Not of the API: a stage with an ARN that is known beforehand, as in recorded events.
    ///
    /// # Errors
    /// 400 not an ARN of this account and Region, or malformed tags · 402 the account is full · 409 there is such a stage.
    pub(crate) fn place_stage(&mut self, arn: &str, name: String, tags: Strings) -> Result<(), ApiError> {
        check_tags(&tags)?;
        let prefix = self.arn_prefix();
        if !arn.starts_with(&prefix) {
            return Err(ApiError::validation(format!("stageArn is {arn}: allowed is {prefix}…")));
        }
        if self.stages.contains_key(arn) {
            return Err(ApiError::conflict(format!("there is a stage {arn}")));
        }
        self.check_room()?;
        self.insert_stage(arn, name, tags, Recording::default(), false);
        Ok(())
    }

    /// The stage ARNs of this account and Region begin with it.
    fn arn_prefix(&self) -> String {
        format!("arn:aws:ivs:{}:{}:stage/", self.config.region, self.config.account)
    }

    fn check_room(&self) -> Result<(), ApiError> {
        let limit = self.config.limits.stages;
        if self.stages.values().filter(|stage| !stage.foreign).count() >= limit {
            return Err(ApiError::quota(format!("the account has its {limit} stages")));
        }
        Ok(())
    }

    pub(super) fn get_stage(&self, arn: &str) -> Result<Value, ApiError> {
        Ok(json!({"stage": full(self.stage(arn)?)}))
    }

    pub(super) fn update_stage(&mut self, request: UpdateStageRequest) -> Result<Value, ApiError> {
        let stage = self.stage_mut(&request.arn)?;
        let recording = request.auto_participant_recording_configuration.map(Recording::normalized);
        if recording.is_some() && is_recording(stage) {
            return Err(ApiError::conflict(format!("{} is being recorded", request.arn)));
        }
        if let Some(name) = request.name {
            stage.name = name;
        }
        if let Some(recording) = recording {
            stage.recording = recording;
        }
        Ok(json!({"stage": full(stage)}))
    }

    pub(super) fn delete_stage(&mut self, arn: &str) -> Result<Value, ApiError> {
        let session = self.stage(arn)?.active_session();
        let connected: Vec<(String, bool)> = session
            .into_iter()
            .flat_map(|session| &session.participants)
            .filter(|(_, participant)| participant.connected)
            .map(|(id, participant)| (id.clone(), participant.origin.is_some()))
            .collect();
        if !connected.is_empty() && self.config.dialect.delete_active_stage == DeleteActiveStage::Conflict {
            return Err(ApiError::conflict(format!("{arn} has connected participants")));
        }
        for (participant_id, _) in connected.iter().filter(|(_, replica)| !replica) {
            self.disconnect(arn, participant_id, true);
        }
        let touching: Vec<ReplicationKey> = self
            .replications
            .keys()
            .filter(|key| {
                key.source_stage_arn == arn
                    || (key.destination_stage_arn == arn
                        && self.config.dialect.destination_deleted == Fate::Ends)
            })
            .cloned()
            .collect();
        for key in touching {
            self.end_replication(&key);
        }
        for (participant_id, _) in connected.iter().filter(|(_, replica)| *replica) {
            self.disconnect(arn, participant_id, true);
        }
        self.stages.remove(arn);
        self.ended.retain(|key, _| key.source_stage_arn != arn);
        Ok(json!({}))
    }

    pub(super) fn list_stages(&self, input: &Value) -> Result<Value, ApiError> {
        let stages = self.stages.values().filter(|stage| !stage.foreign);
        let rows = stages.map(|stage| (stage.order, stage)).collect();
        page(Operation::ListStages, "stages", input, Direction::OldestFirst, rows, summary)
    }

    /// A stage of another account, as far as replicas to it need one.
    pub(super) fn ensure_foreign_stage(&mut self, arn: &str) {
        if !self.stages.contains_key(arn) {
            self.insert_stage(arn, String::new(), Strings::new(), Recording::default(), true);
        }
    }

    fn insert_stage(&mut self, arn: &str, name: String, tags: Strings, recording: Recording, foreign: bool) {
        let stage = Stage {
            arn: arn.to_owned(),
            name,
            tags,
            recording,
            endpoint: self.ids.resource().to_ascii_lowercase(),
            order: self.next_order(),
            foreign,
            tokens: Default::default(),
            sessions: Vec::new(),
            idle_generation: 0,
            idle: false,
        };
        self.stages.insert(arn.to_owned(), stage);
    }
}

/// `Stage`; without a session, `activeSessionId` is absent.
fn full(stage: &Stage) -> Value {
    let host = &stage.endpoint;
    let mut value = summary(stage);
    value["autoParticipantRecordingConfiguration"] = json!(stage.recording);
    value["endpoints"] = json!({
        "events": "wss://global.events.live-video.net",
        "whip": format!("https://{host}.global-bm.whip.live-video.net"),
        "rtmp": format!("rtmp://{host}.global-contribute.live-video.net/app/"),
        "rtmps": format!("rtmps://{host}.global-contribute.live-video.net:443/app/"),
    });
    value
}

/// `StageSummary`.
fn summary(stage: &Stage) -> Value {
    let mut value = json!({"arn": stage.arn, "name": stage.name, "tags": stage.tags});
    if let Some(session) = stage.active_session() {
        value["activeSessionId"] = json!(session.id);
    }
    value
}
