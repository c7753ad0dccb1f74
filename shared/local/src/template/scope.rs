//! What names in the template stand for on this machine: parameters, pseudo parameters and the table.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Error, cursor::Cursor};

/// Values for `Ref`, `Fn::Sub` and `Fn::GetAtt`.
///
/// # Caveats
/// Only what a stand can know is in here. A reference to anything else is an error, because a made-up value would let
/// a function run here with settings it never gets in AWS.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    names: BTreeMap<String, String>,
    attributes: BTreeMap<(String, String), String>,
    stream_of_table: Option<Value>,
}

impl Scope {
    /// Pseudo parameters, and the template's parameters at their defaults unless `given` says otherwise.
    pub(super) fn new(
        region: &str,
        account: &str,
        declared: &Cursor<'_>,
        given: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let pseudo = [
            ("AWS::AccountId", account),
            ("AWS::Partition", "aws"),
            ("AWS::Region", region),
            ("AWS::StackName", "stagelink"),
            ("AWS::URLSuffix", "amazonaws.com"),
        ];
        let mut names: BTreeMap<String, String> =
            pseudo.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let declared_fields = declared.fields()?;
        for name in given.keys() {
            if !declared_fields.iter().any(|(declared, _)| declared == name) {
                return Err(Error::Missing { at: "Parameters".to_owned(), field: name.clone() });
            }
        }
        for (name, parameter) in declared_fields {
            let value = match given.get(&name) {
                Some(value) => value.clone(),
                None => parameter.need("Default")?.text()?,
            };
            names.insert(name, value);
        }
        Ok(Self { names, attributes: BTreeMap::new(), stream_of_table: None })
    }

    /// Makes a resource known: what `Ref` yields, and its `Arn`.
    pub(super) fn add_resource(&mut self, logical_id: &str, name: String, arn: String) {
        self.names.insert(logical_id.to_owned(), name);
        self.attributes.insert((logical_id.to_owned(), "Arn".to_owned()), arn);
    }

    /// Makes known that the table has a stream. Its ARN has no value here: it is made when the table is.
    pub(super) fn add_stream_of_table(&mut self, table_id: &str) {
        self.stream_of_table = Some(json!({ "Fn::GetAtt": [table_id, "StreamArn"] }));
    }

    /// Whether this refers to the table's stream.
    pub(super) fn is_stream_of_table(&self, value: &Value) -> bool {
        self.stream_of_table.as_ref() == Some(value)
    }

    pub(super) fn name(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    /// The value with every function in it replaced by what it yields.
    pub(super) fn resolve(&self, at: &Cursor<'_>) -> Result<Value, Error> {
        match at.value() {
            Value::Array(_) => at.items()?.iter().map(|item| self.resolve(item)).collect(),
            Value::Object(fields) => match call(fields) {
                Some((function, argument)) => self.call(at, function, argument).map(Value::String),
                None => {
                    let resolved = at
                        .fields()?
                        .into_iter()
                        .map(|(key, field)| Ok((key, self.resolve(&field)?)))
                        .collect::<Result<Map<_, _>, Error>>()?;
                    Ok(Value::Object(resolved))
                }
            },
            scalar => Ok(scalar.clone()),
        }
    }

    fn call(&self, at: &Cursor<'_>, function: &str, argument: &Value) -> Result<String, Error> {
        let unknown = |name: &str| at.uninterpreted(&format!("what `{name}` stands for is not known here"));
        match (function, argument) {
            ("Ref", Value::String(name)) => self.name(name).map(str::to_owned).ok_or_else(|| unknown(name)),
            ("Fn::GetAtt", Value::Array(parts)) => {
                let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
                let path = parts.join(".");
                self.attribute(&path).map(str::to_owned).ok_or_else(|| unknown(&path))
            }
            ("Fn::Sub", Value::String(text)) => self.substitute(text).map_err(|name| unknown(&name)),
            _ => Err(at.uninterpreted(&format!(
                "`{function}` in this form; known are Ref, GetAtt and Sub of a string"
            ))),
        }
    }

    fn attribute(&self, path: &str) -> Option<&str> {
        let (resource, attribute) = path.split_once('.')?;
        self.attributes.get(&(resource.to_owned(), attribute.to_owned())).map(String::as_str)
    }

    /// The text with each `${name}` replaced, or the first name that is not known.
    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut output = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').ok_or_else(|| after.to_owned())?;
            output.push_str(before);
            match name.strip_prefix('!') {
                Some(literal) => output.push_str(&format!("${{{literal}}}")),
                None => {
                    let value = self.name(name).or_else(|| self.attribute(name));
                    output.push_str(value.ok_or_else(|| name.to_owned())?);
                }
            }
            rest = tail;
        }
        output.push_str(rest);
        Ok(output)
    }
}

/// The function and its argument, when the object is a call of one.
fn call(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next()?;
    let is_call = fields.len() == 1 && (name.starts_with("Fn::") || name == "Ref" || name == "Condition");
    is_call.then_some((name.as_str(), argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let parameters =
            json!({ "LogLevel": { "Default": "info" }, "TableName": { "Default": "stagelink" } });
        let given = BTreeMap::from([("TableName".to_owned(), "mine".to_owned())]);
        let mut scope = Scope::new("us-west-2", "123456789012", &Cursor::root(&parameters), &given).unwrap();
        scope.add_resource("Table", "mine".to_owned(), "arn:table".to_owned());
        scope
    }

    fn resolve(value: Value) -> Result<Value, Error> {
        scope().resolve(&Cursor::root(&value))
    }

    #[test]
    fn functions_yield_parameters_resources_and_pseudo_parameters() {
        let resolved = resolve(json!({
            "level": { "Ref": "LogLevel" },
            "table": [{ "Ref": "TableName" }, { "Ref": "Table" }],
            "arn": { "Fn::GetAtt": ["Table", "Arn"] },
            "text": { "Fn::Sub": "${AWS::Region}/${Table}/${Table.Arn}/${!Literal}" },
        }));
        assert_eq!(
            resolved.unwrap(),
            json!({
                "level": "info",
                "table": ["mine", "mine"],
                "arn": "arn:table",
                "text": "us-west-2/mine/arn:table/${Literal}",
            })
        );
    }

    #[test]
    fn a_parameter_that_is_given_must_be_declared() {
        let given = BTreeMap::from([("TableName".to_owned(), "mine".to_owned())]);
        let error = Scope::new("us-west-2", "123456789012", &Cursor::root(&json!({})), &given).unwrap_err();
        assert_eq!(error.to_string(), "template, Parameters: field `TableName` is missing");
    }

    #[test]
    fn what_is_not_known_is_an_error_with_its_place() {
        for value in [
            json!({ "a": { "Ref": "Queue" } }),
            json!({ "a": { "Fn::GetAtt": ["Table", "StreamArn"] } }),
            json!({ "a": { "Fn::Sub": "${Queue}" } }),
            json!({ "a": { "Fn::If": ["C", 1, 2] } }),
        ] {
            let error = resolve(value).unwrap_err().to_string();
            assert!(error.starts_with("template, a: "), "{error}");
        }
    }
}
