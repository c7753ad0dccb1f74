//! Reading the history: what was called and ordered, by whom, why and with what outcome, the newest first.
//!
//! History lies with the stage that it is about, and orders for all stages lie together, so there is one list for each of them.
//! [`newest`] merges as many as one likes: a Query for each, which costs half a read unit where there is nothing, and the size of
//! what is there otherwise. A Scan would cost the whole table, seven days of history with it, each time that somebody looks.

use std::fmt;
use std::str::FromStr;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use replication::{ParticipantId, RuleId, StageArn};

use crate::{Activity, StoreError};

/// How many lists are read at the same time.
const AT_ONCE: usize = 16;

/// The history in the one table.
pub trait History: Send + Sync {
    /// Part of the history of a stage; of the orders for all stages if none is given. One Query or a few.
    fn history<'a>(
        &'a self,
        stage: Option<&'a StageArn>,
        wanted: &'a Wanted,
        part: Part<'a>,
    ) -> BoxFuture<'a, Result<HistoryPage, StoreError>>;

    /// Adds a line, without a condition: for what people order where no other write could take it along.
    fn note<'a>(&'a self, line: &'a HistoryLine) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// One line of history as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// When the answer came, when the intent was formed, or when it was ordered.
    pub at: Timestamp,
    /// The stage: the publisher's, for a call about a publisher; none for an order for all stages.
    pub stage: Option<StageArn>,
    /// The publisher, if it is about one.
    pub participant: Option<ParticipantId>,
    /// The destination, if it is about one.
    pub destination: Option<StageArn>,
    /// The IVS operation, or what an operator ordered: `Adopt`, `Pause`, `Resume`, `ReleaseBrake` and the like.
    pub operation: String,
    /// The rule behind it.
    pub rule: Option<RuleId>,
    /// How it went: `ok`, or the error's code and words.
    pub outcome: String,
    /// Why, in the words of whoever ordered it.
    pub reason: Option<String>,
    /// IVS's request id, if there was an answer.
    pub request_id: Option<String>,
    /// Who called: the Lambda request id; or who ordered it.
    pub caller: String,
}

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Not older than this.
    pub since: Timestamp,
    /// About this participant only.
    pub participant: Option<ParticipantId>,
    /// About this destination only.
    pub destination: Option<StageArn>,
    /// For this rule only.
    pub rule: Option<RuleId>,
}

/// How much is wanted at once.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// How many lines at most, from 1.
    pub limit: usize,
    /// Only what stands before this in the order of time; nothing for the newest.
    pub before: Option<&'a HistoryKey>,
}

/// Part of a list.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// What was found, the newest first. It may be less than was asked for although there is more.
    pub found: Vec<HistoryEntry>,
    /// What the next page has to stand before; nothing if this is the last.
    pub next: Option<HistoryKey>,
}

/// What stands at one place of the history.
#[derive(Debug)]
pub struct HistoryEntry {
    /// Where: no two entries have the same.
    pub key: HistoryKey,
    /// What; [`StoreError::Corrupt`] where the item cannot be read.
    pub line: Result<HistoryLine, StoreError>,
}

/// A place in the history of all stages, in the order of time.
///
/// As text it is one word without secrets, but nothing to be put together by hand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryKey {
    /// RFC 3339 with nine digits, so that the order of the text is that of time.
    time: String,
    stage: Option<StageArn>,
    /// The participant and the destination.
    about: String,
}

impl Wanted {
    /// All of it since then.
    pub fn since(since: Timestamp) -> Self {
        Self { since, participant: None, destination: None, rule: None }
    }

    /// Whether a line is one of these.
    pub fn takes(&self, line: &HistoryLine) -> bool {
        fn same<T: PartialEq>(wanted: Option<&T>, is: Option<&T>) -> bool {
            wanted.is_none() || wanted == is
        }
        line.at >= self.since
            && same(self.participant.as_ref(), line.participant.as_ref())
            && same(self.destination.as_ref(), line.destination.as_ref())
            && same(self.rule.as_ref(), line.rule.as_ref())
    }
}

impl HistoryLine {
    /// Where it stands.
    pub fn key(&self) -> HistoryKey {
        fn about<T: fmt::Display>(name: Option<&T>) -> String {
            name.map_or_else(|| "*".to_owned(), T::to_string)
        }
        let about = format!("{}#{}", about(self.participant.as_ref()), about(self.destination.as_ref()));
        HistoryKey { time: format!("{:.9}", self.at), stage: self.stage.clone(), about }
    }
}

impl From<&Activity> for HistoryLine {
    fn from(activity: &Activity) -> Self {
        Self {
            at: activity.at,
            stage: Some(activity.stage.clone()),
            participant: activity.participant.clone(),
            destination: activity.destination.clone(),
            operation: activity.operation.to_owned(),
            rule: activity.rule.clone(),
            outcome: activity.outcome.clone(),
            reason: activity.reason.clone(),
            request_id: activity.request_id.clone(),
            caller: activity.caller.clone(),
        }
    }
}

