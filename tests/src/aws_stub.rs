//! AWS's services beside the table, as a test wants them to answer: with a refusal, or not at all.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What stands for AWS. It ends when dropped.
pub struct AwsStub {
    /// Where it is.
    pub url: String,
    _servers: JoinSet<()>,
}

/// How a service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stubbed {
    /// `AccessDeniedException`.
    Denies,
    /// Never.
    Hangs,
}

impl AwsStub {
    /// Answers as told, by the part of a request that names the service or operation.
    ///
    /// # Panics
    /// When no port can be had.
    #[allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]
    pub async fn start(answers: impl Fn(&str) -> Stubbed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its number"));
        let answers = Arc::new(answers);
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
            let answers = answers.clone();
            async move {
                let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
                let asked = target.unwrap_or(uri.path()).to_owned();
                match answers(&asked) {
                    Stubbed::Hangs => std::future::pending().await,
                    // STS speaks XML.
                    Stubbed::Denies if target.is_none() && uri.path() == "/" => {
                        let body = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token included in the \
                             request is expired</Message></Error></ErrorResponse>";
                        (StatusCode::FORBIDDEN, [("content-type", "text/xml")], body).into_response()
                    }
                    Stubbed::Denies => {
                        let code = "AccessDeniedException";
                        let body = format!(r#"{{"__type":"{code}","message":"not authorized"}}"#);
                        (StatusCode::FORBIDDEN, [("x-amzn-errortype", code)], body).into_response()
                    }
                }
            }
        });
        Self::serving(listener, url, router)
    }

    /// Refuses every request with this error, in words that are made of what was sent.
    ///
    /// # Panics
    /// When no port can be had.
    #[allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]
    pub async fn refusing(
        status: u16,
        code: &'static str,
        words: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its number"));
        let status = StatusCode::from_u16(status).expect("a status");
        let words = Arc::new(words);
        let router = Router::new().fallback(move |sent: String| {
            let words = words(&sent);
            // DynamoDB and IVS have different members for it.
            let body = json!({ "__type": code, "message": words, "exceptionMessage": words }).to_string();
            async move { (status, [("x-amzn-errortype", code)], body) }
        });
        Self::serving(listener, url, router)
    }

    fn serving(listener: TcpListener, url: String, router: Router) -> Self {
        let mut servers = JoinSet::new();
        servers.spawn(async move { drop(axum::serve(listener, router).await) });
        Self { url, _servers: servers }
    }
}
