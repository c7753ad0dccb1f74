//! What names in the template stand for on this machine: parameters, pseudo parameters, conditions and the table.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Error, cursor::Cursor};

/// Values for `Ref`, `Fn::Sub`, `Fn::GetAtt`, `Fn::Join`, `Fn::Select` and `Fn::If`.
///
/// # Caveats
/// Only what a stand can know is in here. A reference to anything else is an error, because a made-up value would let
/// a function run here with settings it never gets in AWS.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    names: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
    conditions: BTreeMap<String, Value>,
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
            ("AWS::StackName", super::STACK),
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
        let mut lists = BTreeMap::new();
        for (name, parameter) in declared_fields {
            let value = match given.get(&name) {
                Some(value) => value.clone(),
                None => parameter.need("Default")?.text()?,
            };
            let is_list = matches!(parameter.get("Type"), Some(kind) if kind.text()? == "CommaDelimitedList");
            if is_list {
                lists.insert(name, value.split(',').map(|item| item.trim().to_owned()).collect());
            } else {
                names.insert(name, value);
            }
        }
        let (conditions, attributes) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { names, lists, conditions, attributes, stream_of_table: None })
    }

    /// Makes the template's conditions known.
    pub(super) fn add_conditions(&mut self, conditions: &Cursor<'_>) -> Result<(), Error> {
        let conditions = conditions.fields()?.into_iter();
        self.conditions = conditions.map(|(name, condition)| (name, condition.value().clone())).collect();
        Ok(())
    }

    /// Makes a resource known: what `Ref` yields, and its `Arn`.
    pub(super) fn add_resource(&mut self, logical_id: &str, name: String, arn: String) {
        self.names.insert(logical_id.to_owned(), name);
        self.attributes.insert((logical_id.to_owned(), "Arn".to_owned()), arn);
    }

    /// The name that CloudFormation gives a resource that has none of its own, but for the letters that make it unique.
    pub(super) fn name_of(&self, logical_id: &str) -> String {
        format!("{}-{logical_id}", self.name("AWS::StackName").unwrap_or_default())
    }

    /// The ARN of something of this account and Region.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let name = |name| self.name(name).unwrap_or_default();
        let (region, account) = (name("AWS::Region"), name("AWS::AccountId"));
        format!("arn:{}:{service}:{region}:{account}:{resource}", name("AWS::Partition"))
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

    /// The value with every function in it replaced by what it yields, and without what yields `AWS::NoValue`.
    pub(super) fn resolve(&self, at: &Cursor<'_>) -> Result<Value, Error> {
        Ok(self.value_of(at)?.unwrap_or(Value::Null))
    }

    fn value_of(&self, at: &Cursor<'_>) -> Result<Option<Value>, Error> {
        match at.value() {
            Value::Array(_) => {
                let items = at.items()?.into_iter().filter_map(|item| self.value_of(&item).transpose());
                items.collect::<Result<Vec<_>, _>>().map(|items| Some(Value::Array(items)))
            }
            Value::Object(fields) => match call(fields) {
                Some((function, argument)) => self.call(at, function, argument),
                None => {
                    let field = |(key, field): (String, Cursor<'_>)| {
                        Ok(self.value_of(&field)?.map(|value| (key, value)))
                    };
                    let fields = at.fields()?.into_iter().filter_map(|each| field(each).transpose());
                    fields.collect::<Result<Map<_, _>, Error>>().map(|fields| Some(Value::Object(fields)))
                }
            },
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn call(&self, at: &Cursor<'_>, function: &str, argument: &Value) -> Result<Option<Value>, Error> {
        let unknown = |name: &str| at.uninterpreted(&format!("what `{name}` stands for is not known here"));
        let in_this_form = || {
            let known = "known are Ref, GetAtt, Sub of a string, Join, Select, If, Equals, Not, And, Or and Condition";
            at.uninterpreted(&format!("`{function}` in this form; {known}"))
        };
        let resolved = || -> Result<Vec<Value>, Error> {
            at.with(argument).items()?.iter().map(|item| self.resolve(item)).collect()
        };
        Ok(Some(match (function, argument) {
            ("Ref", Value::String(name)) if name == "AWS::NoValue" => return Ok(None),
            ("Ref", Value::String(name)) => match self.lists.get(name) {
                Some(list) => json!(list),
                None => json!(self.name(name).ok_or_else(|| unknown(name))?),
            },
            ("Fn::GetAtt", Value::Array(parts)) => {
                let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
                let path = parts.join(".");
                json!(self.attribute(&path).ok_or_else(|| unknown(&path))?)
            }
            ("Fn::Sub", Value::String(text)) => json!(self.substitute(text).map_err(|name| unknown(&name))?),
            ("Condition", Value::String(name)) => json!(self.holds(at, name)?),
            ("Fn::If", Value::Array(parts)) => {
                let [Value::String(name), yes, no] = parts.as_slice() else { return Err(in_this_form()) };
                return self.value_of(&at.with(if self.holds(at, name)? { yes } else { no }));
            }
            ("Fn::Join", Value::Array(_)) => {
                let parts = resolved()?;
                let [Value::String(separator), Value::Array(texts)] = parts.as_slice() else {
                    return Err(in_this_form());
                };
                let texts = texts.iter().map(|text| at.with(text).text()).collect::<Result<Vec<_>, _>>()?;
                json!(texts.join(separator))
            }
            ("Fn::Select", Value::Array(_)) => {
                let parts = resolved()?;
                let [Value::Number(index), Value::Array(items)] = parts.as_slice() else {
                    return Err(in_this_form());
                };
                let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
                index.and_then(|index| items.get(index)).cloned().ok_or_else(in_this_form)?
            }
            ("Fn::Equals", Value::Array(_)) => {
                let parts = resolved()?;
                let [one, other] = parts.as_slice() else { return Err(in_this_form()) };
                json!(one == other)
            }
            ("Fn::Not" | "Fn::And" | "Fn::Or", Value::Array(_)) => {
                let parts = resolved()?;
                let parts = parts.iter().map(|part| at.with(part).flag()).collect::<Result<Vec<_>, _>>()?;
                json!(match function {
                    "Fn::Not" => !parts.contains(&true),
                    "Fn::And" => !parts.contains(&false),
                    _ => parts.contains(&true),
                })
            }
            _ => return Err(in_this_form()),
        }))
    }

    fn holds(&self, at: &Cursor<'_>, name: &str) -> Result<bool, Error> {
        let Some(condition) = self.conditions.get(name) else {
            return Err(at.uninterpreted(&format!("the condition `{name}` is not in the template")));
        };
        let condition = at.with(condition);
        condition.with(&self.resolve(&condition)?).flag()
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
    fn conditions_decide_what_is_there() {
        let parameters = json!({
            "Sources": { "Type": "CommaDelimitedList", "Default": "a, b" },
            "Email": { "Type": "String", "Default": "" },
        });
        let mut scope =
            Scope::new("us-west-2", "123456789012", &Cursor::root(&parameters), &Default::default()).unwrap();
        let conditions = json!({
            "Quiet": { "Fn::Equals": [{ "Ref": "Email" }, ""] },
            "Told": { "Fn::Not": [{ "Condition": "Quiet" }] },
            "UpToBoth": { "Fn::And": [{ "Condition": "Quiet" }, { "Condition": "Told" }] },
            "UpToEither": { "Fn::Or": [{ "Condition": "Quiet" }, { "Condition": "Told" }] },
        });
        scope.add_conditions(&Cursor::root(&conditions)).unwrap();
        let resolved = scope.resolve(&Cursor::root(&json!({
            "list": { "Ref": "Sources" },
            "joined": { "Fn::Join": ["+", { "Ref": "Sources" }] },
            "first": { "Fn::Select": [0, { "Ref": "Sources" }] },
            "quiet": { "Fn::If": ["Quiet", [1, { "Ref": "AWS::NoValue" }], 2] },
            "told": { "Fn::If": ["Told", 1, { "Ref": "AWS::NoValue" }] },
            "both": { "Fn::If": ["UpToBoth", 1, 2] },
            "either": { "Fn::If": ["UpToEither", 1, 2] },
        })));
        let expected = json!({ "list": ["a", "b"], "joined": "a+b", "first": "a", "quiet": [1], "both": 2, "either": 1 });
        assert_eq!(resolved.unwrap(), expected);
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
            json!({ "a": { "Fn::If": ["Told", 1] } }),
            json!({ "a": { "Fn::Select": [1, ["x"]] } }),
        ] {
            let error = resolve(value).unwrap_err().to_string();
            assert!(error.starts_with("template, a: "), "{error}");
        }
    }
}
