//! `stagelink replicas`.

use aws_adapters::DynamoStore;
use replication::{Owner, Phase, Replica};

use crate::columns::columns;
use crate::{Error, Screen};

#[derive(Debug, clap::Args)]
pub(crate) struct Replicas {
    /// Those too that ended within the last day
    #[arg(long)]
    all: bool,
}

impl Replicas {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let (mut replicas, mut unreadable) = (Vec::new(), Vec::new());
        for replica in store.all_replicas().await? {
            replica.map_or_else(|error| unreadable.push(error), |replica| replicas.push(replica));
        }
        replicas.retain(|replica| self.all || replica.phase != Phase::Stopped);
        write!(screen.output, "{}", list(replicas.iter()))?;
        for error in &unreadable {
            screen.line(format_args!("left out: {error}"))?;
        }
        Ok(unreadable.is_empty())
    }
}

/// Replications in columns, in the order of their keys.
pub(crate) fn list<'a>(replicas: impl Iterator<Item = &'a Replica>) -> String {
    let mut replicas: Vec<_> = replicas.collect();
    replicas.sort_by(|a, b| a.key.cmp(&b.key));
    let rows: Vec<_> = replicas.into_iter().map(row).collect();
    columns(["SOURCE", "PARTICIPANT", "DESTINATION", "PHASE", "RULE", "NOTE"], &rows)
}

fn row(replica: &Replica) -> [String; 6] {
    let rule = replica.rule.as_ref().map_or("-", |rule| rule.id.as_str());
    [
        replica.key.source.to_string(),
        replica.key.participant.to_string(),
        replica.key.destination.to_string(),
        replica.phase.to_string(),
        rule.to_owned(),
        note(replica),
    ]
}

/// What else there is to say, the most telling first.
fn note(replica: &Replica) -> String {
    match (&replica.last_error, replica.braked) {
        _ if replica.owner == Owner::Foreign => "foreign: started by somebody else".to_owned(),
        (_, Some(braked)) if replica.is_held_by_brake() => {
            format!("held by the brake since {:.0}", braked.since)
        }
        (Some(last), _) => match &last.request_id {
            Some(request) => format!("{} at {:.0}, request {request}", last.code, last.at),
            None => format!("{} at {:.0}", last.code, last.at),
        },
        _ => String::new(),
    }
}
