//! The members of every request, with their ranges and patterns.

use super::shape::{Member, Pattern, Shape, optional, required};

pub(super) const STAGE: &[Member] = &[required("arn", STAGE_ARN)];

pub(super) const CREATE_STAGE: &[Member] = &[
    optional("name", STAGE_NAME),
    optional(
        "participantTokenConfigurations",
        Shape::List { member: &Shape::Structure(TOKEN_CONFIGURATION), max: 12 },
    ),
    optional("tags", TAGS),
    optional("autoParticipantRecordingConfiguration", Shape::Structure(RECORDING)),
];

pub(super) const UPDATE_STAGE: &[Member] = &[
    required("arn", STAGE_ARN),
    optional("name", STAGE_NAME),
    optional("autoParticipantRecordingConfiguration", Shape::Structure(RECORDING)),
];

pub(super) const LIST_STAGES: &[Member] = &[NEXT_TOKEN, MAX_RESULTS];

pub(super) const CREATE_PARTICIPANT_TOKEN: &[Member] =
    &[required("stageArn", STAGE_ARN), DURATION, USER_ID, ATTRIBUTES, CAPABILITIES];

pub(super) const DISCONNECT_PARTICIPANT: &[Member] = &[
    required("stageArn", STAGE_ARN),
    required("participantId", PARTICIPANT_TOKEN_ID),
    optional("reason", Shape::Text { min: 0, max: 128, pattern: None }),
];

pub(super) const LIST_STAGE_SESSIONS: &[Member] = &[required("stageArn", STAGE_ARN), NEXT_TOKEN, MAX_RESULTS];

pub(super) const STAGE_SESSION: &[Member] =
    &[required("stageArn", STAGE_ARN), required("sessionId", SESSION_ID)];

pub(super) const PARTICIPANT: &[Member] = &[
    required("stageArn", STAGE_ARN),
    required("sessionId", SESSION_ID),
    required("participantId", Shape::ParticipantId),
];

pub(super) const LIST_PARTICIPANTS: &[Member] = &[
    required("stageArn", STAGE_ARN),
    required("sessionId", SESSION_ID),
    optional("filterByUserId", Shape::Text { min: 0, max: 128, pattern: None }),
    optional("filterByPublished", Shape::Boolean),
    optional("filterByState", Shape::OneOf(&["CONNECTED", "DISCONNECTED"])),
    optional(
        "filterByRecordingState",
        Shape::OneOf(&["STARTING", "ACTIVE", "STOPPING", "STOPPED", "FAILED"]),
    ),
    NEXT_TOKEN,
    MAX_RESULTS,
];

pub(super) const LIST_PARTICIPANT_EVENTS: &[Member] = &[
    required("stageArn", STAGE_ARN),
    required("sessionId", SESSION_ID),
    required("participantId", Shape::ParticipantId),
    NEXT_TOKEN,
    MAX_RESULTS,
];

pub(super) const LIST_PARTICIPANT_REPLICAS: &[Member] = &[
    required("sourceStageArn", STAGE_ARN),
    required("participantId", Shape::ParticipantId),
    NEXT_TOKEN,
    optional("maxResults", Shape::Integer { min: 1, max: 50 }),
];

pub(super) const REPLICATION: &[Member] = &[
    required("sourceStageArn", STAGE_ARN),
    required("destinationStageArn", STAGE_ARN),
    required("participantId", Shape::ParticipantId),
];

pub(super) const START_PARTICIPANT_REPLICATION: &[Member] = &[
    required("sourceStageArn", STAGE_ARN),
    required("destinationStageArn", STAGE_ARN),
    required("participantId", Shape::ParticipantId),
    optional("reconnectWindowSeconds", Shape::Integer { min: 0, max: 300 }),
    ATTRIBUTES,
];

pub(super) const RESOURCE: &[Member] = &[required("resourceArn", RESOURCE_ARN)];

pub(super) const TAG_RESOURCE: &[Member] = &[required("resourceArn", RESOURCE_ARN), required("tags", TAGS)];

pub(super) const UNTAG_RESOURCE: &[Member] =
    &[required("resourceArn", RESOURCE_ARN), required("tagKeys", Shape::List { member: &TAG_KEY, max: 50 })];

/// Not of the API: a stage that is to have this ARN.
pub(crate) const PLACE_STAGE: &[Member] =
    &[required("stageArn", STAGE_ARN), optional("name", STAGE_NAME), optional("tags", TAGS)];

/// Not of the API: a participant that is to publish. The rules are those of a token.
pub(crate) const PUBLISH: &[Member] =
    &[required("stageArn", STAGE_ARN), optional("participantId", PARTICIPANT_TOKEN_ID), USER_ID, ATTRIBUTES];

/// Not of the API: a participant that is to stop publishing, or to leave.
pub(crate) const PRESENT_PARTICIPANT: &[Member] =
    &[required("stageArn", STAGE_ARN), required("participantId", PARTICIPANT_TOKEN_ID)];

const TOKEN_CONFIGURATION: &[Member] = &[DURATION, USER_ID, ATTRIBUTES, CAPABILITIES];

