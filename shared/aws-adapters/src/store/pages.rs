//! What people and programs ask of the table, page by page. Queries only: no answer costs more than its size.
//!
//! Needs `dynamodb:Query` on the table and on its index `by_destination`.
//!
//! # Caveats
//! * A page may hold less than was asked for, and even nothing: only a page without [`Page::next`] is the last. What is read at once is
//!   1 MB, which is where DynamoDB ends a page of its own; so a page of ours, too, is never much larger.
//! * The index lags behind the table by moments, and is sorted by phase: a replica whose phase changes between two pages may be
//!   in both or in none.

use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use replication::{Publisher, Replica, Rule, StageArn};

use super::places::BY_DESTINATION;
use super::{DynamoStore, Item, read_error, readable, text};
use crate::item::{ANY_STAGE, PublisherItem, ReplicaItem, RuleItem, stage_pk};

/// The most items that are read for one page: where a filter finds little, the page is short.
const READ_AT_MOST: usize = 1_000;

/// Items in one Query where a filter will leave some out.
const CHUNK: usize = 200;

/// Part of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// What was found, in the order of the keys; [`StoreError::Corrupt`] in the place of what is not as it must be.
    pub found: Vec<Result<T, StoreError>>,
    /// Where the next page begins; nothing if this is the last.
    pub next: Option<Cursor>,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// How many at most, from 1.
    pub limit: usize,
    /// Where the page before ended; nothing for the first.
    pub after: Option<&'a Cursor>,
}

/// The last item of a page. As text it is one line without secrets, but nothing to be put together by hand: it holds only for
/// the list that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pk: String,
    sk: String,
    phase: String,
}

impl Cursor {
    fn of(item: &Item) -> Self {
        Self { pk: text(item, "pk"), sk: text(item, "sk"), phase: text(item, "phase") }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.pk, self.sk, self.phase)
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the end of a page")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.split(' ').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(pk), Some(sk), Some(phase), None)
                if is_key(&pk) && is_key(&sk) && (phase.is_empty() || is_key(&phase)) =>
            {
                Ok(Self { pk, sk, phase })
            }
            _ => Err(NoCursor),
        }
    }
}

/// Whether a text is as long as our keys are; DynamoDB refuses others, and an empty one.
fn is_key(text: &str) -> bool {
    (1..=512).contains(&text.len())
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The cursor is not the end of a page of this list.
    #[error("the page before is not of this list")]
    NotOfThisList,
    /// The table cannot be read.
    #[error("the table cannot be read")]
    Store(#[from] StoreError),
}

/// A list in the table: the items of one partition whose sort keys begin alike, or those of one destination.
struct List<'a> {
    key: Key<'a>,
    /// Only replicas in this phase.
    phase: Option<&'a str>,
}

