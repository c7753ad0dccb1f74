//! All that is known around one publisher: what the planner looks at.

use crate::{Publisher, PublisherKey, Replica, Rule, StageArn};

/// One publisher with the rules that may speak of it and its replications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Who it is about.
    pub key: PublisherKey,
    /// What is known of the publisher; nothing if it is not stored.
    pub publisher: Option<Publisher>,
    /// Rules of its stage and rules for any stage, in any order.
    pub rules: Vec<Rule>,
    /// Its replications, ordered by destination.
    pub replicas: Vec<Replica>,
}

impl View {
    /// Nothing known yet.
    pub fn empty(key: PublisherKey) -> Self {
        Self { key, publisher: None, rules: Vec::new(), replicas: Vec::new() }
    }

    /// Whether there is neither a rule nor anything to look after: such an event deserves no write.
    pub fn is_unconcerned(&self) -> bool {
        self.rules.is_empty() && self.replicas.is_empty() && self.publisher.is_none()
    }

    /// The replication into a stage, if there is one.
    pub fn replica(&self, destination: &StageArn) -> Option<&Replica> {
        self.position(destination).map(|i| &self.replicas[i])
    }

    /// Where in `replicas` the replication into a stage is, if there is one.
    pub(crate) fn position(&self, destination: &StageArn) -> Option<usize> {
        self.replicas.binary_search_by(|replica| replica.key.destination.cmp(destination)).ok()
    }

    /// Puts `replica` in the place of the one with the same key, or adds it.
    pub fn put(&mut self, replica: Replica) {
        match self.replicas.binary_search_by(|other| other.key.cmp(&replica.key)) {
            Ok(i) => self.replicas[i] = replica,
            Err(i) => self.replicas.insert(i, replica),
        }
    }
}
