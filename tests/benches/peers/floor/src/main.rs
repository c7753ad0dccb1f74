//! A function that does nothing. Less than this no function in Rust costs.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(service_fn(nothing)).await
}

async fn nothing(_: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
    Ok(Value::Null)
}
