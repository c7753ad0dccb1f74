//! What can go wrong, and what an operator does next.

use std::io;
use std::path::PathBuf;

use aws_adapters::{ConnectionError, DynamoStore, LookError};
use controller::{AdoptError, StoreError, rules, stages as stage_calls, versus, with_causes};
use jiff::Timestamp;
use replication::explain::Unknown;
use replication::forecast::Fingerprint;
use replication::{StageArn, plain};

use crate::{adopt, stages};

/// A command that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules file cannot be read.
    #[error("cannot read the rules file {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No local stand has left its addresses.
    #[error("--local: no local stand is running: {} cannot be read", .path.display())]
    NoLocalStand {
        /// The file it would leave.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is no folder where a local stand could leave its addresses.
    #[error("--local: there is no home folder, and {} names no file", crate::LocalStand::VARIABLE)]
    NoHome,
    /// The text is no rules file. Nothing was changed.
    #[error("the rules cannot be used, and nothing was changed")]
    Rules(#[source] rules_file::Error),
    /// There is no Region, or there are no credentials.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The table fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule was not changed.
    #[error(transparent)]
    Rule(rules::Error),
    /// What a plan rests on has changed since it was made. Nothing was changed.
    #[error(
        "--plan {plan} is not valid: allowed is the plan of this moment, {now}, for the rules file or the table is not as it was"
    )]
    NotThatPlan {
        /// The plan that was asked for.
        plan: Fingerprint,
        /// The plan as it is now.
        now: Fingerprint,
    },
    /// A file without any rule would delete all of them. Nothing was changed.
    #[error("the rules file {} has no rule: allowed is that with --allow-empty only, for it deletes all rules", .0.display())]
    NoRules(PathBuf),
    /// A versus session could not be ended.
    #[error(transparent)]
    Versus(#[from] versus::Error),
    /// Something about a stage could not be done.
    #[error(transparent)]
    Stages(#[from] stage_calls::Error),
    /// A replica could not be adopted.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// Nothing is stopped while there is a pause, so there is no draining.
    #[error("paused by {by} since {at} ({reason}): nothing is stopped during a pause")]
    Paused {
        /// Who ordered it.
        by: String,
        /// Why.
        reason: String,
        /// Since when.
        at: Timestamp,
    },
    /// Nobody of that name is in the table.
    #[error(
        "PARTICIPANT {:?} is not valid: allowed is a participant id or a user id of whom there is news, or a replica", .0.name
    )]
    UnknownParticipant(Box<Unknown>),
    /// A service of AWS beside the table gave no answer that would do.
    #[error(transparent)]
    Look(#[from] LookError),
    /// No message that can be received has this id.
    #[error("ID {id:?} is not valid: allowed is the id of a dead letter, or how one begins")]
    UnknownDeadLetter {
        /// As it was given.
        id: String,
        /// How many messages somebody else is looking at.
        in_flight: u64,
    },
    /// More than one message begins like this.
    #[error("ID {id:?} is not valid: allowed is what only one id begins with; {} do", .ids.join(", "))]
    ManyDeadLetters {
        /// As it was given.
        id: String,
        /// The ids.
        ids: Vec<String>,
    },
    /// No stage is called so, or more than one is.
    #[error("{}", unknown_stage(.value, .found))]
    UnknownStage {
        /// What was given.
        value: String,
        /// The stages that are called so.
        found: Vec<StageArn>,
    },
    /// A list does not have this filter.
    #[error("{option} is not valid with `get {kind}`: allowed is {allowed}")]
    NoSuchFilter {
        /// The filter.
        option: &'static str,
        /// The list.
        kind: String,
        /// The filters that it has.
        allowed: String,
    },
    /// An argument is not as it must be, which the command line alone does not tell.
    #[error("{field} {value:?} is not valid: {allowed}")]
    Argument {
        /// The argument.
        field: &'static str,
        /// Its value.
        value: String,
        /// `allowed is …`
        allowed: String,
    },
    /// Nobody there to ask.
    #[error("--yes is missing: allowed is --yes where there is no terminal to ask at")]
    NotConfirmed,
    /// The port of the dashboard cannot be had.
    #[error(
        "--port {port} is not valid: allowed is a port that nobody else listens on, or 0, which takes a free one"
    )]
    Port {
        /// The port.
        port: u16,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The dashboard cannot be served.
    #[error(transparent)]
    Dashboard(#[from] dashboard::ServeError),
    /// The output cannot be written, or the input not read.
    #[error("the terminal cannot be used")]
    Terminal(#[from] io::Error),
}

/// Where the table should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub table: String,
    /// The Region, if one is known.
    pub region: Option<String>,
    /// The profile, if one was asked for.
    pub profile: Option<String>,
    /// Whether it is the local stand's.
    pub local: bool,
}

impl Place {
    /// The name of the table if no other is given.
    pub const TABLE: &str = "stagelink";
}

impl From<rules::Error> for Error {
    fn from(error: rules::Error) -> Self {
        match error {
            rules::Error::Store(error) => Self::Store(error),
            error => Self::Rule(error),
        }
    }
}

impl Error {
    /// The error with its causes, and what to do next: a line each, with nothing in it that a terminal would obey.
    pub fn told(&self, place: &Place) -> String {
        let wrong = self.in_words(place).unwrap_or_else(|| with_causes(self));
        let wrong = match self {
            // Sentences, a line each, that are plain by themselves.
            Self::UnknownParticipant(_) => wrong,
            _ => plain(&wrong).into_owned(),
        };
        match self.next(place).map(|next| plain(&next).into_owned()) {
            Some(next) => format!("error: {wrong}\nnext: {next}"),
            None => format!("error: {wrong}"),
        }
    }

    /// Whether it may be gone in a moment, so that whoever looks again and again goes on.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.store(), Some(StoreError::Unavailable { .. } | StoreError::Conflict))
    }

    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error)
            | Self::Versus(versus::Error::Store(error))
            | Self::Stages(stage_calls::Error::Store(error))
            | Self::Adopt(AdoptError::Controller(controller::Error::Store(error))) => Some(error),
            _ => None,
        }
    }

    /// The code of a request that failed, and what DynamoDB said.
    fn code(&self) -> Option<(&str, &str)> {
        match self.store()? {
            StoreError::Unavailable { code, message, .. } | StoreError::Refused { code, message, .. } => {
                Some((code, message))
            }
            _ => None,
        }
    }

    /// Better words than the chain of causes has, where the operator gave a value that is wrong.
    fn in_words(&self, place: &Place) -> Option<String> {
        if let Self::Stages(error) = self
            && let Some(words) = stages::in_words(error, place)
        {
            return Some(words);
        }
        let Place { table, .. } = place;
        let region = place.region.as_deref().unwrap_or("(none)");
        let profile = place.profile.as_ref().map(|profile| format!("--profile {profile:?}: "));
        let profile = profile.unwrap_or_default();
        Some(match (self, self.code()) {
            (_, Some(("Connection" | "Timeout", words))) if place.local => {
                format!("--local: the local stand does not answer: {words}")
            }
            (Self::Connection(ConnectionError::NoRegion), _) => {
                "--region is missing: allowed is the Region of the deployment, such as us-east-1".to_owned()
            }
            (Self::Connection(ConnectionError::NoCredentials(why)), _) => match &place.profile {
                Some(profile) => format!(
                    "--profile {profile:?} gives no AWS credentials ({why}): allowed is a profile of the AWS configuration \
                     files that does"
                ),
                None => format!("there are no AWS credentials: {why}"),
            },
            (_, Some(("ResourceNotFoundException", _))) => format!(
                "--table {table:?} is not valid in Region {region}: allowed is a table that is there, of the account of \
                 the credentials"
            ),
            (_, Some(("ExpiredTokenException", words))) => {
                format!("{profile}the AWS credentials have expired: {words}")
            }
            (_, Some(("AccessDeniedException", words))) => {
                format!("{profile}the AWS credentials do not allow it: {words}")
            }
            (_, Some((code, words))) if CREDENTIALS.contains(&code) => {
                format!("{profile}the AWS credentials are not valid in Region {region}: {code}: {words}")
            }
            (_, Some(("Connection" | "Timeout", words))) => {
                format!("DynamoDB does not answer in Region {region}: {words}")
            }
            (Self::UnknownParticipant(unknown), _) => {
                let known = unknown.sentences();
                let known = known.iter().skip(1).map(|sentence| format!("\n{sentence}"));
                format!("{self}{}", known.collect::<String>())
            }
            _ => return None,
        })
    }

    fn next(&self, place: &Place) -> Option<String> {
        if let Self::Stages(error) = self
            && let Some(next) = stages::next(error, place)
        {
            return Some(next);
        }
        let region = place.region.as_deref().unwrap_or("REGION");
        let profile =
            place.profile.as_ref().map(|profile| format!(" --profile {profile}")).unwrap_or_default();
        let sign_in =
            format!("sign in (`aws sso login{profile}`) or name other credentials (--profile, AWS_PROFILE)");
        Some(match (self, self.code()) {
            (Self::NoLocalStand { .. } | Self::NoHome, _) => LOCAL_UP.to_owned(),
            (_, Some(("Connection" | "Timeout", _))) if place.local => LOCAL_UP.to_owned(),
            (Self::Connection(ConnectionError::NoRegion), _) => {
                "name it with --region or AWS_REGION, or in the profile".to_owned()
            }
            (Self::Connection(ConnectionError::NoCredentials(_)), _) => sign_in,
            (_, Some(("ResourceNotFoundException", _))) => format!(
                "name the stack's output TableName with --table or STAGELINK_TABLE, and its Region with --region; \
                 `aws dynamodb list-tables --region {region}{profile}` lists the tables that are there"
            ),
            (_, Some(("ExpiredTokenException", _))) => sign_in,
            (_, Some(("AccessDeniedException", _))) => {
                "allow that action on the table, or name other credentials (--profile, AWS_PROFILE)"
                    .to_owned()
            }
            (_, Some((code, _))) if CREDENTIALS.contains(&code) => format!(
                "{sign_in}; look at the Region too, which may not be enabled for the account, and at this machine's clock"
            ),
            (_, Some(("Connection" | "Timeout", _))) => {
                "look at the Region's name, at the network, and at AWS_ENDPOINT_URL_DYNAMODB if that is set"
                    .to_owned()
            }
            (Self::Paused { .. }, _) => "add --resume, which ends the pause first".to_owned(),
            (Self::UnknownParticipant(_), _) => {
                "`stagelink get rules` shows whether a rule speaks of its stage, `stagelink get publishers --all` who is known; if an \
                 event was lost, a sweep finds the participant within a minute or two"
                    .to_owned()
            }
            (Self::UnknownStage { .. }, _) => {
                "`stagelink get stages` lists the stages that the table knows, `stagelink stages list` all of the account; any can \
                 be given by its ARN"
                    .to_owned()
            }
            (Self::Adopt(error), None) => adopt::next(error)?,
            (Self::Look(LookError::Denied { action, .. }), _) => {
                format!("allow {action} to these credentials, or name others (--profile, AWS_PROFILE)")
            }
            (Self::Look(LookError::Absent { .. }), _) => {
                "name the stack with --stack or STAGELINK_STACK, and its Region with --region".to_owned()
            }
            (Self::Look(LookError::Failed { .. }), _) => {
                "try again in a moment; `stagelink doctor` tells what else does not answer".to_owned()
            }
            (Self::UnknownDeadLetter { in_flight, .. }, _) if *in_flight > 0 => format!(
                "`stagelink dead-letters list` lists them; {in_flight} are being looked at by somebody, and come back within minutes"
            ),
            (Self::UnknownDeadLetter { .. } | Self::ManyDeadLetters { .. }, _) => {
                "`stagelink dead-letters list` lists them".to_owned()
            }
            (Self::NotThatPlan { now, .. }, _) => {
                format!("read the plan above, and add --plan {now} if that is meant")
            }
            (Self::NoRules(_), _) => "look whether it is the right file; add --allow-empty if it is".to_owned(),
            (Self::Rule(error), _) => return next_of_rule(error),
            (Self::NotConfirmed, _) => "read what is above, and add --yes if that is meant".to_owned(),
            _ => match self.store()? {
                StoreError::Corrupt { .. } => "put the item right, or delete it".to_owned(),
                StoreError::Unavailable { .. } | StoreError::Conflict => "try again in a moment".to_owned(),
                _ => return None,
            },
        })
    }
}

