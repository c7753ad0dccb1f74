//! What IVS reported, in the domain's words, and how it is taken in.

use std::collections::BTreeMap;

use crate::{Moment, Phase, Policy, Publisher, PublisherKey, Replica, ReplicationKey, SessionId, View};

/// One piece of news. An event is a hint which publisher to look at, and evidence of a moment; never an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A participant began to publish on its own stage (not a replica).
    Published {
        /// Who.
        key: PublisherKey,
        /// In which stage session.
        session: SessionId,
        /// The token's user id, empty if it has none.
        user_id: String,
        /// When.
        at: Moment,
    },
    /// A participant stopped publishing on its own stage (not a replica).
    Unpublished {
        /// Who.
        key: PublisherKey,
        /// In which stage session.
        session: SessionId,
        /// The token's user id, empty if it has none.
        user_id: String,
        /// When.
        at: Moment,
    },
    /// A participant has these attributes by its token.
    Attributes {
        /// Who.
        key: PublisherKey,
        /// All of them; never logged.
        attributes: BTreeMap<String, String>,
        /// When IVS said so.
        at: Moment,
    },
    /// A replication began, or its replica participant appeared at the destination.
    ReplicaActive {
        /// Which.
        key: ReplicationKey,
        /// The destination's stage session, where the news names it.
        destination_session: Option<SessionId>,
        /// When.
        at: Moment,
    },
    /// A replication ended. That its replica participant stopped publishing is not enough: it may come back.
    ReplicaEnded {
        /// Which.
        key: ReplicationKey,
        /// When.
        at: Moment,
    },
    /// A history tells whether what runs is ours, although there was news of its end.
    ReplicaOwner {
        /// Which.
        key: ReplicationKey,
        /// Whether our Start is what it runs by.
        ours: bool,
        /// When that was read.
        at: Moment,
    },
    /// A replica participant could not publish at the destination.
    ReplicaFailed {
        /// Which.
        key: ReplicationKey,
        /// IVS's error code, for example `QUOTA_EXCEEDED`.
        code: String,
        /// When.
        at: Moment,
    },
}

impl Observation {
    /// The publisher to look at.
    pub fn publisher(&self) -> PublisherKey {
        match self {
            Self::Published { key, .. } | Self::Unpublished { key, .. } | Self::Attributes { key, .. } => {
                key.clone()
            }
            Self::ReplicaActive { key, .. }
            | Self::ReplicaEnded { key, .. }
            | Self::ReplicaOwner { key, .. }
            | Self::ReplicaFailed { key, .. } => key.publisher(),
        }
    }

    /// When it happened.
    pub fn at(&self) -> Moment {
        match self {
            Self::Published { at, .. } | Self::Unpublished { at, .. } | Self::Attributes { at, .. } => *at,
            Self::ReplicaActive { at, .. }
            | Self::ReplicaEnded { at, .. }
            | Self::ReplicaOwner { at, .. }
            | Self::ReplicaFailed { at, .. } => *at,
        }
    }

    /// Takes the news into what is known. Repeating it, or taking news in another order, gives the same evidence. The
    /// destination's session alone, which nothing is decided by, can depend on the order.
    pub fn fold_into(&self, view: &mut View, policy: &Policy) {
        match self {
            Self::Published { session, user_id, at, .. } => publisher(view).saw(true, *at, session, user_id),
            Self::Unpublished { session, user_id, at, .. } => {
                publisher(view).saw(false, *at, session, user_id)
            }
            Self::Attributes { attributes, .. } => publisher(view).attributes = Some(attributes.clone()),
            Self::ReplicaActive { key, destination_session, at } => {
                let mut replica = replica(view, key);
                let newest = replica.evidence.on <= Some(*at) || replica.destination_session.is_none();
                if destination_session.is_some() && newest {
                    replica.destination_session.clone_from(destination_session);
                }
                replica.evidence.saw_on(*at);
                view.put(replica);
            }
            Self::ReplicaEnded { key, at } => {
                let mut replica = replica(view, key);
                replica.evidence.saw_off(*at);
                view.put(replica);
            }
            Self::ReplicaOwner { key, ours, at } => {
                let mut replica = replica(view, key);
                if replica.may_be_ours() {
                    match ours {
                        true => replica.adopt(at.latest()),
                        false => replica.begun = None,
                    }
                }
                view.put(replica);
            }
            Self::ReplicaFailed { key, code, at } => {
                let mut replica = replica(view, key);
                replica.failed_at_destination(code, *at, policy);
                view.put(replica);
            }
        }
    }
}

fn publisher(view: &mut View) -> &mut Publisher {
    view.publisher.get_or_insert_with(|| Publisher::new(view.key.clone()))
}

/// The replication with this key; a stopped one of nobody's if it is news.
fn replica(view: &View, key: &ReplicationKey) -> Replica {
    let known = view.replicas.iter().find(|replica| replica.key == *key).cloned();
    known.unwrap_or_else(|| Replica { phase: Phase::Stopped, ..Replica::new(key.clone()) })
}
