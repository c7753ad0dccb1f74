//! CloudFormation's YAML as JSON: the short forms of its functions (`!Ref Table`) become the long ones
//! (`{"Ref": "Table"}`), so that everything behind this module meets one notation only.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, json};
use serde_saphyr::Tagged;

/// Parses one YAML document.
///
/// # Errors
/// Text that is not YAML, mapping keys that are not strings, and tags that CloudFormation does not know.
pub(super) fn parse(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str::<Node>(text).map(|Node(document)| document)
}

/// A YAML node whose children have been brought into the long form already.
struct Node(Value);

/// CloudFormation's short forms, other than `!Ref` and `!Condition`, which have no `Fn::` in their long form.
const FUNCTIONS: [&str; 15] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
];

/// The long form of a value under a tag, or nothing for a tag that CloudFormation does not know.
fn long_form(tag: Option<&str>, value: Value) -> Option<Value> {
    let Some(name) = tag.and_then(|tag| tag.strip_prefix('!')) else { return Some(value) };
    match name {
        "Ref" | "Condition" => Some(json!({ name: value })),
        // `!GetAtt Table.Arn` is short for the list.
        "GetAtt" => match value.as_str().and_then(|text| text.split_once('.')) {
            Some((resource, attribute)) => Some(json!({ "Fn::GetAtt": [resource, attribute] })),
            None => Some(json!({ "Fn::GetAtt": value })),
        },
        _ if FUNCTIONS.contains(&name) => Some(json!({ (format!("Fn::{name}")): value })),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Node)
    }
}

struct NodeVisitor;

impl NodeVisitor {
    fn child<E: serde::de::Error>(Tagged(Node(value), tag): Tagged<Node>) -> Result<Value, E> {
        let shown = tag.clone().unwrap_or_default();
        long_form(tag.as_deref(), value)
            .ok_or_else(|| E::custom(format_args!("`{shown}` is not a CloudFormation function")))
    }
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML node")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that JSON cannot hold"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Tagged<Node>>()? {
            items.push(Self::child(item)?);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            fields.insert(key, Self::child(access.next_value()?)?);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_long_forms() {
        let parsed = parse(
            "a: !Ref Table\nb: !GetAtt Table.Arn\nc: !Sub 'arn:${AWS::Region}'\nd: [!Ref X, plain]\ne: !If [C, 1, 2]\n",
        )
        .unwrap();
        assert_eq!(
            parsed,
            json!({
                "a": { "Ref": "Table" },
                "b": { "Fn::GetAtt": ["Table", "Arn"] },
                "c": { "Fn::Sub": "arn:${AWS::Region}" },
                "d": [{ "Ref": "X" }, "plain"],
                "e": { "Fn::If": ["C", 1, 2] },
            })
        );
    }

    #[test]
    fn plain_scalars_keep_their_types() {
        let parsed = parse("a: true\nb: 15\nc: \"15\"\nd: 2012-10-17\ne:\nf: 1.5\n").unwrap();
        assert_eq!(parsed, json!({ "a": true, "b": 15, "c": "15", "d": "2012-10-17", "e": null, "f": 1.5 }));
    }

    #[test]
    fn an_unknown_tag_is_an_error_that_names_it() {
        let error = parse("a: !Reff Table\n").unwrap_err().to_string();
        assert!(error.contains("!Reff"), "{error}");
    }

    #[test]
    fn a_key_given_twice_is_an_error() {
        assert!(parse("a: 1\na: 2\n").is_err());
    }
}
