//! `stagelink versus`: sessions in which stages replicate their publishers into each other, all of them or none.
//!
//! `cargo local versus` is the same on a local stand.

use aws_adapters::DynamoStore;
use controller::{History, Order, VersusStore, versus};
use jiff::{SignedDuration, Timestamp};
use replication::{
    ParticipantFilter, Pattern, ReconnectWindow, StageArn, Versus, VersusId, VersusState, VersusTerms, plain,
};

use crate::stage_names::{self, StageArgument, StageNames};
use crate::{Deployment, Error, Screen, orders};

/// What can be done with versus sessions.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Replicates the publishers of each of these stages to all the others, for a while
    Start(Start),
    /// Gives a session another end, counted from now
    Extend(Extend),
    /// Ends a session now
    End(End),
    /// Prints every session of the last day
    List,
}

/// Starts a session.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// The stages, 2-6: their ARNs, names or ids
    #[arg(value_name = "STAGE", num_args = 2..=VersusTerms::MAX_STAGES, required = true)]
    stages: Vec<StageArgument>,
    /// How long, 1s-24h, such as 5m, 90s or "1h 30m"
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    duration: SignedDuration,
    /// Name of the session: the same name starts it only once [default: vs-<milliseconds since 1970>]
    #[arg(long)]
    id: Option<VersusId>,
    /// Higher wins scarce slots
    #[arg(long, default_value_t = VersusTerms::DEFAULT_PRIORITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    priority: u8,
    /// Take the slots of rules with a lower priority
    #[arg(long)]
    preempt: bool,
    /// Seconds that a replica waits for its publisher to come back
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = window)]
    reconnect_window: ReconnectWindow,
    /// Only publishers whose user id matches; '*' any run, '?' exactly one
    #[arg(long, value_name = "PATTERN")]
    user_id: Option<Pattern>,
    /// Attributes of the replica participants
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// Wait until it runs, or has failed: exit code 0 or 1
    #[arg(long)]
    wait: bool,
}

/// Gives a session another end.
#[derive(Debug, clap::Args)]
pub struct Extend {
    /// The session
    id: VersusId,
    /// How long from now, such as 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    duration: SignedDuration,
}

/// Ends a session.
#[derive(Debug, clap::Args)]
pub struct End {
    /// The session
    id: VersusId,
}

impl Command {
    /// Does it, and prints each session that it concerns in a line. Gives whether it came about: a session that was waited for
    /// may have failed.
    ///
    /// # Errors
    /// [`Error`]; then nothing was changed.
    pub async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let store = &deployment.store;
        let now = (deployment.now)();
        let session = match self {
            Self::Start(start) => {
                let stages = start.stages(store).await?;
                let session = versus::start(store, start.terms(stages, now)?, now).await?;
                note(store, "VersusStart", &session, now).await;
                if start.wait {
                    return wait(deployment, session, screen).await;
                }
                session
            }
            Self::Extend(Extend { id, duration }) => {
                let end = now.checked_add(*duration).unwrap_or(Timestamp::MAX);
                let session = versus::extend(store, id, end, now).await?;
                note(store, "VersusExtend", &session, now).await;
                session
            }
            Self::End(End { id }) => {
                let session = versus::end_early(store, id, now).await?;
                note(store, "VersusEnd", &session, now).await;
                session
            }
            Self::List => {
                for session in store.all_versus().await? {
                    screen.line(line(&session))?;
                }
                return Ok(true);
            }
        };
        screen.line(line(&session))?;
        Ok(true)
    }
}

impl Start {
    async fn stages(&self, store: &DynamoStore) -> Result<Vec<StageArn>, Error> {
        let mut stages = Vec::new();
        let mut names: Option<StageNames> = None;
        for argument in &self.stages {
            if let (StageArgument::Name(_), None) = (argument, &names) {
                names = Some(stage_names::read(store).await?);
            }
            stages.push(names.clone().unwrap_or_default().resolve(argument)?);
        }
        Ok(stages)
    }

    fn terms(&self, stages: Vec<StageArn>, now: Timestamp) -> Result<VersusTerms, Error> {
        let id =
            match &self.id {
                Some(id) => id.clone(),
                None => format!("vs-{}", now.as_millisecond()).parse().map_err(
                    |error: replication::IdError| Error::Argument {
                        field: "--id",
                        value: error.value.clone(),
                        allowed: format!("allowed is {}", error.allowed),
                    },
                )?,
            };
        let seconds = u32::try_from(self.duration.as_secs()).unwrap_or(u32::MAX);
        Ok(VersusTerms {
            priority: self.priority,
            preempt: self.preempt,
            reconnect_window: self.reconnect_window,
            participants: ParticipantFilter { user_id: self.user_id.clone(), ..ParticipantFilter::default() },
            attributes: self.attributes.iter().cloned().collect(),
            ..VersusTerms::new(id, stages, seconds)
        })
    }
}

/// Writes down who ordered it. The session is there without that line, so that one that is not written is no failure.
async fn note(store: &DynamoStore, operation: &str, session: &Versus, now: Timestamp) {
    let order = Order { at: now, ..orders::order(None) };
    let outcome = format!("ok, {} until {}", session.terms.id, session.ends_at);
    if let Err(error) = store.note(&order.line(operation, outcome)).await {
        eprintln!("not in the history: {}", plain(&controller::with_causes(&error)));
    }
}