enum Key<'a> {
    Partition { pk: String, sk_prefix: &'static str },
    Destination(&'a StageArn),
}

impl DynamoStore {
    /// The rules that name this stage as their source; without one, those that select their sources (any stage, or by tag).
    ///
    /// # Errors
    /// [`PageError`]
    pub async fn rules_page(
        &self,
        source: Option<&StageArn>,
        window: Window<'_>,
    ) -> Result<Page<Rule>, PageError> {
        let pk = source.map_or(ANY_STAGE.to_owned(), stage_pk);
        let list = List { key: Key::Partition { pk, sk_prefix: "RULE#" }, phase: None };
        self.page(&list, window, |item: RuleItem| item.read()).await
    }

    /// Everybody on this stage who publishes or did so lately.
    ///
    /// # Errors
    /// [`PageError`]
    pub async fn publishers_page(
        &self,
        stage: &StageArn,
        window: Window<'_>,
    ) -> Result<Page<Publisher>, PageError> {
        let list = List { key: Key::Partition { pk: stage_pk(stage), sk_prefix: "PUB#" }, phase: None };
        self.page(&list, window, |item: PublisherItem| item.read()).await
    }

    /// The replications from this stage, of one phase if one is given.
    ///
    /// # Errors
    /// [`PageError`]
    pub async fn replicas_from_page(
        &self,
        source: &StageArn,
        phase: Option<&str>,
        window: Window<'_>,
    ) -> Result<Page<Replica>, PageError> {
        let list = List { key: Key::Partition { pk: stage_pk(source), sk_prefix: "REP#" }, phase };
        self.page(&list, window, |item: ReplicaItem| item.read()).await
    }

    /// The replications to this stage, of one phase if one is given.
    ///
    /// # Errors
    /// [`PageError`]
    pub async fn replicas_to_page(
        &self,
        destination: &StageArn,
        phase: Option<&str>,
        window: Window<'_>,
    ) -> Result<Page<Replica>, PageError> {
        let list = List { key: Key::Destination(destination), phase };
        self.page(&list, window, |item: ReplicaItem| item.read()).await
    }

    async fn page<I: serde::de::DeserializeOwned, T>(
        &self,
        list: &List<'_>,
        window: Window<'_>,
        read: impl Fn(I) -> Result<T, super::Unreadable>,
    ) -> Result<Page<T>, PageError> {
        if window.after.is_some_and(|cursor| !list.holds(cursor)) {
            return Err(PageError::NotOfThisList);
        }
        let mut after = window.after.cloned();
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            // One more than wanted tells whether there is more.
            let chunk = if list.leaves_out() { CHUNK } else { window.limit - found.len() + 1 };
            let query = list.query(self.client.query(), after.as_ref());
            let page = query
                .table_name(&self.table)
                .limit(i32::try_from(chunk).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|error| read_error(&self.table, &error))?;
            let (items, more) = (page.items.unwrap_or_default(), page.last_evaluated_key.is_some());
            let is_cut = items.len() < chunk;
            for item in items {
                let matches = list.wants(&item);
                if matches && found.len() == window.limit {
                    return Ok(Page { found, next: after });
                }
                after = Some(Cursor::of(&item));
                looked_at += 1;
                if matches {
                    found.push(readable(item, &read));
                }
            }
            if !more {
                return Ok(Page { found, next: None });
            }
            if looked_at >= READ_AT_MOST || is_cut {
                return Ok(Page { found, next: after });
            }
        }
    }
}

impl List<'_> {
    /// Whether items are read that are not wanted: the phase is no part of the table's own key.
    fn leaves_out(&self) -> bool {
        self.phase.is_some() && matches!(self.key, Key::Partition { .. })
    }

    fn wants(&self, item: &Item) -> bool {
        self.phase.is_none_or(|phase| text(item, "phase") == phase)
    }

    /// Whether a page of this list can have ended there. DynamoDB refuses a beginning outside of what is asked for.
    fn holds(&self, cursor: &Cursor) -> bool {
        match &self.key {
            Key::Partition { pk, sk_prefix } => cursor.pk == *pk && cursor.sk.starts_with(sk_prefix),
            Key::Destination(destination) => {
                let phase = self.phase.is_none_or(|phase| phase == cursor.phase);
                phase && !cursor.phase.is_empty() && cursor.sk.ends_with(&format!("#{destination}"))
            }
        }
    }

    fn query(&self, query: QueryFluentBuilder, after: Option<&Cursor>) -> QueryFluentBuilder {
        let value = |text: &str| AttributeValue::S(text.to_owned());
        let mut query = match &self.key {
            Key::Partition { pk, sk_prefix } => query
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", value(pk))
                .expression_attribute_values(":prefix", value(sk_prefix)),
            Key::Destination(destination) => {
                let query = query
                    .index_name(BY_DESTINATION)
                    .expression_attribute_values(":destination", value(destination.as_str()));
                match self.phase {
                    None => query.key_condition_expression("destination = :destination"),
                    Some(phase) => query
                        .key_condition_expression("destination = :destination AND phase = :phase")
                        .expression_attribute_values(":phase", value(phase)),
                }
            }
        };
        if let Some(Cursor { pk, sk, phase }) = after {
            query = query.exclusive_start_key("pk", value(pk)).exclusive_start_key("sk", value(sk));
            if let Key::Destination(destination) = &self.key {
                query = query
                    .exclusive_start_key("destination", value(destination.as_str()))
                    .exclusive_start_key("phase", value(phase));
            }
        }
        query
    }
}
