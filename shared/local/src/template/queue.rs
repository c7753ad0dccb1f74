//! The queue of what could not be handled, and who refers to it.

use std::time::Duration;

use super::{Error, cursor::Cursor, scope::Scope};

/// An `AWS::SQS::Queue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The name of the resource in the template.
    pub logical_id: String,
    /// The name in SQS.
    pub name: String,
    /// The ARN in the simulated account.
    pub arn: String,
    /// How long a message is kept. SQS's default is 4 days.
    pub retention: Duration,
}

/// Properties that have no meaning on one machine.
const ELSEWHERE: [&str; 2] = ["SqsManagedSseEnabled", "Tags"];

impl Queue {
    pub(super) fn read(id: &str, resource: &Cursor<'_>, scope: &Scope) -> Result<Self, Error> {
        let none = serde_json::json!({});
        let properties = resource.get("Properties").unwrap_or_else(|| resource.with(&none));
        properties.only(&[&["MessageRetentionPeriod"], &ELSEWHERE])?;
        let seconds = match properties.get("MessageRetentionPeriod") {
            Some(period) => period.number_in(&(60..=1_209_600))?,
            None => 345_600,
        };
        let name = scope.name_of(id);
        let (logical_id, arn) = (id.to_owned(), scope.arn("sqs", &name));
        Ok(Self { logical_id, name, arn, retention: Duration::from_secs(seconds.into()) })
    }
}

/// The queue that a target's `DeadLetterConfig` names.
pub(super) fn dead_letters(target: &Cursor<'_>, scope: &Scope) -> Result<Option<String>, Error> {
    let Some(config) = target.get("DeadLetterConfig") else { return Ok(None) };
    config.only(&[&["Arn"]])?;
    let arn = config.need("Arn")?;
    arn.with(&scope.resolve(&arn)?).text().map(Some)
}

/// The queue that an on-failure destination is.
pub(super) fn on_failure(config: &Cursor<'_>, scope: &Scope) -> Result<Option<String>, Error> {
    let Some(destinations) = config.get("DestinationConfig") else { return Ok(None) };
    destinations.only(&[&["OnFailure"]])?;
    let on_failure = destinations.need("OnFailure")?;
    on_failure.only(&[&["Destination", "Type"]])?;
    if let Some(kind) = on_failure.get("Type")
        && kind.text()? != "SQS"
    {
        return Err(kind.uninterpreted("the stand knows only SQS"));
    }
    let arn = on_failure.need("Destination")?;
    arn.with(&scope.resolve(&arn)?).text().map(Some)
}
