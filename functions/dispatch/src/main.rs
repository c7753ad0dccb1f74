//! Does what is due: deferred starts, timed releases, doubts. Woken by the table's stream and by the clock.

use aws_adapters::Connection;
use lambda_kit::{Config, DispatchFunction, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::from_env()?;
    let function = DispatchFunction::new(&config, &connection);
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
