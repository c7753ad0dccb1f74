//! The function resources, with the event rules that call them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{Error, cursor::Cursor, scope::Scope};

/// An `AWS::Serverless::Function`.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The name of the binary and of its package: the last part of `CodeUri`.
    pub name: String,
    /// How long one invocation may take. Lambda's default is 3 seconds.
    pub timeout: Duration,
    /// Memory in MiB; told to the function, not enforced here. Lambda's default is 128.
    pub memory_size: u32,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// How often a failed asynchronous invocation is tried again, 0–2. Lambda's default is 2.
    pub maximum_retry_attempts: u32,
    /// The event rules that call the function.
    pub rules: Vec<EventRule>,
}

/// An event rule: each event that matches the pattern invokes the function once.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRule {
    /// The rule's name: the function's logical id and the event's, as SAM names it.
    pub name: String,
    /// The EventBridge event pattern.
    pub pattern: Value,
}

/// Properties that the stand acts on.
const READ: [&str; 6] = ["CodeUri", "Environment", "EventInvokeConfig", "Events", "MemorySize", "Timeout"];

/// Properties without a meaning on one machine.
const ELSEWHERE: [&str; 9] = [
    "Architectures",
    "Description",
    "FunctionName",
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
        Ok(Self {
            name: binary_name(&properties.need("CodeUri")?)?,
            timeout: Duration::from_secs(timeout.into()),
            memory_size,
            environment: environment(&properties, scope)?,
            maximum_retry_attempts: maximum_retry_attempts(&properties)?,
            rules: rules(id, &properties, scope)?,
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
    let variables = environment.need("Variables")?.fields()?;
    let resolve = |(name, variable): (String, Cursor<'_>)| {
        let value = scope.resolve(&variable)?;
        Ok((name, variable.with(&value).text()?))
    };
    variables.into_iter().map(resolve).collect()
}

fn maximum_retry_attempts(properties: &Cursor<'_>) -> Result<u32, Error> {
    let Some(config) = properties.get("EventInvokeConfig") else { return Ok(2) };
    config.only(&[&["DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"]])?;
    let Some(attempts) = config.get("MaximumRetryAttempts") else { return Ok(2) };
    match attempts.whole_number()? {
        number @ 0..=2 => Ok(number),
        number => Err(attempts.uninterpreted(&format!("`{number}` is not between 0 and 2"))),
    }
}

fn rules(id: &str, properties: &Cursor<'_>, scope: &Scope) -> Result<Vec<EventRule>, Error> {
    let none = json!({});
    let events = properties.get("Events").unwrap_or_else(|| properties.with(&none)).fields()?;
    let read = |(event_id, event): (String, Cursor<'_>)| {
        event.only(&[&["Properties", "Type"]])?;
        let kind = event.need("Type")?.text()?;
        if kind != "EventBridgeRule" {
            let reason =
                format!("the stand does not deliver events of type `{kind}`; it knows EventBridgeRule");
            return Err(event.uninterpreted(&reason));
        }
        let rule = event.need("Properties")?;
        rule.only(&[&["DeadLetterConfig", "Pattern", "RetryPolicy", "RuleName"]])?;
        Ok(EventRule { name: format!("{id}{event_id}"), pattern: scope.resolve(&rule.need("Pattern")?)? })
    };
    events.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
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
    fn our_functions_have_their_settings_from_globals() {
        for function in ours().functions {
            assert_eq!(function.timeout, Duration::from_secs(15));
            assert_eq!(function.memory_size, 256);
            assert_eq!(function.maximum_retry_attempts, 2);
            assert_eq!(function.environment["TABLE_NAME"], "stagelink");
            assert_eq!(function.environment["LOG_LEVEL"], "info");
            assert_eq!(function.rules.len(), 2);
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
        assert_eq!(function.rules, []);
    }

    #[test]
    fn a_property_that_is_not_known_is_an_error() {
        let error = error(json!({ "CodeUri": "f", "Layers": [] }));
        assert!(error.starts_with("template, Layers: "), "{error}");
    }

    #[test]
    fn an_event_that_is_not_delivered_is_an_error() {
        let schedule = json!({ "Type": "Schedule", "Properties": { "Schedule": "rate(1 minute)" } });
        let error = error(json!({ "CodeUri": "f", "Events": { "Tick": schedule } }));
        assert_eq!(
            error,
            "template, Events.Tick: the stand does not deliver events of type `Schedule`; it knows EventBridgeRule"
        );
    }

    #[test]
    fn a_rule_with_an_input_transformer_is_an_error() {
        let rule =
            json!({ "Type": "EventBridgeRule", "Properties": { "Pattern": {}, "InputPath": "$.detail" } });
        let error = error(json!({ "CodeUri": "f", "Events": { "E": rule } }));
        assert!(error.starts_with("template, Events.E.Properties.InputPath: "), "{error}");
    }

    #[test]
    fn more_retries_than_lambda_has_are_an_error() {
        let error = error(json!({ "CodeUri": "f", "EventInvokeConfig": { "MaximumRetryAttempts": 3 } }));
        assert!(error.ends_with("`3` is not between 0 and 2"), "{error}");
    }
}
