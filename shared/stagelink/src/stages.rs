//! `stagelink stages`: the stages of the account, as IVS has them and as the table knows them.
//!
//! These commands call IVS with the operator's own credentials. Calls that the functions make too are taken from their budget, so
//! that a list of a thousand stages takes nothing away from them.

mod create;
mod list;
mod parse;
mod record;
mod settings;
mod show;
mod trouble;
mod words;

use std::sync::Arc;

use clap::Subcommand;
use controller::sweep::single_pace::SinglePace;
use controller::{Order, Stages};
use jiff::Timestamp;
use replication::StageArn;

use crate::clock::SystemClock;
use crate::stage_names::StageArgument;
use crate::{Deployment, Error, Screen};

pub(crate) use trouble::{in_words, next};

/// How much of the quota of 5 calls per second the functions take, in percent: what the template's QuotaSharePercent is if nobody
/// says otherwise.
const QUOTA_SHARE: u32 = 80;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates a stage, and prints its ARN
    ///
    /// Stages are deleted by the AWS CLI: `aws ivs-realtime delete-stage --arn ARN`. Needs ivs:CreateStage, and ivs:TagResource for
    /// tags.
    Create(create::Create),
    /// Lists the stages of the account: who is there, and what is replicated there and from there
    ///
    /// Needs ivs:ListStages, and ivs:GetStage for --recording.
    List(list::List),
    /// Shows all that is known of a stage: how it records, which rules concern it, and who is on it since when
    ///
    /// Needs ivs:GetStage.
    Show(show::Show),
    /// Changes how a stage records; shows what it was, what it is, and nothing more
    ///
    /// Without an option it shows how the stage records. What no option names stays as it is; what is so already is not called
    /// for. IVS changes no stage while somebody there is recorded. Stages have no version: whoever changes the same stage
    /// within the same second is overwritten. Needs ivs:GetStage and ivs:UpdateStage.
    Record(record::Record),
}

impl Command {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        match self {
            Self::Create(command) => command.run(deployment, screen).await,
            Self::List(command) => command.run(deployment, screen).await,
            Self::Show(command) => command.run(deployment, screen).await,
            Self::Record(command) => command.run(deployment, screen).await,
        }
    }
}

/// Sees to the stages of a deployment's account, on behalf of somebody.
fn stages(deployment: &Deployment, order: Order) -> Stages {
    let (store, clock) = (Arc::new(deployment.store.clone()), Arc::new(SystemClock));
    Stages {
        calls: deployment.connection.ivs().for_stages(),
        pace: Arc::new(SinglePace::new(store.clone(), clock.clone(), QUOTA_SHARE)),
        store,
        clock,
        order,
    }
}

/// The stage that is meant. What it is called, IVS is asked: the table need not know a stage that nothing concerns.
async fn resolve(stages: &Stages, argument: &StageArgument) -> Result<StageArn, Error> {
    let name = match argument {
        StageArgument::Arn(stage) => return Ok(stage.clone()),
        StageArgument::Name(name) => name,
    };
    let listed = stages.list().await?.into_iter();
    let found = listed.filter(|listed| listed.name == *name || listed.stage.resource_id() == name);
    let found: Vec<_> = found.map(|listed| listed.stage).collect();
    match &found[..] {
        [stage] => Ok(stage.clone()),
        _ => Err(Error::UnknownStage { value: name.clone(), found }),
    }
}

/// Looks at them, which leaves no trace.
fn reading(deployment: &Deployment) -> Stages {
    stages(deployment, Order { by: String::new(), reason: None, at: Timestamp::now() })
}
