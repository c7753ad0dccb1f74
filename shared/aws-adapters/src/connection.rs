//! Credentials, Region, endpoints and time limits: one configuration for both services.

use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials};

use crate::failure::chain;
use crate::{CallTally, DynamoStore, IvsRealTime};

/// The longest an IVS call may take, in seconds. Shorter than the controller's lease of 8 s, so that a lease never ends
/// while its call is under way.
pub const IVS_CALL_SECONDS: u64 = 5;

/// Where to connect to, where that differs from the environment.
#[derive(Debug, Clone, Default)]
pub struct ConnectionOptions {
    /// The Region; from the environment (`AWS_REGION`, profile) if none is given.
    pub region: Option<String>,
    /// The profile of the AWS configuration files whose credentials are used, whatever else the environment offers; the SDK's
    /// default chain if none is given.
    pub profile: Option<String>,
    /// DynamoDB's address; AWS's own, or `AWS_ENDPOINT_URL_DYNAMODB`, if none is given.
    pub dynamodb_endpoint: Option<String>,
    /// IVS's address; AWS's own, or `AWS_ENDPOINT_URL_IVS_REALTIME`, if none is given.
    pub ivs_endpoint: Option<String>,
    /// The address of Lambda, EventBridge, SQS and STS; AWS's own, or those of `AWS_ENDPOINT_URL` and its like, if none is given.
    pub aws_endpoint: Option<String>,
    /// Sign with made-up credentials: for local endpoints, which take any.
    pub any_credentials: bool,
}

/// Addresses that were asked for, for whoever tells a person how to reach them.
#[cfg(feature = "operator")]
#[derive(Debug, Clone)]
struct Endpoints {
    aws: Option<String>,
    dynamodb: Option<String>,
}

/// What keeps a connection from making any call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
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
    endpoints: Endpoints,
}

impl Connection {
    /// Reads the environment and prepares clients. Nothing is sent yet.
    pub async fn new(options: ConnectionOptions) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = options.profile {
            loader =
                loader.credentials_provider(of_profile(&profile, options.region).await).profile_name(profile);
        }
        if options.any_credentials {
            loader = loader.credentials_provider(Credentials::new("local", "local", None, None, "local"));
        }
        let shared = loader.load().await;
        #[cfg(feature = "operator")]
        let endpoints = Endpoints { aws: options.aws_endpoint, dynamodb: options.dynamodb_endpoint.clone() };
        Self {
            dynamodb: dynamodb(&shared, options.dynamodb_endpoint),
            ivs: ivs(&shared, options.ivs_endpoint),
            tally: Arc::default(),
            #[cfg(feature = "operator")]
            endpoints,
            shared,
        }
    }

    /// The Region, if there is one.
    pub fn region(&self) -> Option<&str> {
        self.shared.region().map(Region::as_ref)
    }

    /// Looks whether there is a Region, and credentials for it. Who does not ask learns it from the first call, in other words.
    ///
    /// # Errors
    /// [`ConnectionError`], with what is missing.
    pub async fn check(&self) -> Result<(), ConnectionError> {
        if self.region().is_none() {
            return Err(ConnectionError::NoRegion);
        }
        let Some(provider) = self.shared.credentials_provider() else {
            return Err(ConnectionError::NoCredentials(
                "no provider of credentials is configured".to_owned(),
            ));
        };
        let credentials = provider.provide_credentials().await;
        credentials.map(drop).map_err(|error| ConnectionError::NoCredentials(chain(&error)))
    }

    /// Until when the credentials are valid; nothing if they do not expire.
    ///
    /// # Errors
    /// [`ConnectionError::NoCredentials`]
    #[cfg(feature = "operator")]
    pub async fn credentials_expire(&self) -> Result<Option<jiff::Timestamp>, ConnectionError> {
        let none = || ConnectionError::NoCredentials("no provider of credentials is configured".to_owned());
        let provider = self.shared.credentials_provider().ok_or_else(none)?;
        let credentials = provider.provide_credentials().await;
        let credentials = credentials.map_err(|error| ConnectionError::NoCredentials(chain(&error)))?;
        Ok(credentials.expiry().and_then(|expiry| jiff::Timestamp::try_from(expiry).ok()))
    }

    /// Where Lambda, EventBridge, SQS and STS are, if the options say so.
    #[cfg(feature = "operator")]
    pub fn aws_endpoint(&self) -> Option<&str> {
        self.endpoints.aws.as_deref()
    }

    /// Where DynamoDB is, if the options say so.
    #[cfg(feature = "operator")]
    pub fn dynamodb_endpoint(&self) -> Option<&str> {
        self.endpoints.dynamodb.as_deref()
    }

    /// The stack of this name, whose table has that name.
    #[cfg(feature = "operator")]
    pub fn stack(&self, name: &str, table: &str) -> crate::Stack {
        let (dynamodb, ivs) = (self.dynamodb.clone(), self.ivs.clone());
        crate::Stack::new(&self.shared, self.aws_endpoint(), dynamodb, ivs, (name, table))
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

/// The credentials of a profile that was asked for by name. The SDK's default chain would prefer those of the environment. A
/// profile that assumes a role asks for it in the Region that is meant.
async fn of_profile(profile: &str, region: Option<String>) -> ProfileFileCredentialsProvider {
    let region = match region {
        Some(region) => Some(Region::new(region)),
        None => DefaultRegionChain::builder().profile_name(profile).build().region().await,
    };
    let config = ProviderConfig::without_region().with_region(region);
    ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build()
}

/// DynamoDB answers in milliseconds and its writes are conditional, so the SDK may retry, and soon.
fn dynamodb(shared: &SdkConfig, endpoint: Option<String>) -> aws_sdk_dynamodb::Client {
    let mut config = aws_sdk_dynamodb::config::Builder::from(shared)
        .retry_config(
            RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50)),
        )
        .timeout_config(timeouts(3));
    config.set_endpoint_url(endpoint.or_else(|| shared_endpoint("AWS_ENDPOINT_URL_DYNAMODB", shared)));
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// IVS calls are counted against a small quota and are not idempotent: whether to repeat one is the controller's decision.
fn ivs(shared: &SdkConfig, endpoint: Option<String>) -> aws_sdk_ivsrealtime::Client {
    let mut config = aws_sdk_ivsrealtime::config::Builder::from(shared)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(IVS_CALL_SECONDS));
    config.set_endpoint_url(endpoint.or_else(|| shared_endpoint("AWS_ENDPOINT_URL_IVS_REALTIME", shared)));
    aws_sdk_ivsrealtime::Client::from_conf(config.build())
}

/// Setting an endpoint of `None` on a builder forgets what the environment said; so say it again.
fn shared_endpoint(variable: &str, shared: &SdkConfig) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|url| !url.is_empty())
        .or_else(|| shared.endpoint_url().map(str::to_owned))
}

fn timeouts(seconds: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(seconds))
        .build()
}
