//! Stages as an operator reads, creates and changes them, with every field exactly as it is said.

use aws_sdk_ivsrealtime::operation::RequestId;
use aws_sdk_ivsrealtime::primitives::DateTime;
use aws_sdk_ivsrealtime::types::{ParticipantToken, Stage};
use controller::stages::{
    CreateStage, CreatedStage, CreatedToken, DescribeStage, Secret, StageDescription, UpdateStage,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::stage::NewToken;
use replication::{CallError, NewStage, Operation, StageArn, StageChange};
use serde_json::{Map, Value, json};

use super::IvsRealTime;
use super::body::{Answer, carrying};
use super::reads::{stage, unreadable};
use super::settings::{self, CONFIGURATION};
use crate::failure::call_error;

impl DescribeStage for IvsRealTime {
    fn describe_stage<'a>(&'a self, arn: &'a StageArn) -> BoxFuture<'a, Result<StageDescription, CallError>> {
        async move {
            let answer = Answer::default();
            let request = self.client.get_stage().arn(arn.as_str()).customize().interceptor(answer.clone());
            let output = self.counted(Operation::GetStage, request.send().await)?;
            described(output.stage, &answer)
        }
        .boxed()
    }
}

impl CreateStage for IvsRealTime {
    fn create_stage<'a>(&'a self, new: &'a NewStage) -> BoxFuture<'a, Result<CreatedStage, CallError>> {
        async move {
            let answer = Answer::default();
            let request = self.client.create_stage().customize().mutate_request(carrying(create(new)));
            // Not counted: no function makes this call, and it has a quota of its own.
            let output =
                request.interceptor(answer.clone()).send().await.map_err(|error| call_error(&error))?;
            let request_id = output.request_id().map(str::to_owned);
            let stage = described(output.stage, &answer)?;
            let tokens = output.participant_tokens.unwrap_or_default().into_iter().map(token);
            Ok(CreatedStage { stage, tokens: tokens.collect::<Result<_, _>>()?, request_id })
        }
        .boxed()
    }
}

impl UpdateStage for IvsRealTime {
    fn update_stage<'a>(
        &'a self,
        before: &'a StageDescription,
        change: &'a StageChange,
    ) -> BoxFuture<'a, Result<(StageDescription, Option<String>), CallError>> {
        async move {
            let body = update(before, change)
                .ok_or_else(|| unreadable("the settings to change are not as GetStage gives them"))?;
            let answer = Answer::default();
            let request = self.client.update_stage().arn(before.listed.stage.as_str()).customize();
            let request = request.mutate_request(carrying(body)).interceptor(answer.clone());
            let output = self.counted(Operation::UpdateStage, request.send().await)?;
            let request_id = output.request_id().map(str::to_owned);
            Ok((described(output.stage, &answer)?, request_id))
        }
        .boxed()
    }
}

/// The body of CreateStage. What is not said is not there, and becomes what IVS has by default.
fn create(new: &NewStage) -> String {
    let mut body = Map::new();
    if !new.name.is_empty() {
        body.insert("name".to_owned(), json!(new.name));
    }
    if !new.tags.is_empty() {
        body.insert("tags".to_owned(), json!(new.tags));
    }
    if !new.tokens.is_empty() {
        let tokens: Vec<Value> = new.tokens.iter().map(token_configuration).collect();
        body.insert("participantTokenConfigurations".to_owned(), json!(tokens));
    }
    let recording = settings::changed(&Map::new(), &new.recording);
    if !recording.is_empty() {
        body.insert(CONFIGURATION.to_owned(), Value::Object(recording));
    }
    Value::Object(body).to_string()
}

fn token_configuration(token: &NewToken) -> Value {
    let mut configuration = Map::new();
    if let Some(minutes) = token.minutes {
        configuration.insert("duration".to_owned(), json!(minutes));
    }
    if !token.user_id.is_empty() {
        configuration.insert("userId".to_owned(), json!(token.user_id));
    }
    if !token.attributes.is_empty() {
        configuration.insert("attributes".to_owned(), json!(token.attributes));
    }
    if !token.capabilities.is_empty() {
        let names: Vec<_> = token.capabilities.iter().map(|capability| capability.name()).collect();
        configuration.insert("capabilities".to_owned(), json!(names));
    }
    Value::Object(configuration)
}

/// The body of UpdateStage; nothing if what was read before is not what GetStage gives.
fn update(before: &StageDescription, change: &StageChange) -> Option<String> {
    let mut body = Map::from_iter([("arn".to_owned(), json!(before.listed.stage.as_str()))]);
    if let Some(name) = &change.name {
        body.insert("name".to_owned(), json!(name));
    }
    if !change.recording.said().is_empty() {
        let settings: Map<String, Value> = serde_json::from_str(&before.settings).ok()?;
        let after = settings::changed(&settings, &change.recording);
        body.insert(CONFIGURATION.to_owned(), Value::Object(after));
    }
    Some(Value::Object(body).to_string())
}