const RECORDING: &[Member] = &[
    required("storageConfigurationArn", Shape::Text { min: 0, max: 128, pattern: Some(&STORAGE_ARN) }),
    optional(
        "mediaTypes",
        Shape::List { member: &Shape::OneOf(&["AUDIO_VIDEO", "AUDIO_ONLY", "NONE"]), max: 1 },
    ),
    optional("thumbnailConfiguration", Shape::Structure(THUMBNAILS)),
    optional("recordingReconnectWindowSeconds", Shape::Integer { min: 0, max: 300 }),
    optional(
        "hlsConfiguration",
        Shape::Structure(&[optional("targetSegmentDurationSeconds", Shape::Integer { min: 2, max: 10 })]),
    ),
    optional("recordParticipantReplicas", Shape::Boolean),
];

const THUMBNAILS: &[Member] = &[
    optional("targetIntervalSeconds", Shape::Integer { min: 1, max: 86_400 }),
    optional("storage", Shape::List { member: &Shape::OneOf(&["SEQUENTIAL", "LATEST"]), max: 2 }),
    optional("recordingMode", Shape::OneOf(&["INTERVAL", "DISABLED"])),
];

const DURATION: Member = optional("duration", Shape::Integer { min: 1, max: 20_160 });
const USER_ID: Member = optional("userId", Shape::Text { min: 0, max: 128, pattern: None });
const ATTRIBUTES: Member = optional("attributes", Shape::Attributes);
const CAPABILITIES: Member =
    optional("capabilities", Shape::List { member: &Shape::OneOf(&["PUBLISH", "SUBSCRIBE"]), max: 2 });
const NEXT_TOKEN: Member =
    optional("nextToken", Shape::Text { min: 0, max: 1024, pattern: Some(&PAGINATION_TOKEN) });
const MAX_RESULTS: Member = optional("maxResults", Shape::Integer { min: 1, max: 100 });

const STAGE_ARN: Shape = Shape::Text { min: 1, max: 128, pattern: Some(&STAGE_ARN_PATTERN) };
/// The model's own pattern, `…:[a-z-]/…`, leaves one letter for the resource type and would refuse every ARN.
const RESOURCE_ARN: Shape = Shape::Text { min: 1, max: 128, pattern: Some(&RESOURCE_ARN_PATTERN) };
const STAGE_NAME: Shape = Shape::Text { min: 0, max: 128, pattern: Some(&NAME_CHARACTERS) };
const PARTICIPANT_TOKEN_ID: Shape = Shape::Text { min: 0, max: 64, pattern: Some(&NAME_CHARACTERS) };
const SESSION_ID: Shape = Shape::Text { min: 16, max: 16, pattern: Some(&SESSION_ID_PATTERN) };
const TAG_KEY: Shape = Shape::Text { min: 1, max: 128, pattern: None };
const TAGS: Shape =
    Shape::Map { key: &TAG_KEY, value: &Shape::Text { min: 0, max: 256, pattern: None }, max: 50 };

const STAGE_ARN_PATTERN: Pattern = Pattern {
    text: "arn:aws:ivs:[a-z0-9-]+:[0-9]+:stage/[a-zA-Z0-9-]+",
    matches: |text| is_arn(text, |resource_type| resource_type == "stage"),
};
const RESOURCE_ARN_PATTERN: Pattern = Pattern {
    text: "arn:aws:ivs:[a-z0-9-]+:[0-9]+:[a-z-]+/[a-zA-Z0-9-]+",
    matches: |text| {
        is_arn(text, |resource_type| {
            !resource_type.is_empty() && resource_type.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        })
    },
};
const STORAGE_ARN: Pattern = Pattern {
    text: "^$|^arn:aws:ivs:[a-z0-9-]+:[0-9]+:storage-configuration/[a-zA-Z0-9-]+$",
    matches: |text| text.is_empty() || is_arn(text, |resource_type| resource_type == "storage-configuration"),
};
const NAME_CHARACTERS: Pattern = Pattern {
    text: "[a-zA-Z0-9-_]*",
    matches: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
};
const SESSION_ID_PATTERN: Pattern = Pattern {
    text: "st-[a-zA-Z0-9]+",
    matches: |text| {
        text.strip_prefix("st-")
            .is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric()))
    },
};
const PAGINATION_TOKEN: Pattern = Pattern {
    text: "[a-zA-Z0-9+/=_-]*",
    matches: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=_-".contains(c)),
};

/// Whether the text is `arn:aws:ivs:region:account:type/id`, with a type that suits.
fn is_arn(text: &str, suits: impl Fn(&str) -> bool) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", "aws", "ivs", region, account, resource] = parts[..] else { return false };
    let Some((resource_type, id)) = resource.split_once('/') else { return false };
    let filled = |part: &str, allowed: fn(char) -> bool| !part.is_empty() && part.chars().all(allowed);
    filled(region, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && filled(account, |c| c.is_ascii_digit())
        && suits(resource_type)
        && filled(id, |c| c.is_ascii_alphanumeric() || c == '-')
}
