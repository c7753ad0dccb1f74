//! The controller's ports on a simulated IVS: what its answers say, whatever way they come.

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::sweep::port::{
    GetRecording, ListParticipantEvents, ListParticipants, ListStageSessions, ListStages, Page, Reads,
    RecordingCalls, SetRecording,
};
use controller::{Calls, GetParticipant, GetStage, ListReplicas, StartReplication, StopReplication};
use futures::FutureExt;
use futures::future::BoxFuture;
use ivs_sim::ApiError;
use replication::sweep::{
    EventName, ListedEvent, ListedParticipant, ListedSession, ListedStage, Recording, Role,
};
use replication::{
    CallError, Listed, ParticipantId, PublisherKey, Receipt, Refusal, Rejection, ReplicationKey, SessionId,
    StageArn, StartRequest,
};
use serde_json::{Value, json};

/// The way to IVS and back.
pub trait Way: Send + Sync {
    /// One call. `operation` is the API's name, such as `GetStage`.
    fn call(
        self: Arc<Self>,
        operation: &'static str,
        input: Value,
    ) -> BoxFuture<'static, Result<Value, CallError>>;
}

/// Every port, by one way.
pub struct Ports<W>(Arc<W>);

impl<W: Way + 'static> Ports<W> {
    /// The ports by this way.
    pub fn by(way: Arc<W>) -> Arc<Self> {
        Arc::new(Self(way))
    }

    /// What `dispatch` may call.
    pub fn every_call(self: &Arc<Self>) -> Calls {
        Calls {
            start: Some(self.clone()),
            stop: Some(self.clone()),
            list: Some(self.clone()),
            stage: Some(self.clone()),
            participant: Some(self.clone()),
        }
    }

    /// What the sweep reads.
    pub fn reads(self: &Arc<Self>) -> Reads {
        Reads::all_of(self.clone())
    }

    /// What the sweep does about recordings.
    pub fn recordings(self: &Arc<Self>) -> RecordingCalls {
        RecordingCalls::both_of(self.clone())
    }

    async fn page<T>(
        &self,
        operation: &'static str,
        mut input: Value,
        token: Option<String>,
        rows: &str,
        read: impl Fn(&Value) -> T,
    ) -> Result<Page<T>, CallError> {
        input["maxResults"] = json!(100);
        input["nextToken"] = json!(token);
        let answer = self.0.clone().call(operation, input).await?;
        let listed = answer[rows].as_array().into_iter().flatten().map(read);
        Ok(Page { rows: listed.collect(), next: answer["nextToken"].as_str().map(str::to_owned) })
    }
}

impl<W: Way + 'static> ListStages for Ports<W> {
    fn list_stages(&self, token: Option<String>) -> BoxFuture<'_, Result<Page<ListedStage>, CallError>> {
        self.page("ListStages", json!({}), token, "stages", stage).boxed()
    }
}

impl<W: Way + 'static> GetStage for Ports<W> {
    fn get_stage<'a>(&'a self, arn: &'a StageArn) -> BoxFuture<'a, Result<ListedStage, CallError>> {
        let answer = self.0.clone().call("GetStage", json!({"arn": arn.as_str()}));
        async { answer.await.map(|answer| stage(&answer["stage"])) }.boxed()
    }
}

impl<W: Way + 'static> GetParticipant for Ports<W> {
    fn get_participant<'a>(
        &'a self,
        publisher: &'a PublisherKey,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, CallError>> {
        let input = json!({"stageArn": publisher.stage.as_str(), "sessionId": session.as_str(),
            "participantId": publisher.participant.as_str()});
        async {
            let answer = self.0.clone().call("GetParticipant", input).await?;
            Ok(serde_json::from_value(answer["participant"]["attributes"].clone()).unwrap_or_default())
        }
        .boxed()
    }
}

impl<W: Way + 'static> GetRecording for Ports<W> {
    fn get_recording<'a>(&'a self, arn: &'a StageArn) -> BoxFuture<'a, Result<Recording, CallError>> {
        async {
            let answer = self.0.clone().call("GetStage", json!({"arn": arn.as_str()})).await?;
            let settings = &answer["stage"]["autoParticipantRecordingConfiguration"];
            Ok(Recording {
                on: settings["storageConfigurationArn"] != "",
                replicas: settings["recordParticipantReplicas"] == true,
                settings: settings.to_string(),
            })
        }
        .boxed()
    }
}

impl<W: Way + 'static> SetRecording for Ports<W> {
    fn set_record_replicas<'a>(
        &'a self,
        arn: &'a StageArn,
        recording: &'a Recording,
        record_replicas: bool,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        let mut settings: Value = serde_json::from_str(&recording.settings).unwrap_or_default();
        settings["recordParticipantReplicas"] = json!(record_replicas);
        let input = json!({"arn": arn.as_str(), "autoParticipantRecordingConfiguration": settings});
        async { self.0.clone().call("UpdateStage", input).await.map(|_| Receipt::default()) }.boxed()
    }
}

impl<W: Way + 'static> ListStageSessions for Ports<W> {
    fn list_stage_sessions<'a>(
        &'a self,
        stage: &'a StageArn,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedSession>, CallError>> {
        let row = |row: &Value| ListedSession {
            session: parsed(&row["sessionId"]),
            ended: row["endTime"].as_str().and_then(|at| at.parse().ok()),
        };
        let input = json!({"stageArn": stage.as_str()});
        self.page("ListStageSessions", input, token, "stageSessions", row).boxed()
    }
}

