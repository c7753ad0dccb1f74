//! Credentials, Region, endpoints and time limits: one configuration for both services.
//!
//! A function takes them from the environment variables that Lambda sets ([`Connection::from_env`]) and carries nothing else that could
//! find them. People sign in in more ways: `operator` is for those.

#[cfg(feature = "operator")]
mod operator;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use aws_types::SdkConfig;

use crate::{CallTally, DynamoStore, IvsRealTime};

#[cfg(feature = "operator")]
pub use operator::ConnectionOptions;

/// The longest an IVS call may take, in seconds. Shorter than the controller's lease of 8 s, so that a lease never ends
/// while its call is under way.
pub const IVS_CALL_SECONDS: u64 = 5;

/// The behaviour of the SDK that this was written for.
const BEHAVIOR: fn() -> BehaviorVersion = BehaviorVersion::v2026_01_12;

/// What keeps a connection from making any call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// A function's environment has no such variable, or an empty one.
    #[error(
        "{0} is not set; Lambda sets it, and elsewhere `aws configure export-credentials --format env` tells what it is"
    )]
    NotSet(&'static str),
    /// Neither the options nor the environment name a Region.
    #[error("no Region is named")]
    NoRegion,
    /// There are no credentials, with the reasons of the SDK's providers.
    #[error("there are no credentials: {0}")]
    NoCredentials(String),
}

/// Clients for both services, sharing credentials and connections.
#[derive(Debug, Clone)]
pub struct Connection {
    shared: SdkConfig,
    dynamodb: aws_sdk_dynamodb::Client,
    ivs: aws_sdk_ivsrealtime::Client,
    tally: Arc<CallTally>,
    #[cfg(feature = "operator")]
    endpoints: operator::Endpoints,
}

impl Connection {
    /// Prepares clients by the environment variables of a Lambda function: `AWS_REGION` (or `AWS_DEFAULT_REGION`),
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_DYNAMODB`,
    /// `AWS_ENDPOINT_URL_IVS_REALTIME`, `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` where they are set. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConnectionError::NotSet`], for the Region and the first two of the credentials.
    pub fn from_env() -> Result<Self, ConnectionError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConnectionError> {
        let optional = |name| variable(name).filter(|value| !value.is_empty());
        let required = |name| optional(name).ok_or(ConnectionError::NotSet(name));
        let switch = |name| optional(name).map(|value| value.eq_ignore_ascii_case("true"));
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            optional("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let mut shared = SdkConfig::builder()
            .behavior_version(BEHAVIOR())
            .http_client(http_client())
            .region(Region::new(
                required("AWS_REGION").or_else(|none| optional("AWS_DEFAULT_REGION").ok_or(none))?,
            ))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        shared.set_endpoint_url(optional("AWS_ENDPOINT_URL"));
        shared.set_use_fips(switch("AWS_USE_FIPS_ENDPOINT"));
        shared.set_use_dual_stack(switch("AWS_USE_DUALSTACK_ENDPOINT"));
        let shared = shared.build();
        Ok(Self {
            dynamodb: dynamodb(&shared, optional("AWS_ENDPOINT_URL_DYNAMODB"), DYNAMODB_TIMEOUT),
            ivs: ivs(&shared, optional("AWS_ENDPOINT_URL_IVS_REALTIME")),
            tally: Arc::default(),
            #[cfg(feature = "operator")]
            endpoints: operator::Endpoints::default(),
            shared,
        })
    }

    /// The Region, if there is one.
    pub fn region(&self) -> Option<&str> {
        self.shared.region().map(Region::as_ref)
    }

    /// The table with this name.
    pub fn store(&self, table: &str) -> DynamoStore {
        DynamoStore::new(self.dynamodb.clone(), table)
    }

    /// The IVS calls.
    pub fn ivs(&self) -> IvsRealTime {
        IvsRealTime::new(self.ivs.clone(), self.tally.clone())
    }

    /// The count of all IVS calls of this connection.
    pub fn tally(&self) -> Arc<CallTally> {
        self.tally.clone()
    }
}

