//! How a stage records, read and written as IVS words it.
//!
//! The SDK cannot do either by itself: it reads a `recordParticipantReplicas` that is absent, and so true, as false, and it
//! writes the field only when it is true, so that false becomes true. So the answer of GetStage is read once more from its
//! body, and the body of UpdateStage is written here; the SDK signs and sends it.

use std::sync::{Arc, OnceLock};

use aws_sdk_ivsrealtime::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ivsrealtime::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ivsrealtime::error::BoxError;
use aws_sdk_ivsrealtime::operation::RequestId;
use controller::sweep::port::{GetRecording, SetRecording};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::sweep::Recording;
use replication::{CallError, Operation, Receipt, StageArn};
use serde_json::{Map, Value, json};

use super::IvsRealTime;
use super::reads::unreadable;

const CONFIGURATION: &str = "autoParticipantRecordingConfiguration";
const STORAGE: &str = "storageConfigurationArn";
const REPLICAS: &str = "recordParticipantReplicas";

impl GetRecording for IvsRealTime {
    fn get_recording<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Recording, CallError>> {
        async move {
            let answer = Answer::default();
            let request = self.client.get_stage().arn(stage.as_str()).customize().interceptor(answer.clone());
            self.counted(Operation::GetStage, request.send().await)?;
            recording(answer.body()).ok_or_else(|| unreadable("the answer has no stage"))
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
            let request = request.mutate_request(move |request| {
                request.headers_mut().insert("content-length", body.len().to_string());
                *request.body_mut() = body.clone().into();
            });
            let output = self.counted(Operation::UpdateStage, request.send().await)?;
            Ok(Receipt { request_id: output.request_id().map(str::to_owned) })
        }
        .boxed()
    }
}

/// The recording in an answer of GetStage; nothing if that is no such answer. A stage that says nothing of recordings
/// records nobody, and one that says nothing of replicas records them (IVS API reference).
fn recording(body: &[u8]) -> Option<Recording> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let stage = answer.get("stage")?.as_object()?;
    let settings = stage.get(CONFIGURATION).and_then(Value::as_object).cloned().unwrap_or_default();
    Some(Recording {
        on: settings.get(STORAGE).and_then(Value::as_str).is_some_and(|arn| !arn.is_empty()),
        replicas: settings.get(REPLICAS).and_then(Value::as_bool).unwrap_or(true),
        settings: Value::Object(settings).to_string(),
    })
}

/// The body of UpdateStage: all of the recording as it was read, but for that of replicas.
fn update(stage: &StageArn, recording: &Recording, record_replicas: bool) -> Option<String> {
    let mut settings: Map<String, Value> = serde_json::from_str(&recording.settings).ok()?;
    settings.insert(REPLICAS.to_owned(), json!(record_replicas));
    Some(json!({ "arn": stage.as_str(), CONFIGURATION: settings }).to_string())
}

/// The body of an answer, kept beside what the SDK makes of it.
#[derive(Debug, Clone, Default)]
struct Answer(Arc<OnceLock<Vec<u8>>>);

impl Answer {
    fn body(&self) -> &[u8] {
        self.0.get().map_or(&[], Vec::as_slice)
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(body) = context.response().body().bytes() {
            // Set once: the SDK makes each call once.
            self.0.get_or_init(|| body.to_vec());
        }
        Ok(())
    }
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
        assert_eq!(recording(b"{}"), None);
        assert_eq!(recording(b"<html>"), None);
    }

    #[test]
    fn only_the_recording_of_replicas_is_changed() {
        let settings =
            r#"{"storageConfigurationArn":"arn:x","mediaTypes":["AUDIO_ONLY"],"unheardOf":{"a":[1]}}"#;
        let stage: StageArn = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
        let recording = read(&format!(r#"{{"autoParticipantRecordingConfiguration":{settings}}}"#));
        for record_replicas in [false, true] {
            let mut expected: Value = serde_json::from_str(settings).unwrap();
            expected[REPLICAS] = json!(record_replicas);
            let sent: Value =
                serde_json::from_str(&update(&stage, &recording, record_replicas).unwrap()).unwrap();
            assert_eq!(sent, json!({"arn": stage.as_str(), CONFIGURATION: expected}));
        }
    }
}
