//! The book of rules: how rules are changed by people and programs, one after the other, and nothing is forgotten.
//!
//! # Guarantees
//! * A change is made on the condition that nobody changed a rule since the rules were read: whoever comes second is told.
//! * Every change has a revision of its own with who ordered it, why and when. Revisions of a rule go on after it was deleted, so
//!   that none ever stands for two contents. They are kept for good; the line of the activity that goes with a change is not.
//! * Rules of versus sessions are neither changed nor deleted here.
//! * What is written is valid by itself, and contradicts no other rule.

mod change;

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use replication::{ChangeKind, Rule, RuleChange, RuleConflict, RuleError, RuleId};

use crate::{HistoryLine, Order, StoreError};
pub use change::{delete, put, replace, rollback, set_status};

/// The rules with their history, in the one table.
pub trait RuleBook: Send + Sync {
    /// Every rule, those of versus sessions too. One Scan: for people, and for programs that change rules.
    fn rules(&self) -> BoxFuture<'_, Result<Rules, StoreError>>;

    /// Part of the revisions of a rule, the newest first. One Query: a rule that programs change has more than anybody reads at once.
    fn revisions<'a>(
        &'a self,
        rule: &'a RuleId,
        part: RevisionPart,
    ) -> BoxFuture<'a, Result<Revisions, StoreError>>;

    /// Makes these changes, if the book still has this edition and each rule the revision of its `before`. Gives them with the
    /// revisions that they got. Nothing is checked here: [`put`] and the others are the way in.
    fn change_rules<'a>(
        &'a self,
        changes: &'a [RuleChange],
        edition: u64,
        order: &'a Order,
    ) -> BoxFuture<'a, Result<Vec<RuleChange>, WriteError>>;
}

/// All rules at one time.
#[derive(Debug, Default)]
pub struct Rules {
    /// Those that can be read.
    pub rules: Vec<Rule>,
    /// [`StoreError::Corrupt`] for each of the others.
    pub unreadable: Vec<StoreError>,
    /// Grows with every change of the book. 0: none was made by a version that counts.
    pub edition: u64,
}

impl Rules {
    /// The rules that are for people and programs to change.
    pub fn own(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.id.is_of_versus())
    }

    /// The rule of this id, if there is one.
    pub fn get(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == *id)
    }

    /// The revision of each rule that is for people and programs to change.
    pub fn revisions(&self) -> BTreeMap<RuleId, u64> {
        self.own().map(|rule| (rule.id.clone(), rule.revision)).collect()
    }
}

/// A rule as it was from one change to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number, from 1.
    pub revision: u64,
    /// What the rule said; nothing if it was deleted.
    pub rule: Option<Rule>,
    /// Who ordered it. Nothing, if it is from before there was a history.
    pub ordered: Option<Order>,
}

/// Which part of a rule's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionPart {
    /// Only revisions below this one; all if it is not said.
    pub below: Option<u64>,
    /// How many at most, from 1.
    pub limit: usize,
}

impl RevisionPart {
    /// The newest.
    pub fn newest(limit: usize) -> Self {
        Self { below: None, limit }
    }
}

/// Part of a rule's history.
#[derive(Debug, Default)]
pub struct Revisions {
    /// What was found, the newest first; [`StoreError::Corrupt`] in the place of what is not as it must be.
    pub found: Vec<Result<Revision, StoreError>>,
    /// The revision below which the next part begins; nothing if this is the last.
    pub next: Option<u64>,
}

/// Every revision of a rule, the newest first: for people.
///
/// # Errors
/// [`StoreError`], if the table cannot be read.
pub async fn all_revisions(
    book: &dyn RuleBook,
    rule: &RuleId,
) -> Result<Vec<Result<Revision, StoreError>>, StoreError> {
    let (mut all, mut part) = (Vec::new(), RevisionPart::newest(READ_AT_ONCE));
    loop {
        let Revisions { found, next } = book.revisions(rule, part).await?;
        all.extend(found);
        if next.is_none() {
            return Ok(all);
        }
        part.below = next;
    }
}

/// Revisions that are read at once.
pub(crate) const READ_AT_ONCE: usize = 100;

