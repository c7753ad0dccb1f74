//! A proxy on loopback that passes every request on and remembers it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request as it went over the wire.
#[derive(Debug, Clone)]
pub struct Request {
    /// The AWS operation: `Query`, `TransactWriteItems`, `StartParticipantReplication`, …
    pub operation: String,
    /// What was sent.
    pub body: Bytes,
    /// When it arrived.
    pub began: Instant,
    /// When its answer was passed back.
    pub ended: Instant,
}

/// The requests of all recorders that share it, in the order of their arrival.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    requests: Arc<Mutex<Vec<Request>>>,
    /// The operation whose answers do not come back.
    lost: Arc<Mutex<Option<&'static str>>>,
    /// Nothing is passed on any more.
    is_cut_off: Arc<AtomicBool>,
}

impl Recording {
    /// Everything so far, in order of arrival; and starts anew.
    pub fn take(&self) -> Vec<Request> {
        let mut requests = std::mem::take(&mut *self.requests());
        requests.sort_by_key(|request| request.began);
        requests
    }

    /// From now on requests of this operation are carried out, and whoever made one waits for its answer in vain; of none, if
    /// none is given.
    pub fn lose_answers(&self, operation: Option<&'static str>) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = operation;
    }

    /// From now on nothing is passed on: every request is answered with 502.
    pub fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::Release);
    }

    /// Waits until a request of this operation has been carried out.
    pub async fn seen(&self, operation: &str) {
        while !self.requests().iter().any(|request| request.operation == operation) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loses(&self, operation: &str) -> bool {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) == Some(operation)
    }
}

/// A proxy in front of one service.
pub struct Recorder {
    /// Where to send requests.
    pub url: String,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Proxy {
    target: String,
    client: reqwest::Client,
    recording: Recording,
}

impl Recorder {
    /// Starts a proxy in front of `target`, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(target: &str, recording: &Recording) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let proxy =
            Proxy { target: target.to_owned(), client: reqwest::Client::new(), recording: recording.clone() };
        let app = Router::new().fallback(forward).with_state(proxy);
        let task = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self { url, task })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    State(proxy): State<Proxy>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if proxy.recording.is_cut_off.load(Ordering::Acquire) {
        return refuse("cut off");
    }
    let began = Instant::now();
    let operation = operation(&uri, &headers);
    let answer =
        proxy.client.request(method, format!("{}{uri}", proxy.target)).headers(headers).body(body.clone());
    let response = match answer.send().await {
        Ok(answer) => pass_back(answer).await,
        Err(error) => refuse(&error.to_string()),
    };
    let is_lost = proxy.recording.loses(&operation);
    let request = Request { operation, body, began, ended: Instant::now() };
    proxy.recording.requests().push(request);
    if is_lost {
        return std::future::pending().await;
    }
    response
}

async fn pass_back(answer: reqwest::Response) -> Response {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    // How the body is cut into chunks is a matter of each connection.
    headers.remove(header::TRANSFER_ENCODING);
    let body = answer.bytes().await.unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn refuse(why: &str) -> Response {
    let mut response = Response::new(Body::from(why.to_owned()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// DynamoDB names its operation in a header, IVS in the path.
fn operation(uri: &Uri, headers: &HeaderMap) -> String {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let name = target.and_then(|target| target.rsplit('.').next());
    name.unwrap_or_else(|| uri.path().trim_start_matches('/')).to_owned()
}