/// HTTP with rustls on ring, which starts faster than AWS-LC, the SDK's own choice, and is less to load; by the certificates of the
/// system, or those of `SSL_CERT_FILE`.
fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// How long an operation of DynamoDB may take, with all its attempts.
const DYNAMODB_TIMEOUT: Duration = Duration::from_secs(3);

/// DynamoDB answers in milliseconds and its writes are conditional, so the SDK may retry, and soon. One request that gets no
/// answer leaves time for others.
fn dynamodb(shared: &SdkConfig, endpoint: Option<String>, timeout: Duration) -> aws_sdk_dynamodb::Client {
    let mut config = aws_sdk_dynamodb::config::Builder::from(shared)
        .retry_config(
            RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50)),
        )
        .timeout_config(timeouts(timeout).to_builder().operation_attempt_timeout(timeout / 3).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    // Setting none would forget the endpoint of both.
    if endpoint.is_some() {
        config.set_endpoint_url(endpoint);
    }
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// IVS calls are counted against a small quota and are not idempotent: whether to repeat one is the controller's decision.
fn ivs(shared: &SdkConfig, endpoint: Option<String>) -> aws_sdk_ivsrealtime::Client {
    let mut config = aws_sdk_ivsrealtime::config::Builder::from(shared)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(Duration::from_secs(IVS_CALL_SECONDS)))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if endpoint.is_some() {
        config.set_endpoint_url(endpoint);
    }
    aws_sdk_ivsrealtime::Client::from_conf(config.build())
}

/// The longest that an operation may take, with all its attempts. It ends one that stalls, too, so that no stream has to be watched.
pub(crate) fn timeouts(operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(2)).operation_timeout(operation).build()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    const LAMBDA: [(&str, &str); 4] = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "ASIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ];

    fn with(variables: &[(&str, &str)]) -> Result<Connection, ConnectionError> {
        Connection::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_lambda_sets_is_enough_and_all_but_the_token_is_needed() {
        let connection = with(&LAMBDA).unwrap();
        assert_eq!(connection.region(), Some("eu-central-1"));
        for (name, _) in &LAMBDA[..3] {
            let others: Vec<_> = LAMBDA.iter().copied().filter(|(other, _)| other != name).collect();
            assert_eq!(with(&others).unwrap_err(), ConnectionError::NotSet(name));
            assert_eq!(
                with(&[&others[..], &[(name, "")]].concat()).unwrap_err(),
                ConnectionError::NotSet(name)
            );
        }
        with(&LAMBDA[..3]).unwrap();
    }

    /// Serves HTTP, with no answer to the first request and an empty page to every other.
    fn stall_once(listener: &TcpListener) {
        let mut stalled = None;
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            assert!(connection.read(&mut [0; 8_192]).unwrap() > 0);
            if stalled.is_none() {
                stalled = Some(connection);
                continue;
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{\"Items\":[],\"Count\":0}";
            connection.write_all(answer.as_bytes()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_request_to_the_table_without_an_answer_leaves_time_for_another() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || stall_once(&listener));
        let connection = with(&[&LAMBDA[..], &[("AWS_ENDPOINT_URL_DYNAMODB", &url)]].concat()).unwrap();
        assert_eq!(connection.store("table").replicas().await.unwrap(), []);
    }

    #[test]
    fn the_endpoint_of_a_service_stands_before_that_of_all() {
        let ivs = |more: &[(&str, &str)]| {
            let connection = with(&[&LAMBDA[..], more].concat()).unwrap();
            let shared = connection.shared.endpoint_url().map(str::to_owned);
            (shared, format!("{:?}", connection.ivs.config()).contains("http://ivs"))
        };
        let all = ("AWS_ENDPOINT_URL", "http://all");
        assert_eq!(ivs(&[]), (None, false));
        assert_eq!(ivs(&[all]), (Some("http://all".to_owned()), false));
        assert_eq!(
            ivs(&[all, ("AWS_ENDPOINT_URL_IVS_REALTIME", "http://ivs")]),
            (Some("http://all".to_owned()), true)
        );
    }
}
