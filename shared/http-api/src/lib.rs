//! The HTTP API of Stagelink, for application back ends: behind a Lambda Function URL with IAM authentication.
//!
//! | request | answers |
//! |---|---|
//! | `GET /health` | that the table can be read |
//! | `GET /openapi.json` | all of this for programs: OpenAPI 3.1 |
//! | `GET /rules` | the rules that select their sources: any stage, or by tag |
//! | `GET /rules?source=ARN` | the rules that name this stage as their source |
//! | `POST /rules` | creates a rule |
//! | `GET`, `PUT`, `DELETE /rules/ID` | a rule, its replacement, its end |
//! | `GET /rules/ID/history` | its revisions: who, when, why |
//! | `POST /rules/ID/pause`, `…/resume`, `…/rollback` | as it says |
//! | `GET /versus`, `POST /versus` | the versus sessions that are not over; starts one |
//! | `GET /versus/ID`, `POST …/extend`, `…/end` | a session, another end, its end |
//! | `GET /replicas?source=ARN` or `?destination=ARN`, `&phase=` | the replications from or to a stage |
//! | `GET /publishers?stage=ARN` | who publishes on a stage, or did so lately |
//! | `GET /explain?stage=ARN&participant=ID`, `&destination=ARN` | why a participant is, or is not, where rules want it |
//! | `GET /activity?stage=ARN`, `&since=`, … | the history of a stage, the newest first |
//! | `POST /plan` | what other rules would do; changes nothing |
//!
//! Lists take `limit` (1–100, 50 if it is not given) and `next`, the token of the answer before. A page may be shorter than
//! its limit; only one without `next` is the last. An item that cannot be read is named in `left_out`.
//!
//! Rules lie with their sources, so that a function reads with one Query what concerns its stage. That is why there is no list
//! of all rules here: it would be a Scan of the table, history and all. The rules that may concern a stage are those of
//! `GET /rules?source=ARN` together with those of `GET /rules`. `stagelink get rules` prints all.
//!
//! **Changes.** A rule's `ETag` is its revision. PUT and DELETE need `If-Match` with it, other changes of a rule take it; if the
//! rule is another by then, the answer is 409 with the present one. Who asked, as IAM knows him, and the `reason` that was given stand
//! in the rule's history.
//!
//! **Requests that come again.** A POST may carry an `Idempotency-Key`. Whoever had no answer sends it again, and has the first answer,
//! for 24 h; it is carried out once. The answer is kept in the transaction that makes the change.
//!
//! Errors are problem details (RFC 9457), see [`problem`]. Needs, on the table: `dynamodb:Query`, on its indexes `by_destination`
//! and `due_work` too; `PutItem` and `DeleteItem` for what is changed; `Scan` because a new rule is held against all others, and a
//! plan against everything.

mod answer;
mod explain;
mod keys;
mod lists;
#[cfg(feature = "openapi")]
pub mod openapi;
mod operation;
mod plan;
pub mod problem;
mod query;
mod request;
mod rules;
mod versus;

use aws_adapters::DynamoStore;
use lambda_http::http::{HeaderName, HeaderValue, Method, header};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Error, LambdaEvent, Request, RequestExt, Response, Service, service_fn};
use replication::{Policy, Status};
use serde::Serialize;
use tracing::{Instrument, info, info_span, warn};

use answer::{Answer, Kept};
use operation::Operation;
use problem::{Kind, Problem};
use request::Call;

/// The OpenAPI document, as it is committed.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The most that a body may take up of the 6 MB of an answer (AWS Lambda quotas), in bytes.
const MAX_ANSWER: usize = 6_000_000;

/// The API on one table.
#[derive(Debug, Clone)]
pub struct Api {
    store: DynamoStore,
    settings: Settings,
}

/// The settings of the deployment, for what is forecast and explained.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Limits and spans of time.
    pub policy: Policy,
    /// The share of IVS's quotas that is ours, in percent, 1-100.
    pub share_percent: u32,
}

