//! What is known of a publisher on a source stage.

use std::collections::BTreeMap;

use crate::{Evidence, Moment, PublisherKey, SessionId, Standing};

/// A participant of a source stage, as far as news of it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Who it is.
    pub key: PublisherKey,
    /// The stage session of the newest news.
    pub session: Option<SessionId>,
    /// The token's user id; empty if it has none.
    pub user_id: String,
    /// The attributes of its token; nothing if IVS was not asked yet.
    pub attributes: Option<BTreeMap<String, String>>,
    /// News of publishing (on) and of not publishing (off).
    pub evidence: Evidence,
    /// The stored version this was read at; 0 if it is not stored yet.
    pub version: u64,
}

/// Whether a publisher publishes now. IVS has no field that says so (`published` means *ever* published).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Publishing {
    /// It publishes.
    Yes,
    /// It does not.
    No,
    /// The news cannot be told apart in time; the answer to a Start call will tell.
    Uncertain,
    /// There is no news of it. That is no reason to start anything, and none to stop anything.
    Unknown,
}

impl Publisher {
    /// Somebody of whom there is no news yet.
    pub fn new(key: PublisherKey) -> Self {
        Self {
            key,
            session: None,
            user_id: String::new(),
            attributes: None,
            evidence: Evidence::default(),
            version: 0,
        }
    }

    /// Whether it publishes, by all news together.
    pub fn publishing(&self) -> Publishing {
        match self.evidence.standing() {
            Standing::On => Publishing::Yes,
            Standing::Off => Publishing::No,
            Standing::Uncertain => Publishing::Uncertain,
            Standing::Unknown => Publishing::Unknown,
        }
    }

    /// Takes in that it published (or not) at `at`. The session and user id of the newest news are kept; of two that came at
    /// the same time the greater, so that the order of arrival does not matter.
    pub fn saw(&mut self, publishing: bool, at: Moment, session: &SessionId, user_id: &str) {
        let newest = self.evidence.on.max(self.evidence.off);
        if (Some(at), Some(session), user_id) > (newest, self.session.as_ref(), self.user_id.as_str()) {
            self.session = Some(session.clone());
            user_id.clone_into(&mut self.user_id);
        }
        if publishing { self.evidence.saw_on(at) } else { self.evidence.saw_off(at) }
    }
}
