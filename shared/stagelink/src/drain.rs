//! `stagelink drain`: an orderly end, before the stack is deleted.
//!
//! Rules go first, so that nothing is started any more; then the versus sessions end. What runs is stopped by the functions, as
//! after any change of the rules, and under the same brake. Draining is waiting for that.

mod survey;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_adapters::DynamoStore;
use controller::{Operator, VersusStore, versus};
use jiff::{SignedDuration, Timestamp};
use replication::{Replica, Versus};
use tokio::time::Instant;

use crate::{Deployment, Error, Screen, get, orders};
use survey::{Survey, is_left};

#[derive(Debug, clap::Args)]
pub(crate) struct Drain {
    /// How long to wait, such as 10m or "1h 30m"; at least 30s, until functions have surely let go of the rules
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    timeout: Duration,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// End an operator's pause first, during which nothing is stopped
    #[arg(long)]
    resume: bool,
}

/// How a command looks at the table that waits for the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one look to the next.
    pub look: Duration,
    /// Not before this time after the last rule was deleted is the end believed: functions keep rules for a while, and whoever
    /// began by an old one has started its last replica by then.
    pub settle: Duration,
    /// By this time a sweep has begun, if any does.
    pub sweep: Duration,
}

impl Default for Pace {
    /// A look every 2 s, and the end after 30 s: 5 s for rules that are kept, 15 s for a function's time, and some. A sweep within
    /// 90 s: 60 s from one to the next, and some.
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { look: secs(2), settle: secs(30), sweep: secs(90) }
    }
}

impl Drain {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let Deployment { store, pace, .. } = deployment;
        let pace = *pace;
        let survey = Survey::of(store).await?;
        let control = store.control().await?;
        survey.announce(screen)?;
        if survey.is_drained() {
            screen.line("There is nothing to drain.")?;
            return Ok(true);
        }
        if let Some(pause) = control.pause.filter(|_| !self.resume) {
            return Err(Error::Paused { by: pause.by, reason: pause.reason, at: pause.at });
        }
        if !self.yes {
            if !screen.terminal.asks {
                return Err(Error::NotConfirmed);
            }
            let question = format!("Stop {}?", count(survey.running().count(), "replica"));
            if !screen.confirm(&question)? {
                screen.line("Nothing was changed.")?;
                return Ok(false);
            }
        }
        if self.resume {
            store.resume(&orders::order(Some("drain"))).await?;
        }
        let deleted = store.replace_rules(&[], &orders::order(Some("drain"))).await?.deleted.len();
        screen.line(format_args!("{} deleted.", count(deleted, "rule")))?;
        for session in &survey.sessions {
            versus::end_early(store, &session.terms.id, Timestamp::now()).await?;
            screen.line(format_args!("versus session {} ended.", session.terms.id))?;
        }
        let timeout = self.timeout.max(pace.settle);
        Wait { store, pace, began: Instant::now(), timeout }.until_drained(survey, screen).await
    }
}

/// Waiting for the functions.
struct Wait<'a> {
    store: &'a DynamoStore,
    pace: Pace,
    began: Instant,
    timeout: Duration,
}

impl Wait<'_> {
    /// Looks where something was left, by Queries; and where nothing is, once more at everything, by a Scan.
    async fn until_drained(&self, before: Survey, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let (mut sources, mut sessions) = (before.sources(), before.sessions.clone());
        let bar = screen.progress(before.left().count() as u64, "replicas released");
        loop {
            let replicas = self.left_on(&sources).await?;
            sessions = self.not_over(&sessions).await?;
            bar.set_position(bar.length().unwrap_or(0).saturating_sub(replicas.len() as u64));
            if replicas.is_empty() && sessions.is_empty() && self.began.elapsed() >= self.pace.settle {
                let now = Survey::of(self.store).await?;
                if now.is_drained() {
                    bar.finish_and_clear();
                    let took = self.began.elapsed().as_secs_f64();
                    screen.line(format_args!("Drained in {took:.0} s: nothing of Stagelink's runs."))?;
                    now.announce_foreign(screen)?;
                    return Ok(true);
                }
                if !now.rules.is_empty() || !now.sessions.is_empty() {
                    bar.finish_and_clear();
                    now.announce(screen)?;
                    screen
                        .line("These rules and sessions came while draining. Run `stagelink drain` again.")?;
                    return Ok(false);
                }
                sources = now.sources();
            }
            if self.began.elapsed() >= self.timeout {
                bar.finish_and_clear();
                self.give_up(&replicas, &sessions, screen)?;
                return Ok(false);
            }
            tokio::time::sleep(self.pace.look).await;
        }
    }

    async fn left_on(&self, sources: &BTreeSet<replication::StageArn>) -> Result<Vec<Replica>, Error> {
        let mut left = Vec::new();
        for stage in sources {
            let views = self.store.views_on(stage).await?;
            left.extend(views.into_iter().flat_map(|view| view.replicas).filter(is_left));
        }
        Ok(left)
    }

    async fn not_over(&self, sessions: &[Versus]) -> Result<Vec<Versus>, Error> {
        let mut left = Vec::new();
        for session in sessions {
            left.extend(self.store.versus(&session.terms.id).await?.filter(|session| !session.is_over()));
        }
        Ok(left)
    }

    fn give_up(&self, left: &[Replica], sessions: &[Versus], screen: &mut Screen<'_>) -> Result<(), Error> {
        screen.line(format_args!("Time is over after {} s. What is left:", self.timeout.as_secs()))?;
        for session in sessions {
            screen.line(format_args!("versus session {}: {}", session.terms.id, session.state))?;
        }
        if !left.is_empty() {
            get::replicas(left, Timestamp::now(), screen)?;
        }
        screen.line(
            "The rules stay deleted, and the functions go on: run `stagelink drain` again to wait for them. What is held by the \
             brake waits for a sweep or two. If nothing changes, the stack may run with Mode=observe, in which nothing is \
             stopped; else the log of function dispatch says why.",
        )?;
        Ok(())
    }
}

/// `1 replica`, `2 replicas`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A span of time from a second to a day.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span = text.trim().parse::<SignedDuration>().ok();
    let allowed = SignedDuration::from_secs(1)..=SignedDuration::from_hours(24);
    let span = span.filter(|span| allowed.contains(span)).and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "allowed is 1s to 24h, such as 10m or \"1h 30m\"".to_owned())
}
