//! What a failed IVS call means: the complete mapping from the SDK's errors to what the controller does next.
//!
//! | answer | means |
//! |---|---|
//! | throttling codes at any status, or 429 | [`Refusal::Throttled`]: no effect, wait |
//! | access, credential and signature codes, or 401, 403 | [`Refusal::AccessDenied`]: somebody has to change something |
//! | ValidationException, or 400 | [`Rejection::Validation`]: verify |
//! | ResourceNotFoundException, or 404 | [`Rejection::NotFound`]: verify |
//! | ConflictException, or 409 | [`Rejection::Conflict`]: verify |
//! | ServiceQuotaExceededException, or 402 | [`Rejection::QuotaExceeded`]: verify |
//! | anything else, 408, 5xx, timeouts, no answer, an answer that cannot be read | [`Refusal::Unavailable`]: it may have taken effect |
//!
//! IVS puts its words into `exceptionMessage`, where the SDK's `Display` does not look, and its throttling is not modelled;
//! so code and words are taken from the answer itself.

use aws_sdk_ivsrealtime::config::http::HttpResponse;
use aws_sdk_ivsrealtime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ivsrealtime::operation::RequestId;
use jiff::SignedDuration;
use replication::{CallError, Refusal, Rejection, plain};

/// Codes that mean "slow down", at whatever status they come.
const THROTTLING: [&str; 8] = [
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
];

/// Codes that mean "you may not": policies, credentials, signatures, account state.
pub(crate) const DENIED: [&str; 12] = [
    "AccessDeniedException",
    "AccessDenied",
    "PendingVerification",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "ExpiredToken",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "OptInRequired",
];

/// How much of IVS's words is kept, in characters: they stand in logs, in rows and in history.
const MOST_WORDS: usize = 1_000;

/// Attributes shorter than this are words like any other, and may stand in IVS's own.
const SHORTEST_HIDDEN: usize = 4;

/// What a failed call means.
pub fn call_error<E>(error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    call_error_hiding(error, &[])
}

/// What a failed call means, without these values that it was made with: should IVS repeat them, nobody else does.
pub(crate) fn call_error_hiding<E>(error: &SdkError<E, HttpResponse>, hidden: &[&str]) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let told = told(error);
    let code: String = told.code.chars().take(100).collect();
    CallError { message: kept(&told.message, hidden), code: plain(&code).into_owned(), ..told }
}

/// As much of IVS's words as is kept, without anything that a terminal would obey: they stand in logs.
fn kept(words: &str, hidden: &[&str]) -> String {
    let mut hidden: Vec<_> = hidden.iter().filter(|value| value.len() >= SHORTEST_HIDDEN).collect();
    // One may be part of another.
    hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let words = hidden.iter().fold(words.to_owned(), |words, value| words.replace(**value, "(an attribute)"));
    plain(&words.chars().take(MOST_WORDS).collect::<String>()).into_owned()
}

fn told<E>(error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let request_id = error.request_id().map(str::to_owned);
    let Some(response) = error.raw_response() else {
        let code = match error {
            SdkError::TimeoutError(_) => "Timeout",
            SdkError::ConstructionFailure(_) => "NotSent",
            _ => "Connection",
        };
        return CallError {
            refusal: Refusal::Unavailable,
            code: code.into(),
            message: chain(error),
            request_id,
        };
    };
    let status = response.status().as_u16();
    let code = error.code().map_or_else(|| format!("HTTP {status}"), str::to_owned);
    let message = words(response).unwrap_or_else(|| chain(error));
    CallError { refusal: refusal(&code, status, retry_after(response)), code, message, request_id }
}

fn refusal(code: &str, status: u16, retry_after: Option<SignedDuration>) -> Refusal {
    if THROTTLING.contains(&code) || status == 429 {
        return Refusal::Throttled { retry_after };
    }
    if DENIED.contains(&code) {
        return Refusal::AccessDenied;
    }
    if let Some(rejection) = Rejection::ALL.into_iter().find(|rejection| rejection.code() == code) {
        return Refusal::Rejected(rejection);
    }
    match status {
        400 => Refusal::Rejected(Rejection::Validation),
        401 | 403 => Refusal::AccessDenied,
        402 => Refusal::Rejected(Rejection::QuotaExceeded),
        404 => Refusal::Rejected(Rejection::NotFound),
        409 => Refusal::Rejected(Rejection::Conflict),
        _ => Refusal::Unavailable,
    }
}

/// IVS's own words: from the body's `exceptionMessage` (or a common error's `message`), else from the header.
fn words(response: &HttpResponse) -> Option<String> {
    let body: Option<serde_json::Value> =
        response.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let member = |name| body.as_ref()?.get(name)?.as_str().map(str::to_owned);
    ["exceptionMessage", "message", "Message", "errorMessage"]
        .into_iter()
        .find_map(member)
        .or_else(|| response.headers().get("x-amzn-errormessage").map(str::to_owned))
}

/// How long IVS asks to wait: `x-amz-retry-after` in milliseconds, or `retry-after` in seconds.
fn retry_after(response: &HttpResponse) -> Option<SignedDuration> {
    let number = |name| response.headers().get(name)?.trim().parse::<u32>().ok();
    number("x-amz-retry-after")
        .map(|ms| SignedDuration::from_millis(ms.into()))
        .or_else(|| number("retry-after").map(|seconds| SignedDuration::from_secs(seconds.into())))
}

/// An error and its causes, since the SDK's own `Display` names only the outermost.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let mut text = error.to_string();
    for cause in causes {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_without_attributes_and_not_without_end() {
        let words = "Value 'host-secret' at 'attributes.via' and 'secret' are not valid: main a";
        let shown = kept(words, &["secret", "a", "host-secret"]);
        assert_eq!(
            shown,
            "Value '(an attribute)' at 'attributes.via' and '(an attribute)' are not valid: main a"
        );
        let long = format!("{}secret", "x".repeat(MOST_WORDS - 3));
        let shown = kept(&long, &["secret"]);
        assert_eq!(shown.chars().count(), MOST_WORDS);
        assert!(shown.ends_with("x(an"), "not even its beginning");
    }

    #[test]
    fn every_modelled_error_and_status_has_its_meaning() {
        let rejected = Refusal::Rejected;
        for (code, status, expected) in [
            ("ValidationException", 400, rejected(Rejection::Validation)),
            ("ResourceNotFoundException", 404, rejected(Rejection::NotFound)),
            ("ConflictException", 409, rejected(Rejection::Conflict)),
            ("ServiceQuotaExceededException", 402, rejected(Rejection::QuotaExceeded)),
            ("AccessDeniedException", 403, Refusal::AccessDenied),
            ("PendingVerification", 403, Refusal::AccessDenied),
            ("ExpiredTokenException", 403, Refusal::AccessDenied),
            ("IncompleteSignature", 400, Refusal::AccessDenied),
            ("ThrottlingException", 400, Refusal::Throttled { retry_after: None }),
            ("TooManyRequestsException", 429, Refusal::Throttled { retry_after: None }),
            ("SomethingNew", 429, Refusal::Throttled { retry_after: None }),
            ("SomethingNew", 409, rejected(Rejection::Conflict)),
            ("SomethingNew", 402, rejected(Rejection::QuotaExceeded)),
            ("InternalServerException", 500, Refusal::Unavailable),
            ("ServiceUnavailable", 503, Refusal::Unavailable),
            ("RequestTimeoutException", 408, Refusal::Unavailable),
            ("HTTP 200", 200, Refusal::Unavailable),
        ] {
            assert_eq!(refusal(code, status, None), expected, "{code} {status}");
        }
    }
}