/// Until the session runs, or is over.
async fn wait(deployment: &Deployment, mut session: Versus, screen: &mut Screen<'_>) -> Result<bool, Error> {
    let spinner = screen.spinner("the session starts");
    while session.state == VersusState::Starting && (deployment.now)() < session.ends_at {
        tokio::time::sleep(deployment.pace.look).await;
        match deployment.store.versus(&session.terms.id).await {
            Ok(Some(now)) => session = now,
            Ok(None) => break,
            Err(error) => {
                let error = Error::from(error);
                if !error.passes() {
                    return Err(error);
                }
            }
        }
    }
    spinner.finish_and_clear();
    screen.line(line(&session))?;
    Ok(session.state == VersusState::Running)
}

/// One line per session: id, end, state, stages.
fn line(session: &Versus) -> String {
    let stages: Vec<_> = session.terms.stages.iter().map(StageArn::as_str).collect();
    let text =
        format!("{} until {}: {}; {}", session.terms.id, session.ends_at, session.state, stages.join(" "));
    plain(&text).into_owned()
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let longest = SignedDuration::from_secs(VersusTerms::MAX_DURATION_SECONDS.into());
    match text.trim().parse::<SignedDuration>() {
        Ok(span) if span.subsec_nanos() == 0 && span >= SignedDuration::from_secs(1) && span <= longest => {
            Ok(span)
        }
        _ => Err("allowed are whole seconds from 1s to 24h, such as 5m, 90s or \"1h 30m\"".to_owned()),
    }
}

fn window(text: &str) -> Result<ReconnectWindow, String> {
    let seconds = text.parse().ok().and_then(ReconnectWindow::from_seconds);
    seconds.ok_or_else(|| "allowed are 0-300 seconds".to_owned())
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| "allowed is KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
        Cli::try_parse_from(["versus"].iter().chain(arguments)).map(|cli| cli.command)
    }

    fn stage(id: &str) -> StageArn {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}").parse().unwrap()
    }

    fn start(arguments: &[&str]) -> Start {
        let Command::Start(start) = parse(arguments).unwrap() else { panic!("not a start") };
        start
    }

    #[test]
    fn a_session_is_asked_for_with_everything_it_can_have() {
        let full = "start A B C --id duel --priority 70 --preempt --reconnect-window 20 --user-id host-* --attribute via=duel";
        let mut full: Vec<_> = full.split(' ').collect();
        full.extend(["--for", "1h 30m"]);
        let terms = start(&full).terms(["A", "B", "C"].map(stage).to_vec(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((terms.id.as_str(), terms.stages.len(), terms.duration_seconds), ("duel", 3, 5_400));
        assert_eq!((terms.priority, terms.preempt, terms.reconnect_window.seconds()), (70, true, 20));
        assert!(terms.participants.matches("host-1") && !terms.participants.matches("guest"));
        assert_eq!(terms.attributes["via"], "duel");
        terms.validate().unwrap();

        let now = Timestamp::from_millisecond(1_767_225_600_123).unwrap();
        let stages = ["A", "B"].map(stage).to_vec();
        let terms = start(&["start", "A", "B", "--for", "90s"]).terms(stages.clone(), now).unwrap();
        assert_eq!(terms, VersusTerms::new("vs-1767225600123".parse().unwrap(), stages, 90));
    }

    #[test]
    fn what_is_not_valid_is_named_with_what_is_allowed() {
        for (arguments, field, allowed) in [
            (&["start", "A", "--for", "5m"][..], "<STAGE>", "2"),
            (&["start", "A", "arn:here", "--for", "5m"], "arn:here", "arn:aws:ivs:"),
            (&["start", "A", "B"], "--for", "required"),
            (&["start", "A", "B", "--for", "25h"], "--for", "1s to 24h"),
            (&["start", "A", "B", "--for", "1.5s"], "--for", "whole seconds"),
            (&["start", "A", "B", "--for", "5m", "--priority", "101"], "--priority", "0..=100"),
            (&["start", "A", "B", "--for", "5m", "--reconnect-window", "301"], "--reconnect-window", "0-300"),
            (&["start", "A", "B", "--for", "5m", "--attribute", "via"], "--attribute", "KEY=VALUE"),
            (&["start", "A", "B", "--for", "5m", "--id", "a b"], "--id", "1-48 letters"),
            (&["extend", "duel", "--for", "soon"], "--for", "such as 5m"),
        ] {
            let text = parse(arguments).unwrap_err().to_string();
            assert!(text.contains(field) && text.contains(allowed), "{arguments:?}: {text}");
        }
    }

    /// Every one that is allowed, in every form in which people and programs write it.
    #[test]
    fn a_duration_is_read_as_it_is_written() {
        for seconds in 1..=86_400_u32 {
            let span = SignedDuration::from_secs(seconds.into());
            let forms = [
                format!("{seconds}s"),
                format!(" {}m {}s ", seconds / 60, seconds % 60),
                format!("{span:#}"),
                span.to_string(),
            ];
            for text in forms {
                assert_eq!(duration(&text), Ok(span), "{text}");
                let unsigned = std::time::Duration::from_secs(seconds.into());
                assert_eq!(crate::drain::duration(&text), Ok(unsigned), "{text}");
            }
        }
        for wrong in ["0s", "-1s", "86401s", "24h 1s", "1h ago", "5", "", "\u{1b}5m", "99999999999999999999s"]
        {
            assert!(duration(wrong).is_err() && crate::drain::duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_session_is_printed_on_one_line() {
        let terms = VersusTerms::new("duel".parse().unwrap(), ["A", "B"].map(stage).to_vec(), 60);
        let session = Versus::new(terms, Timestamp::UNIX_EPOCH);
        let expected = format!("duel until 1970-01-01T00:01:00Z: Starting; {} {}", stage("A"), stage("B"));
        assert_eq!(line(&session), expected);
    }
}
