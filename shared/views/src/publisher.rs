//! A publisher, as far as news of it has come.

use serde::Serialize;

/// A participant of a source stage who publishes, or did so lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Publisher {
    /// The ARN of the stage.
    pub stage: String,
    /// The participant id.
    pub participant: String,
    /// The token's user id; empty if it has none.
    pub user_id: String,
    /// Whether it publishes, by all news together.
    pub publishing: Publishing,
    /// The keys of its token's attributes; not there if IVS was not asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_keys: Option<Vec<String>>,
    /// The stage session of the newest news.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// When it was last seen publishing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_publishing: Option<String>,
    /// When it was last seen not publishing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_not_publishing: Option<String>,
}

/// Whether a participant publishes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Publishing {
    /// It publishes.
    Yes,
    /// It does not.
    No,
    /// The news cannot be told apart in time.
    Uncertain,
    /// There is no news of it.
    Unknown,
}

impl From<&replication::Publisher> for Publisher {
    fn from(publisher: &replication::Publisher) -> Self {
        let keys = publisher.attributes.as_ref().map(|attributes| attributes.keys().cloned().collect());
        Self {
            stage: publisher.key.stage.to_string(),
            participant: publisher.key.participant.to_string(),
            user_id: publisher.user_id.clone(),
            publishing: publisher.publishing().into(),
            attribute_keys: keys,
            session: publisher.session.as_ref().map(ToString::to_string),
            seen_publishing: publisher.evidence.on.map(|at| at.to_string()),
            seen_not_publishing: publisher.evidence.off.map(|at| at.to_string()),
        }
    }
}

impl From<replication::Publishing> for Publishing {
    fn from(publishing: replication::Publishing) -> Self {
        match publishing {
            replication::Publishing::Yes => Self::Yes,
            replication::Publishing::No => Self::No,
            replication::Publishing::Uncertain => Self::Uncertain,
            replication::Publishing::Unknown => Self::Unknown,
        }
    }
}
