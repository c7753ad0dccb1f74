//! What can be said of a stage when it is created or changed.
//!
//! # Guarantees
//! * What is not valid is found before any call: with the field as IVS names it, its value, and what is allowed.
//!
//! # Caveats
//! * Whether a storage configuration is there, IVS alone knows.

use std::collections::BTreeMap;

use crate::Tags;
use crate::rule::is_tag_character;

pub mod recording;

pub use recording::{MediaType, RecordingSettings, Storage, ThumbnailMode, ThumbnailStorage};

/// A field that is not as it must be. Nothing was called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value} is not valid: allowed is {allowed}")]
pub struct StageError {
    /// The field, as the IVS API reference names it: `thumbnailConfiguration.recordingMode`.
    pub field: String,
    /// Its value, or a measure of it.
    pub value: String,
    /// What would have been accepted.
    pub allowed: String,
}

impl StageError {
    pub(crate) fn new(field: impl Into<String>, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.to_string(), allowed: allowed.into() }
    }
}

/// A stage to be created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewStage {
    /// Its name; empty for none. IVS lets several stages have one name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// Tokens that are created with it.
    pub tokens: Vec<NewToken>,
    /// How it records; what is not said is as IVS has it by default.
    pub recording: RecordingSettings,
}

/// A token for a participant, to be created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewToken {
    /// Minutes until nobody can join with it any more, 1–20160; 12 hours if nothing is said (IVS API reference).
    pub minutes: Option<u32>,
    /// The customer's name for the participant, which all participants can see; empty for none.
    pub user_id: String,
    /// What goes along with the participant, for all to see; 1 KB.
    pub attributes: BTreeMap<String, String>,
    /// What the participant may do; both, if nothing is said.
    pub capabilities: Vec<Capability>,
}

/// What a token lets its participant do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Publish to the stage.
    Publish,
    /// Subscribe to who publishes there.
    Subscribe,
}

impl Capability {
    /// IVS's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::Subscribe => "SUBSCRIBE",
        }
    }
}

/// What has to change of a stage. Tags are not changed with it: IVS has calls of their own for these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StageChange {
    /// Its new name.
    pub name: Option<String>,
    /// Of how it records, what has to become otherwise.
    pub recording: RecordingSettings,
}

impl NewStage {
    /// The most tokens that are created with a stage (IVS API reference).
    pub const MAX_TOKENS: usize = 12;

    /// The most tags a stage can have (IVS API reference).
    pub const MAX_TAGS: usize = 50;

    /// The longest name of a stage, and the longest user id, in characters (IVS API reference).
    pub const MAX_NAME: usize = 128;

    /// Checks what can be known without IVS.
    ///
    /// # Errors
    /// The first field that is not as it must be.
    pub fn check(&self) -> Result<(), StageError> {
        check_name(&self.name)?;
        check_tags(&self.tags)?;
        if self.tokens.len() > Self::MAX_TOKENS {
            let value = format!("of {} tokens", self.tokens.len());
            return Err(StageError::new("participantTokenConfigurations", value, "0-12 tokens"));
        }
        for (i, token) in self.tokens.iter().enumerate() {
            token.check(&format!("participantTokenConfigurations[{i}]"))?;
        }
        RecordingSettings::default().changed_by(&self.recording).map(drop)
    }
}

impl NewToken {
    /// How long a token can last, in minutes (IVS API reference).
    pub const MINUTES: std::ops::RangeInclusive<u32> = 1..=20_160;

    /// The most that keys and values of the attributes can have together, in bytes (IVS API reference).
    pub const MAX_ATTRIBUTE_BYTES: usize = 1024;

    fn check(&self, path: &str) -> Result<(), StageError> {
        if let Some(minutes) = self.minutes.filter(|minutes| !Self::MINUTES.contains(minutes)) {
            return Err(StageError::new(format!("{path}.duration"), minutes, "1-20160 minutes"));
        }
        let characters = self.user_id.chars().count();
        if characters > NewStage::MAX_NAME {
            let value = format!("of {characters} characters");
            return Err(StageError::new(format!("{path}.userId"), value, "0-128 characters"));
        }
        let bytes: usize = self.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > Self::MAX_ATTRIBUTE_BYTES {
            let allowed = "at most 1024 bytes of keys and values together";
            return Err(StageError::new(format!("{path}.attributes"), format!("of {bytes} bytes"), allowed));
        }
        Ok(())
    }
}

impl StageChange {
    /// What the stage is like afterwards, if it is like this before.
    ///
    /// # Errors
    /// The first field that is not as it must be.
    pub fn of(&self, before: &RecordingSettings) -> Result<RecordingSettings, StageError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        before.changed_by(&self.recording)
    }
}

