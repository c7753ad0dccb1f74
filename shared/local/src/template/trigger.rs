//! What calls a function: event rules, schedules, and the table's stream.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::{Value, json};

use super::{
    Error,
    cursor::Cursor,
    queue::{dead_letters, on_failure},
    scope::Scope,
};

/// An event rule: each event that matches the pattern invokes the function once.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRule {
    /// The rule's name: the function's logical id and the event's, as SAM names it.
    pub name: String,
    /// The EventBridge event pattern.
    pub pattern: Value,
    /// The queue of what could not be delivered, as an ARN.
    pub dead_letters: Option<String>,
}

/// A schedule: the function is invoked again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The name of its rule: the function's logical id and the event's, as SAM names it.
    pub name: String,
    /// How often.
    pub every: Duration,
    /// The queue of what could not be delivered, as an ARN.
    pub dead_letters: Option<String>,
}

/// An event source mapping on the table's stream: changes of items invoke the function, in batches and in order.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSource {
    /// The mapping's name: the function's logical id and the event's, as SAM names it.
    pub name: String,
    /// Event patterns; a change that matches any of them is delivered. Without any, every change is.
    pub filters: Vec<Value>,
    /// Where a new mapping begins to read.
    pub starting_position: StartingPosition,
    /// Changes per invocation at most, 1–10 000. Lambda's default is 100.
    pub batch_size: u32,
    /// How long changes are gathered for a batch, 0–300 s. Lambda's default is 0.
    pub window: Duration,
    /// How often a batch that failed is tried again, 0–10 000. Without it, until its records expire.
    pub maximum_retry_attempts: Option<u32>,
    /// How old a change may be when it is delivered, 60–604 800 s. Without it, as old as the stream keeps it.
    pub maximum_record_age: Option<Duration>,
    /// Whether a batch that failed is halved.
    pub bisect: bool,
    /// Whether the function's answer says which changes of a batch failed (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// The queue of batches that failed for good, as an ARN.
    pub dead_letters: Option<String>,
}

/// Where a new event source mapping begins to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// With the oldest change that the stream has.
    TrimHorizon,
    /// With the next change.
    Latest,
}

/// All that calls a function.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    pub(super) rules: Vec<EventRule>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) streams: Vec<StreamSource>,
}

/// Fields of a stream event that the stand acts on.
const STREAM: [&str; 9] = [
    "BatchSize",
    "BisectBatchOnFunctionError",
    "FilterCriteria",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "StartingPosition",
    "Stream",
];

impl Triggers {
    pub(super) fn read(id: &str, properties: &Cursor<'_>, scope: &Scope) -> Result<Self, Error> {
        let none = json!({});
        let events = properties.get("Events").unwrap_or_else(|| properties.with(&none)).fields()?;
        let mut triggers = Self::default();
        for (event_id, event) in events {
            event.only(&[&["Properties", "Type"]])?;
            let (name, kind) = (format!("{id}{event_id}"), event.need("Type")?.text()?);
            let properties = event.need("Properties")?;
            match kind.as_str() {
                "EventBridgeRule" => triggers.rules.push(rule(name, &properties, scope)?),
                "Schedule" => triggers.schedules.push(schedule(name, &properties, scope)?),
                "DynamoDB" => triggers.streams.push(stream(name, &properties, scope)?),
                _ => {
                    let known = "EventBridgeRule, Schedule, DynamoDB";
                    let reason =
                        format!("the stand does not deliver events of type `{kind}`; it knows {known}");
                    return Err(event.uninterpreted(&reason));
                }
            }
        }
        Ok(triggers)
    }
}

fn rule(name: String, properties: &Cursor<'_>, scope: &Scope) -> Result<EventRule, Error> {
    properties.only(&[&["DeadLetterConfig", "Pattern", "RetryPolicy", "RuleName"]])?;
    let dead_letters = dead_letters(properties, scope)?;
    Ok(EventRule { name, pattern: scope.resolve(&properties.need("Pattern")?)?, dead_letters })
}

fn schedule(name: String, properties: &Cursor<'_>, scope: &Scope) -> Result<Schedule, Error> {
    properties.only(&[&["DeadLetterConfig", "RetryPolicy", "Schedule"]])?;
    let expression = properties.need("Schedule")?;
    let text = expression.text()?;
    let every = rate(&text).ok_or_else(|| {
        let allowed = "such as rate(1 minute), rate(5 minutes), rate(1 hour), rate(1 day)";
        expression
            .uninterpreted(&format!("`{text}` is not a rate of whole minutes, hours or days, {allowed}"))
    })?;
    Ok(Schedule { name, every, dead_letters: dead_letters(properties, scope)? })
}

