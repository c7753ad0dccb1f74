//! `stagelink plan` and `apply`: what a rules file would change, and the change itself.

mod text;

use std::path::PathBuf;

use aws_adapters::DynamoStore;
use controller::rules;
use controller::sweep::port::SweepStore;
use jiff::Timestamp;
use replication::forecast::{Fingerprint, Terms};
use replication::sweep::Inventory;
use replication::{Forecast, Policy, Rule, forecast};

use crate::output::Output;
use crate::{Error, Outcome, Screen, ordered};
pub(crate) use text::{follows, in_force};

/// What a plan reckons with.
#[derive(Debug, clap::Args)]
pub(crate) struct Reckoning {
    /// The share of IVS's quotas that the functions have (parameter QuotaSharePercent of the stack), 1-100
    #[arg(long, value_name = "PERCENT", default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..=100))]
    quota_share: u32,
}

/// The rules file.
#[derive(Debug, clap::Args)]
struct File {
    /// The rules file (YAML or JSON)
    #[arg(short, long)]
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    file: File,
    #[command(flatten)]
    reckoning: Reckoning,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    file: File,
    /// Only if this is still the plan, as `stagelink plan` named it
    #[arg(long, value_name = "FINGERPRINT")]
    plan: Option<Fingerprint>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// The file may be without any rule, and all rules be deleted
    #[arg(long)]
    allow_empty: bool,
    #[command(flatten)]
    reckoning: Reckoning,
    #[command(flatten)]
    ordered: ordered::Optional,
}

impl Plan {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<Outcome, Error> {
        let rules = self.file.read()?;
        let inventory = inventory(store, screen).await?;
        let made = self.reckoning.forecast(&inventory, &rules);
        if self.output.is_document() {
            self.output.document(screen, &views::Forecast::from(&made))?;
        } else {
            text::plan(screen, self.output, &made, &inventory)?;
            if !made.is_empty() {
                let file = self.file.file.display();
                screen.line(format_args!(
                    "\nPlan {}. `stagelink apply -f {file} --plan {}` makes it, if it is still the same.",
                    made.fingerprint, made.fingerprint
                ))?;
            }
        }
        Ok(if made.is_empty() { Outcome::Done } else { Outcome::Changes })
    }
}

impl Apply {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let rules = self.file.read()?;
        let inventory = inventory(store, screen).await?;
        let made = self.reckoning.forecast(&inventory, &rules);
        text::plan(screen, Output::TABLE, &made, &inventory)?;
        if let Some(plan) = self.plan.filter(|plan| *plan != made.fingerprint) {
            return Err(Error::NotThatPlan { plan, now: made.fingerprint });
        }
        if made.is_empty() {
            return Ok(true);
        }
        if rules.is_empty() && !self.allow_empty {
            return Err(Error::NoRules(self.file.file.clone()));
        }
        if !self.yes {
            if !screen.terminal.asks {
                return Err(Error::NotConfirmed);
            }
            if !screen.confirm("\nMake these changes?")? {
                screen.line("Nothing was changed.")?;
                return Ok(false);
            }
        }
        let basis = revisions(&inventory.rules);
        let spinner = screen.spinner("writing the rules");
        let changed = rules::replace(store, &rules, Some(&basis), &self.ordered.now()).await?;
        spinner.finish_and_clear();
        screen.line("")?;
        for change in &changed {
            screen.line(text::done(change))?;
        }
        in_force(screen)?;
        Ok(true)
    }
}

impl File {
    fn read(&self) -> Result<Vec<Rule>, Error> {
        let path = || self.file.clone();
        let text =
            std::fs::read_to_string(&self.file).map_err(|source| Error::Read { path: path(), source })?;
        rules_file::parse(&text).map_err(Error::Rules)
    }
}

impl Reckoning {
    pub(crate) fn forecast(&self, inventory: &Inventory, rules: &[Rule]) -> Forecast {
        let policy = Policy::default();
        let terms = Terms { now: Timestamp::now(), policy: &policy, share_percent: self.quota_share };
        forecast(inventory, rules, terms)
    }
}

/// Everything that the table knows. A rule that cannot be read is an error, for who does not know all rules cannot tell what changes.
pub(crate) async fn inventory(store: &DynamoStore, screen: &Screen<'_>) -> Result<Inventory, Error> {
    let spinner = screen.spinner("reading the table");
    let inventory = store.inventory().await?;
    if inventory.rules_incomplete
        && let Some(unreadable) = rules::RuleBook::rules(store).await?.unreadable.pop()
    {
        return Err(unreadable.into());
    }
    spinner.finish_and_clear();
    Ok(inventory)
}

/// The revision of each rule that people change.
fn revisions(rules: &[Rule]) -> std::collections::BTreeMap<replication::RuleId, u64> {
    let own = rules.iter().filter(|rule| !rule.id.is_of_versus());
    own.map(|rule| (rule.id.clone(), rule.revision)).collect()
}
