//! Starts the replicas that the rules want when a participant publishes.

use aws_adapters::Connection;
use lambda_kit::{Config, Function, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::from_env()?;
    let calls = connection.ivs().for_starting();
    let function = Function::new("participant-published", &config, &connection, calls).await;
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
