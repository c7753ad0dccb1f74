//! The one look at the table that all browsers share.
//!
//! A look follows the other at the interval of the settings, as long as somebody listens. Each listener goes at its own pace: it
//! knows how far it is, and takes the changes from there, or all rows anew if they are not kept any more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use controller::history::Wanted;
use controller::with_causes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::activity::{LINES, Line, lines, with_news};
use crate::change::Change;
use crate::rows::rows;
use crate::sample::Sample;
use crate::{Reading, Rows, Settings, Source};

/// Changes that are kept for those who come back.
const CHANGES: usize = 128;
/// Samples that are kept: ten minutes at two seconds.
const SAMPLES: usize = 300;
/// How far before a look the history is read again, for lines that were written with the time of a call that took long.
const OVERLAP: SignedDuration = SignedDuration::from_secs(15);
/// The longest wait after looks that failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The looks, and what was seen.
pub(crate) struct Hub {
    source: Arc<dyn Source>,
    settings: Settings,
    /// What tells the numbers of this hub's changes from those of another: the time it began.
    epoch: String,
    latest: watch::Sender<Arc<Latest>>,
    somebody_came: Notify,
}

/// What the last look saw.
#[derive(Clone, Default)]
pub(crate) struct Latest {
    /// How many looks there were, in vain or not.
    pub(crate) looks: u64,
    /// The number of the rows; 0 while there are none.
    pub(crate) revision: u64,
    pub(crate) rows: Arc<Rows>,
    /// What they were made of.
    pub(crate) reading: Option<Arc<Reading>>,
    /// The last changes; the newest led to `revision`.
    changes: VecDeque<Arc<Change>>,
    pub(crate) samples: VecDeque<Arc<Sample>>,
    /// The newest lines of history that came after the first look, the newest last.
    activity: VecDeque<Arc<Line>>,
    /// How many such lines there were.
    pub(crate) lines: u64,
    /// Why the last look failed, if it did.
    pub(crate) trouble: Option<Trouble>,
    /// Until when nobody needs a newer look.
    fresh_until: Option<Instant>,
}

/// All that the page shows.
#[derive(Serialize)]
pub(crate) struct Snapshot<'a> {
    id: String,
    /// When the table was read.
    at: Option<String>,
    /// The server's time.
    now: String,
    settings: Value,
    rows: &'a Rows,
    totals: Option<&'a Sample>,
    samples: Vec<&'a Sample>,
    trouble: Option<Value>,
}

/// A look that failed.
#[derive(Clone)]
pub(crate) struct Trouble {
    pub(crate) at: Timestamp,
    pub(crate) error: String,
    pub(crate) retry: Duration,
}

impl Hub {
    pub(crate) fn new(source: Arc<dyn Source>, settings: Settings) -> Arc<Self> {
        let epoch = format!("{:x}", Timestamp::now().as_nanosecond());
        let latest = watch::Sender::new(Arc::default());
        Arc::new(Self { source, settings, epoch, latest, somebody_came: Notify::new() })
    }

