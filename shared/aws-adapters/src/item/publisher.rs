//! A publisher.

use std::collections::BTreeMap;

use replication::{Evidence, Publisher, PublisherKey, Publishing};
use serde::{Deserialize, Serialize};

use super::{RETENTION, SCHEMA, Timestamp, Unreadable, check_schema, parse, parse_some, stage_pk};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PublisherItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    schema: u8,
    stage: String,
    pub(crate) participant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    user_id: String,
    /// Of its token; not there as long as IVS was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_attributes: Option<BTreeMap<String, String>>,
    publishing: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_publishing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_not_publishing: Option<String>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl PublisherItem {
    pub(crate) fn sk(key: &PublisherKey) -> String {
        format!("PUB#{}", key.participant)
    }

    /// As it is stored by a write that read it at `publisher.version`.
    pub(crate) fn next(publisher: &Publisher, now: Timestamp) -> Self {
        let publishing = publisher.publishing();
        Self {
            pk: stage_pk(&publisher.key.stage),
            sk: Self::sk(&publisher.key),
            schema: SCHEMA,
            stage: publisher.key.stage.to_string(),
            participant: publisher.key.participant.to_string(),
            session: publisher.session.as_ref().map(ToString::to_string),
            user_id: publisher.user_id.clone(),
            token_attributes: publisher.attributes.clone(),
            publishing: name(publishing).to_owned(),
            seen_publishing: publisher.evidence.on.map(|at| at.to_string()),
            seen_not_publishing: publisher.evidence.off.map(|at| at.to_string()),
            version: publisher.version + 1,
            expires_at: (publishing == Publishing::No).then(|| (now + RETENTION).as_second()),
        }
    }

    pub(crate) fn read(&self) -> Result<Publisher, Unreadable> {
        check_schema(self.schema)?;
        Ok(Publisher {
            key: PublisherKey {
                stage: parse("stage", &self.stage)?,
                participant: parse("participant", &self.participant)?,
            },
            session: parse_some("session", self.session.as_ref())?,
            user_id: self.user_id.clone(),
            attributes: self.token_attributes.clone(),
            evidence: Evidence {
                on: parse_some("seen_publishing", self.seen_publishing.as_ref())?,
                off: parse_some("seen_not_publishing", self.seen_not_publishing.as_ref())?,
            },
            version: self.version,
        })
    }
}

fn name(publishing: Publishing) -> &'static str {
    match publishing {
        Publishing::Yes => "yes",
        Publishing::No => "no",
        Publishing::Uncertain => "uncertain",
        Publishing::Unknown => "unknown",
    }
}
