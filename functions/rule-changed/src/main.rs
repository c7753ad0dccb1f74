//! Plans again what a rule concerns that was put, changed or removed: publishers who are live, and replicas of the rule. Nothing of that is done yet: events are logged and answered.

use lambda_kit::{Config, telemetry};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
    let records = event.payload["Records"].as_array().map(Vec::len);
    tracing::info!(request = event.context.request_id, records, "event without consequences");
    Ok(json!({ "handled": "nothing yet" }))
}
