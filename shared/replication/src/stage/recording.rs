//! How a stage records those who publish there: `AutoParticipantRecordingConfiguration` of the IVS API reference.

use std::convert::Infallible;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{StageError, quoted};
use crate::{IdError, StorageArn};

/// What is said of recording, by a stage or by somebody who wants it otherwise; `None` where nothing is said.
///
/// # Caveats
/// * What a stage says nothing of is as IVS has it by default: see [`RecordingSettings::in_full`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordingSettings {
    /// `storageConfigurationArn`: where recordings are stored, and whether anybody is recorded at all.
    pub storage: Option<Storage>,
    /// `recordParticipantReplicas`: whether replicas on this stage are recorded, too.
    pub replicas: Option<bool>,
    /// `mediaTypes`: what is recorded; IVS takes one.
    pub media_types: Option<Vec<MediaType>>,
    /// `recordingReconnectWindowSeconds`: who comes back within so many seconds goes on with the same recording; 0–300.
    pub reconnect_window_seconds: Option<u32>,
    /// `hlsConfiguration.targetSegmentDurationSeconds`: how long segments are to be; 2–10 s.
    pub segment_seconds: Option<u32>,
    /// `thumbnailConfiguration.recordingMode`: whether there are thumbnails.
    pub thumbnail_mode: Option<ThumbnailMode>,
    /// `thumbnailConfiguration.targetIntervalSeconds`: from one thumbnail to the next; 1–86400 s.
    pub thumbnail_interval_seconds: Option<u32>,
    /// `thumbnailConfiguration.storage`: which thumbnails are kept; two ways at most.
    pub thumbnail_storage: Option<Vec<ThumbnailStorage>>,
}

/// Whether anybody is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Nobody is; IVS writes it as an empty text, and forgets all other settings with it.
    Off,
    /// Everybody is, by this storage configuration.
    At(StorageArn),
}

impl Storage {
    /// As IVS has it: the ARN, or an empty text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Off => "",
            Self::At(arn) => arn.as_str(),
        }
    }
}

impl FromStr for Storage {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() { Ok(Self::Off) } else { text.parse().map(Self::At) }
    }
}

