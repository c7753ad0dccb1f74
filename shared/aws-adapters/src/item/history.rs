//! The history of rules: one item for each revision of each rule, and one for the edition of all of them.
//!
//! They lie outside of the stages' partitions: no event reads them, no sweep does, and the stream wakes nobody for them. They have no
//! time to live: rules change seldom, and what a rule said last year may be what has to be known.

use controller::Order;
use controller::rules::Revision;
use replication::RuleId;
use serde::{Deserialize, Serialize};

use super::{RuleItem, SCHEMA, Unreadable, check_schema, parse};

/// The partition of a rule's history.
pub(crate) fn history_pk(rule: &RuleId) -> String {
    format!("HISTORY#{rule}")
}

/// A revision of a rule.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HistoryItem {
    pk: String,
    sk: String,
    schema: u8,
    pub(crate) revision: u64,
    /// The rule as it is stored itself; not there if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleItem>,
    /// Not there for what was written before there was a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    ordered: Option<OrderedItem>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OrderedItem {
    at: String,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl HistoryItem {
    /// How the sort keys begin.
    pub(crate) const SK: &str = "REV#";

    /// Sorts after all of them.
    pub(crate) const AFTER: &str = "REV$";

    /// The sort key of a revision. No rule has had more than ten digits can say.
    pub(crate) fn sk(revision: u64) -> String {
        format!("{}{:010}", Self::SK, revision.min(9_999_999_999))
    }

    /// The revision that a sort key names.
    pub(crate) fn number(sk: &str) -> Option<u64> {
        sk.strip_prefix(Self::SK)?.parse().ok()
    }

    pub(crate) fn new(rule: &RuleId, revision: &Revision) -> Self {
        Self {
            pk: history_pk(rule),
            sk: Self::sk(revision.revision),
            schema: SCHEMA,
            revision: revision.revision,
            rule: revision.rule.as_ref().map(RuleItem::from),
            ordered: revision.ordered.as_ref().map(|ordered| OrderedItem {
                at: ordered.at.to_string(),
                by: ordered.by.clone(),
                reason: ordered.reason.clone(),
            }),
        }
    }

    pub(crate) fn read(&self) -> Result<Revision, Unreadable> {
        check_schema(self.schema)?;
        Ok(Revision {
            revision: self.revision,
            rule: self.rule.as_ref().map(RuleItem::read).transpose()?,
            ordered: self.ordered.as_ref().map(OrderedItem::read).transpose()?,
        })
    }
}

impl OrderedItem {
    fn read(&self) -> Result<Order, Unreadable> {
        let Self { at, by, reason } = self;
        Ok(Order { at: parse("ordered.at", at)?, by: by.clone(), reason: reason.clone() })
    }
}

/// The edition of the rules: it grows with every change, so that who checked a rule against all others knows that they are still so.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EditionItem {
    pk: String,
    sk: String,
    schema: u8,
    version: u64,
}

impl EditionItem {
    /// The partition key.
    pub(crate) const PK: &str = "HISTORY";
    /// The sort key.
    pub(crate) const SK: &str = "EDITION";

    /// As it is stored by a write that read it at `edition`.
    pub(crate) fn next(edition: u64) -> Self {
        let (pk, sk) = (Self::PK.to_owned(), Self::SK.to_owned());
        Self { pk, sk, schema: SCHEMA, version: edition + 1 }
    }

    pub(crate) fn read(&self) -> Result<u64, Unreadable> {
        check_schema(self.schema)?;
        Ok(self.version)
    }
}
