//! The options that say how a stage records.

use clap::ValueEnum;
use replication::stage::{MediaType, Storage, ThumbnailMode, ThumbnailStorage};
use replication::{RecordingSettings, StorageArn};

use super::parse;

/// What is asked of a recording.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Recording")]
pub(crate) struct RecordingOptions {
    /// Storage configuration by which everybody who publishes is recorded
    #[arg(long, value_name = "ARN", value_parser = parse::storage)]
    storage: Option<StorageArn>,
    /// Whether replicas on this stage are recorded, too [IVS's default: yes]
    #[arg(long, value_name = "yes|no", hide_possible_values = true)]
    replicas: Option<YesNo>,
    /// What is recorded [IVS's default: AUDIO_VIDEO]
    #[arg(long, value_name = "TYPE", ignore_case = true)]
    media_types: Option<Media>,
    /// Who comes back within so many seconds, 0-300, goes on with the same recording [IVS's default: 0]
    #[arg(long, value_name = "SECONDS", value_parser = parse::reconnect_window)]
    reconnect_window: Option<u32>,
    /// How long segments are to be, 2-10 s [IVS's default: 6]
    #[arg(long, value_name = "SECONDS", value_parser = parse::segment)]
    segment: Option<u32>,
    /// Whether there are thumbnails: one in each interval, or none [IVS's default: disabled]
    #[arg(long, value_name = "MODE", ignore_case = true)]
    thumbnails: Option<Thumbnails>,
    /// From one thumbnail to the next, 1-86400 s; only with thumbnails [IVS's default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = parse::thumbnail_interval)]
    thumbnail_interval: Option<u32>,
    /// Which thumbnails are kept; one or both, separated by a comma [IVS's default: sequential]
    #[arg(long, value_name = "WHICH", ignore_case = true, value_delimiter = ',')]
    thumbnail_storage: Option<Vec<Kept>>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Media {
    /// Picture and sound
    #[value(name = "AUDIO_VIDEO")]
    AudioVideo,
    /// Sound
    #[value(name = "AUDIO_ONLY")]
    AudioOnly,
    /// Neither: thumbnails only
    #[value(name = "NONE")]
    Neither,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Thumbnails {
    /// One in each interval
    Interval,
    /// None
    Disabled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kept {
    /// All of them, one after the other
    Sequential,
    /// The newest, in the place of the one before
    Latest,
}

impl RecordingOptions {
    /// What they say.
    pub(crate) fn settings(&self) -> RecordingSettings {
        let media = |media| match media {
            Media::AudioVideo => MediaType::AudioVideo,
            Media::AudioOnly => MediaType::AudioOnly,
            Media::Neither => MediaType::Neither,
        };
        let kept = |kept: &Kept| match kept {
            Kept::Sequential => ThumbnailStorage::Sequential,
            Kept::Latest => ThumbnailStorage::Latest,
        };
        RecordingSettings {
            storage: self.storage.clone().map(Storage::At),
            replicas: self.replicas.map(|answer| matches!(answer, YesNo::Yes)),
            media_types: self.media_types.map(|one| vec![media(one)]),
            reconnect_window_seconds: self.reconnect_window,
            segment_seconds: self.segment,
            thumbnail_mode: self.thumbnails.map(|mode| match mode {
                Thumbnails::Interval => ThumbnailMode::Interval,
                Thumbnails::Disabled => ThumbnailMode::Disabled,
            }),
            thumbnail_interval_seconds: self.thumbnail_interval,
            thumbnail_storage: self.thumbnail_storage.as_ref().map(|ways| ways.iter().map(kept).collect()),
        }
    }
}
