//! The errors a client of the API can meet, with the status and name each has on the wire.

use std::fmt;

use serde::Serialize;

/// An API call that failed, as the service reports it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// What kind of failure it is.
    pub code: ErrorCode,
    /// HTTP status of the answer. It follows from `code`, but for throttling, where the dialect decides.
    pub status: u16,
    /// The text for people. Where it stands in the answer depends on the dialect.
    pub message: String,
}

/// The name of an error, as header `x-amzn-ErrorType` carries it.
///
/// The first seven are modelled (service model 2020-07-14), the rest are common errors of AWS APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ErrorCode {
    /// 400: the request breaks a rule of the model, or of the documentation.
    ValidationException,
    /// 403: the caller may not do this.
    AccessDeniedException,
    /// 403: the account is not verified. Only as a fault.
    PendingVerification,
    /// 404: a resource that the request names does not exist.
    ResourceNotFoundException,
    /// 409: the request contradicts the present state.
    ConflictException,
    /// 402: a service quota would be exceeded.
    ServiceQuotaExceededException,
    /// 500: the service failed; the call may or may not have taken effect.
    InternalServerException,
    /// 400 or 429, by dialect: too many calls of this operation within one second.
    ThrottlingException,
    /// 400: the body is not a JSON object.
    SerializationException,
    /// 403: the request carries no `Authorization` header.
    MissingAuthenticationToken,
    /// 403: the `Authorization` header is not a signature of version 4.
    IncompleteSignature,
    /// 404: the simulator has no such operation.
    UnknownOperationException,
    /// No answer at all: the connection was closed after the call took effect (fault `calls.drop_rate`).
    ConnectionClosed,
}

impl ErrorCode {
    /// The HTTP status that goes with the error. Throttling says 400 here; a dialect may say 429.
    pub fn status(self) -> u16 {
        match self {
            Self::ValidationException | Self::SerializationException | Self::ThrottlingException => 400,
            Self::ServiceQuotaExceededException => 402,
            Self::AccessDeniedException
            | Self::PendingVerification
            | Self::MissingAuthenticationToken
            | Self::IncompleteSignature => 403,
            Self::ResourceNotFoundException | Self::UnknownOperationException => 404,
            Self::ConflictException => 409,
            Self::InternalServerException => 500,
            Self::ConnectionClosed => 0,
        }
    }

    /// Whether the service model has it. The others are common errors, whose text every client looks for in `message`.
    pub fn is_modelled(self) -> bool {
        matches!(
            self,
            Self::ValidationException
                | Self::AccessDeniedException
                | Self::PendingVerification
                | Self::ResourceNotFoundException
                | Self::ConflictException
                | Self::ServiceQuotaExceededException
                | Self::InternalServerException
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ApiError {
    /// An error with the status that its code has by default.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, status: code.status(), message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationException, message)
    }

    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::AccessDeniedException, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ConflictException, message)
    }

    pub(crate) fn quota(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ServiceQuotaExceededException, message)
    }
}

/// A setting of the simulator itself that was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field} cannot be {value}: allowed is {allowed}")]
pub struct SettingError {
    /// Path of the field, such as `events.loss`.
    pub field: String,
    /// What was sent.
    pub value: serde_json::Value,
    /// What would have been accepted, in words.
    pub allowed: String,
}

impl SettingError {
    pub(crate) fn new(field: &str, value: &serde_json::Value, allowed: impl Into<String>) -> Self {
        Self { field: field.to_owned(), value: value.clone(), allowed: allowed.into() }
    }

    pub(crate) fn under(mut self, parent: &str) -> Self {
        self.field = format!("{parent}.{}", self.field);
        self
    }
}
