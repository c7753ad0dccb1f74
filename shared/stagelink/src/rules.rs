//! `stagelink rules`.

use std::path::PathBuf;

use aws_adapters::DynamoStore;
use replication::{Destination, Rule, Source, Status, Tags};

use crate::columns::columns;
use crate::{Error, Screen};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Replaces all rules by those of a file, as a whole or not at all; rules of versus sessions stay
    Apply(Apply),
    /// Lists all rules, those of versus sessions too
    List,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// The rules file (YAML)
    #[arg(short, long)]
    file: PathBuf,
}

impl Command {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        match self {
            Self::Apply(apply) => apply.run(store, screen).await,
            Self::List => list(store, screen).await,
        }
    }
}

impl Apply {
    async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let text = std::fs::read_to_string(&self.file)
            .map_err(|source| Error::Read { path: self.file.clone(), source })?;
        let rules = rules_file::parse(&text).map_err(Error::Rules)?;
        let replaced = store.replace_rules(&rules).await?;
        for id in &replaced.put {
            screen.line(format_args!("put      {id}"))?;
        }
        for id in &replaced.deleted {
            screen.line(format_args!("deleted  {id}"))?;
        }
        let (put, deleted) = (replaced.put.len(), replaced.deleted.len());
        screen.line(format_args!("{put} put, {deleted} deleted, {} unchanged", replaced.unchanged))?;
        if put + deleted > 0 {
            let seconds = DynamoStore::SELECTOR_CACHE.as_secs();
            screen.line(format_args!(
                "Every function uses them within {seconds} s (its SELECTOR_CACHE_SECONDS, if that is set)."
            ))?;
        }
        Ok(true)
    }
}

async fn list(store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
    let (mut rules, mut unreadable) = (Vec::new(), Vec::new());
    for rule in store.all_rules().await? {
        rule.map_or_else(|error| unreadable.push(error), |rule| rules.push(rule));
    }
    // As the planner takes them: the higher priority first, then the id.
    rules.sort_by(|a, b| (b.priority, &a.id).cmp(&(a.priority, &b.id)));
    let rows: Vec<_> = rules.iter().map(row).collect();
    let names = ["RULE", "REVISION", "PRIORITY", "STATUS", "SOURCE", "DESTINATIONS"];
    write!(screen.output, "{}", columns(names, &rows))?;
    for error in &unreadable {
        screen.line(format_args!("left out: {error}"))?;
    }
    Ok(unreadable.is_empty())
}

fn row(rule: &Rule) -> [String; 6] {
    let status = match (rule.status, rule.expires_at) {
        (Status::Paused, _) => "paused".to_owned(),
        (Status::Enabled, None) => "enabled".to_owned(),
        (Status::Enabled, Some(end)) => format!("until {end}"),
    };
    let source = match &rule.source {
        Source::Any => "any".to_owned(),
        Source::Stage(stage) => stage.to_string(),
        Source::Tags(source) => tags(source),
    };
    let destinations: Vec<_> = rule.destinations.iter().map(destination).collect();
    [
        rule.id.to_string(),
        rule.revision.to_string(),
        rule.priority.to_string(),
        status,
        source,
        destinations.join(", "),
    ]
}

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Stage(stage) => stage.to_string(),
        Destination::Tags { tags: selected, same } if same.is_empty() => tags(selected),
        Destination::Tags { tags: selected, same } => format!("{} same {}", tags(selected), same.join(" ")),
    }
}

fn tags(tags: &Tags) -> String {
    let pairs: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("tags {}", pairs.join(" "))
}
