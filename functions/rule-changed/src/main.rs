//! Takes changed rules to the publishers they speak of. It makes no IVS call: what follows is due, and done by `dispatch`.

use aws_adapters::Connection;
use lambda_kit::{Config, RuleChangedFunction, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    let connection = Connection::from_env()?;
    let function = RuleChangedFunction::new(&config, &connection);
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
