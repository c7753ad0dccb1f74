//! `stagelink adopt`: running replicas that somebody else started become Stagelink's own.
//!
//! That is a write to the table, and no call of IVS. What follows is done by the functions, as for any other replica.

use std::sync::Arc;
use std::time::Duration;

use controller::{
    AdoptError, Calls, CallsLeft, Controller, Invocation, Operator, Patience, Store, Unmeasured,
};
use jiff::{SignedDuration, Timestamp};
use replication::{
    Desired, Owner, ParticipantId, Pause, Phase, Policy, Replica, ReplicationKey, StageArn, Standing, plain,
};

use crate::clock::SystemClock;
use crate::drain::count;
use crate::orders::ByWhom;
use crate::stage_names::StageArgument;
use crate::{Deployment, Error, Screen, get, stage_names};

/// How long one adoption may take.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "stagelink adopt [OPTIONS] --reason <TEXT> SOURCE PARTICIPANT DESTINATION\n       \
    stagelink adopt [OPTIONS] --reason <TEXT> --all [--source STAGE] [--destination STAGE]"
)]
pub(crate) struct Adopt {
    /// The source stage: its ARN, name or id
    #[arg(value_name = "SOURCE", required_unless_present = "all", conflicts_with = "all")]
    source: Option<StageArgument>,
    /// Who is replicated, by the participant id
    #[arg(value_name = "PARTICIPANT", required_unless_present = "all", conflicts_with = "all")]
    participant: Option<ParticipantId>,
    /// The destination stage: its ARN, name or id
    #[arg(value_name = "DESTINATION", required_unless_present = "all", conflicts_with = "all")]
    destination: Option<StageArgument>,
    /// Every one that runs, as far as is known; asks first, and says how many
    #[arg(long)]
    all: bool,
    /// With --all: only of this source stage
    #[arg(long = "source", id = "only_source", value_name = "STAGE", requires = "all")]
    only_source: Option<StageArgument>,
    /// With --all: only on this destination stage
    #[arg(long = "destination", id = "only_destination", value_name = "STAGE", requires = "all")]
    only_destination: Option<StageArgument>,
    #[command(flatten)]
    order: ByWhom,
    /// Do not ask
    #[arg(long, requires = "all")]
    yes: bool,
}

