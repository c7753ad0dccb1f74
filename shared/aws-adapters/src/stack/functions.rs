//! Functions: how they are configured, and what they answer.

use std::collections::BTreeMap;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use jiff::Timestamp;

use super::{INVOCATION, LookError, Stack, incomplete, look_error, timeouts};

/// A function as Lambda has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FunctionState {
    /// Its ARN, without a version.
    pub arn: String,
    /// `Active`, `Pending`, `Inactive` or `Failed`, with Lambda's reason.
    pub state: String,
    /// Why it is in this state, if Lambda says so.
    pub state_reason: Option<String>,
    /// `Successful`, `InProgress` or `Failed`; empty if it was never updated.
    pub last_update: String,
    /// Why its last update failed, if Lambda says so.
    pub last_update_reason: Option<String>,
    /// When its code or configuration was last changed.
    pub last_modified: Option<Timestamp>,
    /// Its environment variables. Nothing if they may not be read.
    pub variables: Option<BTreeMap<String, String>>,
    /// What it was built for.
    pub architecture: Option<String>,
}

/// What came of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// Whether the function failed: `Unhandled` or `Handled`, as Lambda says.
    pub error: Option<String>,
    /// Its answer, or its error, as it is written.
    pub payload: Vec<u8>,
}

impl Stack {
    /// The configuration of a function, by its name in the template.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn function(&self, function: &str) -> Result<FunctionState, LookError> {
        let name = self.function_name(function);
        let answer = self.lambda.get_function_configuration().function_name(&name).send().await;
        let found = answer.map_err(|error| look_error("lambda:GetFunctionConfiguration", &error))?;
        let text = |text: Option<&str>| text.map(str::to_owned);
        let variables = match found.environment() {
            Some(environment) if environment.error().is_some() => None,
            Some(environment) => {
                let variables = environment.variables().into_iter().flatten();
                Some(variables.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
            None => Some(BTreeMap::new()),
        };
        Ok(FunctionState {
            arn: text(found.function_arn()).ok_or_else(|| incomplete("FunctionArn"))?,
            state: found.state().map_or_else(String::new, |state| state.as_str().to_owned()),
            state_reason: text(found.state_reason()),
            last_update: found.last_update_status().map_or_else(String::new, |it| it.as_str().to_owned()),
            last_update_reason: text(found.last_update_status_reason()),
            last_modified: found.last_modified().and_then(timestamp),
            variables,
            architecture: found.architectures().first().map(|built_for| built_for.as_str().to_owned()),
        })
    }

    /// Where asynchronous invocations of a function go that failed, as an ARN; nothing if nowhere.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn on_failure(&self, function: &str) -> Result<Option<String>, LookError> {
        let name = self.function_name(function);
        let answer = self.lambda.get_function_event_invoke_config().function_name(&name).send().await;
        let found = answer.map_err(|error| look_error("lambda:GetFunctionEventInvokeConfig", &error))?;
        let destination = found.destination_config().and_then(|config| config.on_failure());
        Ok(destination.and_then(|on_failure| on_failure.destination()).map(str::to_owned))
    }

    /// How many invocations of a function may run at a time, if that is reserved.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn reserved_concurrency(&self, function: &str) -> Result<Option<u32>, LookError> {
        let name = self.function_name(function);
        let answer = self.lambda.get_function_concurrency().function_name(&name).send().await;
        let found = answer.map_err(|error| look_error("lambda:GetFunctionConcurrency", &error))?;
        Ok(found.reserved_concurrent_executions().and_then(|number| u32::try_from(number).ok()))
    }

    /// Invokes a function with an event, and waits for its answer: up to 100 s, and once.
    ///
    /// # Errors
    /// [`LookError`], if it was not invoked or nothing is known of it. That a function fails is no error here.
    pub async fn invoke(&self, function: &str, event: &[u8]) -> Result<Invoked, LookError> {
        let once = aws_sdk_lambda::config::retry::RetryConfig::disabled();
        let settings = aws_sdk_lambda::config::Builder::new();
        let request = self
            .lambda
            .invoke()
            .function_name(self.function_name(function))
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(event))
            .customize()
            .config_override(settings.retry_config(once).timeout_config(timeouts(INVOCATION)));
        let answer = request.send().await.map_err(|error| look_error("lambda:InvokeFunction", &error))?;
        let payload = answer.payload().map_or_else(Vec::new, |payload| payload.as_ref().to_vec());
        Ok(Invoked { error: answer.function_error().map(str::to_owned), payload })
    }
}

/// Lambda's form of a time: `2026-06-29T16:40:32.000+0000`.
fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambdas_times_are_read_in_both_forms() {
        let expected = "2026-06-29T16:40:32Z".parse().ok();
        for text in ["2026-06-29T16:40:32.000+0000", "2026-06-29T16:40:32Z", "2026-06-29T16:40:32.000+00:00"]
        {
            assert_eq!(timestamp(text), expected, "{text}");
        }
        assert_eq!(timestamp("yesterday"), None);
    }
}
