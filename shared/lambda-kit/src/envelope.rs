//! The EventBridge envelope of an `IVS Stage Update`, read into the core's words.
//!
//! IVS's documentation breaks its own model (13-character session ids, a source equal to the destination, empty user ids),
//! so only what is needed is required, and nothing is taken that is not.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use replication::{
    Moment, Observation, ParticipantId, PublisherKey, ReplicationKey, SessionId, StageArn, plain,
};
use serde::Deserialize;
use serde_json::Value;

/// The sources whose events count as those of IVS: `aws.ivs`, unless a rehearsal or a canary has one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSources(Vec<String>);

impl Default for EventSources {
    fn default() -> Self {
        Self(vec!["aws.ivs".to_owned()])
    }
}

impl EventSources {
    /// The sources of a list with commas; nothing if one of them is empty.
    pub fn parse(list: &str) -> Option<Self> {
        let sources: Vec<_> = list.split(',').map(|source| source.trim().to_owned()).collect();
        sources.iter().all(|source| !source.is_empty()).then_some(Self(sources))
    }

    fn contain(&self, source: &str) -> bool {
        self.0.iter().any(|each| each == source)
    }
}

/// The `detail-type` of a stage's events.
const DETAIL_TYPE: &str = "IVS Stage Update";

/// How much of a value is repeated that cannot be read or is not for us, in characters.
const SHOWN: usize = 200;

/// The longest user id, in bytes. IVS has 128 characters at most (IVS API reference, `UserId`); more would still be read, but not
/// without end, for it is stored with everything that is known of a participant.
const MOST_USER_ID: usize = 1_024;

/// What an envelope holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Something to react to.
    Observation(Observation),
    /// Nothing to react to.
    Ignored(Ignored),
}

/// Why there is nothing to react to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// It comes from another source, or is of another detail type.
    Foreign {
        /// The envelope's `source`.
        source: String,
        /// The envelope's `detail-type`.
        detail_type: String,
    },
    /// The `event_name` is not known.
    UnknownName(String),
    /// A known event that says nothing about replications.
    Irrelevant(&'static str),
}

/// An envelope that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event field {field}: {problem}")]
pub struct EnvelopeError {
    /// The field, as a path: `detail.participant_id`.
    pub field: String,
    /// What is wrong with it, with its value and what is allowed.
    pub problem: String,
}

/// Reads an envelope of one of these sources.
///
/// # Errors
/// The field that is missing or not as it must be. Names that are not known are no error.
pub fn decode(event: Value, sources: &EventSources) -> Result<News, EnvelopeError> {
    let envelope: EventBridgeEvent = read(event, "")?;
    if !sources.contain(&envelope.source) || envelope.detail_type != DETAIL_TYPE {
        let (source, detail_type) = (shown(&envelope.source), shown(&envelope.detail_type));
        return Ok(News::Ignored(Ignored::Foreign { source, detail_type }));
    }
    let Named { event_name } = read(envelope.detail.clone(), "detail")?;
    let event_name: String = parse("detail.event_name", event_name)?;
    let Some(name) = Name::parse(&event_name) else {
        return Ok(News::Ignored(Ignored::UnknownName(shown(&event_name))));
    };
    if name == Name::TokenExchanged {
        return Ok(News::Ignored(Ignored::Irrelevant("a token exchange changes no publishing")));
    }
    let stage = envelope.resources.unwrap_or_default().into_iter().next();
    let stage: StageArn = parse("resources[0]", stage)?;
    let detail: Detail = read(envelope.detail, "detail")?;
    detail.observe(name, stage)
}

/// The documented event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Published,
    Unpublished,
    PublishError,
    ReplicationStart,
    ReplicationEnd,
    TokenExchanged,
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Participant Published" => Self::Published,
            "Participant Unpublished" => Self::Unpublished,
            "Participant Publish Error" => Self::PublishError,
            "Participant Replication Start" => Self::ReplicationStart,
            "Participant Replication End" => Self::ReplicationEnd,
            "Token Exchanged" => Self::TokenExchanged,
            _ => return None,
        })
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    event_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    session_id: Option<String>,
    event_time: Option<String>,
    event_time_precise: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    participant_id: Option<String>,
    #[serde(default)]
    replica: Option<bool>,
    source_stage_arn: Option<String>,
    destination_stage_arn: Option<String>,
    destination_session_id: Option<String>,
    error_code: Option<String>,
}

