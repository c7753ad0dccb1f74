//! What a failed DynamoDB request means for the controller.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use controller::StoreError;

use crate::failure::chain;

/// Codes that somebody has to change something for; everything else passes with time.
const REFUSED: [&str; 8] = [
    "ResourceNotFoundException",
    "AccessDeniedException",
    "ValidationException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
];

/// Cancellation reasons that mean that somebody else was faster.
const LOST: [&str; 2] = ["ConditionalCheckFailed", "TransactionConflict"];

/// What a failed read means.
pub(super) fn read_error<E>(table: &str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or_default();
    let message = match error.message() {
        Some(words) => format!("{code}: {words}"),
        None => chain(error),
    };
    let table = table.to_owned();
    if REFUSED.contains(&code) {
        return StoreError::Refused { table, message };
    }
    StoreError::Unavailable { table, message }
}

/// What a failed transaction means: lost races are told from everything else by the reasons for its cancellation.
pub(super) fn write_error(
    table: &str,
    error: &SdkError<TransactWriteItemsError, HttpResponse>,
) -> StoreError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return read_error(table, error);
    };
    let reasons: Vec<_> = cancelled.cancellation_reasons().iter().collect();
    let is = |codes: &[&str]| reasons.iter().any(|reason| codes.contains(&reason.code().unwrap_or_default()));
    if is(&["ValidationError"]) {
        let words = reasons.iter().filter_map(|reason| reason.message()).collect::<Vec<_>>().join("; ");
        return StoreError::Refused { table: table.to_owned(), message: words };
    }
    if is(&LOST) {
        return StoreError::Conflict;
    }
    StoreError::Unavailable { table: table.to_owned(), message: chain(error) }
}