    pub(crate) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Looks while somebody listens, for ever.
    pub(crate) async fn run(&self) {
        let mut failures = 0;
        loop {
            while self.latest.receiver_count() == 0 {
                self.somebody_came.notified().await;
            }
            let began = Instant::now();
            let seen = self.source.look().await;
            failures = if seen.is_ok() { 0 } else { failures + 1 };
            let wait = self.settings.interval.saturating_mul(1 << failures.min(4));
            let wait = wait.min(PATIENCE.max(self.settings.interval));
            let mut latest = Latest::clone(&self.latest.borrow());
            latest.looks += 1;
            match seen {
                Ok(reading) => {
                    let news = self.news(&latest, &reading).await;
                    latest.take(reading, news, &self.settings);
                }
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::warn!(error, "the table cannot be looked at");
                    latest.trouble = Some(Trouble { at: Timestamp::now(), error, retry: wait });
                }
            }
            latest.fresh_until = Some(began + wait);
            self.latest.send_replace(Arc::new(latest));
            tokio::time::sleep_until(began + wait).await;
        }
    }

    /// Lines of history that were written since the look before. That they cannot be read is no reason not to show the rest.
    async fn news(&self, latest: &Latest, reading: &Reading) -> Vec<Line> {
        let Some(before) = &latest.reading else { return Vec::new() };
        let stages = with_news(&before.inventory, &reading.inventory);
        let since = before.at.checked_sub(OVERLAP).unwrap_or(Timestamp::MIN);
        match self.source.history(stages, &Wanted::since(since), LINES).await {
            Ok(page) => lines(page).0.into_iter().rev().collect(),
            Err(error) => {
                tracing::warn!(error = with_causes(&error), "the history cannot be read");
                Vec::new()
            }
        }
    }

    /// Begins to listen. The table is looked at from now on, until everybody has gone.
    pub(crate) fn listen(&self) -> watch::Receiver<Arc<Latest>> {
        let listener = self.latest.subscribe();
        self.somebody_came.notify_one();
        listener
    }

    /// The latest look, once it is not an old one.
    pub(crate) async fn fresh(&self, listener: &mut watch::Receiver<Arc<Latest>>) -> Arc<Latest> {
        let is_fresh = |latest: &Arc<Latest>| latest.fresh_until.is_some_and(|until| Instant::now() < until);
        match listener.wait_for(is_fresh).await {
            Ok(latest) => latest.clone(),
            // The sender is a part of this hub.
            Err(_) => self.latest.borrow().clone(),
        }
    }

    /// The id of an event that leads to this revision.
    pub(crate) fn id(&self, revision: u64) -> String {
        format!("{}-{revision}", self.epoch)
    }

    /// The revision that an id stands for, if it is of this hub.
    pub(crate) fn revision(&self, id: &str) -> Option<u64> {
        let (epoch, revision) = id.rsplit_once('-')?;
        revision.parse().ok().filter(|_| epoch == self.epoch)
    }

    /// All of it, for the page.
    pub(crate) fn snapshot<'a>(&self, latest: &'a Latest) -> Snapshot<'a> {
        Snapshot {
            id: self.id(latest.revision),
            at: latest.reading.as_ref().map(|reading| reading.at.to_string()),
            now: Timestamp::now().to_string(),
            settings: self.settings.for_the_page(),
            rows: &latest.rows,
            totals: latest.samples.back().map(|sample| &**sample),
            samples: latest.samples.iter().map(|sample| &**sample).collect(),
            trouble: latest.trouble.as_ref().map(Trouble::for_the_page),
        }
    }
}

impl Latest {
    fn take(&mut self, reading: Reading, news: Vec<Line>, settings: &Settings) {
        let rows = rows(&reading);
        let change = Change::between(&self.rows, &rows);
        if self.revision == 0 || !change.is_empty() {
            self.revision += 1;
            self.rows = Arc::new(rows);
            keep(&mut self.changes, Arc::new(change), CHANGES);
        }
        for line in news {
            if self.activity.iter().all(|known| known.key != line.key) {
                self.lines += 1;
                keep(&mut self.activity, Arc::new(line), 2 * LINES);
            }
        }
        keep(&mut self.samples, Arc::new(Sample::of(&reading, settings.limit())), SAMPLES);
        self.reading = Some(Arc::new(reading));
        self.trouble = None;
    }

    /// The lines of history that came after the first `lines` of them, the oldest first.
    pub(crate) fn lines_since(&self, lines: u64) -> Vec<&Line> {
        let missing = usize::try_from(self.lines.saturating_sub(lines)).unwrap_or(usize::MAX);
        let first = self.activity.len().saturating_sub(missing);
        self.activity.iter().skip(first).map(|line| &**line).collect()
    }

    /// The changes that lead from a revision to the latest one; nothing if they are not kept any more.
    pub(crate) fn changes_since(&self, revision: u64) -> Option<impl Iterator<Item = (u64, &Arc<Change>)>> {
        let missing = usize::try_from(self.revision.checked_sub(revision)?).ok()?;
        let first = self.changes.len().checked_sub(missing)?;
        Some((revision + 1..).zip(self.changes.iter().skip(first)))
    }
}

impl Trouble {
    pub(crate) fn for_the_page(&self) -> Value {
        let retry = u64::try_from(self.retry.as_millis()).unwrap_or(u64::MAX);
        json!({ "at": self.at.to_string(), "error": self.error, "retry_ms": retry })
    }
}

fn keep<T>(kept: &mut VecDeque<T>, newest: T, at_most: usize) {
    kept.push_back(newest);
    if kept.len() > at_most {
        kept.pop_front();
    }
}
