//! How a stage records, for people and for programs.

use controller::stages::StageDescription;
use replication::RecordingSettings;
use replication::stage::{Storage, ThumbnailMode};
use serde_json::{Map, Value, json};

use replication::plain;

/// A setting: what it is called, and what it is, in words.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// Every setting of a stage in words, and where it says nothing, what holds by default.
pub(super) fn lines(settings: &RecordingSettings) -> Vec<Line> {
    let Some(Storage::At(storage)) = &settings.storage else {
        return vec![Line { name: "recording", text: "off: nobody is recorded".to_owned() }];
    };
    let full = settings.in_full();
    let line = |name, said: bool, text: String| Line {
        name,
        text: if said { text } else { text + " (by default)" },
    };
    let seconds = |seconds: Option<u32>| format!("{} s", seconds.unwrap_or_default());
    let list = |words: Vec<&str>| plain(&words.join(", ")).into_owned();
    let media: Vec<_> = full.media_types.iter().flatten().map(|word| word.as_str()).collect();
    let kept: Vec<_> = full.thumbnail_storage.iter().flatten().map(|word| word.as_str()).collect();
    let replicas = match full.replicas {
        Some(false) => "not recorded".to_owned(),
        _ => "recorded, too".to_owned(),
    };
    let mut lines = vec![
        line("recording", true, format!("on, by {storage}")),
        line("replicas", settings.replicas.is_some(), replicas),
        line("media types", settings.media_types.is_some(), list(media)),
        line(
            "reconnect window",
            settings.reconnect_window_seconds.is_some(),
            seconds(full.reconnect_window_seconds),
        ),
        line("segments", settings.segment_seconds.is_some(), seconds(full.segment_seconds)),
    ];
    let mode = settings.thumbnail_mode.is_some();
    match &full.thumbnail_mode {
        Some(ThumbnailMode::Interval) => {
            let every = seconds(full.thumbnail_interval_seconds);
            let interval = line("", settings.thumbnail_interval_seconds.is_some(), every).text;
            lines.push(line("thumbnails", mode, format!("one every {interval}")));
            lines.push(line("thumbnails kept", settings.thumbnail_storage.is_some(), list(kept)));
        }
        Some(ThumbnailMode::Disabled) | None => lines.push(line("thumbnails", mode, "none".to_owned())),
        Some(ThumbnailMode::Other(word)) => lines.push(line("thumbnails", mode, plain(word).into_owned())),
    }
    lines
}

/// What a stage says of its recording that is not known here, as IVS words it.
pub(super) fn unknown(stage: &StageDescription) -> Map<String, Value> {
    let known = [
        "storageConfigurationArn",
        "recordParticipantReplicas",
        "mediaTypes",
        "recordingReconnectWindowSeconds",
        "hlsConfiguration",
        "thumbnailConfiguration",
    ];
    let mut settings: Map<String, Value> = serde_json::from_str(&stage.settings).unwrap_or_default();
    settings.retain(|name, _| !known.contains(&name.as_str()));
    settings
}

/// The settings as a document, what holds by default included.
pub(super) fn document(settings: &RecordingSettings) -> Value {
    let Some(Storage::At(storage)) = &settings.storage else { return json!({ "on": false }) };
    let full = settings.in_full();
    let media: Vec<_> = full.media_types.iter().flatten().map(|word| word.as_str()).collect();
    let kept: Vec<_> = full.thumbnail_storage.iter().flatten().map(|word| word.as_str()).collect();
    let by_default: Vec<&str> = [
        ("replicas", settings.replicas.is_none()),
        ("media_types", settings.media_types.is_none()),
        ("reconnect_window_seconds", settings.reconnect_window_seconds.is_none()),
        ("segment_seconds", settings.segment_seconds.is_none()),
        ("thumbnail_mode", settings.thumbnail_mode.is_none()),
        ("thumbnail_interval_seconds", settings.thumbnail_interval_seconds.is_none()),
        ("thumbnail_storage", settings.thumbnail_storage.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, by_default)| by_default.then_some(name))
    .collect();
    json!({
        "on": true,
        "storage": storage.as_str(),
        "replicas": full.replicas,
        "media_types": media,
        "reconnect_window_seconds": full.reconnect_window_seconds,
        "segment_seconds": full.segment_seconds,
        "thumbnail_mode": full.thumbnail_mode.as_ref().map(|mode| mode.as_str()),
        "thumbnail_interval_seconds": full.thumbnail_interval_seconds,
        "thumbnail_storage": kept,
        "by_default": by_default,
    })
}

/// The stage itself, as every document about it has it.
pub(super) fn stage_document(stage: &StageDescription) -> Value {
    let listed = &stage.listed;
    let mut document = json!({
        "stage": listed.stage.as_str(),
        "name": listed.name,
        "tags": listed.tags,
        "recording": document(&stage.recording),
    });
    if let Some(session) = &listed.active_session {
        document["session"] = json!(session.as_str());
    }
    let unknown = unknown(stage);
    if !unknown.is_empty() {
        document["unknown_settings"] = Value::Object(unknown);
    }
    document
}

/// `role=main, show=a`; nothing without tags.
pub(super) fn tags(tags: &replication::Tags) -> String {
    let pairs: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    plain(&pairs.join(", ")).into_owned()
}
