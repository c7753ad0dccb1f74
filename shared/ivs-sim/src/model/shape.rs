//! Shapes of the service model, and the check of a JSON value against one.

use std::fmt;

use serde_json::{Map, Value};

use crate::error::ApiError;

/// "The maximum length of this field is 1 KB total" (API reference): bytes of all keys and values.
pub(crate) const MAX_ATTRIBUTES_BYTES: usize = 1024;

/// What a value may be.
pub(crate) enum Shape {
    /// A string of `min` to `max` characters.
    Text { min: usize, max: usize, pattern: Option<&'static Pattern> },
    /// 0–64 characters; whether an underscore is among them is a question of the dialect.
    ParticipantId,
    /// A whole number.
    Integer { min: i64, max: i64 },
    /// true or false.
    Boolean,
    /// A string of an enumeration.
    OneOf(&'static [&'static str]),
    /// A list of at most `max`.
    List { member: &'static Shape, max: usize },
    /// A map of at most `max` entries.
    Map { key: &'static Shape, value: &'static Shape, max: usize },
    /// A map of strings of 1 KB in all.
    Attributes,
    /// Named members; unknown ones are ignored, as AWS does.
    Structure(&'static [Member]),
}

/// A regular expression, and a function that does its work.
pub(crate) struct Pattern {
    pub(crate) text: &'static str,
    pub(crate) matches: fn(&str) -> bool,
}

/// A member of a structure.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    shape: Shape,
    required: bool,
}

pub(crate) const fn required(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: true }
}

pub(crate) const fn optional(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: false }
}

/// Checks a request. A member that is null counts as absent.
///
/// # Errors
/// One ValidationException that names every member that is wrong.
pub(crate) fn validate(members: &[Member], input: &Value, underscore: bool) -> Result<(), ApiError> {
    let found = violations(members, input, underscore);
    if found.is_empty() {
        return Ok(());
    }
    let plural = if found.len() == 1 { "" } else { "s" };
    let texts: Vec<String> = found.iter().map(Violation::to_string).collect();
    let texts = texts.join("; ");
    Err(ApiError::validation(format!("{} validation error{plural} detected: {texts}", found.len())))
}

/// Every constraint that the request breaks.
pub(crate) fn violations(members: &[Member], input: &Value, underscore: bool) -> Vec<Violation> {
    let mut check = Check { underscore, found: Vec::new() };
    match input.as_object() {
        Some(object) => check.members(members, object, ""),
        None => check.fail("", "Member must be a structure"),
    }
    check.found
}

/// A constraint that a member of a request breaks.
pub(crate) struct Violation {
    /// Where, as in `tags.k.member`.
    pub(crate) path: String,
    pub(crate) constraint: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value at '{}' failed to satisfy constraint: {}", self.path, self.constraint)
    }
}

struct Check {
    underscore: bool,
    found: Vec<Violation>,
}

impl Check {
    fn members(&mut self, members: &[Member], object: &Map<String, Value>, parent: &str) {
        for member in members {
            let path =
                if parent.is_empty() { member.name.to_owned() } else { format!("{parent}.{}", member.name) };
            match object.get(member.name) {
                None | Some(Value::Null) if member.required => self.fail(&path, "Member must not be null"),
                None | Some(Value::Null) => {}
                Some(value) => self.value(&member.shape, value, &path),
            }
        }
    }

    fn value(&mut self, shape: &Shape, value: &Value, path: &str) {
        match (shape, value) {
            (Shape::Text { min, max, pattern }, Value::String(text)) => {
                self.text(text, *min, *max, *pattern, path);
            }
            (Shape::ParticipantId, Value::String(text)) => {
                let pattern = if self.underscore { &WITH_UNDERSCORE } else { &WITHOUT_UNDERSCORE };
                self.text(text, 0, 64, Some(pattern), path);
            }
            (Shape::Integer { min, max }, Value::Number(number)) => match number.as_i64() {
                Some(number) if number < *min => {
                    self.fail(path, &format!("Member must have value greater than or equal to {min}"));
                }
                Some(number) if number <= *max => {}
                Some(_) => self.fail(path, &format!("Member must have value less than or equal to {max}")),
                None => self.fail(path, "Member must be a whole number"),
            },
            (Shape::Boolean, Value::Bool(_)) => {}
            (Shape::OneOf(options), Value::String(text)) => {
                if !options.contains(&text.as_str()) {
                    let options = options.join(", ");
                    self.fail(path, &format!("Member must satisfy enum value set: [{options}]"));
                }
            }
            (Shape::List { member, max }, Value::Array(list)) => {
                self.at_most(list.len(), *max, path);
                for (index, value) in list.iter().enumerate() {
                    self.value(member, value, &format!("{path}.{}.member", index + 1));
                }
            }
            (Shape::Map { key, value, max }, Value::Object(map)) => {
                self.at_most(map.len(), *max, path);
                for (name, entry) in map {
                    self.value(key, &Value::String(name.clone()), path);
                    self.value(value, entry, &format!("{path}.{name}.member"));
                }
            }
            (Shape::Attributes, Value::Object(map)) => self.attributes(map, path),
            (Shape::Structure(members), Value::Object(object)) => self.members(members, object, path),
            _ => self.fail(path, &format!("Member must be {}", shape.kind())),
        }
    }

