//! What a command sees of the table at one time.
//!
//! Everything is one Scan, which reads seven days of history along. So where a source or a destination is given by its ARN, only
//! what concerns it is read, by Queries; the result has the same form and less in it.

use std::collections::BTreeSet;

use aws_adapters::DynamoStore;
use controller::sweep::port::SweepStore;
use controller::{StageReader, Store, StoreError, VersusStore};
use jiff::Timestamp;
use replication::sweep::Inventory;
use replication::{ParticipantId, Phase, PublisherKey, Replica, StageArn, View};

use crate::stage_names::{StageArgument, StageNames};
use crate::{Deployment, Error};

/// What the table holds, or the part of it that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    /// It.
    pub(crate) inventory: Inventory,
    /// What its stages are called.
    pub(crate) names: StageNames,
    /// The time that ages are counted from.
    pub(crate) now: Timestamp,
}

impl Sight {
    /// All of it: a Scan.
    pub(crate) async fn of_everything(deployment: &Deployment) -> Result<Self, Error> {
        Ok(Self::new(deployment.store.inventory().await?, (deployment.now)()))
    }

    /// What concerns a source or a destination, by as few reads as there are.
    pub(crate) async fn of(
        deployment: &Deployment,
        source: Option<&StageArgument>,
        destination: Option<&StageArgument>,
    ) -> Result<Self, Error> {
        let store = &deployment.store;
        let mut inventory = Inventory::default();
        match (source, destination) {
            (Some(StageArgument::Arn(source)), None | Some(StageArgument::Arn(_))) => {
                add_source(store, &mut inventory, source).await?
            }
            (None, Some(StageArgument::Arn(destination))) => {
                for source in sources_of(store, destination).await? {
                    add_source(store, &mut inventory, &source).await?;
                }
                add_facts(store, &mut inventory, destination).await?;
            }
            _ => return Self::of_everything(deployment).await,
        }
        Ok(Self::new(inventory, (deployment.now)()))
    }

    /// A stage with everybody on it: its own publishers, and those who are replicated to it.
    pub(crate) async fn of_stage(deployment: &Deployment, stage: &StageArn) -> Result<Self, Error> {
        let store = &deployment.store;
        let mut inventory = Inventory::default();
        add_source(store, &mut inventory, stage).await?;
        for source in sources_of(store, stage).await? {
            add_source(store, &mut inventory, &source).await?;
        }
        Ok(Self::new(inventory, (deployment.now)()))
    }

    /// The same, seen at another time.
    pub(crate) fn at(&self, now: Timestamp) -> Self {
        Self { now, ..self.clone() }
    }

    fn new(inventory: Inventory, now: Timestamp) -> Self {
        Self { names: StageNames::of(&inventory), inventory, now }
    }

    /// The stage that an argument means, if there is one.
    pub(crate) fn stage(&self, argument: Option<&StageArgument>) -> Result<Option<StageArn>, Error> {
        argument.map(|argument| self.names.resolve(argument)).transpose()
    }

    /// The publishers with this participant id, or this user id; also those of whom there are only replications.
    pub(crate) fn known_as(&self, name: &str) -> BTreeSet<PublisherKey> {
        let stages = self.inventory.stages.values();
        let publishers = stages.clone().flat_map(|items| items.publishers.values());
        let publishers = publishers
            .filter(|publisher| publisher.key.participant.as_str() == name || publisher.user_id == name)
            .map(|publisher| publisher.key.clone());
        let replicas = self.inventory.replicas().filter(|replica| replica.key.participant.as_str() == name);
        publishers.chain(replicas.map(|replica| replica.key.publisher())).collect()
    }
}

/// A stage's publishers with their replications, the rules for them, and what is known of the stages concerned.
async fn add_source(store: &DynamoStore, inventory: &mut Inventory, source: &StageArn) -> Result<(), Error> {
    let views = store.views_on(source).await?;
    let mut stages = BTreeSet::from([source.clone()]);
    for View { publisher, replicas, .. } in views {
        stages.extend(replicas.iter().map(|replica| replica.key.destination.clone()));
        publisher.into_iter().for_each(|publisher| inventory.put_publisher(publisher));
        replicas.into_iter().for_each(|replica| inventory.put_replica(replica));
    }
    // The rules of a stage are read with anybody on it, whoever that is.
    let anybody: ParticipantId = match "anybody".parse() {
        Ok(participant) => participant,
        Err(_) => return Ok(()),
    };
    let view = store.load(&PublisherKey { stage: source.clone(), participant: anybody }).await?;
    let known: BTreeSet<_> = inventory.rules.iter().map(|rule| rule.id.clone()).collect();
    inventory.rules.extend(view.rules.into_iter().filter(|rule| !known.contains(&rule.id)));
    (inventory.directory, inventory.control) = (view.directory, view.control);
    for stage in stages {
        add_facts(store, inventory, &stage).await?;
    }
    Ok(())
}

async fn add_facts(store: &DynamoStore, inventory: &mut Inventory, stage: &StageArn) -> Result<(), Error> {
    if inventory.stages.get(stage).is_some_and(|items| items.knowledge.is_some()) {
        return Ok(());
    }
    let facts = store.stage_facts(stage).await?;
    facts.knowledge.into_iter().for_each(|knowledge| inventory.put_knowledge(knowledge));
    facts.occupants.into_iter().for_each(|occupants| inventory.put_occupants(stage.clone(), occupants));
    Ok(())
}

/// The source stages of the replications to a stage. A Query of the index for each phase.
async fn sources_of(store: &DynamoStore, destination: &StageArn) -> Result<BTreeSet<StageArn>, StoreError> {
    let mut sources = BTreeSet::new();
    for phase in Phase::NAMES {
        let replicas: Vec<Replica> = store.replicas_to(destination, phase).await?;
        sources.extend(replicas.into_iter().map(|replica| replica.key.source));
    }
    Ok(sources)
}
