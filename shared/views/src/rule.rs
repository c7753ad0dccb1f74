//! A replication rule, in the words of the rules file.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::time;

/// A replication rule: publishers of the source stage appear on the destination stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Rule {
    /// The customer's name for the rule: 1-64 letters, digits, '-', '_' or '.'.
    pub id: String,
    /// Grows with every change of the rule, from 1.
    pub revision: u64,
    /// 0-100; higher wins scarce slots and places.
    #[cfg_attr(feature = "openapi", schemars(range(max = 100)))]
    pub priority: u8,
    /// Whether the rule acts.
    pub status: Status,
    /// The stages whose publishers it replicates.
    pub source: Source,
    /// Which participants of those stages; all if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Participants>,
    /// Where they appear, in order of preference: 1-20.
    pub destinations: Vec<Destination>,
    /// How long a replica waits for its publisher to come back: 0-300 s.
    #[cfg_attr(feature = "openapi", schemars(range(max = 300)))]
    pub reconnect_window_seconds: u16,
    /// Attributes of the replica participant, merged over the token's; 1 KB in total.
    pub attributes: BTreeMap<String, String>,
    /// Whether it takes the slots and places of lower priorities.
    pub preempt: bool,
    /// What the destinations' recording of replicas is kept at; left as it is if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_replicas: Option<bool>,
    /// When the rule ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    pub expires_at: Option<String>,
}

/// Whether a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It acts.
    Enabled,
    /// It is kept, and acts as if it were not there.
    Paused,
}

/// The stages whose publishers a rule replicates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Source {
    /// Every stage of the account and Region.
    Any {
        /// Always true.
        #[cfg_attr(feature = "openapi", schemars(extend("const" = true)))]
        any: bool,
    },
    /// One stage.
    Stage {
        /// Its ARN.
        stage: String,
    },
    /// Every stage that has all these tags.
    Tags {
        /// 1-10 tags.
        tags: BTreeMap<String, String>,
    },
}

/// Where a rule's participants appear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Destination {
    /// One stage.
    Stage {
        /// Its ARN.
        stage: String,
    },
    /// Every stage that has all these tags.
    Tags {
        /// 1-10 tags.
        tags: BTreeMap<String, String>,
        /// Keys of tags of which it has the source stage's value.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "openapi", schemars(default))]
        same: Vec<String>,
    },
}

/// Which participants are meant: those that match all of this. In a pattern `*` is any run of characters, `?` exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Participants {
    /// A pattern that the user id matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Attributes of the token, each with the pattern that its value matches.
    #[serde(skip_serializing_if = "crate::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(default))]
    pub attributes: BTreeMap<String, String>,
}

impl From<&replication::Rule> for Rule {
    fn from(rule: &replication::Rule) -> Self {
        Self {
            id: rule.id.to_string(),
            revision: rule.revision,
            priority: rule.priority,
            status: rule.status.into(),
            source: (&rule.source).into(),
            participants: Participants::of(&rule.participants),
            destinations: rule.destinations.iter().map(Destination::from).collect(),
            reconnect_window_seconds: rule.reconnect_window.seconds(),
            attributes: rule.attributes.clone(),
            preempt: rule.preempt,
            record_replicas: rule.record_replicas,
            expires_at: time(rule.expires_at),
        }
    }
}

impl From<replication::Status> for Status {
    fn from(status: replication::Status) -> Self {
        match status {
            replication::Status::Enabled => Self::Enabled,
            replication::Status::Paused => Self::Paused,
        }
    }
}

impl From<&replication::Source> for Source {
    fn from(source: &replication::Source) -> Self {
        match source {
            replication::Source::Any => Self::Any { any: true },
            replication::Source::Stage(stage) => Self::Stage { stage: stage.to_string() },
            replication::Source::Tags(tags) => Self::Tags { tags: tags.clone() },
        }
    }
}

impl From<&replication::Destination> for Destination {
    fn from(destination: &replication::Destination) -> Self {
        match destination {
            replication::Destination::Stage(stage) => Self::Stage { stage: stage.to_string() },
            replication::Destination::Tags { tags, same } => {
                Self::Tags { tags: tags.clone(), same: same.clone() }
            }
        }
    }
}

impl Participants {
    /// The filter; nothing if it means everybody.
    pub(crate) fn of(filter: &replication::ParticipantFilter) -> Option<Self> {
        let replication::ParticipantFilter { user_id, attributes } = filter;
        if user_id.is_none() && attributes.is_empty() {
            return None;
        }
        let patterns = attributes.iter().map(|(key, pattern)| (key.clone(), pattern.to_string()));
        Some(Self { user_id: user_id.as_ref().map(ToString::to_string), attributes: patterns.collect() })
    }
}
