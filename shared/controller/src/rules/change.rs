//! Changing rules: read, check, and write on the condition that nothing changed meanwhile.

use std::collections::BTreeMap;

use replication::{Rule, RuleChange, RuleId, Status, check_count, check_together};

use super::{Error, READ_AT_ONCE, RevisionPart, RuleBook, Rules, WriteError};
use crate::Order;

/// How often a change is tried again because another rule changed meanwhile.
const MAX_CONFLICTS: u32 = 5;

/// Puts a rule: as new, or in the place of the one of its id. Its revision is not looked at; `expected` is the revision that has to
/// be replaced, 0 if there must be none, and anything if it is not said. A rule that says the same as before is left alone.
///
/// # Errors
/// [`Error`]; nothing was changed then.
pub async fn put(
    book: &dyn RuleBook,
    rule: &Rule,
    expected: Option<u64>,
    order: &Order,
) -> Result<RuleChange, Error> {
    one(book, &rule.id, expected, order, |_| Ok(Some(rule.clone()))).await
}

/// Pauses or enables a rule. One that is so already is left alone.
///
/// # Errors
/// [`Error`]; nothing was changed then.
pub async fn set_status(
    book: &dyn RuleBook,
    id: &RuleId,
    status: Status,
    expected: Option<u64>,
    order: &Order,
) -> Result<RuleChange, Error> {
    one(book, id, expected, order, |known| Ok(Some(Rule { status, ..there(id, known)?.clone() }))).await
}

/// Deletes a rule.
///
/// # Errors
/// [`Error`]; nothing was changed then.
pub async fn delete(
    book: &dyn RuleBook,
    id: &RuleId,
    expected: Option<u64>,
    order: &Order,
) -> Result<RuleChange, Error> {
    one(book, id, expected, order, |known| there(id, known).map(|_| None)).await
}

/// Has a rule say again what it said at a revision; without one, what it said before it was changed or deleted last. That is a new
/// revision.
///
/// # Errors
/// [`Error`]; nothing was changed then.
pub async fn rollback(
    book: &dyn RuleBook,
    id: &RuleId,
    to: Option<u64>,
    expected: Option<u64>,
    order: &Order,
) -> Result<RuleChange, Error> {
    of_nobody_else(id)?;
    // The one that is asked for, if one is, and the newest, of which one is meant or can be named.
    let mut found = book.revisions(id, RevisionPart::newest(READ_AT_ONCE)).await?.found;
    if let Some(to) = to {
        let asked = RevisionPart { below: Some(to.saturating_add(1)), limit: 1 };
        found.extend(book.revisions(id, asked).await?.found);
    }
    // One that cannot be read is none to go back to.
    let mut revisions: Vec<_> = found.into_iter().flatten().collect();
    revisions.sort_by_key(|revision| revision.revision);
    revisions.dedup_by_key(|revision| revision.revision);
    one(book, id, expected, order, |known| {
        if known.is_none() && revisions.is_empty() {
            return Err(Error::Unknown(id.clone()));
        }
        let said = revisions.iter().filter_map(|revision| revision.rule.as_ref());
        let other = said.filter(|rule| known.is_none_or(|known| !known.says_the_same(rule)));
        let asked = match to {
            Some(to) => other.clone().find(|rule| rule.revision == to),
            None => other.clone().rfind(|rule| known.is_none_or(|known| rule.revision < known.revision)),
        };
        let allowed = || other.map(|rule| rule.revision).collect();
        let none = || Error::NoRevision { rule: id.clone(), revision: to, allowed: allowed() };
        asked.cloned().map(Some).ok_or_else(none)
    })
    .await
}

/// Puts these rules in the place of all others, but those of versus sessions. `basis` are the revisions that somebody decided on;
/// without it, whatever is there is replaced. Gives what changed.
///
/// # Errors
/// [`Error`]. Up to 32 changes are made together or not at all, up to 49 if each of the rules has a history. More of them are made
/// in parts, first what is put, then what is deleted; then [`Error::Partly`] says how far it came.
pub async fn replace(
    book: &dyn RuleBook,
    wanted: &[Rule],
    basis: Option<&BTreeMap<RuleId, u64>>,
    order: &Order,
) -> Result<Vec<RuleChange>, Error> {
    for rule in wanted {
        of_nobody_else(&rule.id)?;
        rule.validate()?;
    }
    check_count(wanted)?;
    check_together(wanted).map_err(|conflict| Error::Contradicts(Box::new(conflict)))?;
    for _ in 0..MAX_CONFLICTS {
        let known = book.rules().await?;
        if let Some(basis) = basis {
            unmoved(&known.revisions(), basis)?;
        }
        let Rules { rules, mut unreadable, edition } = known;
        if let Some(error) = unreadable.pop() {
            return Err(error.into());
        }
        let mut changes = RuleChange::between(&rules, wanted);
        changes.sort_by_key(|change| change.after.is_none());
        if changes.is_empty() {
            return Ok(changes);
        }
        match book.change_rules(&changes, edition, order).await {
            Ok(made) => return Ok(made),
            Err(WriteError::Conflict) => {}
            Err(error) => return Err(told(error, &changes)),
        }
    }
    Err(Error::Contended)
}

