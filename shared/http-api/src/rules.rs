//! Rules, one at a time: read, created, changed, deleted, paused, and brought back. The book of rules does it, under a condition
//! and with a history.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_adapters::DynamoStore;
use controller::rules::{self, Error, RevisionPart, Revisions, RuleBook, Rules, WriteError, numbered};
use controller::{Order, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::{Rule, RuleChange, RuleId, Status};
use rules_file::{Json, rule_from_json};
use serde::Deserialize;

use crate::answer::{Answer, Kept};
use crate::lists::page_of;
use crate::problem::Problem;
use crate::query::{cursor, token};
use crate::request::{Call, REASON, checked_reason};

/// What pausing or resuming a rule is asked for with.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "RuleOrder"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Reasoned {
    /// Why: kept in the rule's history.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    reason: Option<String>,
}

/// What going back to an earlier revision is asked for with.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "RuleRollback"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// The revision whose content comes back; the one before the present one if it is left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1)))]
    to_revision: Option<u64>,
    /// Why: kept in the rule's history.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    reason: Option<String>,
}

pub(crate) async fn get(call: &Call, store: &DynamoStore) -> Result<Answer, Problem> {
    let id: RuleId = call.id()?;
    match store.rule(&id).await? {
        Some(rule) => Ok(shown(200, &rule)),
        None => Err(Error::Unknown(id).into()),
    }
}

/// The revisions of a rule, the newest first.
pub(crate) async fn history(call: &Call, store: &DynamoStore) -> Result<Answer, Problem> {
    let id: RuleId = call.id()?;
    let below = match call.query.text("next") {
        None => None,
        Some(text) => Some(cursor(text).ok_or_else(Problem::next)?),
    };
    let Revisions { found, next } =
        store.revisions(&id, RevisionPart { below, limit: call.query.limit()? }).await?;
    if found.is_empty() && below.is_none() && store.rule(&id).await?.is_none() {
        return Err(Error::Unknown(id).into());
    }
    let found = found.iter().map(|revision| revision.as_ref().map(views::Revision::from));
    Ok(page_of("revisions", found, next.as_ref().map(token)))
}

pub(crate) async fn create(call: &Call, store: &DynamoStore) -> Result<Kept, Problem> {
    let mut body = call.body();
    let ordered = ordered(call, reason_of(&mut body)?);
    let rule = rule_from_json(&body)?;
    let made = |change: &RuleChange| changed(201, change).made_at(format!("/rules/{}", rule.id));
    let keeping = Keeping::new(call, store, made);
    let change = rules::put(&keeping, &rule, Some(0), &ordered).await;
    keeping.kept(change, &rule.id).await
}

/// Puts a rule in the place of the one that there is. Its id and revision may stand in the body, as an answer gave them; they have
/// to be those that path and `If-Match` name.
pub(crate) async fn replace(call: &Call, store: &DynamoStore) -> Result<Kept, Problem> {
    let id: RuleId = call.id()?;
    let mut body = call.body();
    let ordered = ordered(call, reason_of(&mut body)?);
    let expected = call.expected.unwrap_or_default();
    if let Some(given) = body.take("revision")
        && given != Json::Integer(i64::try_from(expected).unwrap_or(i64::MAX))
    {
        let allowed = format!("{expected}, as in If-Match");
        return Err(Problem::invalid_field("revision", given.shown().trim_matches('"'), &allowed));
    }
    if let Json::Mapping(fields) = &mut body
        && !fields.iter().any(|(name, _)| name == "id")
    {
        fields.insert(0, ("id".to_owned(), Json::Text(id.to_string())));
    }
    let rule = rule_from_json(&body)?;
    if rule.id != id {
        return Err(Problem::invalid_field("id", rule.id.as_str(), &format!("{id}, as in the path")));
    }
    let keeping = Keeping::new(call, store, |change: &RuleChange| changed(200, change));
    let change = rules::put(&keeping, &rule, Some(expected), &ordered).await;
    keeping.kept(change, &id).await
}

/// Deletes a rule; the answer is what it said.
pub(crate) async fn delete(call: &Call, store: &DynamoStore) -> Result<Kept, Problem> {
    let id: RuleId = call.id()?;
    let reason = match call.query.text("reason") {
        None => None,
        Some(text) => {
            let checked = checked_reason(text);
            Some(checked.ok_or_else(|| Problem::invalid_parameter("reason", text, REASON))?)
        }
    };
    let keeping = Keeping::new(call, store, |change: &RuleChange| changed(200, change));
    let change = rules::delete(&keeping, &id, call.expected, &ordered(call, reason)).await;
    keeping.kept(change, &id).await
}

