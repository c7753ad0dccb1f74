//! EventBridge envelopes: what IVS tells the account's event bus (IVS RealTimeUserGuide, eventbridge).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::World;
use super::entities::{EventErrorCode, Origin, ReplicationKey};
use crate::dialect::{EventTime, EventTimePrecise};

/// The five event names that the simulated part of the service emits under detail type `IVS Stage Update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Published,
    Unpublished,
    PublishError,
    ReplicationStart,
    ReplicationEnd,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Published => "Participant Published",
            Self::Unpublished => "Participant Unpublished",
            Self::PublishError => "Participant Publish Error",
            Self::ReplicationStart => "Participant Replication Start",
            Self::ReplicationEnd => "Participant Replication End",
        }
    }

    /// Published and Unpublished alone have `event_time_precise` (since 2026-06-29).
    fn is_precise(self) -> bool {
        matches!(self, Self::Published | Self::Unpublished)
    }
}

impl World {
    pub(super) fn emit_published(&mut self, stage_arn: &str, participant_id: &str) {
        self.emit_presence(Name::Published, stage_arn, participant_id, None);
    }

    pub(super) fn emit_unpublished(&mut self, stage_arn: &str, participant_id: &str) {
        self.emit_presence(Name::Unpublished, stage_arn, participant_id, None);
    }

    pub(super) fn emit_publish_error(&mut self, stage_arn: &str, participant_id: &str, code: EventErrorCode) {
        self.emit_presence(Name::PublishError, stage_arn, participant_id, Some(code));
    }

    /// Replication Start, from the source stage.
    pub(super) fn emit_replication_start(&mut self, key: &ReplicationKey, source: &str, destination: &str) {
        self.emit_replication(Name::ReplicationStart, key, source, destination);
    }

    /// Replication End, from the source stage.
    pub(super) fn emit_replication_end(&mut self, key: &ReplicationKey, source: &str, destination: &str) {
        self.emit_replication(Name::ReplicationEnd, key, source, destination);
    }

    /// An event of the stage where the participant, or the replica, is.
    fn emit_presence(
        &mut self,
        name: Name,
        stage_arn: &str,
        participant_id: &str,
        error: Option<EventErrorCode>,
    ) {
        let Some((session, participant)) = self.latest(stage_arn, participant_id) else { return };
        let (user_id, origin) = (participant.user_id.clone(), participant.origin.clone());
        let mut detail = self.detail(name, session.id.clone(), participant_id, user_id);
        if let Some(error) = error {
            detail.insert("error_code".to_owned(), json!(error));
        }
        match origin {
            Some(Origin { stage_arn, session_id }) => {
                detail.insert("replica".to_owned(), json!(true));
                detail.insert("source_stage_arn".to_owned(), json!(stage_arn));
                detail.insert("source_session_id".to_owned(), json!(session_id));
            }
            None if self.config.dialect.replica_false_present => {
                detail.insert("replica".to_owned(), json!(false));
            }
            None => {}
        }
        self.send(stage_arn, detail);
    }

    fn emit_replication(&mut self, name: Name, key: &ReplicationKey, source: &str, destination: &str) {
        let user_id = self
            .latest(&key.source_stage_arn, &key.participant_id)
            .map(|(_, participant)| participant.user_id.clone())
            .unwrap_or_default();
        let mut detail = self.detail(name, source.to_owned(), &key.participant_id, user_id);
        detail.insert("destination_stage_arn".to_owned(), json!(key.destination_stage_arn));
        detail.insert("destination_session_id".to_owned(), json!(destination));
        self.send(&key.source_stage_arn, detail);
    }

    fn detail(
        &self,
        name: Name,
        session_id: String,
        participant_id: &str,
        user_id: String,
    ) -> Map<String, Value> {
        let dialect = &self.config.dialect;
        let mut detail = Map::new();
        let mut put = |member: &str, value: String| detail.insert(member.to_owned(), Value::String(value));
        put("session_id", session_id);
        put("event_name", name.text().to_owned());
        put("event_time", event_time(self.now, dialect.event_time));
        match dialect.event_time_precise {
            EventTimePrecise::Micros if name.is_precise() => {
                put("event_time_precise", format!("{:.6}", self.now));
            }
            EventTimePrecise::Millis if name.is_precise() => {
                put("event_time_precise", format!("{:.3}", self.now));
            }
            _ => {}
        }
        put("user_id", user_id);
        put("participant_id", participant_id.to_owned());
        detail
    }

    /// Puts the detail into its envelope and sends it off. A stage of another account has another bus.
    fn send(&mut self, stage_arn: &str, detail: Map<String, Value>) {
        if self.stages.get(stage_arn).is_some_and(|stage| stage.foreign) {
            return;
        }
        let envelope = json!({
            "version": "0",
            "id": self.request_ids.uuid(),
            "detail-type": "IVS Stage Update",
            "source": "aws.ivs",
            "account": self.config.account,
            "time": event_time(self.now, EventTime::Seconds),
            "region": self.config.region,
            "resources": [stage_arn],
            "detail": detail,
        });
        self.delivery.send(envelope, self.now, &self.config.faults.events, &mut self.dice);
    }
}

fn event_time(at: Timestamp, precision: EventTime) -> String {
    match precision {
        EventTime::Seconds => format!("{at:.0}"),
        EventTime::Nanos => format!("{at:.9}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_off_not_rounded() {
        let at: Timestamp = "2026-01-02T03:04:05.999999999Z".parse().unwrap();
        assert_eq!(event_time(at, EventTime::Seconds), "2026-01-02T03:04:05Z");
        assert_eq!(event_time(at, EventTime::Nanos), "2026-01-02T03:04:05.999999999Z");
        assert_eq!(format!("{at:.3}"), "2026-01-02T03:04:05.999Z");
    }
}
