//! Stages as people name them: by ARN, by name, or by the last part of the ARN.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use aws_adapters::DynamoStore;
use controller::sweep::port::SweepStore;
use replication::sweep::Inventory;
use replication::{Rule, StageArn};

use crate::Error;

/// A stage as it was given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StageArgument {
    /// Its ARN.
    Arn(StageArn),
    /// Its name, or the last part of its ARN.
    Name(String),
}

impl FromStr for StageArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("arn:") {
            return text.parse().map(Self::Arn).map_err(|error: replication::IdError| error.to_string());
        }
        if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
            return Err("allowed is a stage's ARN, its name, or the last part of its ARN".to_owned());
        }
        Ok(Self::Name(text.to_owned()))
    }
}

/// The stages that the table knows, with their names.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageNames {
    names: BTreeMap<StageArn, String>,
    ambiguous: BTreeSet<String>,
}

impl StageNames {
    /// Of every stage that is mentioned anywhere in the inventory.
    pub(crate) fn of(inventory: &Inventory) -> Self {
        let mut names: BTreeMap<StageArn, String> = BTreeMap::new();
        let replicas = inventory.replicas().map(|replica| &replica.key.destination);
        let rules = inventory.rules.iter().flat_map(Rule::named_stages);
        for stage in inventory.stages.keys().chain(inventory.directory.keys()).chain(replicas).chain(rules) {
            let name = inventory.knowledge(stage).map(|known| known.listed.name.clone());
            names.insert(stage.clone(), name.unwrap_or_default());
        }
        let mut seen = BTreeSet::new();
        let ambiguous = names
            .iter()
            .flat_map(|(stage, name)| BTreeSet::from([name.as_str(), stage.resource_id()]))
            .filter(|text| !seen.insert(*text))
            .map(str::to_owned)
            .collect();
        Self { names, ambiguous }
    }

    /// The stage that is meant.
    pub(crate) fn resolve(&self, argument: &StageArgument) -> Result<StageArn, Error> {
        let name = match argument {
            StageArgument::Arn(stage) => return Ok(stage.clone()),
            StageArgument::Name(name) => name,
        };
        let is_it = |(stage, known): &(&StageArn, &String)| *known == name || stage.resource_id() == name;
        let found: Vec<_> = self.names.iter().filter(is_it).map(|(stage, _)| stage.clone()).collect();
        match &found[..] {
            [stage] => Ok(stage.clone()),
            _ => Err(Error::UnknownStage { value: name.clone(), found }),
        }
    }

    /// What to call a stage: by its name, if no other has it; else by the last part of its ARN.
    pub(crate) fn short<'a>(&'a self, stage: &'a StageArn) -> &'a str {
        let name = self.names.get(stage).filter(|name| !name.is_empty() && !self.ambiguous.contains(*name));
        name.map_or(stage.resource_id(), String::as_str)
    }
}

/// All stages with their names: a Scan.
pub(crate) async fn read(store: &DynamoStore) -> Result<StageNames, Error> {
    Ok(StageNames::of(&store.inventory().await?))
}

/// The stage that is meant. It costs a Scan of the table, unless it is given by its ARN.
pub(crate) async fn resolve(store: &DynamoStore, argument: &StageArgument) -> Result<StageArn, Error> {
    match argument {
        StageArgument::Arn(stage) => Ok(stage.clone()),
        StageArgument::Name(_) => read(store).await?.resolve(argument),
    }
}

#[cfg(test)]
mod tests {
    use replication::sweep::{ListedStage, StageKnowledge};

    use super::*;

    fn names(stages: &[(&str, &str)]) -> StageNames {
        let mut inventory = Inventory::default();
        for (id, name) in stages {
            let stage = format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap();
            let (name, tags) = ((*name).to_owned(), BTreeMap::new());
            let listed = ListedStage { stage, name, tags, active_session: None };
            inventory.put_knowledge(StageKnowledge::new(listed, jiff::Timestamp::UNIX_EPOCH));
        }
        StageNames::of(&inventory)
    }

    #[test]
    fn a_stage_is_found_by_arn_name_and_id_if_that_is_one_stage() {
        let known = names(&[("A1", "main"), ("B2", "twice"), ("C3", "twice"), ("D4", ""), ("E5", "A1")]);
        let resolved =
            |text: &str| known.resolve(&text.parse().unwrap()).map(|stage| stage.resource_id().to_owned());
        for (text, id) in [("main", "A1"), ("B2", "B2"), ("D4", "D4")] {
            assert_eq!(resolved(text).unwrap(), id, "{text}");
        }
        assert_eq!(resolved("arn:aws:ivs:us-east-1:123456789012:stage/elsewhere").unwrap(), "elsewhere");
        for (text, candidates) in [("twice", 2), ("A1", 2), ("nobody", 0)] {
            let Err(Error::UnknownStage { found, .. }) = resolved(text) else { panic!("{text}") };
            assert_eq!(found.len(), candidates, "{text}");
        }
        let short: Vec<_> = known.names.keys().map(|stage| known.short(stage)).collect();
        assert_eq!(short, ["main", "B2", "C3", "D4", "E5"], "a name that is another's is none");
    }

    #[test]
    fn what_is_no_stage_is_said_to_be_none() {
        for text in ["arn:aws:ivs:us-east-1:1:channel/x", "arn:", "", "a\u{1b}b"] {
            assert!(text.parse::<StageArgument>().unwrap_err().contains("allowed is"), "{text:?}");
        }
    }
}
