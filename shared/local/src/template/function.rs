//! The function resources, with what calls them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::Value;

use super::{
    Error,
    cursor::Cursor,
    queue::on_failure,
    scope::Scope,
    trigger::{EventRule, Schedule, StreamSource, Triggers},
};

/// An `AWS::Serverless::Function`.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The name of the binary and of its package: the last part of `CodeUri`.
    pub name: String,
    /// The name in Lambda.
    pub full_name: String,
    /// The ARN in the simulated account.
    pub arn: String,
    /// How long one invocation may take. Lambda's default is 3 seconds.
    pub timeout: Duration,
    /// Memory in MiB; told to the function, not enforced here. Lambda's default is 128.
    pub memory_size: u32,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// How often a failed asynchronous invocation is tried again, 0–2. Lambda's default is 2.
    pub maximum_retry_attempts: u32,
    /// How old an asynchronous invocation may be when it is tried, 60–21 600 s. Lambda's default is 6 hours.
    pub maximum_event_age: Duration,
    /// The queue of asynchronous invocations that failed for good, as an ARN.
    pub on_failure: Option<String>,
    /// Invocations that may run at the same time, if their number is reserved.
    pub reserved_concurrency: Option<u32>,
    /// The event rules that call the function.
    pub rules: Vec<EventRule>,
    /// The schedules that call the function.
    pub schedules: Vec<Schedule>,
    /// Its event source mappings on the table's stream.
    pub streams: Vec<StreamSource>,
}

/// Properties that the stand acts on.
const READ: [&str; 8] = [
    "CodeUri",
    "Environment",
    "EventInvokeConfig",
    "Events",
    "FunctionName",
    "MemorySize",
    "ReservedConcurrentExecutions",
    "Timeout",
];

/// Properties without a meaning on one machine.
const ELSEWHERE: [&str; 9] = [
    "Architectures",
    "Description",
    "FunctionUrlConfig",
    "Handler",
    "LoggingConfig",
    "Policies",
    "Runtime",
    "Tags",
    "Tracing",
];

impl Function {
    pub(super) fn read(
        id: &str,
        properties: &Cursor<'_>,
        globals: &Cursor<'_>,
        scope: &Scope,
    ) -> Result<Self, Error> {
        let merged = match globals.get("Function") {
            Some(defaults) => merged(defaults.value(), properties.value()),
            None => properties.value().clone(),
        };
        let properties = properties.with(&merged);
        properties.only(&[&READ, &ELSEWHERE])?;

        let number = |key: &str, default: u32| match properties.get(key) {
            Some(property) => property.with(&scope.resolve(&property)?).whole_number(),
            None => Ok(default),
        };
        let timeout = number("Timeout", 3)?;
        let memory_size = number("MemorySize", 128)?;
        let AsyncSettings { retries, age, on_failure } = async_settings(&properties, scope)?;
        let full_name = match properties.get("FunctionName") {
            Some(name) => name.with(&scope.resolve(&name)?).text()?,
            None => scope.name_of(id),
        };
        let reserved = number_if(&properties, "ReservedConcurrentExecutions", scope)?;
        let Triggers { rules, schedules, streams } = Triggers::read(id, &properties, scope)?;
        Ok(Self {
            name: binary_name(&properties.need("CodeUri")?)?,
            arn: scope.arn("lambda", &format!("function:{full_name}")),
            full_name,
            timeout: Duration::from_secs(timeout.into()),
            memory_size,
            environment: environment(&properties, scope)?,
            maximum_retry_attempts: retries,
            maximum_event_age: Duration::from_secs(age.into()),
            on_failure,
            reserved_concurrency: reserved,
            rules,
            schedules,
            streams,
        })
    }
}

/// SAM's merge of `Globals`: maps are merged, everything else is replaced by the function's own.
fn merged(defaults: &Value, own: &Value) -> Value {
    match (defaults, own) {
        (Value::Object(defaults), Value::Object(own)) => {
            let mut result = defaults.clone();
            for (key, value) in own {
                let value = match defaults.get(key) {
                    Some(default) => merged(default, value),
                    None => value.clone(),
                };
                result.insert(key.clone(), value);
            }
            Value::Object(result)
        }
        _ => own.clone(),
    }
}

fn binary_name(code_uri: &Cursor<'_>) -> Result<String, Error> {
    let text = code_uri.text()?;
    let name = Path::new(&text).file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| code_uri.uninterpreted("a folder named after the binary is expected"))
}

fn environment(properties: &Cursor<'_>, scope: &Scope) -> Result<BTreeMap<String, String>, Error> {
    let Some(environment) = properties.get("Environment") else { return Ok(BTreeMap::new()) };
    environment.only(&[&["Variables"]])?;
    let variables = environment.need("Variables")?;
    let resolved = scope.resolve(&variables)?;
    let variables = variables.with(&resolved).fields()?;
    variables.into_iter().map(|(name, variable)| Ok((name, variable.text()?))).collect()
}