impl HistoryKey {
    /// The place that a stage's list names like this: `<time>#<participant>#<destination>`.
    pub fn in_list(stage: Option<&StageArn>, place: &str) -> Self {
        let (time, about) = place.split_once('#').unwrap_or((place, ""));
        Self { time: time.to_owned(), stage: stage.cloned(), about: about.to_owned() }
    }

    /// How the stage's list names it.
    pub fn place(&self) -> String {
        format!("{}#{}", self.time, self.about)
    }

    /// The stage in whose list it stands; none for orders for all stages.
    pub fn stage(&self) -> Option<&StageArn> {
        self.stage.as_ref()
    }

    /// Whether it stands there or later in time.
    pub fn is_since(&self, since: Timestamp) -> bool {
        self.time >= format!("{since:.9}")
    }

    /// The first place of a stage's list, in the order of text, that does not stand before this one.
    pub fn bound_in(&self, stage: Option<&StageArn>) -> String {
        match stage.cmp(&self.stage.as_ref()) {
            // Of the same time, the list of a lesser stage stands before it with all it has.
            std::cmp::Ordering::Less => format!("{}$", self.time),
            std::cmp::Ordering::Equal => self.place(),
            std::cmp::Ordering::Greater => format!("{}#", self.time),
        }
    }
}

impl fmt::Display for HistoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.stage.as_ref().map_or("*", StageArn::as_str);
        write!(f, "{}#{stage}#{}", self.time, self.about)
    }
}

/// A text that is no place in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the history")]
pub struct NoHistoryKey;

impl FromStr for HistoryKey {
    type Err = NoHistoryKey;

    fn from_str(text: &str) -> Result<Self, NoHistoryKey> {
        let mut parts = text.splitn(3, '#');
        let (Some(time), Some(stage), Some(about)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoHistoryKey);
        };
        time.parse::<Timestamp>().map_err(|_| NoHistoryKey)?;
        let stage = match stage {
            "*" => None,
            arn => Some(arn.parse().map_err(|_| NoHistoryKey)?),
        };
        Ok(Self { time: time.to_owned(), stage, about: about.to_owned() })
    }
}

/// Part of the history of these stages together, the newest first; `None` stands for the orders for all stages. One Query each.
///
/// # Errors
/// [`StoreError`], if one of them cannot be read.
pub async fn newest(
    store: &dyn History,
    stages: impl IntoIterator<Item = Option<StageArn>>,
    wanted: &Wanted,
    part: Part<'_>,
) -> Result<HistoryPage, StoreError> {
    let stages: Vec<_> = stages.into_iter().collect();
    // All at hand before the first is awaited: a closure that is held meanwhile would keep this from moving between threads.
    let reads: Vec<_> = stages.iter().map(|stage| store.history(stage.as_ref(), wanted, part)).collect();
    let pages: Vec<HistoryPage> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
    // What is older than the end of a page that has a next one may be missing.
    let mut certain = pages.iter().filter_map(|page| page.next.clone()).max();
    let mut found: Vec<_> = pages.into_iter().flat_map(|page| page.found).collect();
    found.retain(|entry| certain.as_ref().is_none_or(|end| entry.key >= *end));
    found.sort_by(|a, b| b.key.cmp(&a.key));
    if found.len() > part.limit {
        found.truncate(part.limit);
        certain = found.last().map(|entry| entry.key.clone());
    }
    Ok(HistoryPage { found, next: certain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(id: &str) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    fn line(second: i64, of: Option<&str>, participant: &str) -> HistoryLine {
        HistoryLine {
            at: Timestamp::from_second(second).unwrap(),
            stage: of.map(stage),
            participant: participant.parse().ok(),
            destination: None,
            operation: "StartParticipantReplication".to_owned(),
            rule: None,
            outcome: "ok".to_owned(),
            reason: None,
            request_id: None,
            caller: "request".to_owned(),
        }
    }

    #[test]
    fn a_place_is_the_same_after_being_a_text() {
        for line in [line(1, Some("A"), "p"), line(2, None, "")] {
            let key = line.key();
            assert_eq!(key.to_string().parse(), Ok(key.clone()));
            assert_eq!(HistoryKey::in_list(line.stage.as_ref(), &key.place()), key);
        }
        for wrong in ["", "soon#*#p#*", "2026-01-01T00:00:00Z#nowhere#p", "2026-01-01T00:00:00Z"] {
            assert_eq!(wrong.parse::<HistoryKey>(), Err(NoHistoryKey), "{wrong}");
        }
    }

    #[test]
    fn a_bound_leaves_out_of_every_list_what_does_not_stand_before_it() {
        let lines: Vec<_> = [1, 2, 3]
            .into_iter()
            .flat_map(|second| [None, Some("A"), Some("B")].map(|of| (second, of)))
            .flat_map(|(second, of)| ["p", "q"].map(|participant| line(second, of, participant)))
            .collect();
        for end in &lines {
            for other in &lines {
                let before = other.key() < end.key();
                let bound = end.key().bound_in(other.stage.as_ref());
                assert_eq!(other.key().place() < bound, before, "{} {}", other.key(), end.key());
            }
        }
    }
}
