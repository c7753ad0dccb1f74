//! `stagelink wait`: until something is so, for scripts.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use controller::VersusStore;
use jiff::Timestamp;
use replication::sweep::Inventory;
use replication::{Phase, Policy, Replica, StageArn, VersusId, VersusState, plain};
use tokio::time::Instant;

use crate::sight::Sight;
use crate::stage_names::{StageArgument, StageNames};
use crate::{Deployment, Error, Screen, drain};

/// How many of those are named that something is still missing of.
const NAMED: usize = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    /// replicated or released (of a PARTICIPANT, on a DESTINATION or all that its rules want), converged (nothing is pending), or
    /// versus=ID:STATE
    #[arg(long = "for", value_name = "CONDITION")]
    condition: Condition,
    /// The participant's id, or the user id of its token
    participant: Option<String>,
    /// The destination stage: its ARN, name or id
    destination: Option<StageArgument>,
    /// How long at most, from 1s to 24h
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = drain::duration)]
    timeout: Duration,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Replicated,
    Released,
    Converged,
    Versus(VersusId, &'static str),
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let states = VersusState::NAMES.join(", ");
        match text {
            "replicated" => return Ok(Self::Replicated),
            "released" => return Ok(Self::Released),
            "converged" => return Ok(Self::Converged),
            _ => {}
        }
        let session = text.strip_prefix("versus=").and_then(|session| session.split_once(':'));
        let Some((id, state)) = session else {
            return Err(format!(
                "allowed is replicated, released, converged, or versus=ID:STATE with a state of {states}"
            ));
        };
        let id = id.parse().map_err(|error: replication::IdError| error.to_string())?;
        let state = VersusState::NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(state));
        state.map(|state| Self::Versus(id, state)).ok_or_else(|| format!("allowed is a state of {states}"))
    }
}

/// How far it is: nothing is missing, what is missing, or that it cannot come any more.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    So,
    Missing(Vec<String>),
    Never(String),
}

impl Wait {
    /// Gives whether it came to be so in time. If not, what is missing is on the screen.
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        self.check()?;
        let began = Instant::now();
        let spinner = screen.spinner("waiting");
        let standing = loop {
            match self.standing(deployment).await {
                Ok(Standing::Missing(missing)) if began.elapsed() >= self.timeout => {
                    break Standing::Missing(missing);
                }
                Ok(Standing::Missing(_)) => {}
                Ok(standing) => break standing,
                Err(error) if error.passes() && began.elapsed() < self.timeout => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(deployment.pace.look).await;
        };
        spinner.finish_and_clear();
        let seconds = began.elapsed().as_secs();
        match standing {
            Standing::So => {
                screen.line(format_args!("It is so, after {seconds} s."))?;
                Ok(true)
            }
            Standing::Missing(missing) => {
                screen.line(format_args!(
                    "It is not so after {} s. What is missing:",
                    self.timeout.as_secs()
                ))?;
                for what in missing.iter().take(NAMED) {
                    screen.line(format_args!("  {}", plain(what)))?;
                }
                if missing.len() > NAMED {
                    screen.line(format_args!("  and {} more", missing.len() - NAMED))?;
                }
                Ok(false)
            }
            Standing::Never(why) => {
                screen.line(format_args!("It cannot be so any more: {}", plain(&why)))?;
                Ok(false)
            }
        }
    }