/// A number from 1 to 1000, unless it is left out, by a condition or altogether.
fn number_if(properties: &Cursor<'_>, key: &str, scope: &Scope) -> Result<Option<u32>, Error> {
    let Some(property) = properties.get(key) else { return Ok(None) };
    let value = scope.resolve(&property)?;
    if value.is_null() { Ok(None) } else { property.with(&value).number_in(&(1..=1_000)).map(Some) }
}

/// What becomes of an asynchronous invocation that fails.
struct AsyncSettings {
    retries: u32,
    /// In seconds.
    age: u32,
    on_failure: Option<String>,
}

fn async_settings(properties: &Cursor<'_>, scope: &Scope) -> Result<AsyncSettings, Error> {
    let defaults = AsyncSettings { retries: 2, age: 21_600, on_failure: None };
    let Some(config) = properties.get("EventInvokeConfig") else { return Ok(defaults) };
    config.only(&[&["DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"]])?;
    let retries = config.get("MaximumRetryAttempts").map(|number| number.number_in(&(0..=2)));
    let age = config.get("MaximumEventAgeInSeconds").map(|number| number.number_in(&(60..=21_600)));
    Ok(AsyncSettings {
        retries: retries.unwrap_or(Ok(defaults.retries))?,
        age: age.unwrap_or(Ok(defaults.age))?,
        on_failure: on_failure(&config, scope)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::ours, *};

    fn read(properties: Value) -> Result<Function, Error> {
        let none = json!({});
        let scope =
            Scope::new("us-east-1", "123456789012", &Cursor::root(&none), &Default::default()).unwrap();
        let globals = json!({ "Function": { "Timeout": 15, "Environment": { "Variables": { "A": "1" } } } });
        Function::read("F", &Cursor::root(&properties), &Cursor::root(&globals), &scope)
    }

    fn error(properties: Value) -> String {
        read(properties).unwrap_err().to_string()
    }

    #[test]
    fn our_functions_have_their_settings_from_globals_unless_they_say_otherwise() {
        for function in ours().functions {
            let by_itself =
                ["api", "dispatch", "reconcile", "rule-changed"].contains(&function.name.as_str());
            let timeout = match function.name.as_str() {
                // A minute, and until the next run is there.
                "dispatch" => 75,
                "reconcile" | "rule-changed" => 60,
                _ => 15,
            };
            assert_eq!(function.timeout, Duration::from_secs(timeout));
            assert_eq!(function.memory_size, 256);
            assert_eq!(function.environment["TABLE_NAME"], "stagelink");
            assert_eq!(function.environment["LOG_LEVEL"], "info");
            assert_eq!(function.rules.len(), if by_itself { 0 } else { 2 });
            // The next run of a schedule does the same work.
            let retries = if function.schedules.is_empty() { 2 } else { 0 };
            assert_eq!(function.maximum_retry_attempts, retries, "{}", function.name);
            let reserved = match function.name.as_str() {
                "dispatch" => Some(3),
                "reconcile" => Some(1),
                _ => None,
            };
            assert_eq!(function.reserved_concurrency, reserved, "{}", function.name);
        }
    }

    #[test]
    fn a_function_adds_to_globals_and_overrides_them() {
        let own = json!({
            "CodeUri": "../target/lambda/f/",
            "Timeout": 5,
            "Environment": { "Variables": { "B": 2 } },
        });
        let function = read(own).unwrap();
        assert_eq!(function.name, "f");
        assert_eq!(function.timeout, Duration::from_secs(5));
        let expected = [("A", "1"), ("B", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(function.environment, BTreeMap::from(expected));
    }

    #[test]
    fn what_is_left_out_has_lambdas_defaults() {
        let function = read(json!({ "CodeUri": "f" })).unwrap();
        assert_eq!((function.memory_size, function.maximum_retry_attempts), (128, 2));
        assert_eq!(function.maximum_event_age, Duration::from_secs(6 * 3_600));
        assert_eq!(function.reserved_concurrency, None);
        assert_eq!((function.rules, function.schedules, function.streams), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_property_that_is_not_known_is_an_error() {
        let error = error(json!({ "CodeUri": "f", "Layers": [] }));
        assert!(error.starts_with("template, Layers: "), "{error}");
    }

    #[test]
    fn numbers_that_lambda_would_not_take_are_errors() {
        for (property, value, reason) in [
            ("EventInvokeConfig", json!({ "MaximumRetryAttempts": 3 }), "`3` is not between 0 and 2"),
            (
                "EventInvokeConfig",
                json!({ "MaximumEventAgeInSeconds": 59 }),
                "`59` is not between 60 and 21600",
            ),
            ("ReservedConcurrentExecutions", json!(0), "`0` is not between 1 and 1000"),
        ] {
            let error = error(json!({ "CodeUri": "f", property: value }));
            assert!(error.ends_with(reason), "{error}");
        }
    }
}
