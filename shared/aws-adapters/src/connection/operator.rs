//! How people connect: by profile, single sign-on and all else that the SDK's default chain knows, or to local endpoints.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials, Region};

use super::{BEHAVIOR, Connection, ConnectionError, DYNAMODB_TIMEOUT, dynamodb, http_client, ivs};
use crate::Stack;
use crate::failure::chain;

/// How long an operation of an emulated DynamoDB may take, which may have to share a busy machine with who waits for it.
const EMULATED_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// The addresses are those of emulators: they take any credentials, and an operation of DynamoDB may take 30 s instead of 3 s.
    pub emulated: bool,
}

/// Addresses that were asked for, for whoever tells a person how to reach them.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoints {
    aws: Option<String>,
    dynamodb: Option<String>,
}

impl Connection {
    /// Reads the environment and the AWS configuration files, and prepares clients. Nothing is sent yet.
    pub async fn new(options: ConnectionOptions) -> Self {
        let mut loader = aws_config::defaults(BEHAVIOR()).http_client(http_client());
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = options.profile {
            loader =
                loader.credentials_provider(of_profile(&profile, options.region).await).profile_name(profile);
        }
        if options.emulated {
            loader = loader.credentials_provider(Credentials::new("local", "local", None, None, "local"));
        }
        let shared = loader.load().await;
        let timeout = if options.emulated { EMULATED_TIMEOUT } else { DYNAMODB_TIMEOUT };
        let endpoints = Endpoints { aws: options.aws_endpoint, dynamodb: options.dynamodb_endpoint.clone() };
        Self {
            dynamodb: dynamodb(
                &shared,
                endpoint_of("AWS_ENDPOINT_URL_DYNAMODB", options.dynamodb_endpoint),
                timeout,
            ),
            ivs: ivs(&shared, endpoint_of("AWS_ENDPOINT_URL_IVS_REALTIME", options.ivs_endpoint)),
            tally: std::sync::Arc::default(),
            endpoints,
            shared,
        }
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
    pub async fn credentials_expire(&self) -> Result<Option<jiff::Timestamp>, ConnectionError> {
        let none = || ConnectionError::NoCredentials("no provider of credentials is configured".to_owned());
        let provider = self.shared.credentials_provider().ok_or_else(none)?;
        let credentials = provider.provide_credentials().await;
        let credentials = credentials.map_err(|error| ConnectionError::NoCredentials(chain(&error)))?;
        Ok(credentials.expiry().and_then(|expiry| jiff::Timestamp::try_from(expiry).ok()))
    }

    /// Where Lambda, EventBridge, SQS and STS are, if the options say so.
    pub fn aws_endpoint(&self) -> Option<&str> {
        self.endpoints.aws.as_deref()
    }

    /// Where DynamoDB is, if the options say so.
    pub fn dynamodb_endpoint(&self) -> Option<&str> {
        self.endpoints.dynamodb.as_deref()
    }

    /// The stack of this name, whose table has that name.
    pub fn stack(&self, name: &str, table: &str) -> Stack {
        let (dynamodb, ivs) = (self.dynamodb.clone(), self.ivs.clone());
        Stack::new(&self.shared, self.aws_endpoint(), dynamodb, ivs, (name, table))
    }
}

/// The credentials of a profile that was asked for by name. The SDK's default chain would prefer those of the environment. A
/// profile that assumes a role asks for it in the Region that is meant.
async fn of_profile(profile: &str, region: Option<String>) -> ProfileFileCredentialsProvider {
    let config = ProviderConfig::without_region().with_http_client(http_client());
    let region = match region {
        Some(region) => Some(Region::new(region)),
        None => region_of(profile, &config).await,
    };
    let config = config.with_region(region);
    ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build()
}

/// The Region where the SDK's default chain looks for it, which takes no HTTP client of ours.
async fn region_of(profile: &str, config: &ProviderConfig) -> Option<Region> {
    let of_profile = ProfileFileRegionProvider::builder().configure(config).profile_name(profile).build();
    let of_machine = ImdsRegionProvider::builder().configure(config).build();
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new());
    chain.or_else(of_profile).or_else(of_machine).region().await
}

/// The address of a service: as asked for, or of the environment.
fn endpoint_of(variable: &str, asked: Option<String>) -> Option<String> {
    asked.or_else(|| std::env::var(variable).ok()).filter(|url| !url.is_empty())
}
