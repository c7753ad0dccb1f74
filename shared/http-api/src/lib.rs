//! The HTTP API of Stagelink, for application back ends: behind a Lambda Function URL with IAM authentication.
//!
//! | request | answers |
//! |---|---|
//! | `GET /health` | that the table can be read |
//! | `GET /rules` | the rules that select their sources: any stage, or by tag |
//! | `GET /rules?source=ARN` | the rules that name this stage as their source |
//! | `GET /replicas?source=ARN` or `?destination=ARN`, `&phase=` | the replications from or to a stage |
//! | `GET /publishers?stage=ARN` | who publishes on a stage, or did so lately |
//!
//! Lists take `limit` (1–100, 50 if it is not given) and `next`, the token of the answer before. A page may be shorter than
//! its limit; only one without `next` is the last. An item that cannot be read is named in `left_out`.
//!
//! Rules lie with their sources, so that a function reads with one Query what concerns its stage. That is why there is no list
//! of all rules here: it would be a Scan of the table, history and all. The rules that may concern a stage are those of
//! `GET /rules?source=ARN` together with those of `GET /rules`. `stagelink get rules` prints all.
//!
//! Errors are problem details (RFC 9457), see [`problem`]. Needs `dynamodb:Query` on the table and its index `by_destination`.

mod list;
pub mod problem;
mod query;
mod resource;

use aws_adapters::DynamoStore;
use lambda_http::http::{Method, header};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Error, LambdaEvent, Request, RequestExt, Response, Service, service_fn};
use serde::Serialize;
use tracing::{Instrument, info, info_span, warn};

use problem::Problem;
use query::Query;
use resource::Resource;

/// The API on one table.
#[derive(Debug, Clone)]
pub struct Api {
    store: DynamoStore,
}

impl Api {
    /// The API on this table. Opens the connection while the function starts, so that the first request does not wait for it.
    pub async fn new(store: DynamoStore) -> Self {
        if let Err(error) = store.prime().await {
            warn!(%error, "the table could not be read at the start");
        }
        Self { store }
    }

    /// Answers an event of the Function URL (payload format 2.0).
    ///
    /// # Errors
    /// As [`Api::answer`].
    pub async fn handle(&self, event: LambdaEvent<LambdaRequest>) -> Result<impl Serialize + use<>, Error> {
        let LambdaEvent { payload, context } = event;
        let event = LambdaEvent { payload: with_valid_url(payload), context };
        Adapter::from(service_fn(|request| self.answer(request))).call(event).await
    }

    /// Answers a request. What is wrong with it, or with the table, is an answer too.
    ///
    /// # Errors
    /// When an answer cannot be put into words, which would be a mistake of this crate.
    pub async fn answer(&self, request: Request) -> Result<Response<Body>, Error> {
        let id = request.lambda_context_ref().map_or("unknown", |context| &context.request_id).to_owned();
        let span = info_span!("http", request = id, method = %request.method(), path = request.uri().path());
        let only_head = request.method() == Method::HEAD;
        async {
            let response = match self.route(&request).await {
                Ok(body) => json(200, "application/json", &body)?,
                Err(problem) => {
                    problem.log();
                    let mut response =
                        json(problem.status(), "application/problem+json", &problem.body(&id))?;
                    problem.add_headers(response.headers_mut());
                    response
                }
            };
            info!(status = response.status().as_u16(), "answered");
            Ok(if only_head { response.map(|_| Body::Empty) } else { response })
        }
        .instrument(span)
        .await
    }

    async fn route(&self, request: &Request) -> Result<serde_json::Value, Problem> {
        let resource = Resource::at(request.uri().path())?;
        let method = resource.method(request.method())?;
        let query = Query::read(request.uri().query().unwrap_or_default(), resource.parameters(method))?;
        resource.answer(method, &query, &self.store).await
    }
}

/// A Function URL hands on what the client sent, and `lambda_http` ends the function on characters that no URL has. So they are
/// encoded here.
fn with_valid_url(mut request: LambdaRequest) -> LambdaRequest {
    let encode = |part: &mut Option<String>| {
        if let Some(part) = part.as_mut() {
            *part = part.bytes().map(encoded).collect();
        }
    };
    if let LambdaRequest::ApiGatewayV2(request) = &mut request {
        encode(&mut request.raw_path);
        encode(&mut request.raw_query_string);
    }
    request
}

/// A byte of a URL's path or query as it may stand there (RFC 3986, section 3.3 and 3.4).
fn encoded(byte: u8) -> String {
    match byte {
        b'%' | b'/' | b'?' | b':' | b'@' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
            char::from(byte).to_string()
        }
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

fn json(status: u16, content_type: &str, body: &impl Serialize) -> Result<Response<Body>, Error> {
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store");
    Ok(response.body(Body::Text(serde_json::to_string(body)?))?)
}
