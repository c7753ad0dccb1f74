//! Participants that join, publish, stop and leave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::World;
use super::entities::{
    Capability, EventErrorCode, EventName, Origin, Participant, Phase, Session, Stage, Strings,
};
use crate::dialect::ReconnectSession;
use crate::error::ApiError;
use crate::model::{PUBLISH, validate};

/// A participant that is to begin publishing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publish {
    /// ARN of the stage.
    pub stage_arn: String,
    /// Its id, 0–64 of `[a-zA-Z0-9-_]`, as a token gives it, or a new one; made up if absent.
    #[serde(default)]
    pub participant_id: Option<String>,
    /// Customer-assigned name, up to 128 characters; the token's if absent.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Attributes, 1 KB in all; they come over those of the token.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// A participant that publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// Its id.
    pub participant_id: String,
    /// The stage session in which it publishes.
    pub session_id: String,
}

impl World {
    /// Lets a participant begin to publish; it joins first if needed. Publishing twice changes nothing.
    ///
    /// # Errors
    /// 404 unknown stage · 400 malformed ids or attributes · 402 no room for another publisher · 403 the token expired, or
    /// does not allow publishing · 409 the participant is a replica there.
    pub fn publish(&mut self, now: jiff::Timestamp, publish: Publish) -> Result<Published, ApiError> {
        self.advance(now);
        validate(
            PUBLISH,
            &json!({"stageArn": publish.stage_arn, "participantId": publish.participant_id,
                "userId": publish.user_id, "attributes": publish.attributes}),
            true,
        )?;
        let stage_arn = publish.stage_arn.clone();
        self.stage(&stage_arn)?;
        let participant_id = match &publish.participant_id {
            Some(id) if !id.is_empty() => id.clone(),
            _ => self.ids.resource(),
        };
        self.admit(&stage_arn, &participant_id)?;
        self.join_as_publisher(&stage_arn, &participant_id, publish);
        self.check_may_publish(&stage_arn, &participant_id)?;
        self.begin_publishing(&stage_arn, &participant_id);
        Ok(Published { session_id: self.ensure_session(&stage_arn), participant_id })
    }

    /// Lets a participant stop publishing; it stays connected.
    ///
    /// # Errors
    /// 404 unknown stage, or not connected · 409 the participant is a replica there.
    pub fn unpublish(
        &mut self,
        now: jiff::Timestamp,
        stage_arn: &str,
        participant_id: &str,
    ) -> Result<(), ApiError> {
        self.advance(now);
        self.check_connected_original(stage_arn, participant_id)?;
        self.cease_publishing(stage_arn, participant_id, false);
        self.touch_session(stage_arn);
        Ok(())
    }

    /// Lets a participant disconnect.
    ///
    /// # Errors
    /// 404 unknown stage, or not connected · 409 the participant is a replica there.
    pub fn leave(
        &mut self,
        now: jiff::Timestamp,
        stage_arn: &str,
        participant_id: &str,
    ) -> Result<(), ApiError> {
        self.advance(now);
        self.check_connected_original(stage_arn, participant_id)?;
        self.disconnect(stage_arn, participant_id, false);
        Ok(())
    }

    /// Takes a participant out of the stage. `for_good`: it cannot come back, so nothing waits for it.
    pub(super) fn disconnect(&mut self, stage_arn: &str, participant_id: &str, for_good: bool) {
        self.cease_publishing(stage_arn, participant_id, for_good);
        if let Some(participant) = self.present_mut(stage_arn, participant_id).filter(|found| found.connected)
        {
            participant.connected = false;
            self.note(stage_arn, participant_id, EventName::Left);
        }
        self.touch_session(stage_arn);
    }

    /// Puts a participant into the active session of an existing stage, or lets it in again.
    pub(super) fn join(
        &mut self,
        stage_arn: &str,
        participant_id: &str,
        user_id: String,
        attributes: Strings,
        origin: Option<Origin>,
    ) {
        self.ensure_session(stage_arn);
        let (order, now) = (self.next_order(), self.now);
        let Some(session) = self.stages.get_mut(stage_arn).and_then(Stage::active_session_mut) else {
            return;
        };
        let participant = session.participants.entry(participant_id.to_owned()).or_insert(Participant {
            user_id: String::new(),
            attributes: Strings::new(),
            order,
            first_join: now,
            connected: false,
            publishing: false,
            published: false,
            unpublish_deferred: false,
            source: false,
            origin: None,
            recorded_since: None,
            events: Vec::new(),
        });
        participant.user_id = user_id;
        participant.attributes = attributes;
        participant.origin = origin;
        if !std::mem::replace(&mut participant.connected, true) {
            self.note(stage_arn, participant_id, EventName::Joined);
        }
        self.touch_session(stage_arn);
    }

    /// Lets a connected participant, or replica, publish, and with it every replica that waits for it.
    pub(super) fn begin_publishing(&mut self, stage_arn: &str, participant_id: &str) {
        let now = self.now;
        let Some(stage) = self.stages.get_mut(stage_arn) else { return };
        let recording = stage.recording.clone();
        let session = stage.active_session_mut();
        let Some(participant) = session.and_then(|session| session.participants.get_mut(participant_id))
        else {
            return;
        };
        if std::mem::replace(&mut participant.publishing, true) {
            return;
        }
        participant.published = true;
        if recording.records(participant.origin.is_some()) {
            participant.recorded_since.get_or_insert(now);
        }
        if !std::mem::replace(&mut participant.unpublish_deferred, false) {
            self.note(stage_arn, participant_id, EventName::PublishStarted);
            self.emit_published(stage_arn, participant_id);
        }
        self.touch_session(stage_arn);
        self.resume_replications(stage_arn, participant_id);
    }