/// Why a rule was not changed. Nothing was, but for [`Error::Partly`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody changed the rule since it was read. Read it again, and decide again.
    #[error("rule {rule}: revision {expected} is not valid: allowed is the current one, {current}{}", if *.current == 0 { " (there is no such rule)" } else { "" })]
    Conflict {
        /// The rule.
        rule: RuleId,
        /// The revision that it was read at; 0: it was not there.
        expected: u64,
        /// The revision that it has; 0: it is not there.
        current: u64,
    },
    /// There is no such rule.
    #[error("rule {0} is not known: allowed is the id of a rule that is there")]
    Unknown(RuleId),
    /// The rule belongs to a versus session.
    #[error(
        "rule {0} is not valid here: allowed is a rule of no versus session; those begin and end with their session"
    )]
    OfVersus(RuleId),
    /// The rule cannot be as it is wanted.
    #[error(transparent)]
    Invalid(Box<RuleError>),
    /// The rule contradicts another one.
    #[error(transparent)]
    Contradicts(Box<RuleConflict>),
    /// The rule has no such revision to go back to.
    #[error("rule {rule}: revision {} is not valid: allowed is {}", .revision.map_or("before the current one".to_owned(), |n| n.to_string()), allowed_revisions(.allowed))]
    NoRevision {
        /// The rule.
        rule: RuleId,
        /// The revision that was asked for; nothing for the one before.
        revision: Option<u64>,
        /// Those that there are, oldest first.
        allowed: Vec<u64>,
    },
    /// Others kept changing rules.
    #[error("other rules kept changing meanwhile")]
    Contended,
    /// Too many changes for one transaction, and a later one failed.
    #[error("{} of {} rules are changed ({}), and then it failed", .made.len(), .made.len() + .left.len(), listed(.made))]
    Partly {
        /// Rules that are changed.
        made: Vec<RuleId>,
        /// Rules that are not.
        left: Vec<RuleId>,
        /// Why.
        source: Box<Error>,
    },
    /// The table fails, or a rule in it is not as it must be.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a write of the book was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The book, or a rule, changed since it was read. Nothing was written.
    #[error("the rules changed since they were read")]
    Conflict,
    /// These changes were made, and then it failed.
    #[error("only some rules were changed")]
    Partly {
        /// What was changed.
        made: Vec<RuleChange>,
        /// Why it failed.
        source: Box<WriteError>,
    },
    /// The table fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change with the revision that it gets, and what is added to the history: the change itself, and what it replaces if that is
/// from before there was a history. `last` is the last revision of the rule in its history, 0 if it has none.
pub fn numbered(change: &RuleChange, last: u64, order: &Order) -> (RuleChange, Vec<Revision>) {
    let before = change.before.as_ref();
    let current = before.map_or(0, |rule| rule.revision);
    let revision = current.max(last) + 1;
    let after = change.after.as_ref().map(|rule| Rule { revision, ..rule.clone() });
    let unwritten = before.filter(|_| last < current).map(|rule| Revision {
        revision: current,
        rule: Some(rule.clone()),
        ordered: None,
    });
    let new = Revision { revision, rule: after.clone(), ordered: Some(order.clone()) };
    (RuleChange { before: change.before.clone(), after }, unwritten.into_iter().chain([new]).collect())
}

impl From<RuleError> for Error {
    fn from(error: RuleError) -> Self {
        Self::Invalid(Box::new(error))
    }
}

/// The line of the activity for changes that are made together.
pub fn line(made: &[RuleChange], order: &Order) -> HistoryLine {
    let of = |kind| made.iter().filter(|change| change.kind() == kind).count();
    match made {
        [change] => {
            let (operation, outcome) = match (&change.before, &change.after) {
                (None, Some(rule)) => ("AddRule", format!("ok, revision {}", rule.revision)),
                (_, Some(rule)) => ("ChangeRule", format!("ok, revision {}", rule.revision)),
                (_, None) => ("DeleteRule", "ok".to_owned()),
            };
            HistoryLine { rule: change.id().cloned(), ..order.line(operation, outcome) }
        }
        _ => {
            let (added, changed) = (of(ChangeKind::Added), of(ChangeKind::Changed));
            let deleted = of(ChangeKind::Deleted);
            order.line("ChangeRules", format!("ok, {added} added, {changed} changed, {deleted} deleted"))
        }
    }
}

fn allowed_revisions(allowed: &[u64]) -> String {
    match allowed {
        [] => "none, for there is no other that says something".to_owned(),
        some => some.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn listed(rules: &[RuleId]) -> String {
    rules.iter().map(RuleId::as_str).collect::<Vec<_>>().join(", ")
}