/// What to do about a rule that was not changed.
fn next_of_rule(error: &rules::Error) -> Option<String> {
    Some(match error {
        rules::Error::Conflict { rule, .. } => format!(
            "somebody changed it meanwhile, and nothing was changed now: `stagelink rule history {rule}` says who and why; plan again"
        ),
        rules::Error::Unknown(_) => {
            "`stagelink get rules` lists those that are there; one that was deleted has a `rule history`, and can be brought back \
             by `rule rollback`"
                .to_owned()
        }
        rules::Error::OfVersus(_) => {
            "`stagelink versus list` shows the sessions, `versus end` ends one".to_owned()
        }
        rules::Error::NoRevision { rule, .. } => format!("`stagelink rule history {rule}` shows them"),
        rules::Error::Contradicts(_) => {
            "give one of the two another priority, or have both say the same".to_owned()
        }
        rules::Error::Contended => "try again in a moment".to_owned(),
        rules::Error::Partly { .. } => "run it again: it makes what is left".to_owned(),
        rules::Error::Invalid(_) | rules::Error::Store(_) => return None,
    })
}

fn unknown_stage(value: &str, found: &[StageArn]) -> String {
    let allowed = "allowed is a stage's ARN, or the name or id of one that is known";
    match found {
        [] => format!("STAGE {value:?} is not valid: {allowed}"),
        many => {
            let many: Vec<_> = many.iter().map(StageArn::as_str).collect();
            format!(
                "STAGE {value:?} is not valid, for several are called so ({}): {allowed}",
                many.join(", ")
            )
        }
    }
}

/// Codes of credentials that nobody knows, and of signatures that do not match.
const CREDENTIALS: [&str; 4] = DynamoStore::NOT_VALID_CREDENTIALS;

const LOCAL_UP: &str = "start one with `cargo local up`, and leave it running";

#[cfg(test)]
mod tests {
    use replication::is_obeyed;

    use super::*;

    #[test]
    fn nothing_that_a_file_says_is_obeyed() {
        let place = Place { table: Place::TABLE.to_owned(), region: None, profile: None, local: false };
        let error = rules_file::parse("rules: []\n\"\\e[2J\\u202e\\nnext: go on\": 1\n").unwrap_err();
        let told = Error::Rules(error).told(&place);
        assert!(told.contains("unknown field `\\u{1b}[2J\\u{202e}\\nnext: go on`"), "{told:?}");
        assert!(!told.contains(is_obeyed), "{told:?}");
    }
}