fn rate(expression: &str) -> Option<Duration> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = if number == 1 { unit } else { unit.strip_suffix('s')? };
    let seconds = match unit {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

fn stream(name: String, properties: &Cursor<'_>, scope: &Scope) -> Result<StreamSource, Error> {
    properties.only(&[&STREAM, &["DestinationConfig"]])?;
    let stream = properties.need("Stream")?;
    if !scope.is_stream_of_table(stream.value()) {
        let reason = "the stand has only the stream of its table, as `!GetAtt <table>.StreamArn`, and only if it has one";
        return Err(stream.uninterpreted(reason));
    }
    let position = properties.need("StartingPosition")?;
    let starting_position = match position.text()?.as_str() {
        "TRIM_HORIZON" => StartingPosition::TrimHorizon,
        "LATEST" => StartingPosition::Latest,
        other => {
            let reason = format!("the stand does not know `{other}`; it knows TRIM_HORIZON and LATEST");
            return Err(position.uninterpreted(&reason));
        }
    };
    let seconds = |number: u32| Duration::from_secs(number.into());
    Ok(StreamSource {
        name,
        filters: filters(properties)?,
        starting_position,
        batch_size: number(properties, "BatchSize", 1..=10_000)?.unwrap_or(100),
        window: number(properties, "MaximumBatchingWindowInSeconds", 0..=300)?
            .map_or(Duration::ZERO, seconds),
        maximum_retry_attempts: number_or_infinite(properties, "MaximumRetryAttempts", 0..=10_000)?,
        maximum_record_age: number_or_infinite(properties, "MaximumRecordAgeInSeconds", 60..=604_800)?
            .map(seconds),
        bisect: properties.get("BisectBatchOnFunctionError").map_or(Ok(false), |flag| flag.flag())?,
        reports_failures: reports_failures(properties)?,
        dead_letters: on_failure(properties, scope)?,
    })
}

fn filters(properties: &Cursor<'_>) -> Result<Vec<Value>, Error> {
    let Some(criteria) = properties.get("FilterCriteria") else { return Ok(Vec::new()) };
    criteria.only(&[&["Filters"]])?;
    let read = |filter: Cursor<'_>| {
        filter.only(&[&["Pattern"]])?;
        let pattern = filter.need("Pattern")?;
        serde_json::from_str(&pattern.text()?)
            .map_err(|error| pattern.uninterpreted(&format!("the pattern is not JSON: {error}")))
    };
    criteria.need("Filters")?.items()?.into_iter().map(read).collect()
}

fn reports_failures(properties: &Cursor<'_>) -> Result<bool, Error> {
    let Some(types) = properties.get("FunctionResponseTypes") else { return Ok(false) };
    for kind in types.items()? {
        if kind.text()? != "ReportBatchItemFailures" {
            return Err(kind.uninterpreted("the stand knows only ReportBatchItemFailures"));
        }
    }
    Ok(true)
}

fn number(properties: &Cursor<'_>, key: &str, allowed: RangeInclusive<u32>) -> Result<Option<u32>, Error> {
    properties.get(key).map(|property| property.number_in(&allowed)).transpose()
}