    fn text(&mut self, text: &str, min: usize, max: usize, pattern: Option<&Pattern>, path: &str) {
        let length = text.chars().count();
        if length < min {
            self.fail(path, &format!("Member must have length greater than or equal to {min}"));
        }
        if length > max {
            self.fail(path, &format!("Member must have length less than or equal to {max}"));
        }
        if let Some(pattern) = pattern.filter(|pattern| !(pattern.matches)(text)) {
            self.fail(path, &format!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
    }

    fn attributes(&mut self, map: &Map<String, Value>, path: &str) {
        let mut bytes = 0;
        for (name, value) in map {
            match value {
                Value::String(text) => bytes += name.len() + text.len(),
                _ => self.fail(&format!("{path}.{name}.member"), "Member must be a string"),
            }
        }
        if bytes > MAX_ATTRIBUTES_BYTES {
            self.fail(
                path,
                &format!("Member must have a total size of at most {MAX_ATTRIBUTES_BYTES} bytes"),
            );
        }
    }

    fn at_most(&mut self, length: usize, max: usize, path: &str) {
        if length > max {
            self.fail(path, &format!("Member must have length less than or equal to {max}"));
        }
    }

    fn fail(&mut self, path: &str, constraint: &str) {
        self.found.push(Violation { path: path.to_owned(), constraint: constraint.to_owned() });
    }
}

impl Shape {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } | Self::ParticipantId | Self::OneOf(_) => "a string",
            Self::Integer { .. } => "a whole number",
            Self::Boolean => "true or false",
            Self::List { .. } => "a list",
            Self::Map { .. } | Self::Attributes => "a map of strings",
            Self::Structure(_) => "a structure",
        }
    }
}

const WITH_UNDERSCORE: Pattern = Pattern {
    text: "[a-zA-Z0-9-_]*",
    matches: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
};
const WITHOUT_UNDERSCORE: Pattern = Pattern {
    text: "[a-zA-Z0-9-]*",
    matches: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Operation;

    const STAGE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/abcdABCDefgh";

    /// The text of the refusal, or "" if the request is fine.
    fn refusal(operation: &str, input: Value) -> String {
        let members = Operation::from_name(operation).unwrap().input();
        validate(members, &input, true).err().map(|error| error.message).unwrap_or_default()
    }

    #[test]
    fn a_good_request_passes_and_unknown_members_are_ignored() {
        let input = json!({"sourceStageArn": STAGE, "destinationStageArn": STAGE, "participantId": "a_B-1",
            "reconnectWindowSeconds": 300, "attributes": {"k": "v"}, "unheardOf": 1});
        assert_eq!(refusal("StartParticipantReplication", input), "");
        assert_eq!(refusal("ListStages", json!({"nextToken": null})), "");
    }

    #[test]
    fn every_constraint_is_named() {
        let cases = [
            ("GetStage", json!({}), "'arn' failed to satisfy constraint: Member must not be null"),
            ("GetStage", json!({"arn": null}), "Member must not be null"),
            ("GetStage", json!({"arn": 5}), "Member must be a string"),
            ("GetStage", json!({"arn": "arn:aws:ivs:us-east-1:1:channel/a"}), ":stage/[a-zA-Z0-9-]+"),
            ("GetStage", json!({"arn": format!("{STAGE}{}", "a".repeat(99))}), "less than or equal to 128"),
            ("ListStages", json!({"maxResults": 0}), "greater than or equal to 1"),
            ("ListStages", json!({"maxResults": 101}), "less than or equal to 100"),
            ("ListStages", json!({"maxResults": 1.5}), "Member must be a whole number"),
            ("ListStages", json!({"nextToken": "a b"}), "[a-zA-Z0-9+/=_-]*"),
            ("CreateStage", json!({"name": "a b"}), "'name' failed"),
            ("CreateStage", json!({"tags": {"": "x"}}), "'tags' failed"),
            ("CreateStage", json!({"tags": {"k": "x".repeat(257)}}), "'tags.k.member' failed"),
            (
                "CreateStage",
                json!({"autoParticipantRecordingConfiguration": {}}),
                "storageConfigurationArn' failed",
            ),
            (
                "CreateStage",
                json!({"participantTokenConfigurations": [{"capabilities": ["SING"]}]}),
                "'participantTokenConfigurations.1.member.capabilities.1.member' failed",
            ),
            (
                "CreateParticipantToken",
                json!({"stageArn": STAGE, "attributes": {"k": "ü".repeat(512)}}),
                "at most 1024 bytes",
            ),
            ("CreateParticipantToken", json!({"stageArn": STAGE, "duration": 20_161}), "equal to 20160"),
            ("GetStageSession", json!({"stageArn": STAGE, "sessionId": "st-short"}), "equal to 16"),
        ];
        for (operation, input, expected) in cases {
            let text = refusal(operation, input.clone());
            assert!(text.contains(expected), "{operation} {input}: {text}");
        }
    }

    #[test]
    fn all_errors_are_told_at_once() {
        let text = refusal("StopParticipantReplication", json!({"participantId": "?"}));
        assert!(text.starts_with("3 validation errors detected: Value at 'sourceStageArn'"), "{text}");
    }

    #[test]
    fn an_underscore_in_a_participant_id_depends_on_the_dialect() {
        let members = Operation::ListParticipantReplicas.input();
        let input = json!({"sourceStageArn": STAGE, "participantId": "a_b"});
        assert!(validate(members, &input, true).is_ok());
        assert!(validate(members, &input, false).is_err());
    }
}
