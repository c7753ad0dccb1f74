//! Who asks, and by which clock.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use jiff::{SignedDuration, Timestamp};

use super::{LookError, Stack, incomplete, look_error};

/// Whom AWS takes the credentials for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account's number.
    pub account: String,
    /// The user, or the role with the name of its session.
    pub arn: String,
}

/// One look at two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// AWS's, in whole seconds, as the header `Date` of an answer gives it.
    pub theirs: Timestamp,
    /// This machine's, when that answer came.
    pub ours: Timestamp,
}

impl ClockReading {
    /// By how much this machine is ahead, a second more or less.
    pub fn ahead(&self) -> SignedDuration {
        self.ours.duration_since(self.theirs)
    }
}

impl Stack {
    /// Whom AWS takes the credentials for. This needs no permission.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn caller(&self) -> Result<Caller, LookError> {
        let answer = self.sts.get_caller_identity().send().await;
        let answer = answer.map_err(|error| look_error("sts:GetCallerIdentity", &error))?;
        let text = |field: Option<&str>, name| field.map(str::to_owned).ok_or_else(|| incomplete(name));
        Ok(Caller { account: text(answer.account(), "Account")?, arn: text(answer.arn(), "Arn")? })
    }

    /// Compares this machine's clock with DynamoDB's. Any answer will do, a refusal too.
    ///
    /// # Errors
    /// [`LookError`], if there is no answer at all.
    pub async fn clock(&self) -> Result<ClockReading, LookError> {
        let dates = Dates::default();
        let request = self.dynamodb.describe_table().table_name(&self.table).customize();
        let answer = request.interceptor(dates.clone()).send().await;
        let seen = *dates.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (seen, answer) {
            (Some(reading), _) => Ok(reading),
            (None, Ok(_)) => Err(incomplete("Date")),
            (None, Err(error)) => Err(look_error("dynamodb:DescribeTable", &error)),
        }
    }
}

/// Keeps the time of the first answer. Later ones may come after the SDK has put its clock right.
#[derive(Debug, Clone, Default)]
struct Dates(Arc<Mutex<Option<ClockReading>>>);

impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "Dates"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(theirs)) = (*seen, theirs) {
            *seen = Some(ClockReading { theirs: theirs.timestamp(), ours: Timestamp::now() });
        }
        Ok(())
    }
}