impl Detail {
    fn observe(self, name: Name, stage: StageArn) -> Result<News, EnvelopeError> {
        let participant: ParticipantId = parse("detail.participant_id", self.participant_id)?;
        let at: Moment = match self.event_time_precise {
            Some(precise) => parse("detail.event_time_precise", Some(precise))?,
            None => parse("detail.event_time", self.event_time)?,
        };
        let user_id = self.user_id.unwrap_or_default();
        if user_id.len() > MOST_USER_ID {
            let problem =
                format!("of {} bytes is not valid: allowed is at most {MOST_USER_ID}", user_id.len());
            return Err(EnvelopeError { field: "detail.user_id".to_owned(), problem });
        }
        let replica = self.replica.unwrap_or(false);
        let key = match name {
            // A replica's own events come from the destination stage.
            Name::Published | Name::Unpublished | Name::PublishError if replica => {
                let source = parse("detail.source_stage_arn", self.source_stage_arn)?;
                ReplicationKey { source, participant, destination: stage }
            }
            Name::ReplicationStart | Name::ReplicationEnd => {
                let destination = parse("detail.destination_stage_arn", self.destination_stage_arn)?;
                ReplicationKey { source: stage, participant, destination }
            }
            _ => {
                let key = PublisherKey { stage, participant };
                let session = parse("detail.session_id", self.session_id)?;
                return Ok(original(name, key, session, user_id, at));
            }
        };
        if key.source == key.destination {
            return Ok(News::Ignored(Ignored::Irrelevant("source and destination are the same stage")));
        }
        if name == Name::Unpublished {
            return Ok(News::Ignored(Ignored::Irrelevant(
                "a replica may come back; its replication ends with an event of its own",
            )));
        }
        let destination_session = match name {
            Name::ReplicationStart => self.destination_session_id,
            _ => self.session_id,
        };
        let destination_session = destination_session.and_then(|id| id.parse().ok());
        Ok(News::Observation(match name {
            Name::Published | Name::ReplicationStart => {
                Observation::ReplicaActive { key, destination_session, at }
            }
            Name::PublishError => {
                let code = self.error_code.map_or_else(|| "UNKNOWN".to_owned(), |code| shown(&code));
                Observation::ReplicaFailed { key, code, at }
            }
            _ => Observation::ReplicaEnded { key, at },
        }))
    }
}

/// News of a participant on its own stage.
fn original(name: Name, key: PublisherKey, session: SessionId, user_id: String, at: Moment) -> News {
    match name {
        Name::Published => News::Observation(Observation::Published { key, session, user_id, at }),
        Name::Unpublished => News::Observation(Observation::Unpublished { key, session, user_id, at }),
        _ => News::Ignored(Ignored::Irrelevant("an attempt to publish that failed changes no publishing")),
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: Value, inside: &str) -> Result<T, EnvelopeError> {
    let error = |path: &str, problem: String| {
        let parts = [inside, path];
        let field =
            parts.into_iter().filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join(".");
        let field = if field.is_empty() { "(the event)".to_owned() } else { field };
        EnvelopeError { field, problem }
    };
    // Serde would also read a list, by the order of its elements.
    if !value.is_object() {
        return Err(error("", "is not an object".to_owned()));
    }
    serde_path_to_error::deserialize(value).map_err(|wrong| match wrong.path().to_string() {
        // What serde says has the value in it.
        path if path == "user_id" => error(&path, "is no text".to_owned()),
        path => error(&shown(&path), shown(&wrong.inner().to_string())),
    })
}

/// A text of others as far as it is repeated.
pub(crate) fn shown(text: &str) -> String {
    plain(&text.chars().take(SHOWN).collect::<String>()).into_owned()
}

fn parse<T: std::str::FromStr>(field: &str, value: Option<String>) -> Result<T, EnvelopeError>
where
    T::Err: std::fmt::Display,
{
    let error = |problem: String| EnvelopeError { field: field.to_owned(), problem };
    let value = value.ok_or_else(|| error("is missing".to_owned()))?;
    value.parse().map_err(|problem: T::Err| error(problem.to_string()))
}
