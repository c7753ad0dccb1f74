//! CreateParticipantToken and DisconnectParticipant.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::World;
use super::entities::{Capability, ReplicationKey, Strings, Token};
use crate::dialect::DisconnectReplica;
use crate::error::ApiError;

/// Lifetime of a token in minutes unless the request says otherwise: 12 hours (API reference).
const DEFAULT_DURATION: u32 = 720;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateTokenRequest {
    stage_arn: String,
    #[serde(flatten)]
    configuration: TokenConfiguration,
}

/// `ParticipantTokenConfiguration`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenConfiguration {
    duration: Option<u32>,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    attributes: Strings,
    capabilities: Option<Vec<Capability>>,
}

impl World {
    pub(super) fn create_participant_token(
        &mut self,
        request: CreateTokenRequest,
    ) -> Result<Value, ApiError> {
        self.stage(&request.stage_arn)?;
        let token = self.issue_token(&request.stage_arn, request.configuration)?;
        Ok(json!({"participantToken": token}))
    }

    /// Gives out a token for a new participant of an existing stage.
    pub(super) fn issue_token(
        &mut self,
        stage_arn: &str,
        configuration: TokenConfiguration,
    ) -> Result<Value, ApiError> {
        let duration = configuration.duration.unwrap_or(DEFAULT_DURATION);
        let expires = self.now + SignedDuration::from_mins(duration.into());
        let capabilities: BTreeSet<Capability> = match configuration.capabilities {
            Some(capabilities) if !capabilities.is_empty() => capabilities.into_iter().collect(),
            _ => BTreeSet::from([Capability::Publish, Capability::Subscribe]),
        };
        let (participant_id, text) = (self.ids.resource(), self.ids.token());
        let answer = json!({
            "participantId": participant_id,
            "token": text,
            "userId": configuration.user_id,
            "attributes": configuration.attributes,
            "duration": duration,
            "capabilities": capabilities,
            "expirationTime": format!("{expires:.0}"),
        });
        let TokenConfiguration { user_id, attributes, .. } = configuration;
        let token = Token { user_id, attributes, capabilities, expires };
        self.stage_mut(stage_arn)?.tokens.insert(participant_id, token);
        Ok(answer)
    }

    /// Disconnects who is connected; for one who is known but not connected there is nothing to do.
    pub(super) fn disconnect_participant(
        &mut self,
        stage_arn: &str,
        participant_id: &str,
    ) -> Result<Value, ApiError> {
        let unknown =
            || ApiError::not_found(format!("participant {participant_id} does not exist in {stage_arn}"));
        if !self.stage(stage_arn)?.knows(participant_id) {
            return Err(unknown());
        }
        let present = self.present(stage_arn, participant_id).filter(|found| found.connected);
        let Some(origin) = present.and_then(|found| found.origin.clone()) else {
            self.disconnect(stage_arn, participant_id, false);
            return Ok(json!({}));
        };
        match self.config.dialect.disconnect_replica {
            DisconnectReplica::NotFound => Err(unknown()),
            DisconnectReplica::EndsReplication => {
                self.end_replication(&ReplicationKey {
                    source_stage_arn: origin.stage_arn,
                    participant_id: participant_id.to_owned(),
                    destination_stage_arn: stage_arn.to_owned(),
                });
                Ok(json!({}))
            }
        }
    }
}
