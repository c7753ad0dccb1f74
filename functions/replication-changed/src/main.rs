//! Records what IVS reports of replications: their starts, their ends, and what became of the replica participants. It makes
//! no IVS call; what has to follow is planned, and left to those who may call.

use aws_adapters::Connection;
use controller::Calls;
use lambda_kit::{Config, Function, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::from_env()?;
    let function = Function::new("replication-changed", &config, &connection, Calls::default()).await;
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