impl Adopt {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let done = match (&self.source, &self.participant, &self.destination) {
            (Some(source), Some(participant), Some(destination)) => {
                let source = stage_names::resolve(&deployment.store, source).await?;
                let destination = stage_names::resolve(&deployment.store, destination).await?;
                let key = ReplicationKey { source, participant: participant.clone(), destination };
                self.one(&key, deployment, screen).await?
            }
            _ => self.every(deployment, screen).await?,
        };
        if let Some(Pause { by, reason, at }) = deployment.store.control().await?.pause {
            screen.line(format_args!(
                "Paused by {} since {at} ({}): until `stagelink resume`, nothing is started or stopped.",
                plain(&by),
                plain(&reason)
            ))?;
        }
        Ok(done)
    }

    async fn one(
        &self,
        key: &ReplicationKey,
        deployment: &Deployment,
        screen: &mut Screen<'_>,
    ) -> Result<bool, Error> {
        self.adopt(&controller(deployment), key).await?;
        screen.line(format_args!("Adopted: {}", told(key)))?;
        let view = deployment.store.load(&key.publisher()).await?;
        if let Some(adopted) = view.replica(&key.destination) {
            screen.line(what_follows(adopted))?;
        }
        Ok(true)
    }

    async fn every(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let (mut foreign, mut unreadable) = (Vec::new(), Vec::new());
        for replica in deployment.store.all_replicas().await? {
            replica.map_or_else(|error| unreadable.push(error), |replica| foreign.push(replica));
        }
        let (source, destination) = (&self.only_source, &self.only_destination);
        let only = [meant(deployment, source).await?, meant(deployment, destination).await?];
        foreign.retain(|replica| is_meant(replica, &only));
        for error in &unreadable {
            screen.line(format_args!("left out: {error}"))?;
        }
        if foreign.is_empty() {
            screen.line("There is nothing to adopt: no replica of somebody else's is known to run.")?;
            return Ok(unreadable.is_empty());
        }
        get::replicas(&foreign, (deployment.now)(), screen)?;
        if !self.yes {
            if !screen.terminal.asks {
                return Err(Error::NotConfirmed);
            }
            let unwanted = foreign.iter().filter(|replica| replica.desired == Desired::Released).count();
            let question = format!(
                "Adopt {}? {unwanted} of them no rule wants, as far as is known: these are stopped then.",
                count(foreign.len(), "replica")
            );
            if !screen.confirm(&question)? {
                screen.line("Nothing was changed.")?;
                return Ok(false);
            }
        }
        let (controller, mut failed) = (controller(deployment), Vec::new());
        let bar = screen.progress(foreign.len() as u64, "replicas adopted");
        for replica in &foreign {
            match self.adopt(&controller, &replica.key).await {
                Ok(()) => {}
                Err(AdoptError::Controller(controller::Error::Store(error))) => return Err(error.into()),
                Err(error) => failed.push(error),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        screen.line(format_args!("{} adopted.", count(foreign.len() - failed.len(), "replica")))?;
        for error in &failed {
            screen.line(format_args!("not adopted: {}", controller::with_causes(error)))?;
        }
        Ok(failed.is_empty() && unreadable.is_empty())
    }

    async fn adopt(&self, controller: &Controller, key: &ReplicationKey) -> Result<(), AdoptError> {
        let order = self.order.now();
        let deadline = order.at.checked_add(PATIENCE).unwrap_or(Timestamp::MAX);
        let invocation = Invocation { id: format!("stagelink adopt by {}", order.by), deadline };
        match controller.adopt(key, &order, &invocation).await {
            // It is ours, and what follows is left to those who may call IVS.
            Ok(_) | Err(AdoptError::Controller(controller::Error::Unsettled { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The stage that is asked for, if one is.
async fn meant(deployment: &Deployment, only: &Option<StageArgument>) -> Result<Option<StageArn>, Error> {
    match only {
        Some(stage) => stage_names::resolve(&deployment.store, stage).await.map(Some),
        None => Ok(None),
    }
}

/// Whether it runs, is somebody else's, and is of the source and destination that are asked for.
fn is_meant(replica: &Replica, [source, destination]: &[Option<StageArn>; 2]) -> bool {
    let is = |only: &Option<StageArn>, stage: &StageArn| only.as_ref().is_none_or(|only| only == stage);
    replica.owner_if_running() == Owner::Foreign
        && replica.evidence.standing() == Standing::On
        && is(source, &replica.key.source)
        && is(destination, &replica.key.destination)
}

/// One that makes no call, and waits for nothing.
fn controller(deployment: &Deployment) -> Controller {
    Controller {
        store: Arc::new(deployment.store.clone().with_selector_cache(Duration::ZERO)),
        clock: Arc::new(SystemClock),
        calls: Calls::default(),
        policy: Policy::default(),
        patience: Patience(Duration::ZERO),
        calls_left: CallsLeft::default(),
        measure: Unmeasured::shared(),
    }
}

fn told(ReplicationKey { source, participant, destination }: &ReplicationKey) -> String {
    format!("{participant} of {source} on {destination}")
}

/// What will become of a replica that was just adopted.
fn what_follows(replica: &Replica) -> String {
    match (&replica.rule, replica.desired) {
        _ if replica.is_held_by_brake() => {
            "No rule wants it, and the brake on mass stops holds it; a sweep lets it go, within minutes."
                .to_owned()
        }
        (_, Desired::Released) if replica.phase == Phase::Stopped => "It has been stopped.".to_owned(),
        (_, Desired::Released) => "No rule wants it: it is stopped within seconds.".to_owned(),
        (Some(rule), Desired::Replicated) => {
            format!("Rule {} wants it: it is kept, and stopped once no rule does any more.", rule.id)
        }
        (None, Desired::Replicated) => "It is kept.".to_owned(),
    }
}

/// What to do when one cannot be adopted.
pub(crate) fn next(error: &AdoptError) -> Option<String> {
    Some(match error {
        AdoptError::Unknown(_) => {
            "have its stage looked at with `stagelink reconcile SOURCE`, and then try again; nothing was changed".to_owned()
        }
        AdoptError::NotRunning(_) => {
            "if it does run, an event was lost: `stagelink reconcile SOURCE` has it found; nothing was changed".to_owned()
        }
        AdoptError::Ours(_) => "there is nothing to do; nothing was changed".to_owned(),
        AdoptError::Controller(controller::Error::Contended { .. }) => "try again in a moment".to_owned(),
        AdoptError::Controller(_) => return None,
    })
}
