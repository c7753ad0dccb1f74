//! All that is known around one publisher: what the planner looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    Control, Crowd, Directory, Match, Publisher, PublisherKey, Replica, Rule, RuleId, StageArn, Tags,
};

/// One publisher with the rules that may speak of it and its replications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Who it is about.
    pub key: PublisherKey,
    /// What is known of the publisher; nothing if it is not stored.
    pub publisher: Option<Publisher>,
    /// The tags of its stage; nothing if they are not known yet.
    pub tags: Option<Tags>,
    /// Rules of its stage and rules that select their stages, in any order.
    pub rules: Vec<Rule>,
    /// Rules like these that cannot be read, but by their ids: what they want is not known.
    pub unreadable_rules: BTreeSet<RuleId>,
    /// The stages that rules can select as destinations, with their tags. One that is missing is not known yet.
    pub directory: Arc<Directory>,
    /// Its replications, ordered by destination.
    pub replicas: Vec<Replica>,
    /// Whether its stage is a destination too: then its publisher takes one of the places there.
    pub is_destination: bool,
    /// Destinations that had no place left when one was asked for.
    pub full: BTreeMap<StageArn, Crowd>,
    /// What is ordered for all stages.
    pub control: Control,
}

impl View {
    /// Nothing known yet.
    pub fn empty(key: PublisherKey) -> Self {
        let directory = Arc::default();
        Self {
            key,
            publisher: None,
            tags: None,
            rules: Vec::new(),
            unreadable_rules: BTreeSet::new(),
            directory,
            replicas: Vec::new(),
            is_destination: false,
            full: BTreeMap::new(),
            control: Control::default(),
        }
    }

    /// Whether there is neither a rule nor anything to look after: such an event deserves no write.
    pub fn is_unconcerned(&self) -> bool {
        let covers = |rule: &Rule| rule.covers(&self.key.stage, self.tags.as_ref()) != Match::No;
        let known = self.publisher.is_some() || !self.replicas.is_empty() || self.is_destination;
        !known && !self.rules.iter().any(covers)
    }

    /// Whether the rule that wanted a replication last cannot be read, and its end has not come.
    pub(crate) fn is_of_unreadable_rule(&self, replica: &Replica, now: Timestamp) -> bool {
        let last = replica.rule.as_ref();
        last.is_some_and(|last| self.unreadable_rules.contains(&last.id))
            && replica.wanted_until.is_none_or(|end| now < end)
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