/// A number, or Lambda's -1 for "without an end".
fn number_or_infinite(
    properties: &Cursor<'_>,
    key: &str,
    allowed: RangeInclusive<u32>,
) -> Result<Option<u32>, Error> {
    match properties.get(key) {
        Some(property) if *property.value() == json!(-1) => Ok(None),
        _ => number(properties, key, allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::our, *};

    fn read(event: &Value) -> Result<Triggers, Error> {
        let none = json!({});
        let mut scope =
            Scope::new("us-east-1", "123456789012", &Cursor::root(&none), &Default::default()).unwrap();
        scope.add_stream_of_table("Table");
        let properties = json!({ "Events": { "E": event } });
        Triggers::read("F", &Cursor::root(&properties), &scope)
    }

    fn error(event: Value) -> String {
        read(&event).unwrap_err().to_string()
    }

    fn scheduled(expression: &str) -> Value {
        json!({ "Type": "Schedule", "Properties": { "Schedule": expression } })
    }

    /// A stream event with nothing but what it must have, and this field.
    fn streamed(field: &str, value: Value) -> Value {
        let mut properties = json!({
            "Stream": { "Fn::GetAtt": ["Table", "StreamArn"] },
            "StartingPosition": "LATEST",
        });
        properties[field] = value;
        json!({ "Type": "DynamoDB", "Properties": properties })
    }

    #[test]
    fn our_schedules_come_every_minute() {
        for (function, name) in [("dispatch", "DispatchEveryMinute"), ("reconcile", "ReconcileEveryMinute")] {
            let every = Duration::from_secs(60);
            let schedule = our(function).schedules.remove(0);
            assert_eq!((schedule.name.as_str(), schedule.every), (name, every));
        }
    }

    #[test]
    fn our_streams_lose_nothing_and_are_held_up_by_nothing_for_ever() {
        for (function, name) in [("dispatch", "DispatchWork"), ("rule-changed", "RuleChangedRules")] {
            let stream = our(function).streams.remove(0);
            assert_eq!(stream.name, name);
            assert_eq!(stream.starting_position, StartingPosition::TrimHorizon);
            assert_eq!(stream.filters.len(), 1);
            assert_eq!(stream.window, Duration::from_secs(1));
            assert!(stream.maximum_retry_attempts.is_some_and(|attempts| attempts <= 5), "{}", stream.name);
            assert_eq!(stream.reports_failures, stream.name == "RuleChangedRules");
            assert_eq!(stream.bisect, stream.name == "RuleChangedRules");
        }
    }

    #[test]
    fn a_rate_is_whole_minutes_hours_or_days() {
        for (expression, seconds) in [
            ("rate(1 minute)", 60),
            ("rate(5 minutes)", 300),
            ("rate(1 hour)", 3_600),
            ("rate(2 days)", 172_800),
        ] {
            let schedules = read(&scheduled(expression)).unwrap().schedules;
            assert_eq!(
                schedules,
                [Schedule { name: "FE".to_owned(), every: Duration::from_secs(seconds), dead_letters: None }]
            );
        }
        for expression in
            ["rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(30 seconds)", "cron(* * * * ? *)"]
        {
            let error = error(scheduled(expression));
            let expected = format!(
                "template, Events.E.Properties.Schedule: `{expression}` is not a rate of whole minutes"
            );
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn what_a_stream_leaves_out_has_lambdas_defaults() {
        let streams = read(&streamed("StartingPosition", json!("LATEST"))).unwrap().streams;
        let defaults = StreamSource {
            name: "FE".to_owned(),
            filters: vec![],
            starting_position: StartingPosition::Latest,
            batch_size: 100,
            window: Duration::ZERO,
            maximum_retry_attempts: None,
            maximum_record_age: None,
            bisect: false,
            reports_failures: false,
            dead_letters: None,
        };
        assert_eq!(streams, [defaults]);
    }

    #[test]
    fn minus_one_is_without_an_end() {
        for field in ["MaximumRetryAttempts", "MaximumRecordAgeInSeconds"] {
            let stream = read(&streamed(field, json!(-1))).unwrap().streams.remove(0);
            assert_eq!((stream.maximum_retry_attempts, stream.maximum_record_age), (None, None));
        }
    }

    #[test]
    fn what_a_stream_must_not_have_is_an_error_with_its_place() {
        for (field, value, place, reason) in [
            (
                "Stream",
                json!({ "Fn::GetAtt": ["Other", "StreamArn"] }),
                "Stream",
                "only the stream of its table",
            ),
            ("Stream", json!("arn:aws:dynamodb:x"), "Stream", "only the stream of its table"),
            ("StartingPosition", json!("AT_TIMESTAMP"), "StartingPosition", "TRIM_HORIZON and LATEST"),
            ("BatchSize", json!(0), "BatchSize", "`0` is not between 1 and 10000"),
            ("MaximumRetryAttempts", json!(-2), "MaximumRetryAttempts", "not a whole number"),
            ("MaximumRecordAgeInSeconds", json!(59), "MaximumRecordAgeInSeconds", "between 60 and 604800"),
            ("BisectBatchOnFunctionError", json!("yes"), "BisectBatchOnFunctionError", "not true or false"),
            (
                "FunctionResponseTypes",
                json!(["Other"]),
                "FunctionResponseTypes.0",
                "only ReportBatchItemFailures",
            ),
            (
                "FilterCriteria",
                json!({ "Filters": [{ "Pattern": "{" }] }),
                "FilterCriteria.Filters.0.Pattern",
                "not JSON",
            ),
            ("ParallelizationFactor", json!(2), "ParallelizationFactor", "does not know this field"),
        ] {
            let error = error(streamed(field, value));
            assert!(error.starts_with(&format!("template, Events.E.Properties.{place}: ")), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_event_that_is_not_delivered_is_an_error() {
        let error = error(json!({ "Type": "SQS", "Properties": {} }));
        let known = "it knows EventBridgeRule, Schedule, DynamoDB";
        assert_eq!(
            error,
            format!("template, Events.E: the stand does not deliver events of type `SQS`; {known}")
        );
    }

    #[test]
    fn a_rule_or_a_schedule_with_another_input_is_an_error() {
        let rule =
            json!({ "Type": "EventBridgeRule", "Properties": { "Pattern": {}, "InputPath": "$.detail" } });
        assert!(error(rule).starts_with("template, Events.E.Properties.InputPath: "));
        let mut schedule = scheduled("rate(1 minute)");
        schedule["Properties"]["Input"] = json!("{}");
        assert!(error(schedule).starts_with("template, Events.E.Properties.Input: "));
    }
}
