//! What a failed DynamoDB request means for the controller.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use controller::StoreError;

use super::places::destination;
use crate::failure::chain;

/// Codes that somebody has to change something for; everything else passes with time.
const REFUSED: [&str; 4] =
    ["ResourceNotFoundException", "AccessDeniedException", "ValidationException", "ExpiredTokenException"];

/// As before, for credentials that nobody knows, or a signature that does not match.
pub(super) const NOT_VALID_CREDENTIALS: [&str; 4] = [
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
];

/// A cancellation reason: an item is not as the write expects it.
const FAILED_CONDITION: &str = "ConditionalCheckFailed";

/// A cancellation reason: somebody else is writing an item right now.
const IN_USE: &str = "TransactionConflict";

/// What a failed read means.
pub(super) fn read_error<E>(table: &str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().map_or_else(|| without_code(error), Box::from);
    let message = error.message().map_or_else(|| chain(error), str::to_owned);
    let table = table.to_owned();
    if REFUSED.contains(&&*code) || NOT_VALID_CREDENTIALS.contains(&&*code) {
        return StoreError::Refused { table, code, message };
    }
    StoreError::Unavailable { table, code, message }
}

/// A word for a failure that DynamoDB has no code for.
fn without_code<E>(error: &SdkError<E, HttpResponse>) -> Box<str> {
    match error {
        SdkError::TimeoutError(_) => "Timeout".into(),
        SdkError::ConstructionFailure(_) => "NotSent".into(),
        error => error
            .raw_response()
            .map_or_else(|| "Connection".into(), |answer| format!("HTTP {}", answer.status()).into()),
    }
}

/// What a failed transaction of these writes means: lost races and full destinations are told from everything else by the
/// reasons for its cancellation.
pub(super) fn write_error(
    table: &str,
    writes: &[TransactWriteItem],
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
        let code = "ValidationError".into();
        return StoreError::Refused { table: table.to_owned(), code, message: words };
    }
    let failed = reasons.iter().zip(writes).filter(|(reason, _)| reason.code() == Some(FAILED_CONDITION));
    let full: Option<BTreeSet<_>> = failed.map(|(_, write)| destination(write)).collect();
    match full {
        Some(stages) if !stages.is_empty() && !is(&[IN_USE]) => {
            return StoreError::DestinationFull { stages };
        }
        _ if is(&[FAILED_CONDITION, IN_USE]) => return StoreError::Conflict,
        _ => {}
    }
    let code = "TransactionCanceledException".into();
    StoreError::Unavailable { table: table.to_owned(), code, message: chain(error) }
}
