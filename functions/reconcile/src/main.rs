//! Sweeps what IVS says, within a budget of calls, to find what events missed. It starts and stops nothing: what has to
//! follow is planned, and left to those who may call. It keeps the recording of replicas as the rules want it.

use aws_adapters::Connection;
use lambda_kit::{Config, ReconcileFunction, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::from_env()?;
    let function = ReconcileFunction::new(&config, &connection);
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
