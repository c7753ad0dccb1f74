//! The recording of replicas, as the sweep reads and sets it.

use aws_sdk_ivsrealtime::operation::RequestId;
use controller::sweep::port::{GetRecording, SetRecording};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::sweep::Recording;
use replication::{CallError, Operation, Receipt, RecordingSettings, StageArn};
use serde_json::{Map, Value, json};

use super::IvsRealTime;
use super::body::{Answer, carrying};
use super::reads::unreadable;
use super::settings::{self, CONFIGURATION, REPLICAS, STORAGE};

impl GetRecording for IvsRealTime {
    fn get_recording<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Recording, CallError>> {
        async move {
            let answer = Answer::default();
            let request = self.client.get_stage().arn(stage.as_str()).customize().interceptor(answer.clone());
            self.counted(Operation::GetStage, request.send().await)?;
            recording(answer.body()).map_err(|error| unreadable(&error))
        }
        .boxed()
    }
}

impl SetRecording for IvsRealTime {
    fn set_record_replicas<'a>(
        &'a self,
        stage: &'a StageArn,
        recording: &'a Recording,
        record_replicas: bool,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        async move {
            let body = update(stage, recording, record_replicas)
                .ok_or_else(|| unreadable("the recording to change is not as GetStage gives it"))?;
            let request = self.client.update_stage().arn(stage.as_str()).customize();
            let request = request.mutate_request(carrying(body));
            let output = self.counted(Operation::UpdateStage, request.send().await)?;
            Ok(Receipt { request_id: output.request_id().map(str::to_owned) })
        }
        .boxed()
    }
}

/// The recording in an answer of GetStage. A stage that says nothing of recordings records nobody, and one that says nothing of
/// replicas records them (IVS API reference).
fn recording(body: &[u8]) -> Result<Recording, String> {
    let settings = settings::of_stage(body)?;
    Ok(Recording {
        on: settings.get(STORAGE).and_then(Value::as_str).is_some_and(|arn| !arn.is_empty()),
        replicas: settings.get(REPLICAS).and_then(Value::as_bool).unwrap_or(true),
        settings: Value::Object(settings).to_string(),
    })
}

/// The body of UpdateStage: all of the recording as it was read, but for that of replicas.
fn update(stage: &StageArn, recording: &Recording, record_replicas: bool) -> Option<String> {
    let before: Map<String, Value> = serde_json::from_str(&recording.settings).ok()?;
    let change = RecordingSettings { replicas: Some(record_replicas), ..RecordingSettings::default() };
    Some(json!({ "arn": stage.as_str(), CONFIGURATION: settings::changed(&before, &change) }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stage: &str) -> Recording {
        recording(format!(r#"{{"stage":{stage}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn what_is_absent_has_the_default_of_ivs() {
        let on = read(r#"{"autoParticipantRecordingConfiguration":{"storageConfigurationArn":"arn:x"}}"#);
        assert!(on.on && on.replicas);
        for off in [r#"{}"#, r#"{"autoParticipantRecordingConfiguration":{"storageConfigurationArn":""}}"#] {
            assert!(!read(off).on, "{off}");
        }
        let without = r#"{"autoParticipantRecordingConfiguration":{"recordParticipantReplicas":false}}"#;
        assert!(!read(without).replicas);
        assert!(recording(b"{}").is_err() && recording(b"<html>").is_err());
    }

    #[test]
    fn only_the_recording_of_replicas_is_changed() {
        let settings =
            r#"{"storageConfigurationArn":"arn:x","mediaTypes":["AUDIO_ONLY"],"unheardOf":{"a":[1]}}"#;
        let stage: StageArn = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
        let recording = read(&format!(r#"{{"autoParticipantRecordingConfiguration":{settings}}}"#));
        for record_replicas in [false, true] {
            let mut expected: Value = serde_json::from_str(settings).unwrap();
            expected["recordParticipantReplicas"] = json!(record_replicas);
            let sent: Value =
                serde_json::from_str(&update(&stage, &recording, record_replicas).unwrap()).unwrap();
            assert_eq!(sent, json!({"arn": stage.as_str(), CONFIGURATION: expected}));
        }
    }
}
