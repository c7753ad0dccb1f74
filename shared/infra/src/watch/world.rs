//! The world of the envelopes in `events/`: their stages on the simulated IVS, rules for them, and who publishes.

use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::error::Error;

/// The stage of the captured events.
const SOURCE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/oWXSOfbOLMte";

/// Where its publishers are wanted.
const DESTINATION: &str = "arn:aws:ivs:us-east-1:123456789012:stage/Qm7RkT2vXb9d";

/// The stage of `sequence-disordered.jsonl`.
const EVENING: &str = "arn:aws:ivs:us-east-1:123456789012:stage/h4Tq9VwLs2Bn";

/// Who publishes in the captured events.
const PARTICIPANT: &str = "03JY4smU3eXc";

/// Rules for the two source stages.
pub(super) const RULES: &str = r#"rules:
  - id: main
    source: { stage: "arn:aws:ivs:us-east-1:123456789012:stage/oWXSOfbOLMte" }
    destinations: [ { stage: "arn:aws:ivs:us-east-1:123456789012:stage/Qm7RkT2vXb9d" } ]
    reconnect_window_seconds: 0
  - id: evening
    source: { stage: "arn:aws:ivs:us-east-1:123456789012:stage/h4Tq9VwLs2Bn" }
    destinations: [ { stage: "arn:aws:ivs:us-east-1:123456789012:stage/Qm7RkT2vXb9d" } ]
    reconnect_window_seconds: 30
"#;

/// The same, but for the first stage.
pub(super) const RULES_WITHOUT_MAIN: &str = r#"rules:
  - id: evening
    source: { stage: "arn:aws:ivs:us-east-1:123456789012:stage/h4Tq9VwLs2Bn" }
    destinations: [ { stage: "arn:aws:ivs:us-east-1:123456789012:stage/Qm7RkT2vXb9d" } ]
    reconnect_window_seconds: 30
"#;

/// The simulated IVS, seen through its control plane.
pub(super) struct World {
    client: Client,
    url: String,
}

impl World {
    pub(super) fn new(ivs: &str) -> Self {
        Self { client: Client::new(), url: format!("{ivs}/_sim") }
    }

    /// Puts the stages into the account, and lets the participant of the captured events publish.
    ///
    /// # Errors
    /// When the simulator refuses.
    pub(super) fn populate(&self) -> Result<(), Error> {
        for (name, arn) in [("source", SOURCE), ("destination", DESTINATION), ("evening", EVENING)] {
            self.post("stage", &json!({ "stageArn": arn, "name": name }))?;
        }
        self.post("publish", &json!({ "stageArn": SOURCE, "participantId": PARTICIPANT })).map(drop)
    }

    /// How many replications run.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(super) fn replications(&self) -> Result<usize, Error> {
        Ok(self.get("state")?["replications"].as_array().map_or(0, Vec::len))
    }

    /// How many calls of an operation were answered with success.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(super) fn succeeded(&self, operation: &str) -> Result<usize, Error> {
        let ledger = self.get(&format!("ledger?operation={operation}"))?;
        let entries = ledger.as_array().map_or(&[][..], Vec::as_slice);
        Ok(entries.iter().filter(|entry| entry["status"] == 200).count())
    }

    fn get(&self, path: &str) -> Result<Value, Error> {
        self.answer(path, self.client.get(format!("{}/{path}", self.url)))
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.answer(path, self.client.post(format!("{}/{path}", self.url)).json(body))
    }

    fn answer(&self, path: &str, request: RequestBuilder) -> Result<Value, Error> {
        let wrong = |problem: String| Error::Wrong(format!("the simulator at /_sim/{path}: {problem}"));
        let answer =
            request.timeout(Duration::from_secs(10)).send().map_err(|error| wrong(error.to_string()))?;
        let status = answer.status();
        let body: Value = answer.json().map_err(|error| wrong(error.to_string()))?;
        if status.is_success() { Ok(body) } else { Err(wrong(format!("{status}: {body}"))) }
    }
}
