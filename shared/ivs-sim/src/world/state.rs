//! The whole world as JSON, for people and tests.

use serde_json::{Value, json};

use super::World;
use super::entities::{Phase, Replication, ReplicationKey, Session, Stage};

impl World {
    /// Stages in order of creation, with sessions, participants and tags; and the replications in the books.
    ///
    /// Fields have the names of the API; beyond them, a participant has `publishing` (now), and a replication has
    /// `phase`: `STARTING`, `LIVE`, or `HELD` while its source is away, with `heldUntil` if its window is open.
    pub fn state(&self) -> Value {
        let mut stages: Vec<&Stage> = self.stages.values().collect();
        stages.sort_by_key(|stage| stage.order);
        let replications: Vec<Value> =
            self.replications.iter().map(|(key, replication)| replication_json(key, replication)).collect();
        json!({
            "time": self.now,
            "region": self.config.region,
            "account": self.config.account,
            "stages": stages.into_iter().map(stage_json).collect::<Vec<_>>(),
            "replications": replications,
        })
    }
}

fn stage_json(stage: &Stage) -> Value {
    json!({
        "arn": stage.arn,
        "name": stage.name,
        "tags": stage.tags,
        "autoParticipantRecordingConfiguration": stage.recording,
        "activeSessionId": stage.active_session().map(|session| &session.id),
        "sessions": stage.sessions.iter().map(session_json).collect::<Vec<_>>(),
    })
}

fn session_json(session: &Session) -> Value {
    let participants: Vec<Value> = session
        .participants
        .iter()
        .map(|(id, participant)| {
            json!({
                "participantId": id,
                "userId": participant.user_id,
                "attributes": participant.attributes,
                "state": if participant.connected { "CONNECTED" } else { "DISCONNECTED" },
                "publishing": participant.publishing,
                "published": participant.published,
                "replica": participant.origin.is_some(),
                "sourceStageArn": participant.origin.as_ref().map(|origin| &origin.stage_arn),
                "sourceSessionId": participant.origin.as_ref().map(|origin| &origin.session_id),
            })
        })
        .collect();
    json!({
        "sessionId": session.id,
        "startTime": session.started,
        "endTime": session.ended,
        "participants": participants,
    })
}

fn replication_json(key: &ReplicationKey, replication: &Replication) -> Value {
    let (phase, held_until) = match replication.phase {
        Phase::Starting => ("STARTING", None),
        Phase::Live => ("LIVE", None),
        Phase::Held(until) => ("HELD", until),
    };
    json!({
        "sourceStageArn": key.source_stage_arn,
        "participantId": key.participant_id,
        "destinationStageArn": key.destination_stage_arn,
        "sourceSessionId": replication.source_session,
        "destinationSessionId": replication.destination_session,
        "reconnectWindowSeconds": replication.reconnect_window_seconds,
        "attributes": replication.attributes,
        "phase": phase,
        "heldUntil": held_until,
    })
}
