//! A deployed stack as AWS has it: its functions and what invokes them, its table, its dead letters, and who asks.
//!
//! For operators, under the feature `operator`: no function looks at its stack. Names are those of the template, where a
//! function is called `STACK-NAME`; what has no fixed name there is found from the functions. So CloudFormation is not asked.

mod caller;
mod functions;
mod permissions;
mod queue;
mod table;
mod triggers;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

pub use caller::{Caller, ClockReading};
pub use functions::{FunctionState, Invoked};
pub use permissions::TableAction;
pub use queue::{Message, QueueState};
pub use table::{IndexState, TableState};
pub use triggers::{EventRuleState, MappingState, TargetState};

use crate::connection::timeouts;
use crate::failure::{DENIED, chain};

/// The longest that a look may take, and how often it is tried.
const LOOK: (Duration, u32) = (Duration::from_secs(5), 2);

/// The longest that an invocation may take that is waited for: longer than any function has.
const INVOCATION: Duration = Duration::from_secs(100);

/// Looks at one stack.
#[derive(Debug, Clone)]
pub struct Stack {
    name: String,
    table: String,
    dynamodb: aws_sdk_dynamodb::Client,
    events: aws_sdk_eventbridge::Client,
    ivs: aws_sdk_ivsrealtime::Client,
    lambda: aws_sdk_lambda::Client,
    sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
}

/// Why a look gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// The credentials do not allow it.
    #[error("{action} is not allowed: {message}")]
    Denied {
        /// The action, as policies name it.
        action: &'static str,
        /// AWS's words.
        message: String,
    },
    /// What was looked for is not there.
    #[error("not found: {message}")]
    Absent {
        /// AWS's words.
        message: String,
    },
    /// There is no answer that says anything.
    #[error("{code}: {message}")]
    Failed {
        /// AWS's code, or a word for what happened.
        code: String,
        /// The words.
        message: String,
    },
}

impl Stack {
    pub(crate) fn new(
        shared: &SdkConfig,
        endpoint: Option<&str>,
        dynamodb: aws_sdk_dynamodb::Client,
        ivs: aws_sdk_ivsrealtime::Client,
        (name, table): (&str, &str),
    ) -> Self {
        let mut shared = shared
            .to_builder()
            .retry_config(RetryConfig::standard().with_max_attempts(LOOK.1))
            .timeout_config(timeouts(LOOK.0));
        if let Some(endpoint) = endpoint {
            shared = shared.endpoint_url(endpoint);
        }
        let shared = shared.build();
        Self {
            name: name.to_owned(),
            table: table.to_owned(),
            dynamodb,
            events: aws_sdk_eventbridge::Client::new(&shared),
            ivs,
            lambda: aws_sdk_lambda::Client::new(&shared),
            sqs: aws_sdk_sqs::Client::new(&shared),
            sts: aws_sdk_sts::Client::new(&shared),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table's name.
    pub fn table_name(&self) -> &str {
        &self.table
    }

    /// The full name of one of its functions.
    pub fn function_name(&self, function: &str) -> String {
        format!("{}-{function}", self.name)
    }
}

/// What a failed request for this action means.
fn look_error<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> LookError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let message = error.message().map_or_else(|| chain(error), str::to_owned);
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = match (error.code(), status) {
        (Some(code), _) => code.to_owned(),
        (None, Some(status)) => format!("HTTP {status}"),
        (None, None) if matches!(error, SdkError::TimeoutError(_)) => "Timeout".to_owned(),
        (None, None) => "Connection".to_owned(),
    };
    if DENIED.contains(&code.as_str()) || matches!(status, Some(401 | 403)) {
        return LookError::Denied { action, message };
    }
    if ABSENT.contains(&code.as_str()) || status == Some(404) {
        return LookError::Absent { message };
    }
    LookError::Failed { code, message }
}

/// Codes of what is not there.
const ABSENT: [&str; 5] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
    "TableNotFoundException",
    "com.amazonaws.sqs#QueueDoesNotExist",
];

/// An answer that lacks what it always has.
fn incomplete(field: &str) -> LookError {
    LookError::Failed { code: "IncompleteAnswer".to_owned(), message: format!("field {field} is missing") }
}
