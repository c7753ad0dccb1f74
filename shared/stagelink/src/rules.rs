//! `stagelink rules`.

use std::path::PathBuf;

use aws_adapters::DynamoStore;

use crate::{Error, Screen};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Replaces all rules by those of a file, as a whole or not at all; rules of versus sessions stay
    Apply(Apply),
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