/// Declares the words that IVS has for something. One that is not known is kept as it came, and cannot be asked for.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about])* $variant,)+
            /// A word that is not known here.
            Other(String),
        }

        impl $name {
            /// Every word that is known, as IVS writes it.
            pub const WORDS: &[&'static str] = &[$($word,)+];

            /// As IVS writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            fn check(&self, field: &str) -> Result<(), StageError> {
                match self {
                    Self::Other(word) => Err(StageError::new(field, quoted(word), Self::WORDS.join(", "))),
                    _ => Ok(()),
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl FromStr for $name {
            type Err = Infallible;

            fn from_str(word: &str) -> Result<Self, Infallible> {
                Ok(word.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// What is recorded of a participant.
    MediaType {
        /// Picture and sound.
        AudioVideo = "AUDIO_VIDEO",
        /// Sound.
        AudioOnly = "AUDIO_ONLY",
        /// Neither: thumbnails only.
        Neither = "NONE",
    }
);

words!(
    /// Whether there are thumbnails.
    ThumbnailMode {
        /// One in each interval.
        Interval = "INTERVAL",
        /// None.
        Disabled = "DISABLED",
    }
);

words!(
    /// Which thumbnails are kept.
    ThumbnailStorage {
        /// All of them, one after the other.
        Sequential = "SEQUENTIAL",
        /// The newest, in the place of the one before.
        Latest = "LATEST",
    }
);

const STORAGE: &str = "storageConfigurationArn";

impl RecordingSettings {
    /// How long a participant may be away and go on with the same recording, in seconds (IVS API reference).
    pub const RECONNECT_WINDOW: RangeInclusive<u32> = 0..=300;

    /// How long segments can be, in seconds (IVS API reference).
    pub const SEGMENT: RangeInclusive<u32> = 2..=10;

    /// From one thumbnail to the next, in seconds (IVS API reference).
    pub const THUMBNAIL_INTERVAL: RangeInclusive<u32> = 1..=86_400;

    /// Whether anybody is recorded.
    pub fn is_on(&self) -> bool {
        matches!(self.storage, Some(Storage::At(_)))
    }

    /// With what holds where nothing is said (IVS API reference).
    pub fn in_full(&self) -> Self {
        let said = self.clone();
        Self {
            storage: said.storage.or(Some(Storage::Off)),
            replicas: said.replicas.or(Some(true)),
            media_types: said.media_types.or_else(|| Some(vec![MediaType::AudioVideo])),
            reconnect_window_seconds: said.reconnect_window_seconds.or(Some(0)),
            segment_seconds: said.segment_seconds.or(Some(6)),
            thumbnail_mode: said.thumbnail_mode.or(Some(ThumbnailMode::Disabled)),
            thumbnail_interval_seconds: said.thumbnail_interval_seconds.or(Some(60)),
            thumbnail_storage: said.thumbnail_storage.or_else(|| Some(vec![ThumbnailStorage::Sequential])),
        }
    }

    /// What these settings are once `change` is made: what it says nothing of stays as it is.
    ///
    /// # Errors
    /// The first field of `change` that is not as it must be, by itself or beside what stays.
    pub fn changed_by(&self, change: &Self) -> Result<Self, StageError> {
        change.check()?;
        let beside_storage = Self { storage: None, ..change.clone() };
        if change.storage == Some(Storage::Off) {
            if let Some((field, value)) = beside_storage.said().into_iter().next() {
                let allowed = "nothing where recording is turned off, for IVS resets all else with it";
                return Err(StageError::new(field, value, allowed));
            }
            return Ok(change.clone());
        }
        let (before, change) = (self.clone(), change.clone());
        let after = Self {
            storage: change.storage.or(before.storage),
            replicas: change.replicas.or(before.replicas),
            media_types: change.media_types.or(before.media_types),
            reconnect_window_seconds: change.reconnect_window_seconds.or(before.reconnect_window_seconds),
            segment_seconds: change.segment_seconds.or(before.segment_seconds),
            thumbnail_mode: change.thumbnail_mode.or(before.thumbnail_mode),
            thumbnail_interval_seconds: change
                .thumbnail_interval_seconds
                .or(before.thumbnail_interval_seconds),
            thumbnail_storage: change.thumbnail_storage.or(before.thumbnail_storage),
        };
        if !after.is_on() && !beside_storage.said().is_empty() {
            let allowed = "the ARN of a storage configuration: without one nobody is recorded, and IVS forgets all other settings";
            return Err(StageError::new(STORAGE, "\"\"", allowed));
        }
        let thumbnails = after.thumbnail_mode == Some(ThumbnailMode::Interval);
        if let Some(seconds) = change.thumbnail_interval_seconds.filter(|_| !thumbnails) {
            let allowed =
                "an interval where thumbnailConfiguration.recordingMode is INTERVAL, and none elsewhere";
            return Err(StageError::new("thumbnailConfiguration.targetIntervalSeconds", seconds, allowed));
        }
        Ok(after)
    }

    /// Whether both come to the same, whatever of it is said and what is so by default.
    pub fn comes_to(&self, other: &Self) -> bool {
        let effective = |settings: &Self| if settings.is_on() { settings.in_full() } else { Self::default() };
        effective(self) == effective(other)
    }

    fn check(&self) -> Result<(), StageError> {
        let numbers = [
            ("recordingReconnectWindowSeconds", self.reconnect_window_seconds, Self::RECONNECT_WINDOW),
            ("hlsConfiguration.targetSegmentDurationSeconds", self.segment_seconds, Self::SEGMENT),
            (
                "thumbnailConfiguration.targetIntervalSeconds",
                self.thumbnail_interval_seconds,
                Self::THUMBNAIL_INTERVAL,
            ),
        ];
        for (field, number, allowed) in numbers {
            if let Some(number) = number.filter(|number| !allowed.contains(number)) {
                let allowed = format!("{}-{} seconds", allowed.start(), allowed.end());
                return Err(StageError::new(field, number, allowed));
            }
        }
        let media_types = self.media_types.iter().flatten();
        media_types.into_iter().try_for_each(|word| word.check("mediaTypes"))?;
        let kinds = self.media_types.as_ref().map_or(1, Vec::len);
        if kinds != 1 {
            return Err(StageError::new("mediaTypes", format!("of {kinds} entries"), "1 entry"));
        }
        if let Some(mode) = &self.thumbnail_mode {
            mode.check("thumbnailConfiguration.recordingMode")?;
        }
        let field = "thumbnailConfiguration.storage";
        self.thumbnail_storage.iter().flatten().try_for_each(|word| word.check(field))?;
        match self.thumbnail_storage.as_deref() {
            None | Some([_]) => Ok(()),
            Some([a, b]) if a != b => Ok(()),
            Some(ways) => {
                let ways: Vec<_> = ways.iter().map(ThumbnailStorage::as_str).collect();
                Err(StageError::new(field, quoted(&ways.join(", ")), "1-2 entries, each once"))
            }
        }
    }

    /// Everything that is said: the field, as IVS names it, and its value.
    pub fn said(&self) -> Vec<(&'static str, String)> {
        let list = |words: Vec<&str>| quoted(&words.join(", "));
        let media_types =
            self.media_types.as_ref().map(|types| list(types.iter().map(MediaType::as_str).collect()));
        let ways = self.thumbnail_storage.as_ref();
        let said = [
            (STORAGE, self.storage.as_ref().map(|storage| quoted(storage.as_str()))),
            ("recordParticipantReplicas", self.replicas.map(|yes| yes.to_string())),
            ("mediaTypes", media_types),
            ("recordingReconnectWindowSeconds", self.reconnect_window_seconds.map(|n| n.to_string())),
            ("hlsConfiguration.targetSegmentDurationSeconds", self.segment_seconds.map(|n| n.to_string())),
            (
                "thumbnailConfiguration.recordingMode",
                self.thumbnail_mode.as_ref().map(|mode| quoted(mode.as_str())),
            ),
            (
                "thumbnailConfiguration.targetIntervalSeconds",
                self.thumbnail_interval_seconds.map(|n| n.to_string()),
            ),
            (
                "thumbnailConfiguration.storage",
                ways.map(|ways| list(ways.iter().map(ThumbnailStorage::as_str).collect())),
            ),
        ];
        said.into_iter().filter_map(|(field, value)| Some((field, value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> Option<Storage> {
        Some("arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh".parse().unwrap())
    }

    fn on() -> RecordingSettings {
        RecordingSettings { storage: storage(), ..RecordingSettings::default() }
    }

    fn nothing() -> RecordingSettings {
        RecordingSettings::default()
    }

    #[test]
    fn what_is_not_said_stays() {
        let before = RecordingSettings {
            replicas: Some(false),
            media_types: Some(vec![MediaType::Other("HOLOGRAM".to_owned())]),
            segment_seconds: Some(99),
            ..on()
        };
        let change = RecordingSettings { reconnect_window_seconds: Some(0), ..nothing() };
        let expected = RecordingSettings { reconnect_window_seconds: Some(0), ..before.clone() };
        assert_eq!(before.changed_by(&change), Ok(expected), "what IVS says need not be known here");
        assert_eq!(before.changed_by(&nothing()), Ok(before));
    }

    #[test]
    fn off_is_off_and_nothing_else() {
        let off = RecordingSettings { storage: Some(Storage::Off), ..nothing() };
        let before = RecordingSettings { replicas: Some(false), ..on() };
        assert_eq!(before.changed_by(&off), Ok(off.clone()));
        let error =
            before.changed_by(&RecordingSettings { replicas: Some(true), ..off.clone() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "recordParticipantReplicas true is not valid: allowed is nothing where recording is turned off, for IVS resets \
             all else with it"
        );
        for change in [
            RecordingSettings { replicas: Some(false), ..nothing() },
            RecordingSettings { thumbnail_storage: Some(vec![ThumbnailStorage::Latest]), ..nothing() },
        ] {
            let error = off.changed_by(&change).unwrap_err().to_string();
            assert!(
                error.starts_with("storageConfigurationArn \"\" is not valid: allowed is the ARN"),
                "{error}"
            );
        }
        assert!(off.comes_to(&nothing()) && off.changed_by(&nothing()).is_ok());
    }

    #[test]
    fn what_is_so_by_default_comes_to_the_same() {
        assert!(on().comes_to(&on().in_full()));
        let without = RecordingSettings { replicas: Some(false), ..on() };
        assert!(!on().comes_to(&without) && !on().comes_to(&nothing()));
        let zero = RecordingSettings { reconnect_window_seconds: Some(0), replicas: Some(true), ..on() };
        assert!(on().comes_to(&zero));
    }

    #[test]
    fn a_value_that_is_not_valid_is_named_with_its_field_and_what_is_allowed() {
        let two = Some(vec![MediaType::AudioOnly, MediaType::AudioVideo]);
        for (wrong, expected) in [
            (
                RecordingSettings { reconnect_window_seconds: Some(301), ..on() },
                "recordingReconnectWindowSeconds 301 is not valid: allowed is 0-300 seconds",
            ),
            (
                RecordingSettings { segment_seconds: Some(1), ..on() },
                "hlsConfiguration.targetSegmentDurationSeconds 1 is not valid: allowed is 2-10 seconds",
            ),
            (
                RecordingSettings { segment_seconds: Some(11), ..on() },
                "hlsConfiguration.targetSegmentDurationSeconds 11",
            ),
            (
                RecordingSettings { thumbnail_interval_seconds: Some(0), ..on() },
                "thumbnailConfiguration.targetIntervalSeconds 0 is not valid: allowed is 1-86400 seconds",
            ),
            (
                RecordingSettings { thumbnail_interval_seconds: Some(30), ..on() },
                "thumbnailConfiguration.targetIntervalSeconds 30 is not valid: allowed is an interval where",
            ),
            (
                RecordingSettings { media_types: Some(vec!["VIDEO\u{7}".into()]), ..on() },
                "mediaTypes \"VIDEO\\u{7}\" is not valid: allowed is AUDIO_VIDEO, AUDIO_ONLY, NONE",
            ),
            (RecordingSettings { media_types: two, ..on() }, "mediaTypes of 2 entries"),
            (RecordingSettings { media_types: Some(vec![]), ..on() }, "mediaTypes of 0 entries"),
            (
                RecordingSettings { thumbnail_mode: Some("ALWAYS".into()), ..on() },
                "thumbnailConfiguration.recordingMode \"ALWAYS\" is not valid: allowed is INTERVAL, DISABLED",
            ),
            (
                RecordingSettings { thumbnail_storage: Some(vec!["FIRST".into()]), ..on() },
                "thumbnailConfiguration.storage \"FIRST\" is not valid: allowed is SEQUENTIAL, LATEST",
            ),
            (
                RecordingSettings { thumbnail_storage: Some(vec!["LATEST".into(), "LATEST".into()]), ..on() },
                "thumbnailConfiguration.storage \"LATEST, LATEST\" is not valid: allowed is 1-2 entries, each once",
            ),
        ] {
            let text = nothing().changed_by(&wrong).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
        let error = "arn:aws:ivs:us-east-1:1:stage/a".parse::<Storage>().unwrap_err().to_string();
        assert!(
            error.starts_with("storage configuration ARN \"arn:aws:ivs:us-east-1:1:stage/a\" is not valid"),
            "{error}"
        );
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        for (window, segment, interval) in [(0, 2, 1), (300, 10, 86_400)] {
            let right = RecordingSettings {
                reconnect_window_seconds: Some(window),
                segment_seconds: Some(segment),
                thumbnail_mode: Some(ThumbnailMode::Interval),
                thumbnail_interval_seconds: Some(interval),
                thumbnail_storage: Some(vec![ThumbnailStorage::Latest, ThumbnailStorage::Sequential]),
                media_types: Some(vec![MediaType::Neither]),
                replicas: Some(false),
                ..on()
            };
            assert_eq!(nothing().changed_by(&right), Ok(right));
        }
    }
}
