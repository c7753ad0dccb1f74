//! What the credentials may do, tried for real and without changing anything.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;

use super::{LOOK, LookError, Stack, look_error, timeouts};

/// An action on the table that an operator needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableAction {
    /// `dynamodb:Query` of the table.
    Query,
    /// `dynamodb:Query` of the index of destinations.
    QueryIndex,
    /// `dynamodb:Scan`
    Scan,
    /// `dynamodb:PutItem`
    PutItem,
    /// `dynamodb:DeleteItem`
    DeleteItem,
    /// `dynamodb:UpdateItem`
    UpdateItem,
}

/// A condition that holds for no item, whatever is in the table.
const NEVER: &str = "attribute_exists(pk) AND attribute_not_exists(pk)";

/// The key of the item that is not written.
const NOWHERE: &str = "DOCTOR";

impl TableAction {
    /// Every action, those that read first.
    pub const ALL: [Self; 6] =
        [Self::Query, Self::QueryIndex, Self::Scan, Self::PutItem, Self::UpdateItem, Self::DeleteItem];

    /// As policies name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query | Self::QueryIndex => "dynamodb:Query",
            Self::Scan => "dynamodb:Scan",
            Self::PutItem => "dynamodb:PutItem",
            Self::DeleteItem => "dynamodb:DeleteItem",
            Self::UpdateItem => "dynamodb:UpdateItem",
        }
    }

    /// What it is done to, beside the table.
    pub fn resource(self) -> &'static str {
        if self == Self::QueryIndex { "/index/by_destination" } else { "" }
    }

    /// Whether it changes the table, where its condition holds.
    pub fn writes(self) -> bool {
        matches!(self, Self::PutItem | Self::DeleteItem | Self::UpdateItem)
    }
}

impl Stack {
    /// Tries an action: reads one item at most; writes on a condition that never holds, whose refusal says that it is allowed.
    ///
    /// # Errors
    /// [`LookError::Denied`] if it is not allowed; others if that cannot be told.
    pub async fn may(&self, action: TableAction) -> Result<(), LookError> {
        let key = || AttributeValue::S(NOWHERE.to_owned());
        let (client, table, name) = (&self.dynamodb, &self.table, action.name());
        match action {
            TableAction::Query => {
                let query = client.query().table_name(table).limit(1).key_condition_expression("pk = :pk");
                let query = query.expression_attribute_values(":pk", key());
                query.send().await.map(drop).map_err(|error| look_error(name, &error))
            }
            TableAction::QueryIndex => {
                let query = client.query().table_name(table).index_name("by_destination").limit(1);
                let query = query.key_condition_expression("destination = :d");
                let query = query.expression_attribute_values(":d", key());
                query.send().await.map(drop).map_err(|error| look_error(name, &error))
            }
            TableAction::Scan => {
                let scan = client.scan().table_name(table).limit(1);
                scan.send().await.map(drop).map_err(|error| look_error(name, &error))
            }
            TableAction::PutItem => {
                let put = client.put_item().table_name(table).item("pk", key()).item("sk", key());
                let refused = put.condition_expression(NEVER).send().await;
                refused.map(drop).or_else(|error| allowed_if_refused(name, &error))
            }
            TableAction::UpdateItem => {
                let update = client.update_item().table_name(table).key("pk", key()).key("sk", key());
                let refused = update.condition_expression(NEVER).send().await;
                refused.map(drop).or_else(|error| allowed_if_refused(name, &error))
            }
            TableAction::DeleteItem => {
                let delete = client.delete_item().table_name(table).key("pk", key()).key("sk", key());
                let refused = delete.condition_expression(NEVER).send().await;
                refused.map(drop).or_else(|error| allowed_if_refused(name, &error))
            }
        }
    }

    /// Lists one stage of IVS: one call of a quota of five per second that the deployment and others use as well, so that it is tried
    /// up to five times within 5 s while it is throttled.
    ///
    /// # Errors
    /// [`LookError::Denied`] if it is not allowed; others if that cannot be told.
    pub async fn may_list_stages(&self) -> Result<(), LookError> {
        let patient =
            RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(250));
        let settings = aws_sdk_ivsrealtime::config::Builder::new();
        let settings = settings.retry_config(patient).timeout_config(timeouts(LOOK.0));
        let request = self.ivs.list_stages().max_results(1).customize().config_override(settings);
        let answer = request.send().await;
        answer.map(drop).map_err(|error| look_error("ivs:ListStages", &error))
    }
}

/// A refusal for the condition's sake comes after that for want of permission.
fn allowed_if_refused<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Result<(), LookError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if error.code() == Some("ConditionalCheckFailedException") {
        return Ok(());
    }
    Err(look_error(action, error))
}
