//! How a stage records, in IVS's own words (JSON): read and written field by field.
//!
//! The SDK cannot do either by itself: it reads a `recordParticipantReplicas` that is absent, and so true, as false; it writes
//! that field only when it is true, so that false becomes true, and `recordingReconnectWindowSeconds` only when it is not 0. And
//! it drops what it does not know.

use std::fmt::Display;

use replication::RecordingSettings;
use serde_json::{Map, Value, json};

/// The member of a stage that holds the settings.
pub(super) const CONFIGURATION: &str = "autoParticipantRecordingConfiguration";

pub(super) const STORAGE: &str = "storageConfigurationArn";
pub(super) const REPLICAS: &str = "recordParticipantReplicas";
const MEDIA_TYPES: &str = "mediaTypes";
const RECONNECT_WINDOW: &str = "recordingReconnectWindowSeconds";
const HLS: &str = "hlsConfiguration";
const SEGMENT: &str = "targetSegmentDurationSeconds";
const THUMBNAILS: &str = "thumbnailConfiguration";
const MODE: &str = "recordingMode";
const INTERVAL: &str = "targetIntervalSeconds";
const KEPT: &str = "storage";

/// The settings in the body of an answer that has a stage, as they came; none, if the stage says nothing of recordings.
///
/// # Errors
/// That there is no stage, in words.
pub(super) fn of_stage(body: &[u8]) -> Result<Map<String, Value>, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let stage = answer.get("stage").and_then(Value::as_object).ok_or("the answer has no stage")?;
    Ok(stage.get(CONFIGURATION).and_then(Value::as_object).cloned().unwrap_or_default())
}

/// What is known of settings.
///
/// # Errors
/// What is not as it must be, in words.
pub(super) fn read(settings: &Map<String, Value>) -> Result<RecordingSettings, String> {
    let hls = settings.get(HLS).and_then(Value::as_object).cloned().unwrap_or_default();
    let thumbnails = settings.get(THUMBNAILS).and_then(Value::as_object).cloned().unwrap_or_default();
    let storage = text(settings, STORAGE)?;
    Ok(RecordingSettings {
        storage: storage.map(|arn| arn.parse().map_err(unreadable(STORAGE))).transpose()?,
        replicas: said(settings, REPLICAS, "true or false", Value::as_bool)?,
        media_types: words(settings, MEDIA_TYPES)?,
        reconnect_window_seconds: number(settings, RECONNECT_WINDOW)?,
        segment_seconds: number(&hls, SEGMENT)?,
        thumbnail_mode: text(&thumbnails, MODE)?.map(Into::into),
        thumbnail_interval_seconds: number(&thumbnails, INTERVAL)?,
        thumbnail_storage: words(&thumbnails, KEPT)?,
    })
}

/// These settings once `change` is made: what it says nothing of stays as it came. Turned off, nothing else is said, for IVS
/// forgets it.
pub(super) fn changed(settings: &Map<String, Value>, change: &RecordingSettings) -> Map<String, Value> {
    let storage = change.storage.as_ref().map(|storage| json!(storage.as_str()));
    if storage.as_ref().is_some_and(|arn| arn == "") {
        return Map::from_iter([(STORAGE.to_owned(), json!(""))]);
    }
    let words = |words: Vec<&str>| json!(words);
    let media_types = change.media_types.as_ref();
    let kept = change.thumbnail_storage.as_ref();
    let mut after = settings.clone();
    set(&mut after, STORAGE, storage);
    set(&mut after, REPLICAS, change.replicas.map(Value::from));
    set(
        &mut after,
        MEDIA_TYPES,
        media_types.map(|types| words(types.iter().map(|word| word.as_str()).collect())),
    );
    set(&mut after, RECONNECT_WINDOW, change.reconnect_window_seconds.map(Value::from));
    set_within(&mut after, HLS, [(SEGMENT, change.segment_seconds.map(Value::from))]);
    let thumbnails = [
        (MODE, change.thumbnail_mode.as_ref().map(|mode| json!(mode.as_str()))),
        (INTERVAL, change.thumbnail_interval_seconds.map(Value::from)),
        (KEPT, kept.map(|ways| words(ways.iter().map(|word| word.as_str()).collect()))),
    ];
    set_within(&mut after, THUMBNAILS, thumbnails);
    after
}

fn set(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}

/// Sets members of a structure within another; one that is not there, and gets nothing, stays away.
fn set_within<const N: usize>(
    object: &mut Map<String, Value>,
    name: &str,
    values: [(&str, Option<Value>); N],
) {
    if values.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    let mut within = object.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    values.into_iter().for_each(|(member, value)| set(&mut within, member, value));
    object.insert(name.to_owned(), Value::Object(within));
}

fn said<'a, T>(
    object: &'a Map<String, Value>,
    name: &str,
    allowed: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(format!("{name} is {value}: allowed is {allowed}")),
        },
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    said(object, name, "a text", Value::as_str)
}

fn number(object: &Map<String, Value>, name: &str) -> Result<Option<u32>, String> {
    said(object, name, "a whole number of seconds", |value| value.as_u64()?.try_into().ok())
}

fn words<T: for<'a> From<&'a str>>(
    object: &Map<String, Value>,
    name: &str,
) -> Result<Option<Vec<T>>, String> {
    said(object, name, "a list of texts", |value| {
        value.as_array()?.iter().map(|word| word.as_str().map(T::from)).collect()
    })
}