/// Changes one rule, as `wanted` says from what there is.
async fn one(
    book: &dyn RuleBook,
    id: &RuleId,
    expected: Option<u64>,
    order: &Order,
    wanted: impl Fn(Option<&Rule>) -> Result<Option<Rule>, Error>,
) -> Result<RuleChange, Error> {
    of_nobody_else(id)?;
    for _ in 0..MAX_CONFLICTS {
        let known = book.rules().await?;
        let before = known.get(id);
        let current = before.map_or(0, |rule| rule.revision);
        if let Some(expected) = expected.filter(|expected| *expected != current) {
            return Err(Error::Conflict { rule: id.clone(), expected, current });
        }
        // Nothing may be put over what nobody can read.
        if let Some(i) = known.unreadable.iter().position(|error| is_about(error, id)) {
            let Rules { mut unreadable, .. } = known;
            return Err(unreadable.swap_remove(i).into());
        }
        let after = wanted(before)?;
        let change = RuleChange { before: before.cloned(), after };
        if change.is_nothing() {
            return Ok(RuleChange { after: change.before.clone(), ..change });
        }
        if let Some(rule) = &change.after {
            rule.validate()?;
            let others = known.own().filter(|other| other.id != *id).cloned();
            let together: Vec<Rule> = others.chain([rule.clone()]).collect();
            // One that is there already may be changed, however many there are.
            if before.is_none() {
                check_count(&together)?;
            }
            check_together(&together).map_err(|conflict| Error::Contradicts(Box::new(conflict)))?;
        }
        let changes = [change];
        match book.change_rules(&changes, known.edition, order).await {
            Ok(mut made) => return made.pop().ok_or(Error::Contended),
            // Somebody changed this rule, or another one: it is looked at again, unless it had to be at a revision.
            Err(WriteError::Conflict) => {}
            Err(error) => return Err(told(error, &changes)),
        }
    }
    Err(Error::Contended)
}

fn of_nobody_else(id: &RuleId) -> Result<(), Error> {
    if id.is_of_versus() { Err(Error::OfVersus(id.clone())) } else { Ok(()) }
}

fn there<'a>(id: &RuleId, known: Option<&'a Rule>) -> Result<&'a Rule, Error> {
    known.ok_or_else(|| Error::Unknown(id.clone()))
}

fn is_about(error: &crate::StoreError, id: &RuleId) -> bool {
    matches!(error, crate::StoreError::Corrupt { sk, .. } if sk.strip_prefix("RULE#") == Some(id.as_str()))
}

/// That all rules have the revisions that somebody decided on.
fn unmoved(current: &BTreeMap<RuleId, u64>, basis: &BTreeMap<RuleId, u64>) -> Result<(), Error> {
    let at = |revisions: &BTreeMap<RuleId, u64>, id| revisions.get(id).copied().unwrap_or(0);
    for id in basis.keys().chain(current.keys()) {
        let (expected, current) = (at(basis, id), at(current, id));
        if expected != current {
            return Err(Error::Conflict { rule: id.clone(), expected, current });
        }
    }
    Ok(())
}

fn told(error: WriteError, changes: &[RuleChange]) -> Error {
    match error {
        WriteError::Conflict => Error::Contended,
        WriteError::Store(error) => error.into(),
        WriteError::Partly { made, source } => {
            let made: Vec<RuleId> = made.iter().filter_map(RuleChange::id).cloned().collect();
            let all = changes.iter().filter_map(RuleChange::id);
            let left = all.filter(|id| !made.contains(id)).cloned().collect();
            Error::Partly { made, left, source: Box::new(told(*source, changes)) }
        }
    }
}