impl Api {
    /// The API on this table. Opens the connection while the function starts, so that the first request does not wait for it.
    pub async fn new(store: DynamoStore, settings: Settings) -> Self {
        if let Err(error) = store.prime().await {
            warn!(%error, "the table could not be read at the start");
        }
        Self { store, settings }
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
        let path: String = request.uri().path().chars().take(200).collect();
        let span = info_span!("http", request = id, method = %request.method(), path);
        let only_head = request.method() == Method::HEAD;
        async {
            let response = match self.met(&request).await.and_then(within_bounds) {
                Ok(answer) => written(answer)?,
                Err(problem) => {
                    problem.log();
                    let body = problem.body(&id).to_string();
                    let mut response = json(problem.status(), "application/problem+json", body)?;
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

    async fn met(&self, request: &Request) -> Result<Answer, Problem> {
        let call = Call::read(request)?;
        let Some(key) = &call.key else { return Ok(self.carried_out(&call).await?.answer) };
        if let Some(answer) = key.kept(&self.store, call.now).await? {
            return Ok(answer);
        }
        let carried_out = self.carried_out(&call).await;
        match carried_out {
            Ok(Kept { answer, kept: true }) => Ok(answer),
            // Nothing had to be changed. The next one with this key shall hear the same.
            Ok(Kept { answer, kept: false }) => match key.keep_alone(&self.store, &answer, call.now).await {
                Ok(()) => Ok(answer),
                Err(controller::StoreError::Conflict) => {
                    key.kept(&self.store, call.now).await?.ok_or_else(|| key.in_progress())
                }
                Err(error) => Err(error.into()),
            },
            // Who lost a race may have lost it to itself: to the same request, sent again before the first was answered.
            Err(problem) => match key.kept(&self.store, call.now).await? {
                Some(answer) => Ok(answer),
                None if problem.kind() == Kind::Contended => Err(key.in_progress()),
                None => Err(problem),
            },
        }
    }

    async fn carried_out(&self, call: &Call) -> Result<Kept, Problem> {
        let (store, query) = (&self.store, &call.query);
        let read = match call.operation {
            Operation::Health => lists::health(store).await?,
            Operation::OpenApi => Answer::as_is(OPENAPI),
            Operation::ListRules => lists::rules(query, store).await?,
            Operation::CreateRule => return rules::create(call, store).await,
            Operation::GetRule => rules::get(call, store).await?,
            Operation::ReplaceRule => return rules::replace(call, store).await,
            Operation::DeleteRule => return rules::delete(call, store).await,
            Operation::ListRevisions => rules::history(call, store).await?,
            Operation::PauseRule => return rules::set_status(call, store, Status::Paused).await,
            Operation::ResumeRule => return rules::set_status(call, store, Status::Enabled).await,
            Operation::RollBackRule => return rules::roll_back(call, store).await,
            Operation::ListVersus => versus::list(store).await?,
            Operation::StartVersus => return versus::start(call, store).await,
            Operation::GetVersus => versus::get(call, store).await?,
            Operation::ExtendVersus => return versus::extend(call, store).await,
            Operation::EndVersus => return versus::end(call, store).await,
            Operation::ListPublishers => lists::publishers(query, store).await?,
            Operation::ListReplicas => lists::replicas(query, store).await?,
            Operation::Explain => explain::explain(call, store, &self.settings.policy).await?,
            Operation::ListActivity => explain::activity(call, store).await?,
            Operation::Plan => plan::plan(call, store, &self.settings).await?,
        };
        Ok(Kept { answer: read, kept: false })
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
        // It would put these before the path, as the client wrote them. Without them it takes the name of the Function URL.
        request.headers.remove(header::HOST);
        request.headers.remove("x-forwarded-proto");
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

/// The answer, if Lambda can hand it on.
fn within_bounds(answer: Answer) -> Result<Answer, Problem> {
    // The body is a text within the JSON of the function's answer. It is JSON itself, so nothing else is escaped there.
    let escaped = answer.body.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    let bytes = answer.body.len() + escaped;
    if bytes > MAX_ANSWER { Err(Problem::answer_too_large(bytes, MAX_ANSWER)) } else { Ok(answer) }
}

fn written(answer: Answer) -> Result<Response<Body>, Error> {
    let mut response = json(answer.status, "application/json", answer.body)?;
    for (name, value) in &answer.headers {
        let (name, value) = (HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn json(status: u16, content_type: &str, body: String) -> Result<Response<Body>, Error> {
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store");
    Ok(response.body(Body::Text(body))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be asked for in parts, and is too much, is a problem that says so, and no failure of the function.
    #[test]
    fn an_answer_that_lambda_would_not_take_is_a_problem() {
        let answer = |texts: usize| Answer::of(200, &vec!["\u{1}\"".repeat(100); texts]);
        let taken = |answer: &Answer| serde_json::to_string(&answer.body).map_or(0, |text| text.len());
        let (right, wrong) = (answer(5_400), answer(5_500));
        assert!(
            taken(&right) < MAX_ANSWER && taken(&wrong) > MAX_ANSWER,
            "{} {}",
            taken(&right),
            taken(&wrong)
        );
        assert!(within_bounds(right).is_ok());
        assert_eq!(within_bounds(wrong).map_err(|problem| problem.kind()), Err(Kind::AnswerTooLarge));
    }
}
