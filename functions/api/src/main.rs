//! Answers what application back ends ask over HTTP: rules, replicas, publishers. It reads the table, and makes no IVS call.

use aws_adapters::{Connection, ConnectionOptions};
use http_api::Api;
use lambda_kit::{Config, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::new(ConnectionOptions::default()).await;
    let api = Api::new(connection.store(&config.table)).await;
    lambda_runtime::run(service_fn(|event| api.handle(event))).await
}
