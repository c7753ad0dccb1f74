//! What `sam deploy` has saved: `infra/samconfig.toml`, one table for each environment.
//!
//! SAM looks for the file beside the template it is given, and `sam deploy --guided` saves its answers there.

use std::path::Path;

use toml::{Table, Value};

use crate::error::Error;

/// What one environment says of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Saved {
    pub(crate) stack_name: Option<String>,
    /// The template's parameters, in their order.
    pub(crate) overrides: Overrides,
}

/// Template parameters with their values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Overrides(Vec<(String, String)>);

impl Saved {
    /// Reads an environment of the file. There is nothing saved if the file or the environment is not there.
    ///
    /// # Errors
    /// When the file cannot be read, or says something that cannot be passed on.
    pub(crate) fn read(file: &Path, environment: &str) -> Result<Self, Error> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text, environment).map_err(|problem| {
                let what = format!("environment {environment:?} of {}", file.display());
                Error::Unreadable { what, problem }
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::file("read", file)(error)),
        }
    }

    fn parse(text: &str, environment: &str) -> Result<Self, String> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        // A command's own value counts more than the one for all commands.
        let find = |name: &str| {
            let commands = file.get(environment)?;
            let mut commands = [commands.get("deploy"), commands.get("global")].into_iter().flatten();
            commands.find_map(|command| command.get("parameters")?.get(name))
        };
        let overrides = find("parameter_overrides").map_or(Ok(Overrides::default()), Overrides::of_value)?;
        Ok(Self { stack_name: find("stack_name").and_then(Value::as_str).map(str::to_owned), overrides })
    }
}

impl Overrides {
    /// Reads them as they stand on a command line: `Key=value Other="a value"`.
    ///
    /// # Errors
    /// What is not of that form, as text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let pairs = words(text)?.into_iter().map(|word| match word.split_once('=') {
            Some((key, value)) if is_name(key) && !value.contains(",ParameterValue=") => {
                Ok((key.to_owned(), value.to_owned()))
            }
            _ => Err(format!("parameter_overrides has {word:?}: allowed is Key=Value")),
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    fn of_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Array(items) => {
                items.iter().try_fold(Self::default(), |all, item| Ok(all.merged(&Self::of_value(item)?)))
            }
            Value::Table(table) => table.iter().map(pair).collect::<Result<_, _>>().map(Self),
            other => Err(format!("parameter_overrides is {other}: allowed is Key=Value")),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// These, with those of `others` in place of the same or after them.
    pub(crate) fn merged(mut self, others: &Self) -> Self {
        for (key, value) in &others.0 {
            self.set(key, value);
        }
        self
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((key.to_owned(), value.to_owned())),
        }
    }

    /// As arguments of `--parameter-overrides`, quoted as SAM saves them.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(key, value)| format!("{key}=\"{}\"", value.replace('"', "\\\"")))
    }
}

fn pair((key, value): (&String, &Value)) -> Result<(String, String), String> {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Integer(_) | Value::Boolean(_) | Value::Float(_) => value.to_string(),
        _ => return Err(format!("parameter_overrides.{key} is {value}: allowed is one value")),
    };
    if !is_name(key) {
        return Err(format!("parameter_overrides has {key:?}: allowed are names of parameters"));
    }
    Ok((key.clone(), value))
}

/// Names of CloudFormation parameters are alphanumeric; `ParameterKey` is the beginning of the older form.
fn is_name(key: &str) -> bool {
    !key.is_empty() && key != "ParameterKey" && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The words of a text, without the quotes that hold spaces together.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if characters.peek() == Some(&'"') => word.extend(characters.next()),
            ' ' | '\n' | '\t' if !quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    if quoted {
        return Err(format!("{text} has a quote without its end"));
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `sam deploy --guided` writes it.
    const GUIDED: &str = r#"
version = 0.1

[default.global.parameters]
region = "eu-central-1"

[default.deploy.parameters]
stack_name = "stagelink"
resolve_s3 = true
capabilities = "CAPABILITY_IAM"
parameter_overrides = "TableName=\"stagelink\" Architecture=\"x86_64\" Note=\"say \\\"hi\\\" to all\""

[local.global.parameters]
stack_name = "stagelink-local"

[local.deploy.parameters.parameter_overrides]
Architecture = "x86_64"
BrakePercent = 30
"#;

    #[test]
    fn what_a_guided_deployment_saved_is_read() {
        let saved = Saved::parse(GUIDED, "default").unwrap();
        assert_eq!(saved.stack_name.as_deref(), Some("stagelink"));
        assert_eq!(saved.overrides.get("Architecture"), Some("x86_64"));
        assert_eq!(saved.overrides.get("Note"), Some("say \"hi\" to all"));
        let arguments: Vec<_> = saved.overrides.arguments().collect();
        assert_eq!(arguments[0], "TableName=\"stagelink\"");
        assert_eq!(arguments[2], r#"Note="say \"hi\" to all""#);
        assert_eq!(Overrides::parse(&arguments.join(" ")), Ok(saved.overrides), "and back");
    }

    #[test]
    fn overrides_may_be_a_table_or_a_list_and_values_may_be_for_all_commands() {
        let saved = Saved::parse(GUIDED, "local").unwrap();
        assert_eq!(saved.stack_name.as_deref(), Some("stagelink-local"));
        assert_eq!(saved.overrides.get("BrakePercent"), Some("30"));
        let list = "[a.deploy.parameters]\nparameter_overrides = [\"A=1 B=2\", \"A=3\"]";
        let expected = Overrides::parse("A=3 B=2");
        assert_eq!(Saved::parse(list, "a").map(|saved| saved.overrides), expected);
    }

    #[test]
    fn nothing_is_saved_where_there_is_no_file_and_no_environment() {
        assert_eq!(Saved::parse(GUIDED, "other"), Ok(Saved::default()));
        assert_eq!(Saved::read(Path::new("/nowhere/samconfig.toml"), "default").unwrap(), Saved::default());
    }

    #[test]
    fn what_could_not_be_passed_on_is_refused() {
        for overrides in [
            "\"ParameterKey=A,ParameterValue=b\"",
            "\"file://parameters.yaml\"",
            "\"A=\\\"b\"",
            "{ \"$include\" = \"x\" }",
            "7",
        ] {
            let text = format!("[default.deploy.parameters]\nparameter_overrides = {overrides}");
            Saved::parse(&text, "default").expect_err(overrides);
        }
        Saved::parse("not TOML", "default").unwrap_err();
    }
}