pub(crate) async fn set_status(call: &Call, store: &DynamoStore, status: Status) -> Result<Kept, Problem> {
    let id: RuleId = call.id()?;
    let order: Reasoned = call.body_as(allowed)?;
    let ordered = ordered(call, checked(order.reason)?);
    let keeping = Keeping::new(call, store, |change: &RuleChange| changed(200, change));
    let change = rules::set_status(&keeping, &id, status, call.expected, &ordered).await;
    keeping.kept(change, &id).await
}

pub(crate) async fn roll_back(call: &Call, store: &DynamoStore) -> Result<Kept, Problem> {
    let id: RuleId = call.id()?;
    let Rollback { to_revision, reason } = call.body_as(allowed)?;
    let ordered = ordered(call, checked(reason)?);
    let keeping = Keeping::new(call, store, |change: &RuleChange| changed(200, change));
    let change = rules::rollback(&keeping, &id, to_revision, call.expected, &ordered).await;
    keeping.kept(change, &id).await
}

fn allowed(field: &str) -> &'static str {
    match field {
        "(the whole)" => "a mapping of fields",
        "to_revision" => "the number of a revision",
        _ => REASON,
    }
}

fn ordered(call: &Call, reason: Option<String>) -> Order {
    Order { by: call.caller.clone(), reason, at: call.now }
}

fn checked(reason: Option<String>) -> Result<Option<String>, Problem> {
    let Some(reason) = reason else { return Ok(None) };
    checked_reason(&reason).map(Some).ok_or_else(|| Problem::invalid_field("reason", &reason, REASON))
}

/// The reason that stands beside the fields of a rule.
fn reason_of(body: &mut Json) -> Result<Option<String>, Problem> {
    match body.take("reason") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(reason)) => checked(Some(reason)),
        Some(other) => Err(Problem::invalid_field("reason", other.shown().trim_matches('"'), REASON)),
    }
}

fn shown(status: u16, rule: &Rule) -> Answer {
    Answer::of(status, &views::Rule::from(rule)).at_revision(rule.revision)
}

/// The rule as it is after the change; as it was, if it is gone.
fn changed(status: u16, change: &RuleChange) -> Answer {
    match (&change.after, &change.before) {
        (Some(rule), _) => shown(status, rule),
        (None, Some(rule)) => Answer::of(status, &views::Rule::from(rule)),
        (None, None) => Answer::of(status, &()),
    }
}

/// The book of rules, where a write keeps the answer that it leads to, if the request has a key.
struct Keeping<'a, F> {
    call: &'a Call,
    store: &'a DynamoStore,
    answer: F,
    written: AtomicBool,
}

impl<'a, F: Fn(&RuleChange) -> Answer> Keeping<'a, F> {
    fn new(call: &'a Call, store: &'a DynamoStore, answer: F) -> Self {
        Self { call, store, answer, written: AtomicBool::new(false) }
    }

    /// The answer to what became of the change. Where the rule is another by now, the problem shows it.
    async fn kept(&self, change: Result<RuleChange, Error>, id: &RuleId) -> Result<Kept, Problem> {
        let kept = self.written.load(Ordering::Relaxed) && self.call.key.is_some();
        match change {
            Ok(change) => Ok(Kept { answer: (self.answer)(&change), kept }),
            Err(error @ Error::Conflict { .. }) => {
                let rule = self.store.rule(id).await?;
                Err(Problem::moved(&error, rule.as_ref()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<F: Fn(&RuleChange) -> Answer + Send + Sync> RuleBook for Keeping<'_, F> {
    fn rules(&self) -> BoxFuture<'_, Result<Rules, StoreError>> {
        self.store.rules()
    }

    fn revisions<'a>(
        &'a self,
        rule: &'a RuleId,
        part: RevisionPart,
    ) -> BoxFuture<'a, Result<Revisions, StoreError>> {
        self.store.revisions(rule, part)
    }

    /// The answer has the revision that the change gets. It is known before, for the write is made only if nothing changed since
    /// the history was read.
    fn change_rules<'a>(
        &'a self,
        changes: &'a [RuleChange],
        edition: u64,
        ordered: &'a Order,
    ) -> BoxFuture<'a, Result<Vec<RuleChange>, WriteError>> {
        async move {
            let made = match (&self.call.key, changes) {
                (Some(key), [change]) => {
                    let last = match change.id() {
                        Some(id) => self.store.last_revision(id).await?,
                        None => 0,
                    };
                    let (will_be, _) = numbered(change, last, ordered);
                    let store = key.keeping(self.store, &(self.answer)(&will_be), self.call.now)?;
                    store.change_rules(changes, edition, ordered).await?
                }
                _ => self.store.change_rules(changes, edition, ordered).await?,
            };
            self.written.store(true, Ordering::Relaxed);
            Ok(made)
        }
        .boxed()
    }
}
