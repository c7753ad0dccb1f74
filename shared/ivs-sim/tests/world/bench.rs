//! The workbench of the tests: a simulator, its clock, its events, and short words for what one does with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ivs_sim::{ApiError, Config, Dialect, Publish, Simulator, VirtualClock};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) clock: Arc<VirtualClock>,
    events: UnboundedReceiver<Value>,
    names: BTreeMap<String, String>,
}

impl Bench {
    /// Stages "A" to "H" in an account with the default dialect.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    /// The same with these switches set.
    pub(crate) fn dialect(switches: Value) -> Self {
        let mut dialect = Dialect::default();
        dialect.merge(&switches).unwrap();
        Self::with(Config { dialect, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let clock = Arc::new(VirtualClock::default());
        let simulator = Simulator::new(config, clock.clone());
        let events = simulator.subscribe();
        let mut names = BTreeMap::new();
        for name in ["A", "B", "C", "D", "E", "F", "G", "H"] {
            names.insert(name.to_owned(), simulator.create_stage(name, BTreeMap::new()));
        }
        Self { simulator, clock, events, names }
    }

    /// The ARN of a stage.
    pub(crate) fn arn(&self, stage: &str) -> String {
        self.names[stage].clone()
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
        self.simulator.tick();
    }

    /// Begins to publish, and returns the session.
    pub(crate) fn publish(&self, stage: &str, participant: &str) -> String {
        self.try_publish(stage, participant).unwrap()
    }

    pub(crate) fn try_publish(&self, stage: &str, participant: &str) -> Result<String, ApiError> {
        let participant_id = Some(participant.to_owned());
        let publish = Publish { stage_arn: self.arn(stage), participant_id, ..Publish::default() };
        self.simulator.publish(publish).map(|published| published.session_id)
    }

    pub(crate) fn unpublish(&self, stage: &str, participant: &str) {
        self.simulator.unpublish(&self.arn(stage), participant).unwrap();
    }

    pub(crate) fn leave(&self, stage: &str, participant: &str) {
        self.simulator.leave(&self.arn(stage), participant).unwrap();
    }

    /// An API call, 200 ms after whatever was before, so that no quota is in the way.
    pub(crate) fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        self.clock.advance(SignedDuration::from_millis(200));
        self.simulator.call(operation, input)
    }

    /// Start: "ok", or the status and the text of the refusal.
    pub(crate) fn start(&self, from: &str, participant: &str, to: &str) -> String {
        self.start_with(from, participant, to, json!({}))
    }

    /// Start with further members.
    pub(crate) fn start_with(&self, from: &str, participant: &str, to: &str, extra: Value) -> String {
        let mut input = self.key(from, participant, to);
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        verdict(&self.call("StartParticipantReplication", input))
    }

    /// Start with a reconnect window, which must succeed.
    pub(crate) fn start_window(&self, from: &str, participant: &str, to: &str, seconds: u16) {
        assert_eq!(self.start_with(from, participant, to, json!({"reconnectWindowSeconds": seconds})), "ok");
    }

    pub(crate) fn stop(&self, from: &str, participant: &str, to: &str) -> String {
        verdict(&self.call("StopParticipantReplication", self.key(from, participant, to)))
    }

    fn key(&self, from: &str, participant: &str, to: &str) -> Value {
        json!({"sourceStageArn": self.arn(from), "destinationStageArn": self.arn(to), "participantId": participant})
    }

    /// ListParticipantReplicas as "B ACTIVE".
    pub(crate) fn replicas(&self, from: &str, participant: &str) -> Vec<String> {
        let input = json!({"sourceStageArn": self.arn(from), "participantId": participant});
        let output = self.call("ListParticipantReplicas", input).unwrap();
        let row = |row: &Value| {
            format!(
                "{} {}",
                self.name(&row["destinationStageArn"]),
                row["replicationState"].as_str().unwrap()
            )
        };
        output["replicas"].as_array().unwrap().iter().map(row).collect()
    }

    /// The rows of ListParticipantEvents in the active session, oldest first, as "REPLICATION_STARTED to B".
    pub(crate) fn history(&self, stage: &str, session: &str, participant: &str) -> Vec<String> {
        let input = json!({"stageArn": self.arn(stage), "sessionId": session, "participantId": participant});
        let output = self.call("ListParticipantEvents", input).unwrap();
        let row = |row: &Value| {
            let name = row["name"].as_str().unwrap();
            let error = row["errorCode"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
            match &row["destinationStageArn"] {
                Value::Null => format!("{name}{error}"),
                destination => format!("{name} to {}", self.name(destination)),
            }
        };
        let rows = output["events"].as_array().unwrap();
        let mut rows: Vec<String> = rows.iter().map(row).collect();
        rows.reverse();
        rows
    }

    /// GetParticipant.
    pub(crate) fn participant(&self, stage: &str, session: &str, participant: &str) -> Value {
        let input = json!({"stageArn": self.arn(stage), "sessionId": session, "participantId": participant});
        self.call("GetParticipant", input).unwrap()["participant"].clone()
    }

    /// The active session of a stage.
    pub(crate) fn session(&self, stage: &str) -> Option<String> {
        let output = self.call("GetStage", json!({"arn": self.arn(stage)})).unwrap();
        output["stage"]["activeSessionId"].as_str().map(str::to_owned)
    }

    /// The envelopes that arrived since the last time.
    pub(crate) fn envelopes(&mut self) -> Vec<Value> {
        self.simulator.tick();
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// The same as "A Published p", "B Published p from A", "A Replication End p to B", "B Publish Error p CODE".
    pub(crate) fn events(&mut self) -> Vec<String> {
        self.envelopes().iter().map(|envelope| self.render(envelope)).collect()
    }

    fn render(&self, envelope: &Value) -> String {
        let detail = &envelope["detail"];
        let text = |member: &str| detail[member].as_str().unwrap_or_default().to_owned();
        let mut line = format!(
            "{} {} {}",
            self.name(&envelope["resources"][0]),
            text("event_name").trim_start_matches("Participant "),
            text("participant_id")
        );
        if detail["replica"] == true {
            line += &format!(" from {}", self.name(&detail["source_stage_arn"]));
        }
        if !detail["destination_stage_arn"].is_null() {
            line += &format!(" to {}", self.name(&detail["destination_stage_arn"]));
        }
        if !detail["error_code"].is_null() {
            line += &format!(" {}", text("error_code"));
        }
        line
    }

    fn name(&self, arn: &Value) -> String {
        let arn = arn.as_str().unwrap();
        let found = self.names.iter().find(|(_, known)| *known == arn);
        found.map_or_else(|| arn.to_owned(), |(name, _)| name.clone())
    }
}

/// "ok", or the status and the text of the refusal.
pub(crate) fn verdict(result: &Result<Value, ApiError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{} {}", error.status, error.message),
    }
}

/// The first word of a verdict: "ok" or the status.
pub(crate) fn status(verdict: &str) -> String {
    verdict.split(' ').next().unwrap_or_default().to_owned()
}
