//! What operators write for the parts of a stage. What is not valid is told with what is allowed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use replication::stage::{RecordingSettings, StageError, check_name, check_tags};
use replication::{NewToken, StorageArn, Tags};

/// `KEY=VALUE`; the value may be empty, and may hold further signs of equality.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| "allowed is KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

/// One tag.
pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    let tag = pair(text)?;
    check_tags(&Tags::from([tag.clone()])).map_err(|error| format!("allowed is {}", error.allowed))?;
    Ok(tag)
}

/// Pairs by their keys.
///
/// # Errors
/// If one key has two values.
pub(super) fn together(
    field: &str,
    pairs: &[(String, String)],
) -> Result<BTreeMap<String, String>, StageError> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        if map.insert(key.clone(), value.clone()).is_some() {
            return Err(StageError {
                field: field.to_owned(),
                value: format!("with the key {key:?} twice"),
                allowed: "each key once".to_owned(),
            });
        }
    }
    Ok(map)
}

/// The name of a stage.
pub(super) fn name(text: &str) -> Result<String, String> {
    check_name(text).map_err(|error| format!("allowed is {}", error.allowed))?;
    Ok(text.to_owned())
}

/// The ARN of a storage configuration.
pub(super) fn storage(text: &str) -> Result<StorageArn, String> {
    text.parse().map_err(|error: replication::IdError| format!("allowed is {}", error.allowed))
}

pub(super) fn reconnect_window(text: &str) -> Result<u32, String> {
    within(text, RecordingSettings::RECONNECT_WINDOW, "seconds")
}

pub(super) fn segment(text: &str) -> Result<u32, String> {
    within(text, RecordingSettings::SEGMENT, "seconds")
}

pub(super) fn thumbnail_interval(text: &str) -> Result<u32, String> {
    within(text, RecordingSettings::THUMBNAIL_INTERVAL, "seconds")
}

pub(super) fn minutes(text: &str) -> Result<u32, String> {
    within(text, NewToken::MINUTES, "minutes")
}

fn within(text: &str, allowed: RangeInclusive<u32>, unit: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| format!("allowed is {}-{} {unit}", allowed.start(), allowed.end()))
}
