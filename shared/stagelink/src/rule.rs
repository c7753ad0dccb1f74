//! `stagelink rule`: one rule is paused, resumed, deleted, looked back at, and rolled back.

mod history;

use std::collections::BTreeMap;

use aws_adapters::DynamoStore;
use controller::rules;
use replication::forecast::Effect;
use replication::sweep::Inventory;
use replication::{Forecast, Rule, RuleChange, RuleId, Status};

use crate::orders::ByWhom;
use crate::plan::{Reckoning, follows, in_force, inventory};
use crate::{Error, Screen};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Has a rule act as if it were not there: what runs for it alone is stopped
    Pause(One),
    /// Has a paused rule act again
    Resume(One),
    /// Deletes a rule: what runs for it alone is stopped
    Delete(Delete),
    /// Tells what a rule said from change to change, who changed it, and why
    History(history::History),
    /// Has a rule say again what it said before, also after it was deleted
    Rollback(Rollback),
}

#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The rule's id
    #[arg(value_name = "RULE")]
    id: RuleId,
    #[command(flatten)]
    order: ByWhom,
    #[command(flatten)]
    reckoning: Reckoning,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    one: One,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    one: One,
    /// The revision whose content it gets [default: the one before the last change]
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
}

impl Command {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        match self {
            Self::Pause(one) => one.set(Status::Paused, store, screen).await,
            Self::Resume(one) => one.set(Status::Enabled, store, screen).await,
            Self::Delete(delete) => delete.run(store, screen).await,
            Self::History(history) => history.run(store, screen).await,
            Self::Rollback(rollback) => rollback.run(store, screen).await,
        }
    }
}

impl One {
    async fn set(&self, status: Status, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let before = inventory(store, screen).await?;
        let changed = rules::set_status(store, &self.id, status, None, &self.order.now()).await?;
        let word = if status == Status::Paused { "paused" } else { "enabled" };
        self.tell(screen, &before, &changed, word)
    }

    /// Says what was done to the rule, and what follows.
    fn tell(
        &self,
        screen: &mut Screen<'_>,
        before: &Inventory,
        changed: &RuleChange,
        word: &str,
    ) -> Result<bool, Error> {
        let revision = changed.after.as_ref().map_or(0, |rule| rule.revision);
        if changed.is_nothing() {
            screen.line(format_args!("Rule {} is {word} already, revision {revision}.", self.id))?;
            return Ok(true);
        }
        screen.line(format_args!("Rule {} is {word}, revision {revision}.", self.id))?;
        follows(screen, &self.forecast(before, changed))?;
        in_force(screen)?;
        Ok(true)
    }

    fn forecast(&self, before: &Inventory, change: &RuleChange) -> Forecast {
        let rules: Vec<Rule> = RuleChange::applied(std::slice::from_ref(change), &before.rules);
        self.reckoning.forecast(before, &rules)
    }
}

impl Delete {
    async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let Self { one, yes } = self;
        let before = inventory(store, screen).await?;
        let known = before.rules.iter().find(|rule| rule.id == one.id);
        if one.id.is_of_versus() {
            return Err(rules::Error::OfVersus(one.id.clone()).into());
        }
        let known = known.ok_or_else(|| rules::Error::Unknown(one.id.clone()))?;
        let change = RuleChange { before: Some(known.clone()), after: None };
        let made = one.forecast(&before, &change);
        announce(screen, &before, &one.id, &made)?;
        if !yes {
            if !screen.terminal.asks {
                return Err(Error::NotConfirmed);
            }
            if !screen.confirm(&format!("Delete rule {}?", one.id))? {
                screen.line("Nothing was changed.")?;
                return Ok(false);
            }
        }
        rules::delete(store, &one.id, Some(known.revision), &one.order.now()).await?;
        screen.line(format_args!(
            "Rule {} is deleted; it had revision {}. `stagelink rule rollback {} --reason ...` brings it back.",
            one.id, known.revision, one.id
        ))?;
        in_force(screen)?;
        Ok(true)
    }
}

/// How many replicas run under a rule, and what becomes of them and of others without it.
fn announce(
    screen: &mut Screen<'_>,
    before: &Inventory,
    id: &RuleId,
    made: &Forecast,
) -> std::io::Result<()> {
    let of_rule = |rule: Option<&replication::RuleRef>| rule.is_some_and(|rule| rule.id == *id);
    let running =
        before.replicas().filter(|replica| replica.runs_as_ours() && of_rule(replica.rule.as_ref()));
    let running: BTreeMap<_, _> = running.map(|replica| (&replica.key, ())).collect();
    let stopped = made
        .replications
        .iter()
        .filter(|change| running.contains_key(&change.key) && matches!(change.effect, Effect::Stop { .. }));
    screen.line(format_args!(
        "{} run under rule {id}; {} of them are stopped without it.",
        match running.len() {
            1 => "1 replica".to_owned(),
            number => format!("{number} replicas"),
        },
        stopped.count()
    ))?;
    follows(screen, made)
}

impl Rollback {
    async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let one = &self.one;
        let before = inventory(store, screen).await?;
        let changed = rules::rollback(store, &one.id, self.to, None, &one.order.now()).await?;
        let to = match self.to {
            Some(to) => format!("rolled back to what it said at revision {to}"),
            None => "rolled back to what it said before".to_owned(),
        };
        for field in changed.fields().iter().filter(|_| changed.before.is_some()) {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "(nothing)".to_owned());
            let line = format!("  {}: {} -> {}", field.field, side(&field.before), side(&field.after));
            screen.line(replication::plain(&line))?;
        }
        one.tell(screen, &before, &changed, &to)
    }
}