fn unreadable<E: Display>(name: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{name}: {error}")
}

#[cfg(test)]
mod tests {
    use replication::stage::{MediaType, Storage, ThumbnailMode, ThumbnailStorage};

    use super::*;

    const ARN: &str = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh";

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    /// Everything, and more than is known.
    fn full() -> Value {
        json!({
            "storageConfigurationArn": ARN,
            "mediaTypes": ["AUDIO_ONLY"],
            "thumbnailConfiguration":
                {"targetIntervalSeconds": 30, "storage": ["SEQUENTIAL", "LATEST"], "recordingMode": "INTERVAL", "depth": 3},
            "recordingReconnectWindowSeconds": 20,
            "hlsConfiguration": {"targetSegmentDurationSeconds": 4, "unheardOf": null},
            "recordParticipantReplicas": false,
            "unheardOf": {"a": [1]},
        })
    }

    fn all() -> RecordingSettings {
        RecordingSettings {
            storage: Some(ARN.parse().unwrap()),
            replicas: Some(false),
            media_types: Some(vec![MediaType::AudioOnly]),
            reconnect_window_seconds: Some(20),
            segment_seconds: Some(4),
            thumbnail_mode: Some(ThumbnailMode::Interval),
            thumbnail_interval_seconds: Some(30),
            thumbnail_storage: Some(vec![ThumbnailStorage::Sequential, ThumbnailStorage::Latest]),
        }
    }

    #[test]
    fn every_field_is_read_and_what_is_absent_is_not_said() {
        assert_eq!(read(&object(full())), Ok(all()));
        for nothing in [json!({}), json!({"recordParticipantReplicas": null, "hlsConfiguration": {}})] {
            assert_eq!(read(&object(nothing)), Ok(RecordingSettings::default()));
        }
        let off = read(&object(json!({"storageConfigurationArn": ""}))).unwrap();
        assert_eq!(off.storage, Some(Storage::Off));
        let unknown = read(&object(json!({"mediaTypes": ["HOLOGRAM"]}))).unwrap();
        assert_eq!(unknown.media_types, Some(vec![MediaType::Other("HOLOGRAM".to_owned())]));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (settings, expected) in [
            (
                json!({"recordParticipantReplicas": "no"}),
                "recordParticipantReplicas is \"no\": allowed is true or false",
            ),
            (
                json!({"recordingReconnectWindowSeconds": -1}),
                "recordingReconnectWindowSeconds is -1: allowed is a whole",
            ),
            (json!({"mediaTypes": [1]}), "mediaTypes is [1]: allowed is a list of texts"),
            (
                json!({"storageConfigurationArn": "x"}),
                "storageConfigurationArn: storage configuration ARN \"x\" is not valid",
            ),
        ] {
            let error = read(&object(settings)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(of_stage(b"<html>").unwrap_err().starts_with("the answer is no JSON"));
        assert_eq!(of_stage(b"{}").unwrap_err(), "the answer has no stage");
        assert_eq!(of_stage(br#"{"stage":{}}"#).unwrap(), Map::new());
    }

    #[test]
    fn every_field_is_written_also_what_the_sdk_takes_for_nothing() {
        let mut plain = full();
        for (structure, unknown) in [("hlsConfiguration", "unheardOf"), ("thumbnailConfiguration", "depth")] {
            plain[structure].as_object_mut().unwrap().remove(unknown);
        }
        plain.as_object_mut().unwrap().remove("unheardOf");
        assert_eq!(Value::Object(changed(&Map::new(), &all())), plain);
        let zero = RecordingSettings {
            replicas: Some(false),
            reconnect_window_seconds: Some(0),
            ..Default::default()
        };
        let expected = json!({"recordParticipantReplicas": false, "recordingReconnectWindowSeconds": 0});
        assert_eq!(Value::Object(changed(&Map::new(), &zero)), expected);
        assert_eq!(changed(&Map::new(), &RecordingSettings::default()), Map::new());
    }

    #[test]
    fn what_a_change_says_nothing_of_stays_as_it_came() {
        let change = RecordingSettings {
            replicas: Some(true),
            thumbnail_interval_seconds: Some(5),
            segment_seconds: Some(2),
            ..Default::default()
        };
        let mut expected = full();
        expected["recordParticipantReplicas"] = json!(true);
        expected["thumbnailConfiguration"]["targetIntervalSeconds"] = json!(5);
        expected["hlsConfiguration"]["targetSegmentDurationSeconds"] = json!(2);
        assert_eq!(Value::Object(changed(&object(full()), &change)), expected);
        let odd = object(json!({"thumbnailConfiguration": null, "hlsConfiguration": {}}));
        let expected = json!({"thumbnailConfiguration": {"targetIntervalSeconds": 5}, "recordParticipantReplicas": true,
            "hlsConfiguration": {"targetSegmentDurationSeconds": 2}});
        assert_eq!(Value::Object(changed(&odd, &change)), expected);
    }

    #[test]
    fn turned_off_nothing_else_is_said() {
        let off = RecordingSettings { storage: Some(Storage::Off), ..Default::default() };
        assert_eq!(Value::Object(changed(&object(full()), &off)), json!({"storageConfigurationArn": ""}));
    }
}
