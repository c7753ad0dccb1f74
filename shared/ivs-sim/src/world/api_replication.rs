//! StartParticipantReplication, StopParticipantReplication and ListParticipantReplicas.

use serde::Deserialize;
use serde_json::{Value, json};

use super::World;
use super::entities::{Phase, Replication, ReplicationKey, Stage, Strings};
use super::page::{Direction, page};
use crate::dialect::{
    AttributesLimit, CrossAccount, CrossRegion, DuplicateStart, EmptyDestination, PublisherLimit, Refusal,
    ReplicaAsSource, ReplicationLimit, SameStage, StopAnswer, StoppedRows, UnknownInList,
};
use crate::error::ApiError;
use crate::model::{MAX_ATTRIBUTES_BYTES, Operation};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartRequest {
    source_stage_arn: String,
    destination_stage_arn: String,
    participant_id: String,
    #[serde(default)]
    reconnect_window_seconds: u16,
    #[serde(default)]
    attributes: Strings,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StopRequest {
    source_stage_arn: String,
    destination_stage_arn: String,
    participant_id: String,
}

impl World {
    pub(super) fn start_participant_replication(&mut self, request: StartRequest) -> Result<Value, ApiError> {
        let key = ReplicationKey {
            source_stage_arn: request.source_stage_arn,
            participant_id: request.participant_id,
            destination_stage_arn: request.destination_stage_arn,
        };
        if key.source_stage_arn == key.destination_stage_arn {
            return Err(self.refuse_same_stage());
        }
        self.check_region(&key)?;
        self.check_account(&key.destination_stage_arn)?;
        self.stage(&key.source_stage_arn)?;
        if self.replications.contains_key(&key) {
            return self.answer_duplicate(&key);
        }
        self.check_source(&key)?;
        self.check_merged_attributes(&key, &request.attributes)?;
        self.check_participant_quota(&key)?;
        self.check_destination(&key)?;
        let source_session = self.ensure_session(&key.source_stage_arn);
        let replication = Replication {
            id: self.next_order(),
            reconnect_window_seconds: request.reconnect_window_seconds,
            attributes: request.attributes,
            source_session,
            destination_session: String::new(),
            since: self.now,
            phase: Phase::Starting,
        };
        self.begin_replication(key, replication);
        Ok(json!({}))
    }

    pub(super) fn stop_participant_replication(&mut self, request: &StopRequest) -> Result<Value, ApiError> {
        let key = ReplicationKey {
            source_stage_arn: request.source_stage_arn.clone(),
            participant_id: request.participant_id.clone(),
            destination_stage_arn: request.destination_stage_arn.clone(),
        };
        self.check_region(&key)?;
        if self.replications.contains_key(&key) {
            self.end_replication(&key);
            return Ok(json!({}));
        }
        let source = self.stage(&key.source_stage_arn)?;
        let known = source.knows(&key.participant_id);
        if !self.stages.contains_key(&key.destination_stage_arn) {
            return Err(super::no_such_stage(&key.destination_stage_arn));
        }
        let dialect = &self.config.dialect;
        let (answer, message) = if known {
            let message =
                format!("{} is not replicated to {}", key.participant_id, key.destination_stage_arn);
            (dialect.stop_not_replicated, message)
        } else {
            (dialect.stop_unknown_participant, unknown_participant(&key))
        };
        match answer {
            StopAnswer::Success => Ok(json!({})),
            StopAnswer::NotFound => Err(ApiError::not_found(message)),
            StopAnswer::Validation => Err(ApiError::validation(message)),
            StopAnswer::Conflict => Err(ApiError::conflict(message)),
        }
    }

    pub(super) fn list_participant_replicas(&self, input: &Value) -> Result<Value, ApiError> {
        let (source, participant) =
            (super::text(input, "sourceStageArn"), super::text(input, "participantId"));
        let dialect = &self.config.dialect;
        let unknown = match self.stages.get(&source).filter(|stage| !stage.foreign) {
            None => dialect.list_unknown_resource,
            Some(stage) if !stage.knows(&participant) => dialect.list_replicas_unknown_participant,
            Some(_) => UnknownInList::Empty,
        };
        if unknown == UnknownInList::Validation {
            return Err(ApiError::validation(format!("{participant} is not known in {source}")));
        }
        let rows = self.replica_rows(&source, &participant);
        page(Operation::ListParticipantReplicas, "replicas", input, Direction::OldestFirst, rows, |row| row)
    }

    /// ACTIVE rows and, as far as the dialect lists them, STOPPED ones, as they looked the lag ago.
    fn replica_rows(&self, source: &str, participant: &str) -> Vec<(u64, Value)> {
        let dialect = &self.config.dialect;
        let seen_at = self.now - dialect.list_replicas_lag_ms.duration();
        let latest_session = self.stages.get(source).and_then(|stage| stage.sessions.last());
        let mut rows = Vec::new();
        for (key, replication) in self.replications_of(source, participant) {
            if replication.phase != Phase::Starting && replication.since <= seen_at {
                let Replication { source_session, destination_session, .. } = replication;
                rows.push((replication.id, replica_row(key, source_session, destination_session, "ACTIVE")));
            }
        }
        for (key, ended) in self.ended_of(source, participant) {
            for row in ended.iter().filter(|row| row.since <= seen_at) {
                let replaced = self.replications.get(key).is_some_and(|again| {
                    again.source_session == row.source_session
                        && again.destination_session == row.destination_session
                        && again.since <= seen_at
                });
                let listed = match dialect.list_replicas_stopped {
                    StoppedRows::Omitted => false,
                    StoppedRows::CurrentSession => {
                        latest_session.is_some_and(|session| session.id == row.source_session)
                    }
                    StoppedRows::EverySession => true,
                };
                let state = if row.ended > seen_at { "ACTIVE" } else { "STOPPED" };
                if !replaced && (listed || state == "ACTIVE") {
                    rows.push((
                        row.order,
                        replica_row(key, &row.source_session, &row.destination_session, state),
                    ));
                }
            }
        }
        rows
    }

    fn check_region(&self, key: &ReplicationKey) -> Result<(), ApiError> {
        for arn in [&key.source_stage_arn, &key.destination_stage_arn] {
            if arn.split(':').nth(3) != Some(&self.config.region) {
                let message = format!("{arn} is not in {}", self.config.region);
                return Err(match self.config.dialect.cross_region {
                    CrossRegion::Validation => ApiError::validation(message),
                    CrossRegion::NotFound => ApiError::not_found(message),
                    CrossRegion::AccessDenied => ApiError::access_denied(message),
                });
            }
        }
        Ok(())
    }

    /// A stage of another account is refused, or springs into being: whether it exists is not ours to know.
    fn check_account(&mut self, destination: &str) -> Result<(), ApiError> {
        if destination.split(':').nth(4) == Some(&self.config.account) {
            return self.stage(destination).map(|_| ());
        }
        let message = format!("{destination} belongs to another account");
        match self.config.dialect.cross_account {
            CrossAccount::AccessDenied => Err(ApiError::access_denied(message)),
            CrossAccount::NotFound => Err(ApiError::not_found(message)),
            CrossAccount::Validation => Err(ApiError::validation(message)),
            CrossAccount::Allowed => {
                self.ensure_foreign_stage(destination);
                Ok(())
            }
        }
    }

    fn answer_duplicate(&self, key: &ReplicationKey) -> Result<Value, ApiError> {
        let message =
            format!("{} is already replicated to {}", key.participant_id, key.destination_stage_arn);
        match self.config.dialect.duplicate_start {
            DuplicateStart::Conflict => Err(ApiError::conflict(message)),
            DuplicateStart::Success => Ok(json!({})),
            DuplicateStart::Validation => Err(ApiError::validation(message)),
        }
    }

    fn refuse_same_stage(&self) -> ApiError {
        let message = "sourceStageArn and destinationStageArn must differ";
        match self.config.dialect.same_stage {
            SameStage::Validation => ApiError::validation(message),
            SameStage::Conflict => ApiError::conflict(message),
        }
    }

    /// The participant is known, publishes, and may be a source.
    fn check_source(&self, key: &ReplicationKey) -> Result<(), ApiError> {
        let dialect = &self.config.dialect;
        let publisher =
            self.present(&key.source_stage_arn, &key.participant_id).filter(|found| found.publishing);
        let Some(publisher) = publisher else {
            let known = self.stage(&key.source_stage_arn)?.knows(&key.participant_id);
            return Err(if known {
                let message = format!("{} is not publishing", key.participant_id);
                refusal(dialect.start_not_publishing, message)
            } else {
                refusal(dialect.start_unknown_participant, unknown_participant(key))
            });
        };
        if publisher.origin.is_none() {
            return Ok(());
        }
        let message = format!("{} is a replica in {}", key.participant_id, key.source_stage_arn);
        match dialect.replica_as_source {
            ReplicaAsSource::Allowed => Ok(()),
            ReplicaAsSource::NotFound => Err(ApiError::not_found(message)),
            ReplicaAsSource::Conflict => Err(ApiError::conflict(message)),
            ReplicaAsSource::Validation => Err(ApiError::validation(message)),
        }
    }

    fn check_merged_attributes(&self, key: &ReplicationKey, attributes: &Strings) -> Result<(), ApiError> {
        let Some(source) = self.present(&key.source_stage_arn, &key.participant_id) else { return Ok(()) };
        let mut merged = source.attributes.clone();
        merged.extend(attributes.clone());
        let bytes: usize = merged.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.config.dialect.attributes_limit == AttributesLimit::Merged && bytes > MAX_ATTRIBUTES_BYTES {
            return Err(ApiError::validation(format!(
                "attributes are {bytes} bytes together with those of the participant, the limit is {MAX_ATTRIBUTES_BYTES}"
            )));
        }
        Ok(())
    }

    /// "Maximum number of concurrent replications per participant across all stages in an AWS Region" (service quotas).
    fn check_participant_quota(&self, key: &ReplicationKey) -> Result<(), ApiError> {
        let limit = self.config.limits.replications_per_participant;
        let concurrent =
            self.replications.keys().filter(|other| other.participant_id == key.participant_id).count();
        if concurrent < limit {
            return Ok(());
        }
        let message = format!("{} has its {limit} concurrent replications", key.participant_id);
        Err(match self.config.dialect.replication_limit {
            ReplicationLimit::QuotaExceeded => ApiError::quota(message),
            ReplicationLimit::Conflict => ApiError::conflict(message),
            ReplicationLimit::Validation => ApiError::validation(message),
        })
    }

    /// The destination has a session, or may get one; nobody of that id is there; and there is room.
    fn check_destination(&self, key: &ReplicationKey) -> Result<(), ApiError> {
        let dialect = &self.config.dialect;
        let destination = &key.destination_stage_arn;
        if self.stages.get(destination).and_then(Stage::active_session).is_none() {
            let message = format!("{destination} has no active session");
            match dialect.empty_destination {
                EmptyDestination::CreatesSession => {}
                EmptyDestination::NotFound => return Err(ApiError::not_found(message)),
                EmptyDestination::Conflict => return Err(ApiError::conflict(message)),
            }
        }
        if self.is_present(destination, &key.participant_id) {
            return Err(ApiError::conflict(format!("{} is already in {destination}", key.participant_id)));
        }
        let refused =
            dialect.publisher_limit == PublisherLimit::Refused && dialect.replicas_count_as_publishers;
        if refused && self.is_full(destination) {
            return Err(ApiError::quota(format!("{destination} has no room for another publisher")));
        }
        Ok(())
    }

    fn is_present(&self, stage_arn: &str, participant_id: &str) -> bool {
        self.present(stage_arn, participant_id).is_some_and(|found| found.connected)
    }
}

fn refusal(refusal: Refusal, message: String) -> ApiError {
    match refusal {
        Refusal::NotFound => ApiError::not_found(message),
        Refusal::Conflict => ApiError::conflict(message),
        Refusal::Validation => ApiError::validation(message),
    }
}

fn unknown_participant(key: &ReplicationKey) -> String {
    format!("participant {} does not exist in {}", key.participant_id, key.source_stage_arn)
}

fn replica_row(key: &ReplicationKey, source_session: &str, destination_session: &str, state: &str) -> Value {
    json!({
        "sourceStageArn": key.source_stage_arn,
        "participantId": key.participant_id,
        "sourceSessionId": source_session,
        "destinationStageArn": key.destination_stage_arn,
        "destinationSessionId": destination_session,
        "replicationState": state,
    })
}