    fn check(&self) -> Result<(), Error> {
        let of_somebody = matches!(self.condition, Condition::Replicated | Condition::Released);
        match (&self.participant, of_somebody) {
            (None, true) => Err(Error::Argument {
                field: "PARTICIPANT",
                value: String::new(),
                allowed: "allowed is a participant's id or user id, whose replicas are waited for".to_owned(),
            }),
            (Some(participant), false) => Err(Error::Argument {
                field: "PARTICIPANT",
                value: participant.clone(),
                allowed: "allowed is none: this condition is about nobody alone".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    async fn standing(&self, deployment: &Deployment) -> Result<Standing, Error> {
        if let Condition::Versus(id, state) = &self.condition {
            return versus(deployment, id, state).await;
        }
        let sight = Sight::of_everything(deployment).await?;
        let Some(name) = &self.participant else {
            return Ok(converged(&sight.inventory, &sight.names, sight.now));
        };
        let destination = match sight.stage(self.destination.as_ref()) {
            Ok(destination) => destination,
            // Nobody may have heard of it yet.
            Err(Error::UnknownStage { value, found }) if found.is_empty() => {
                return Ok(Standing::Missing(vec![format!("no stage is known as {value:?} yet")]));
            }
            Err(error) => return Err(error),
        };
        Ok(match self.condition {
            Condition::Released => released(&sight, name, destination.as_ref()),
            _ => replicated(&sight, name, destination.as_ref()),
        })
    }
}

/// On the destination; without one, on all that are wanted, and on one at least.
fn replicated(sight: &Sight, name: &str, destination: Option<&StageArn>) -> Standing {
    let publishers = sight.known_as(name);
    if publishers.is_empty() {
        return Standing::Missing(vec![format!("nobody is known as {name:?} yet")]);
    }
    let replicas: Vec<_> = publishers.iter().flat_map(|key| sight.inventory.replicas_of(key)).collect();
    let is_meant = |replica: &&&Replica| match destination {
        Some(stage) => replica.key.destination == *stage,
        None => replica.phase != Phase::Stopped,
    };
    let meant: Vec<_> = replicas.iter().filter(is_meant).collect();
    if meant.is_empty() {
        let to = destination.map_or(String::new(), |stage| format!(" to {}", sight.names.short(stage)));
        return Standing::Missing(vec![format!(
            "{name} has no replication{to} yet: `stagelink explain {name}`"
        )]);
    }
    let missing = meant.into_iter().filter(|replica| replica.phase != Phase::Active);
    so_or_missing(missing.map(|replica| told(replica, &sight.names)).collect())
}

fn released(sight: &Sight, name: &str, destination: Option<&StageArn>) -> Standing {
    let publishers = sight.known_as(name);
    let replicas = publishers.iter().flat_map(|key| sight.inventory.replicas_of(key));
    let there = replicas.filter(|replica| {
        replica.holds_slot() && destination.is_none_or(|stage| replica.key.destination == *stage)
    });
    so_or_missing(there.map(|replica| told(replica, &sight.names)).collect())
}

/// Nothing is under way or due, and no rule wants what nobody has planned yet.
fn converged(inventory: &Inventory, names: &StageNames, now: Timestamp) -> Standing {
    let pending = inventory.replicas().filter(|replica| replica.is_pending(now));
    let told_of: BTreeSet<_> = inventory
        .replicas()
        .filter(|replica| replica.is_pending(now))
        .map(|replica| replica.key.publisher())
        .collect();
    let mut missing: Vec<_> = pending.map(|replica| told(replica, names)).collect();
    let unplanned = inventory.out_of_date(now, &Policy::default());
    missing.extend(unplanned.iter().filter(|key| !told_of.contains(key)).map(|key| {
        format!(
            "{} on {}: nobody has looked at it since the rules changed",
            key.participant,
            names.short(&key.stage)
        )
    }));
    so_or_missing(missing)
}

async fn versus(deployment: &Deployment, id: &VersusId, state: &str) -> Result<Standing, Error> {
    let Some(session) = deployment.store.versus(id).await? else {
        return Ok(Standing::Missing(vec![format!("there is no versus session {id}")]));
    };
    Ok(match session.state.name() {
        is if is == state => Standing::So,
        _ if session.is_over() => Standing::Never(format!("versus session {id}: {}", session.state)),
        "Running" if state == "Starting" => Standing::Never(format!("versus session {id} runs already")),
        _ => Standing::Missing(vec![format!("versus session {id}: {}", session.state)]),
    })
}

fn told(replica: &Replica, names: &StageNames) -> String {
    let key = &replica.key;
    format!(
        "{} from {} to {}: {}",
        key.participant,
        names.short(&key.source),
        names.short(&key.destination),
        replica.phase
    )
}

fn so_or_missing(missing: Vec<String>) -> Standing {
    if missing.is_empty() { Standing::So } else { Standing::Missing(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_one_of_four() {
        let duel = || "duel".parse().unwrap();
        for (text, expected) in [
            ("replicated", Condition::Replicated),
            ("released", Condition::Released),
            ("converged", Condition::Converged),
            ("versus=duel:Running", Condition::Versus(duel(), "Running")),
            ("versus=duel:ended", Condition::Versus(duel(), "Ended")),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "soon", "versus=duel", "versus=duel:Over", "versus=a b:Running"] {
            assert!(text.parse::<Condition>().unwrap_err().contains("allowed is"), "{text}");
        }
    }
}
