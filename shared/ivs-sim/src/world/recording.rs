//! Individual participant recording: the setting of a stage, and the state it gives a participant.

use serde::{Deserialize, Serialize};

use super::entities::{Participant, Stage};

/// `AutoParticipantRecordingConfiguration`, with the defaults of the API reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Recording {
    pub(super) storage_configuration_arn: String,
    media_types: Vec<String>,
    thumbnail_configuration: Thumbnails,
    recording_reconnect_window_seconds: u16,
    hls_configuration: Hls,
    record_participant_replicas: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Thumbnails {
    target_interval_seconds: u32,
    storage: Vec<String>,
    recording_mode: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Hls {
    target_segment_duration_seconds: u8,
}

/// Values of `recordingState` that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum RecordingState {
    Active,
    Stopped,
    Disabled,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            storage_configuration_arn: String::new(),
            media_types: vec!["AUDIO_VIDEO".to_owned()],
            thumbnail_configuration: Thumbnails::default(),
            recording_reconnect_window_seconds: 0,
            hls_configuration: Hls::default(),
            record_participant_replicas: true,
        }
    }
}

impl Default for Thumbnails {
    fn default() -> Self {
        let storage = vec!["SEQUENTIAL".to_owned()];
        Self { target_interval_seconds: 60, storage, recording_mode: "DISABLED".to_owned() }
    }
}

impl Default for Hls {
    fn default() -> Self {
        Self { target_segment_duration_seconds: 6 }
    }
}

impl Recording {
    /// The setting as it is stored: `""` as storage configuration resets the other fields to their defaults.
    pub(super) fn normalized(self) -> Self {
        if self.storage_configuration_arn.is_empty() { Self::default() } else { self }
    }

    /// Whether a participant who publishes is recorded.
    pub(super) fn records(&self, replica: bool) -> bool {
        !self.storage_configuration_arn.is_empty() && (!replica || self.record_participant_replicas)
    }

    /// The state of a participant's recording.
    pub(super) fn state(&self, participant: &Participant) -> RecordingState {
        if participant.recorded_since.is_some() {
            if participant.publishing { RecordingState::Active } else { RecordingState::Stopped }
        } else if self.records(participant.origin.is_some()) {
            RecordingState::Stopped
        } else {
            RecordingState::Disabled
        }
    }

    /// Name of the bucket; the simulator knows no storage configurations, so it is made from the id.
    pub(super) fn bucket(&self) -> String {
        let id = self.storage_configuration_arn.rsplit('/').next().unwrap_or_default();
        format!("ivs-{}", id.to_ascii_lowercase())
    }
}

/// Whether anybody is being recorded in the stage now.
pub(super) fn is_recording(stage: &Stage) -> bool {
    stage.active_session().is_some_and(|session| {
        session
            .participants
            .values()
            .any(|participant| participant.publishing && participant.recorded_since.is_some())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_storage_configuration_resets_the_rest() {
        let sent = json!({"storageConfigurationArn": "", "mediaTypes": ["AUDIO_ONLY"], "recordParticipantReplicas": false});
        let recording: Recording = serde_json::from_value(sent).unwrap();
        assert_eq!(recording.normalized(), Recording::default());
    }

    #[test]
    fn replicas_are_recorded_unless_that_is_switched_off() {
        let arn = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh";
        let parse = |value| serde_json::from_value::<Recording>(value).unwrap().normalized();
        assert!(parse(json!({"storageConfigurationArn": arn})).records(true));
        let without = parse(json!({"storageConfigurationArn": arn, "recordParticipantReplicas": false}));
        assert!(!without.records(true) && without.records(false));
        assert_eq!(without.bucket(), "ivs-abcdabcdefgh");
        assert!(!Recording::default().records(false));
    }
}
