//! What can be read of sessions and participants.

use serde_json::{Value, json};

use super::World;
use super::entities::{Participant, ParticipantEvent, Phase, Session, Stage};
use super::page::{Direction, page};
use super::text;
use crate::dialect::{ListEventsOrder, ListEventsTime, SourceFields, UnknownInList};
use crate::error::ApiError;
use crate::model::Operation;

/// The filters of ListParticipants: at most one may be given.
const FILTERS: [&str; 4] = ["filterByUserId", "filterByPublished", "filterByState", "filterByRecordingState"];

impl World {
    pub(super) fn list_stage_sessions(&self, input: &Value) -> Result<Value, ApiError> {
        let stage = self.listed_stage(input)?;
        let sessions = stage.into_iter().flat_map(|stage| &stage.sessions);
        let rows = sessions.map(|session| (session.order, session)).collect();
        page(Operation::ListStageSessions, "stageSessions", input, Direction::NewestFirst, rows, session_json)
    }

    pub(super) fn get_stage_session(&self, input: &Value) -> Result<Value, ApiError> {
        let (_, session) = self.session_of(input)?;
        Ok(json!({"stageSession": session_json(session)}))
    }

    pub(super) fn get_participant(&self, input: &Value) -> Result<Value, ApiError> {
        let (stage, session) = self.session_of(input)?;
        let id = text(input, "participantId");
        let participant = session.participants.get(&id).ok_or_else(|| {
            ApiError::not_found(format!("participant {id} does not exist in session {}", session.id))
        })?;
        let recorded = participant.recorded_since;
        let mut value = self.participant_summary(stage, &id, participant);
        let bucket = recorded.map(|_| stage.recording.bucket()).unwrap_or_default();
        let prefix = recorded.map(|since| {
            let stage_id = stage.arn.rsplit('/').next().unwrap_or_default();
            format!("{stage_id}/{}/{id}/{}", session.id, since.as_millisecond())
        });
        value["attributes"] = json!(participant.attributes);
        value["recordingS3BucketName"] = json!(bucket);
        value["recordingS3Prefix"] = json!(prefix.unwrap_or_default());
        value["protocol"] = json!("UNKNOWN");
        let client = [
            ("browserName", "Chrome"),
            ("browserVersion", "142"),
            ("ispName", "simulated"),
            ("osName", "Linux"),
            ("osVersion", "6.12"),
            ("sdkVersion", "1.41.0"),
        ];
        for (member, text) in client {
            value[member] = json!(text);
        }
        Ok(json!({"participant": value}))
    }

    pub(super) fn list_participants(&self, input: &Value) -> Result<Value, ApiError> {
        let given: Vec<&str> = FILTERS.into_iter().filter(|filter| !input[*filter].is_null()).collect();
        if given.len() > 1 {
            return Err(ApiError::validation(format!(
                "only one filter may be given, not {}",
                given.join(" and ")
            )));
        }
        let found = self.listed_session(input)?;
        let participants = found.into_iter().flat_map(|(stage, session)| {
            session.participants.iter().map(move |(id, participant)| (stage, id, participant))
        });
        let rows = participants
            .filter(|(stage, _, participant)| passes(input, stage, participant))
            .map(|row| (row.2.order, row))
            .collect();
        let render = |(stage, id, participant): (&Stage, &String, &Participant)| {
            let mut value = self.participant_summary(stage, id, participant);
            let empty = self.config.dialect.source_fields_of_sources == SourceFields::Empty;
            if empty && participant.source && participant.origin.is_none() {
                value["sourceStageArn"] = json!("");
                value["sourceSessionId"] = json!("");
            }
            value
        };
        page(Operation::ListParticipants, "participants", input, Direction::OldestFirst, rows, render)
    }

    pub(super) fn list_participant_events(&self, input: &Value) -> Result<Value, ApiError> {
        let id = text(input, "participantId");
        let participant = self.listed_session(input)?.and_then(|(_, session)| session.participants.get(&id));
        if participant.is_none() {
            self.refuse_unknown(&format!("participant {id} in that session"))?;
        }
        let dialect = &self.config.dialect;
        let replica = participant.is_some_and(|participant| participant.origin.is_some());
        let events = participant.into_iter().flat_map(|participant| &participant.events);
        let rows = events.map(|event| (event.order, event)).collect();
        let direction = match dialect.list_events_order {
            ListEventsOrder::NewestFirst => Direction::NewestFirst,
            ListEventsOrder::OldestFirst => Direction::OldestFirst,
        };
        let render = |event: &ParticipantEvent| event_json(&id, event, replica, dialect.list_events_time);
        page(Operation::ListParticipantEvents, "events", input, direction, rows, render)
    }

