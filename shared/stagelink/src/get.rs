//! `stagelink get`: lists of what there is, with filters, in the form that is wanted, once or as it changes.

mod blocked;
mod budget;
mod filters;
mod publishers;
mod replicas;
mod rules;
mod stages;
mod versus;
mod watch;

use std::time::Duration;

use controller::VersusStore;

use crate::output::Output;
use crate::sight::Sight;
use crate::stage_names;
use crate::{Deployment, Error, Screen, drain};
use filters::Filters;

pub(crate) use replicas::list as replicas;

/// Lists what Stagelink knows.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// What to list
    #[arg(value_enum)]
    kind: Kind,
    /// Only the one of this name: a rule's or session's id, a stage (with everybody on it), a participant's id or user id
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    filters: Filters,
    /// Of replicas, those too that ended within the last day; of publishers, those too who stopped
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
    /// Go on: redraw at a terminal, append what changed elsewhere
    #[arg(long, short)]
    watch: bool,
    /// How often to look, from 1s to 24h, with --watch [default: 2s]
    #[arg(long, value_name = "DURATION", requires = "watch", value_parser = drain::duration)]
    interval: Option<Duration>,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Rules, also those of versus sessions
    Rules,
    /// Stages; with a NAME, everybody on that stage and since when
    Stages,
    /// Participants who publish
    Publishers,
    /// Replications: who is replicated where, by which rule, and how far that is
    Replicas,
    /// Versus sessions of the last day
    Versus,
    /// The call budgets and what waits for them
    Budget,
    /// What is wanted and not to be had, and what to do about it
    Blocked,
}

/// What was read for one list.
enum Seen {
    Table(Box<Sight>),
    Versus(Box<Sight>, Vec<replication::Versus>),
    Budget(budget::Backlog),
}

impl Get {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        self.filters.check(self.kind, self.name.is_some())?;
        match self.watch {
            true => {
                let interval = self.interval.unwrap_or(deployment.pace.look);
                watch::watch(self, deployment, interval, screen).await
            }
            false => {
                let seen = self.look(deployment).await?;
                self.print(&seen, screen)
            }
        }
    }

    /// Reads what the list needs.
    async fn look(&self, deployment: &Deployment) -> Result<Seen, Error> {
        let Filters { source, destination, .. } = &self.filters;
        Ok(match (self.kind, &self.name) {
            (Kind::Budget, _) => Seen::Budget(budget::Backlog::of(deployment).await?),
            (Kind::Versus, _) => {
                let sight = Sight::of_everything(deployment).await?;
                Seen::Versus(Box::new(sight), deployment.store.all_versus().await?)
            }
            (Kind::Stages, Some(name)) => {
                let argument = name.parse().map_err(|allowed| Error::Argument {
                    field: "NAME",
                    value: name.clone(),
                    allowed,
                })?;
                let stage = stage_names::resolve(&deployment.store, &argument).await?;
                Seen::Table(Box::new(Sight::of_stage(deployment, &stage).await?))
            }
            (Kind::Stages, None) | (Kind::Rules, _) => {
                Seen::Table(Box::new(Sight::of_everything(deployment).await?))
            }
            _ => Seen::Table(Box::new(Sight::of(deployment, source.as_ref(), destination.as_ref()).await?)),
        })
    }

    /// Prints the list. Whether everything that was read is in it.
    fn print(&self, seen: &Seen, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let sight = match seen {
            Seen::Budget(backlog) => {
                budget::print(backlog, self.output, screen)?;
                return Ok(true);
            }
            Seen::Versus(sight, sessions) => {
                versus::print(sight, sessions, self, screen)?;
                sight
            }
            Seen::Table(sight) => {
                match self.kind {
                    Kind::Rules => rules::print(sight, self, screen)?,
                    Kind::Stages => stages::print(sight, self, screen)?,
                    Kind::Publishers => publishers::print(sight, self, screen)?,
                    Kind::Blocked => blocked::print(sight, self, screen)?,
                    _ => replicas::print(sight, self, screen)?,
                }
                sight
            }
        };
        // Programs find them in the document.
        for item in sight.inventory.left_out.iter().filter(|_| !self.output.is_document()) {
            screen.line(format_args!("left out: {}", replication::plain(item)))?;
        }
        Ok(sight.inventory.left_out.is_empty())
    }
}

impl Seen {
    /// The same, seen at another time: what differs then is not only an age.
    fn at(&self, now: jiff::Timestamp) -> Self {
        match self {
            Self::Table(sight) => Self::Table(Box::new(sight.at(now))),
            Self::Versus(sight, sessions) => Self::Versus(Box::new(sight.at(now)), sessions.clone()),
            Self::Budget(backlog) => Self::Budget(backlog.at(now)),
        }
    }
}

/// A document with a list of this name, and what was left out of it.
fn document(name: &str, rows: Vec<serde_json::Value>, left_out: &[String]) -> serde_json::Value {
    let mut document = serde_json::json!({ name: rows });
    if !left_out.is_empty() {
        document["left_out"] = left_out.into();
    }
    document
}

/// The JSON form of something.
fn json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}