/// A stage of an answer: lists have the first part of it, and only its body the second.
fn described(row: Option<Stage>, answer: &Answer) -> Result<StageDescription, CallError> {
    let row = row.ok_or_else(|| unreadable("the answer has no stage"))?;
    let listed = stage(&row.arn, row.name, row.tags, row.active_session_id)
        .map_err(|error| unreadable(&error.to_string()))?;
    let settings = settings::of_stage(answer.body()).map_err(|error| unreadable(&error))?;
    let recording = settings::read(&settings).map_err(|error| unreadable(&error))?;
    Ok(StageDescription { listed, recording, settings: Value::Object(settings).to_string() })
}

fn token(row: ParticipantToken) -> Result<CreatedToken, CallError> {
    let participant = row.participant_id.unwrap_or_default().parse();
    Ok(CreatedToken {
        participant: participant.map_err(|error: replication::IdError| unreadable(&error.to_string()))?,
        user_id: row.user_id.unwrap_or_default(),
        token: Secret(row.token.unwrap_or_default()),
        expires_at: row.expiration_time.as_ref().and_then(timestamp),
    })
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use replication::RecordingSettings;
    use replication::stage::{Capability, Storage};
    use replication::sweep::ListedStage;

    use super::*;

    fn parsed(body: &str) -> Value {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn what_is_not_said_of_a_new_stage_is_not_sent() {
        assert_eq!(create(&NewStage::default()), "{}");
        let token = NewToken { user_id: "host".to_owned(), ..NewToken::default() };
        let some = NewStage {
            name: "a".to_owned(),
            tokens: vec![token, NewToken::default()],
            ..NewStage::default()
        };
        let expected = json!({"name": "a", "participantTokenConfigurations": [{"userId": "host"}, {}]});
        assert_eq!(parsed(&create(&some)), expected);
    }

    #[test]
    fn every_field_of_a_new_stage_is_sent() {
        let pairs = BTreeMap::from([("role".to_owned(), "main".to_owned())]);
        let arn = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/a";
        let new = NewStage {
            name: "a".to_owned(),
            tags: pairs.clone(),
            tokens: vec![NewToken {
                minutes: Some(20_160),
                user_id: "host".to_owned(),
                attributes: pairs,
                capabilities: vec![Capability::Publish, Capability::Subscribe],
            }],
            recording: RecordingSettings {
                storage: Some(arn.parse().unwrap()),
                replicas: Some(false),
                reconnect_window_seconds: Some(0),
                ..RecordingSettings::default()
            },
        };
        let expected = json!({
            "name": "a",
            "tags": {"role": "main"},
            "participantTokenConfigurations": [{"duration": 20160, "userId": "host", "attributes": {"role": "main"},
                "capabilities": ["PUBLISH", "SUBSCRIBE"]}],
            "autoParticipantRecordingConfiguration": {"storageConfigurationArn": arn, "recordParticipantReplicas": false,
                "recordingReconnectWindowSeconds": 0},
        });
        assert_eq!(parsed(&create(&new)), expected);
    }

    #[test]
    fn a_change_sends_what_it_is_about_and_all_of_the_recording_or_nothing_of_it() {
        let stage: StageArn = "arn:aws:ivs:us-east-1:123456789012:stage/A".parse().unwrap();
        let listed = ListedStage {
            stage: stage.clone(),
            name: "a".to_owned(),
            tags: BTreeMap::new(),
            active_session: None,
        };
        let settings = r#"{"storageConfigurationArn":"x","unheardOf":1}"#.to_owned();
        let before = StageDescription { listed, recording: RecordingSettings::default(), settings };
        let renamed = StageChange { name: Some(String::new()), ..StageChange::default() };
        let sent = |change: &StageChange| parsed(&update(&before, change).unwrap());
        assert_eq!(sent(&renamed), json!({"arn": stage.as_str(), "name": ""}));
        let recording = RecordingSettings { replicas: Some(false), ..RecordingSettings::default() };
        let quiet = StageChange { name: None, recording };
        let expected =
            json!({"storageConfigurationArn": "x", "unheardOf": 1, "recordParticipantReplicas": false});
        assert_eq!(sent(&quiet), json!({"arn": stage.as_str(), CONFIGURATION: expected}));
        let recording = RecordingSettings { storage: Some(Storage::Off), ..RecordingSettings::default() };
        let off = StageChange { name: None, recording };
        assert_eq!(sent(&off)[CONFIGURATION], json!({"storageConfigurationArn": ""}));
        let broken = StageDescription { settings: "<html>".to_owned(), ..before };
        assert_eq!(update(&broken, &off), None);
    }
}