    /// `ParticipantSummary`, which is also the core of `Participant`.
    fn participant_summary(&self, stage: &Stage, id: &str, participant: &Participant) -> Value {
        let mut value = json!({
            "participantId": id,
            "userId": participant.user_id,
            "state": state(participant),
            "firstJoinTime": format!("{:.3}", participant.first_join),
            "published": participant.published,
            "recordingState": stage.recording.state(participant),
            "redundantIngest": false,
        });
        let active = |replication: &super::Replication| replication.phase != Phase::Starting;
        let replication_state = |active: bool| if active { "ACTIVE" } else { "STOPPED" };
        if let Some(origin) = &participant.origin {
            let mut from = self.replications_of(&origin.stage_arn, id);
            let ours = from.any(|(key, found)| key.destination_stage_arn == stage.arn && active(found));
            value["replicationType"] = json!("REPLICA");
            value["replicationState"] = json!(replication_state(ours));
            value["sourceStageArn"] = json!(origin.stage_arn);
            value["sourceSessionId"] = json!(origin.session_id);
        } else if participant.source {
            let any = self.replications_of(&stage.arn, id).any(|(_, found)| active(found));
            value["replicationType"] = json!("SOURCE");
            value["replicationState"] = json!(replication_state(any));
        } else {
            value["replicationType"] = json!("NONE");
        }
        value
    }

    /// The stage and session that a Get names.
    fn session_of(&self, input: &Value) -> Result<(&Stage, &Session), ApiError> {
        let (stage_arn, session_id) = (text(input, "stageArn"), text(input, "sessionId"));
        let stage = self.stage(&stage_arn)?;
        let session = stage.session(&session_id).ok_or_else(|| {
            ApiError::not_found(format!("session {session_id} does not exist in {stage_arn}"))
        })?;
        Ok((stage, session))
    }

    /// The stage that a List names; what becomes of an unknown one is a question of the dialect.
    fn listed_stage(&self, input: &Value) -> Result<Option<&Stage>, ApiError> {
        let stage_arn = text(input, "stageArn");
        match self.stages.get(&stage_arn).filter(|stage| !stage.foreign) {
            Some(stage) => Ok(Some(stage)),
            None => self.refuse_unknown(&stage_arn).map(|()| None),
        }
    }

    fn listed_session(&self, input: &Value) -> Result<Option<(&Stage, &Session)>, ApiError> {
        let Some(stage) = self.listed_stage(input)? else { return Ok(None) };
        let session_id = text(input, "sessionId");
        match stage.session(&session_id) {
            Some(session) => Ok(Some((stage, session))),
            None => self.refuse_unknown(&session_id).map(|()| None),
        }
    }

    fn refuse_unknown(&self, what: &str) -> Result<(), ApiError> {
        match self.config.dialect.list_unknown_resource {
            UnknownInList::Empty => Ok(()),
            UnknownInList::Validation => Err(ApiError::validation(format!("{what} does not exist"))),
        }
    }
}

fn passes(input: &Value, stage: &Stage, participant: &Participant) -> bool {
    let is = |filter: &str, actual: Value| input[filter].is_null() || input[filter] == actual;
    is("filterByUserId", json!(participant.user_id))
        && is("filterByPublished", json!(participant.published))
        && is("filterByState", json!(state(participant)))
        && is("filterByRecordingState", json!(stage.recording.state(participant)))
}

fn state(participant: &Participant) -> &'static str {
    if participant.connected { "CONNECTED" } else { "DISCONNECTED" }
}

/// `StageSession`; while it is active, `endTime` is absent.
fn session_json(session: &Session) -> Value {
    let mut value = json!({"sessionId": session.id, "startTime": format!("{:.3}", session.started)});
    if let Some(ended) = session.ended {
        value["endTime"] = json!(format!("{ended:.3}"));
    }
    value
}

/// `Event`.
fn event_json(
    participant_id: &str,
    event: &ParticipantEvent,
    replica: bool,
    precision: ListEventsTime,
) -> Value {
    let time = match precision {
        ListEventsTime::Seconds => format!("{:.0}", event.at),
        ListEventsTime::Millis => format!("{:.3}", event.at),
    };
    let mut value =
        json!({"name": event.name, "participantId": participant_id, "eventTime": time, "replica": replica});
    if let Some(error) = event.error {
        value["errorCode"] = json!(error);
    }
    if let Some(destination) = &event.destination {
        value["destinationStageArn"] = json!(destination.stage_arn);
        value["destinationSessionId"] = json!(destination.session_id);
    }
    value
}
