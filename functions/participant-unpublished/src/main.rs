//! Releases the replicas of a participant that stopped publishing, once its reconnect window is over.

use aws_adapters::Connection;
use lambda_kit::{Config, Function, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::from_env()?;
    let calls = connection.ivs().for_stopping();
    let function = Function::new("participant-unpublished", &config, &connection, calls).await;
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
