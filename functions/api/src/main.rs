//! Answers what application back ends ask over HTTP, and changes rules and versus sessions for them. It has the table only, and makes
//! no IVS call.

use aws_adapters::Connection;
use http_api::{Api, Settings};
use lambda_kit::{Config, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::from_env()?;
    let settings = Settings { policy: config.policy(), share_percent: config.quota_share };
    let api = Api::new(connection.store(&config.table), settings).await;
    lambda_runtime::run(service_fn(|event| api.handle(event))).await
}
