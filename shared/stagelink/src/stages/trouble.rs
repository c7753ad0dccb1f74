//! What IVS refuses to do with a stage, and what an operator does next.

use controller::stages::Error;
use replication::{CallError, Refusal, Rejection};

use crate::Place;
use replication::plain;

/// The error in an operator's words.
pub(crate) fn in_words(error: &Error, place: &Place) -> Option<String> {
    let Error::Call { operation, error } = error else { return None };
    let CallError { refusal, code, message, request_id } = error;
    let message = plain(message);
    let request = request_id.as_ref().map(|id| format!(" (request {})", plain(id))).unwrap_or_default();
    let region = place.region.as_deref().unwrap_or("(none)");
    Some(match refusal {
        _ if EXPIRED.contains(&code.as_str()) => format!("the AWS credentials have expired: {message}"),
        Refusal::AccessDenied => {
            format!(
                "the AWS credentials do not allow ivs:{operation} in Region {region}: {code}: {message}{request}"
            )
        }
        Refusal::Throttled { .. } => format!("IVS throttled {operation}: {code}: {message}{request}"),
        Refusal::Rejected(_) => format!("IVS refused {operation}: {code}: {message}{request}"),
        Refusal::Unavailable if error.request_id.is_some() => {
            format!("IVS failed at {operation} in Region {region}: {code}: {message}{request}")
        }
        Refusal::Unavailable => {
            format!("IVS gave no answer to {operation} in Region {region}: {code}: {message}")
        }
    })
}

/// What to do next.
pub(crate) fn next(error: &Error, place: &Place) -> Option<String> {
    let (operation, error) = match error {
        Error::Call { operation, error } => (*operation, error),
        Error::Invalid(error) if error.field == "storageConfigurationArn" => {
            return Some(
                "add --storage ARN (`aws ivs-realtime list-storage-configurations` lists them); nothing was changed".to_owned(),
            );
        }
        Error::Invalid(_) => return Some("put that right; nothing was changed".to_owned()),
        Error::NoCallFree(_) => {
            return Some(
                "try again in a moment: the functions need all calls that there are just now".to_owned(),
            );
        }
        Error::Store(_) => return None,
    };
    let profile = place.profile.as_ref().map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    Some(match error.refusal {
        _ if EXPIRED.contains(&error.code.as_str()) => {
            format!("sign in (`aws sso login{profile}`) or name other credentials (--profile, AWS_PROFILE)")
        }
        Refusal::AccessDenied => format!(
            "allow ivs:{operation}{} to these credentials, or name others (--profile, AWS_PROFILE); nothing was changed",
            if operation == "CreateStage" { " (and ivs:TagResource, for tags)" } else { "" }
        ),
        Refusal::Throttled { retry_after } => {
            let wait = retry_after.map_or(1, |span| span.as_secs().max(1));
            format!(
                "try again in {wait} s: somebody uses up the account's 5 calls of {operation} per second; nothing was changed"
            )
        }
        Refusal::Rejected(Rejection::NotFound) => {
            "`stagelink stages list` lists the stages of the account and Region; nothing was changed".to_owned()
        }
        Refusal::Rejected(Rejection::Conflict) if operation == "UpdateStage" => {
            "IVS changes no stage while somebody there is recorded: `stagelink stages show STAGE` says who is there; try again when \
             nobody is. Nothing was changed"
                .to_owned()
        }
        Refusal::Rejected(Rejection::QuotaExceeded) if operation == "CreateStage" => {
            "delete stages that nobody uses (`aws ivs-realtime delete-stage --arn ARN`), or have the quota \"Stages\" raised; \
             nothing was changed"
                .to_owned()
        }
        Refusal::Rejected(Rejection::Conflict | Rejection::QuotaExceeded) => {
            "try again in a moment; nothing was changed".to_owned()
        }
        Refusal::Rejected(Rejection::Validation) => "put right what IVS names; nothing was changed".to_owned(),
        Refusal::Unavailable if operation == "CreateStage" => {
            "there may be a stage by now: look with `stagelink stages list` before you try again".to_owned()
        }
        Refusal::Unavailable if operation == "UpdateStage" => {
            "the stage may have been changed: look with `stagelink stages show STAGE` before you try again".to_owned()
        }
        Refusal::Unavailable if error.request_id.is_some() => {
            "try again; if it goes on, the AWS Health Dashboard tells whether IVS has trouble in this Region".to_owned()
        }
        Refusal::Unavailable if place.local => "start a local stand with `cargo local up`, and leave it running".to_owned(),
        Refusal::Unavailable => {
            "look at the Region, at the network, and at AWS_ENDPOINT_URL_IVS_REALTIME if that is set; then try again".to_owned()
        }
    })
}

/// Codes of credentials that were good once.
const EXPIRED: [&str; 2] = ["ExpiredTokenException", "ExpiredToken"];