    /// Tells, in the list and on the bus, that a participant or replica stopped publishing.
    pub(super) fn announce_unpublished(&mut self, stage_arn: &str, participant_id: &str) {
        self.note(stage_arn, participant_id, EventName::PublishStopped);
        self.emit_unpublished(stage_arn, participant_id);
    }

    /// Whether another publisher would be one too many for the stage, or for the account.
    pub(super) fn is_full(&self, stage_arn: &str) -> bool {
        let limits = &self.config.limits;
        self.stages.get(stage_arn).map_or(0, |stage| self.publishers(stage)) >= limits.publishers_per_stage
            || self.stages.values().map(|stage| self.publishers(stage)).sum::<usize>() >= limits.publishers
    }

    fn publishers(&self, stage: &Stage) -> usize {
        let count_replicas = self.config.dialect.replicas_count_as_publishers;
        let session = stage.active_session();
        let participants = session.into_iter().flat_map(|session| session.participants.values());
        participants.filter(|found| found.publishing && (count_replicas || found.origin.is_none())).count()
    }

    /// Whether the participant may come in: it is no replica there, and its token, if any, is still good.
    fn admit(&self, stage_arn: &str, participant_id: &str) -> Result<(), ApiError> {
        if let Some(participant) = self.present(stage_arn, participant_id).filter(|found| found.connected) {
            return match &participant.origin {
                None => Ok(()),
                Some(origin) => Err(is_replica(participant_id, origin)),
            };
        }
        let token = self.stages.get(stage_arn).and_then(|stage| stage.tokens.get(participant_id));
        match token.filter(|token| token.expires <= self.now) {
            Some(token) => Err(ApiError::access_denied(format!(
                "the token of {participant_id} expired at {}",
                token.expires
            ))),
            None => Ok(()),
        }
    }

    fn join_as_publisher(&mut self, stage_arn: &str, participant_id: &str, publish: Publish) {
        let Some(stage) = self.stages.get(stage_arn) else { return };
        let present = stage.active_session().and_then(|session| session.participants.get(participant_id));
        let (user_id, mut attributes) = match (present, stage.tokens.get(participant_id)) {
            (Some(found), _) if found.origin.is_none() => (found.user_id.clone(), found.attributes.clone()),
            (_, Some(token)) => (token.user_id.clone(), token.attributes.clone()),
            _ => (String::new(), Strings::new()),
        };
        attributes.extend(publish.attributes);
        if present.is_none_or(|found| !found.connected)
            && self.comes_back_to_new_session(stage_arn, participant_id)
        {
            self.end_session(stage_arn);
        }
        self.join(stage_arn, participant_id, publish.user_id.unwrap_or(user_id), attributes, None);
    }

    /// Whether a source returns within its window, finds nobody, and the dialect gives it a new session.
    fn comes_back_to_new_session(&self, stage_arn: &str, participant_id: &str) -> bool {
        let alone = |session: &Session| session.participants.values().all(|found| !found.connected);
        self.config.dialect.reconnect_session == ReconnectSession::New
            && self.stages.get(stage_arn).and_then(Stage::active_session).is_some_and(alone)
            && self
                .replications_of(stage_arn, participant_id)
                .any(|(_, replication)| matches!(replication.phase, Phase::Held(_)))
    }

    /// Refuses a participant whose token does not allow it, or that is one too many; the bus hears of it.
    fn check_may_publish(&mut self, stage_arn: &str, participant_id: &str) -> Result<(), ApiError> {
        if self.present(stage_arn, participant_id).is_some_and(|found| found.publishing) {
            return Ok(());
        }
        let token = self.stages.get(stage_arn).and_then(|stage| stage.tokens.get(participant_id));
        if token.is_some_and(|token| !token.capabilities.contains(&Capability::Publish)) {
            self.fail_to_publish(stage_arn, participant_id, EventErrorCode::InsufficientCapabilities);
            return Err(ApiError::access_denied(format!(
                "the token of {participant_id} does not allow publishing"
            )));
        }
        if self.is_full(stage_arn) {
            self.fail_to_publish(stage_arn, participant_id, EventErrorCode::QuotaExceeded);
            return Err(ApiError::quota(format!("{stage_arn} has no room for another publisher")));
        }
        Ok(())
    }

    pub(super) fn fail_to_publish(&mut self, stage_arn: &str, participant_id: &str, code: EventErrorCode) {
        self.note_error(stage_arn, participant_id, code);
        self.emit_publish_error(stage_arn, participant_id, code);
    }

    fn check_connected_original(&self, stage_arn: &str, participant_id: &str) -> Result<(), ApiError> {
        self.stage(stage_arn)?;
        match self.present(stage_arn, participant_id).filter(|found| found.connected) {
            Some(Participant { origin: Some(origin), .. }) => Err(is_replica(participant_id, origin)),
            Some(_) => Ok(()),
            None => Err(ApiError::not_found(format!("{participant_id} is not connected to {stage_arn}"))),
        }
    }
}

fn is_replica(participant_id: &str, origin: &Origin) -> ApiError {
    ApiError::conflict(format!("{participant_id} is a replica from {}", origin.stage_arn))
}
