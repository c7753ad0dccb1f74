//! What a list is narrowed down to.

use replication::{Phase, PublisherKey, Replica, RuleId, StageArn, VersusState};

use super::Kind;
use crate::Error;
use crate::sight::Sight;
use crate::stage_names::StageArgument;

/// The options that narrow a list down. Not every list has every one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filters {
    /// Of this source stage: its ARN, name or id
    #[arg(long, value_name = "STAGE")]
    pub(super) source: Option<StageArgument>,
    /// Of this destination stage: its ARN, name or id
    #[arg(long, value_name = "STAGE")]
    pub(super) destination: Option<StageArgument>,
    /// Of this participant: the id, or the user id
    #[arg(long, value_name = "PARTICIPANT")]
    pub(super) participant: Option<String>,
    /// Of this rule
    #[arg(long, value_name = "ID")]
    pub(super) rule: Option<RuleId>,
    /// In this phase: Pending, Starting, Active, Stopping, Stopped, Blocked; of versus sessions Starting, Running, Ended, Failed
    #[arg(long, value_name = "PHASE")]
    pub(super) phase: Option<String>,
}

/// The filters with their stages found.
pub(super) struct Narrowed<'a> {
    pub(super) source: Option<StageArn>,
    pub(super) destination: Option<StageArn>,
    participant: Option<&'a str>,
    rule: Option<&'a RuleId>,
    phase: Option<&'a str>,
    sight: &'a Sight,
}

impl Filters {
    /// Whether the list has these filters, and their values are such that something can be found.
    pub(super) fn check(&self, kind: Kind, named: bool) -> Result<(), Error> {
        let given = [
            ("--source", self.source.is_some()),
            ("--destination", self.destination.is_some()),
            ("--participant", self.participant.is_some()),
            ("--rule", self.rule.is_some()),
            ("--phase", self.phase.is_some()),
            ("NAME", named),
        ];
        let allowed: &[&str] = match kind {
            Kind::Rules => &["--source", "--destination", "--rule", "NAME"],
            Kind::Stages => &["NAME"],
            Kind::Publishers => &["--source", "--participant", "NAME"],
            Kind::Replicas => &["--source", "--destination", "--participant", "--rule", "--phase", "NAME"],
            Kind::Versus => &["--source", "--phase", "NAME"],
            Kind::Budget => &[],
            Kind::Blocked => &["--source", "--destination", "--participant", "--rule", "NAME"],
        };
        if let Some((option, _)) =
            given.into_iter().find(|(option, given)| *given && !allowed.contains(option))
        {
            let allowed = if allowed.is_empty() { "no filter".to_owned() } else { allowed.join(", ") };
            return Err(Error::NoSuchFilter { option, kind: kind_name(kind), allowed });
        }
        let phases = match kind {
            Kind::Versus => VersusState::NAMES.to_vec(),
            _ => Phase::NAMES.to_vec(),
        };
        match &self.phase {
            Some(phase) if !phases.iter().any(|name| name.eq_ignore_ascii_case(phase)) => {
                Err(Error::Argument {
                    field: "--phase",
                    value: phase.clone(),
                    allowed: format!("allowed is {}", phases.join(", ")),
                })
            }
            _ => Ok(()),
        }
    }

    /// The filters with their stages found. A NAME of a list of participants is one, too.
    pub(super) fn narrowed<'a>(
        &'a self,
        sight: &'a Sight,
        name: Option<&'a str>,
    ) -> Result<Narrowed<'a>, Error> {
        Ok(Narrowed {
            source: sight.stage(self.source.as_ref())?,
            destination: sight.stage(self.destination.as_ref())?,
            participant: name.or(self.participant.as_deref()),
            rule: self.rule.as_ref(),
            phase: self.phase.as_deref(),
            sight,
        })
    }
}

impl Narrowed<'_> {
    /// Whether a replication is one of these.
    pub(super) fn takes(&self, replica: &Replica) -> bool {
        self.takes_publisher(&replica.key.publisher())
            && self.destination.as_ref().is_none_or(|stage| replica.key.destination == *stage)
            && self.rule.is_none_or(|id| replica.rule.as_ref().is_some_and(|rule| rule.id == *id))
            && self.takes_phase(replica.phase.name())
    }

    /// Whether a publisher is one of these.
    pub(super) fn takes_publisher(&self, key: &PublisherKey) -> bool {
        let is_called = |name: &str| {
            let user = self.sight.inventory.publisher(key).map(|publisher| publisher.user_id.as_str());
            key.participant.as_str() == name || user == Some(name)
        };
        self.source.as_ref().is_none_or(|stage| key.stage == *stage) && self.participant.is_none_or(is_called)
    }

    /// Whether a phase is the one.
    pub(super) fn takes_phase(&self, phase: &str) -> bool {
        self.phase.is_none_or(|wanted| wanted.eq_ignore_ascii_case(phase))
    }
}

fn kind_name(kind: Kind) -> String {
    use clap::ValueEnum;
    kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
