//! The API's REST protocol (rest-json): `POST /<Operation>` with a JSON body, and `/tags/{resourceArn}`.
//!
//! Any signature of version 4 is taken; a request without one is refused. A body that is no JSON object answers
//! SerializationException 400; one whose members are of the wrong type or out of range, ValidationException 400.
//! Errors that the model does not have, such as ThrottlingException, carry their text in `message`; for the modelled ones
//! the dialect decides.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::App;
use super::connection::Cut;
use crate::dialect::ErrorText;
use crate::error::{ApiError, ErrorCode};
use crate::model::Operation;
use crate::world::Answer;

/// The seven headers that the model has in every error, and in the outputs of Start and Stop; values from the AWS CLI's
/// examples.
const STANDARD_HEADERS: [(HeaderName, &str); 7] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Access-Control-Allow-Origin,Access-Control-Expose-Headers,Cache-Control,Content-Length,\
         Content-Security-Policy,Content-Type,date,Strict-Transport-Security,x-amz-apigw-id,x-amzn-errormessage,\
         x-amzn-errortype,x-amzn-requestid,x-amzn-trace-id,X-Content-Type-Options,X-Frame-Options",
    ),
    (header::CACHE_CONTROL, "no-store, no-cache"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'self'; upgrade-insecure-requests;"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age:47304000; includeSubDomains"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// `POST /<Operation>`, and everything that nothing else answers.
pub(super) async fn operation(
    State(app): State<App>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    let posted =
        path.strip_prefix('/').and_then(Operation::from_name).filter(|known| !is_tag_operation(*known));
    match posted.filter(|_| method == Method::POST) {
        Some(known) => call(&app, &cut, &headers, known.name(), read_object(&body)).await,
        None => call(&app, &cut, &headers, &format!("{method} {path}"), Ok(Map::new())).await,
    }
}

/// `POST`, `DELETE` and `GET /tags/{resourceArn}`.
pub(super) async fn tags(
    State(app): State<App>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(resource_arn): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (operation, input) = match method.as_str() {
        "POST" => ("TagResource", read_object(&body)),
        "DELETE" => {
            let keys: Vec<String> =
                query.into_iter().filter(|(name, _)| name == "tagKeys").map(|(_, key)| key).collect();
            let mut input = Map::new();
            if !keys.is_empty() {
                input.insert("tagKeys".to_owned(), json!(keys));
            }
            ("UntagResource", Ok(input))
        }
        "GET" => ("ListTagsForResource", Ok(Map::new())),
        _ => return call(&app, &cut, &headers, &format!("{method} /tags"), Ok(Map::new())).await,
    };
    let input = input.map(|mut input| {
        input.insert("resourceArn".to_owned(), json!(resource_arn));
        input
    });
    call(&app, &cut, &headers, operation, input).await
}

/// Makes the call, unless the request is refused before it becomes one, and waits as long as the faults say.
async fn call(
    app: &App,
    cut: &Cut,
    headers: &HeaderMap,
    operation: &str,
    input: Result<Map<String, Value>, ApiError>,
) -> Response {
    let latency = Duration::from_millis(app.simulator.call_faults().latency_ms);
    tokio::time::sleep(latency / 2).await;
    let answer = match check_signed(headers).and(input) {
        Ok(input) => app.simulator.answer(operation, &Value::Object(input)),
        Err(error) => app.simulator.reject(operation, error),
    };
    tokio::time::sleep(latency / 2).await;
    match &answer.result {
        Err(error) if error.code == ErrorCode::ConnectionClosed => cut.now(),
        Err(error) if error.code == ErrorCode::UnknownOperationException => {
            tracing::error!(operation, "unknown operation");
        }
        Err(error) => tracing::debug!(operation, %error, "call refused"),
        Ok(_) => tracing::debug!(operation, "call answered"),
    }
    respond(answer, app.simulator.dialect().error_text)
}

fn respond(answer: Answer, error_text: ErrorText) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in STANDARD_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-requestid", header_value(&answer.request_id));
    match answer.result {
        // An output without members has an empty body.
        Ok(Value::Object(output)) if output.is_empty() => (StatusCode::OK, headers).into_response(),
        Ok(output) => (StatusCode::OK, headers, output.to_string()).into_response(),
        Err(error) => {
            headers.insert("x-amzn-errortype", header_value(&error.code.to_string()));
            let body = match error_text {
                _ if !error.code.is_modelled() => json!({"message": error.message}),
                ErrorText::ExceptionMessage => json!({"exceptionMessage": error.message}),
                ErrorText::Message => json!({"message": error.message}),
                ErrorText::Header => {
                    headers.insert("x-amzn-errormessage", header_value(&error.message));
                    json!({})
                }
            };
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, headers, body.to_string()).into_response()
        }
    }
}

/// A header value; what a header cannot hold becomes `?`.
fn header_value(text: &str) -> HeaderValue {
    let printable: String =
        text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
    HeaderValue::from_str(&printable).unwrap_or(HeaderValue::from_static("?"))
}

fn read_object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(input)) => Ok(input),
        Ok(_) => Err(ApiError::new(ErrorCode::SerializationException, "the body must be a JSON object")),
        Err(error) => {
            Err(ApiError::new(ErrorCode::SerializationException, format!("the body is not JSON: {error}")))
        }
    }
}

fn check_signed(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        let message = "the request has no Authorization header; sign it (version 4) with any credentials";
        return Err(ApiError::new(ErrorCode::MissingAuthenticationToken, message));
    };
    let text = authorization.to_str().unwrap_or_default();
    let complete = ["Credential=", "SignedHeaders=", "Signature="].iter().all(|part| text.contains(part));
    if text.starts_with("AWS4-") && complete {
        Ok(())
    } else {
        let message = "the Authorization header is not a signature of version 4";
        Err(ApiError::new(ErrorCode::IncompleteSignature, message))
    }
}

/// The tag operations have a path of their own.
fn is_tag_operation(operation: Operation) -> bool {
    matches!(operation, Operation::TagResource | Operation::UntagResource | Operation::ListTagsForResource)
}