impl<W: Way + 'static> ListParticipants for Ports<W> {
    fn list_participants<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedParticipant>, CallError>> {
        let input =
            json!({"stageArn": stage.as_str(), "sessionId": session.as_str(), "filterByPublished": true});
        self.page("ListParticipants", input, token, "participants", participant).boxed()
    }
}

impl<W: Way + 'static> ListParticipantEvents for Ports<W> {
    fn list_participant_events<'a>(
        &'a self,
        stage: &'a StageArn,
        session: &'a SessionId,
        participant: &'a ParticipantId,
        token: Option<String>,
    ) -> BoxFuture<'a, Result<Page<ListedEvent>, CallError>> {
        let input = json!({"stageArn": stage.as_str(), "sessionId": session.as_str(),
            "participantId": participant.as_str()});
        self.page("ListParticipantEvents", input, token, "events", event).boxed()
    }
}

impl<W: Way + 'static> ListReplicas for Ports<W> {
    fn list_participant_replicas<'a>(
        &'a self,
        publisher: &'a PublisherKey,
    ) -> BoxFuture<'a, Result<Vec<Listed>, CallError>> {
        let input = json!({"sourceStageArn": publisher.stage.as_str(),
            "participantId": publisher.participant.as_str(), "maxResults": 50});
        async {
            let answer = self.0.clone().call("ListParticipantReplicas", input).await?;
            let rows = answer["replicas"].as_array().into_iter().flatten();
            let active = rows.filter(|row| row["replicationState"] == "ACTIVE");
            let listed = active.map(|row| Listed {
                destination: parsed(&row["destinationStageArn"]),
                destination_session: row["destinationSessionId"].as_str().and_then(|id| id.parse().ok()),
            });
            Ok(listed.collect())
        }
        .boxed()
    }
}

impl<W: Way + 'static> StartReplication for Ports<W> {
    fn start_participant_replication<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        let mut input = key(&request.key);
        input["reconnectWindowSeconds"] = json!(request.reconnect_window.seconds());
        input["attributes"] = json!(request.attributes);
        let answer = self.0.clone().call("StartParticipantReplication", input);
        async { answer.await.map(|_| Receipt::default()) }.boxed()
    }
}

impl<W: Way + 'static> StopReplication for Ports<W> {
    fn stop_participant_replication<'a>(
        &'a self,
        of: &'a ReplicationKey,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        let answer = self.0.clone().call("StopParticipantReplication", key(of));
        async { answer.await.map(|_| Receipt::default()) }.boxed()
    }
}

/// What the adapter makes of an error on the wire.
pub fn call_error(error: &ApiError) -> CallError {
    let code = error.code.to_string();
    let rejection = Rejection::ALL.into_iter().find(|rejection| rejection.code() == code);
    let refusal = match (rejection, code.as_str()) {
        (Some(rejection), _) => Refusal::Rejected(rejection),
        (None, "ThrottlingException") => Refusal::Throttled { retry_after: None },
        (None, "AccessDeniedException" | "PendingVerification") => Refusal::AccessDenied,
        (None, _) => Refusal::Unavailable,
    };
    CallError { refusal, code, message: error.message.clone(), request_id: None }
}

/// Leaves no row of a list, or every second one, and says that these are all.
pub fn cut(answer: &mut Value, all: bool) {
    let Some(fields) = answer.as_object_mut() else { return };
    fields.remove("nextToken");
    for rows in fields.values_mut().filter_map(Value::as_array_mut) {
        let mut n = 0;
        rows.retain(|_| {
            n += 1;
            !all && n % 2 == 1
        });
    }
}

fn key(key: &ReplicationKey) -> Value {
    json!({"sourceStageArn": key.source.as_str(), "participantId": key.participant.as_str(),
        "destinationStageArn": key.destination.as_str()})
}

fn stage(row: &Value) -> ListedStage {
    ListedStage {
        stage: parsed(&row["arn"]),
        name: text(&row["name"]),
        tags: serde_json::from_value(row["tags"].clone()).unwrap_or_default(),
        active_session: row["activeSessionId"].as_str().and_then(|id| id.parse().ok()),
    }
}

fn participant(row: &Value) -> ListedParticipant {
    let active = row["replicationState"] == "ACTIVE";
    ListedParticipant {
        participant: parsed(&row["participantId"]),
        user_id: text(&row["userId"]),
        connected: row["state"].as_str().map(|state| state == "CONNECTED"),
        role: match row["replicationType"].as_str() {
            Some("SOURCE") => Role::Original { replicated: active },
            Some("NONE") => Role::Original { replicated: false },
            Some("REPLICA") => Role::Replica { source: parsed(&row["sourceStageArn"]), active },
            _ => Role::Unknown,
        },
    }
}

fn event(row: &Value) -> ListedEvent {
    ListedEvent {
        name: match row["name"].as_str() {
            Some("JOINED") => EventName::Joined,
            Some("LEFT") => EventName::Left,
            Some("PUBLISH_STARTED") => EventName::PublishStarted,
            Some("PUBLISH_STOPPED") => EventName::PublishStopped,
            Some("REPLICATION_STARTED") => EventName::ReplicationStarted(parsed(&row["destinationStageArn"])),
            Some("REPLICATION_STOPPED") => EventName::ReplicationStopped(parsed(&row["destinationStageArn"])),
            _ => EventName::Other,
        },
        at: parsed(&row["eventTime"]),
        replica: row["replica"] == true,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn parsed<T: std::str::FromStr>(value: &Value) -> T
where
    T::Err: std::fmt::Debug,
{
    #[allow(clippy::unwrap_used, reason = "the simulator answers with what it is")]
    value.as_str().unwrap_or_default().parse().unwrap()
}