/// Checks the name of a stage.
///
/// # Errors
/// If it is not 0–128 characters of `[a-zA-Z0-9-_]` (IVS API reference, `StageName`).
pub fn check_name(name: &str) -> Result<(), StageError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.len() <= NewStage::MAX_NAME && name.bytes().all(word) {
        return Ok(());
    }
    Err(StageError::new("name", quoted(name), "0-128 letters, digits, '-' and '_'"))
}

/// Checks the tags of a stage.
///
/// # Errors
/// If there are more than 50, or a key or value is not as the IVS API reference and the Tag Editor guide have it.
pub fn check_tags(tags: &Tags) -> Result<(), StageError> {
    if tags.len() > NewStage::MAX_TAGS {
        return Err(StageError::new("tags", format!("of {} tags", tags.len()), "0-50 tags"));
    }
    for (key, value) in tags {
        let reserved = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
        if reserved || !(1..=128).contains(&key.chars().count()) || !key.chars().all(is_tag_character) {
            let allowed =
                "keys of 1-128 letters, digits, spaces and _ . : / = + - @ that do not begin with aws:";
            return Err(StageError::new("tags", format!("with the key {}", quoted(key)), allowed));
        }
        if value.chars().count() > 256 || !value.chars().all(is_tag_character) {
            let allowed = "0-256 letters, digits, spaces and _ . : / = + - @";
            return Err(StageError::new(format!("tags.{key}"), quoted(value), allowed));
        }
    }
    Ok(())
}

/// A text as an error shows it: cut to 200 characters, control characters escaped.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_error_names_field_value_and_what_is_allowed() {
        let named = |name: &str| NewStage { name: name.to_owned(), ..NewStage::default() };
        let tagged = |pairs: &[(&str, &str)]| NewStage { tags: tags(pairs), ..NewStage::default() };
        let with =
            |token: NewToken| NewStage { tokens: vec![NewToken::default(), token], ..NewStage::default() };
        let many = (0..51).map(|i| (i.to_string(), String::new())).collect();
        let long = BTreeMap::from([("k".to_owned(), "v".repeat(1024))]);
        let mode = RecordingSettings {
            thumbnail_mode: Some("SOMETIMES".into()),
            storage: Some("arn:aws:ivs:us-east-1:1:storage-configuration/a".parse().unwrap()),
            ..RecordingSettings::default()
        };
        for (wrong, expected) in [
            (named("a b"), "name \"a b\" is not valid: allowed is 0-128 letters, digits, '-' and '_'"),
            (named(&"a".repeat(129)), "name \"aaaa"),
            (named("\u{1b}[31m"), "name \"\\u{1b}[31m\""),
            (
                tagged(&[("aws:x", "")]),
                "tags with the key \"aws:x\" is not valid: allowed is keys of 1-128 letters",
            ),
            (tagged(&[("", "")]), "tags with the key \"\""),
            (tagged(&[("a;b", "")]), "tags with the key \"a;b\""),
            (tagged(&[("k", "*")]), "tags.k \"*\" is not valid: allowed is 0-256 letters"),
            (
                NewStage { tags: many, ..NewStage::default() },
                "tags of 51 tags is not valid: allowed is 0-50 tags",
            ),
            (
                NewStage { tokens: vec![NewToken::default(); 13], ..NewStage::default() },
                "participantTokenConfigurations of 13 tokens is not valid: allowed is 0-12 tokens",
            ),
            (
                with(NewToken { minutes: Some(0), ..NewToken::default() }),
                "participantTokenConfigurations[1].duration 0 is not valid: allowed is 1-20160 minutes",
            ),
            (
                with(NewToken { user_id: "ü".repeat(129), ..NewToken::default() }),
                "participantTokenConfigurations[1].userId of 129 characters",
            ),
            (
                with(NewToken { attributes: long, ..NewToken::default() }),
                "participantTokenConfigurations[1].attributes of 1025 bytes",
            ),
            (
                NewStage { recording: mode, ..NewStage::default() },
                "thumbnailConfiguration.recordingMode \"SOMETIMES\"",
            ),
        ] {
            let text = wrong.check().unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        let fifty = (0..50).map(|i| (i.to_string(), String::new())).collect();
        let token = NewToken {
            minutes: Some(20_160),
            user_id: "ü".repeat(128),
            attributes: BTreeMap::from([("k".to_owned(), "v".repeat(1023))]),
            capabilities: vec![Capability::Publish],
        };
        for right in [
            NewStage::default(),
            NewStage { name: "aA0-_".repeat(25), ..NewStage::default() },
            NewStage { tags: fifty, ..NewStage::default() },
            NewStage { tags: tags(&[(&"k".repeat(128), &"größe ".repeat(42))]), ..NewStage::default() },
            NewStage { tokens: vec![token; 12], ..NewStage::default() },
        ] {
            assert_eq!(right.check(), Ok(()));
        }
    }
}
