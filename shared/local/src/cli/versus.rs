//! `cargo local versus`.

use controller::{VersusStore, versus};
use jiff::{SignedDuration, Timestamp};
use replication::{
    IdError, ParticipantFilter, Pattern, ReconnectWindow, StageArn, Versus, VersusId, VersusTerms,
};

use super::{Outcome, TableOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Replicates the publishers of each of these stages to all the others, for a while
    Start(Start),
    /// Gives a session another end, counted from now
    Extend(Extend),
    /// Ends a session now
    End(End),
    /// Prints every session of the last day
    List(List),
}

#[derive(Debug, clap::Args)]
struct Start {
    /// The stages, 2-6
    #[arg(value_name = "STAGE", num_args = 2..=VersusTerms::MAX_STAGES, required = true)]
    stages: Vec<StageArn>,
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
    #[command(flatten)]
    table: TableOptions,
}

#[derive(Debug, clap::Args)]
struct Extend {
    /// The session
    id: VersusId,
    /// How long from now, such as 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    duration: SignedDuration,
    #[command(flatten)]
    table: TableOptions,
}

#[derive(Debug, clap::Args)]
struct End {
    /// The session
    id: VersusId,
    #[command(flatten)]
    table: TableOptions,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    table: TableOptions,
}

impl Options {
    pub(super) async fn run(self) -> Outcome {
        let now = Timestamp::now();
        let sessions = match self.command {
            Command::Start(start) => {
                let terms = start.terms(now)?;
                vec![versus::start(&start.table.address().store().await, terms, now).await?]
            }
            Command::Extend(Extend { id, duration, table }) => {
                let end = now.checked_add(duration)?;
                vec![versus::extend(&table.address().store().await, &id, end, now).await?]
            }
            Command::End(End { id, table }) => {
                vec![versus::end_early(&table.address().store().await, &id, now).await?]
            }
            Command::List(List { table }) => table.address().store().await.all_versus().await?,
        };
        sessions.iter().for_each(|session| println!("{}", line(session)));
        Ok(true)
    }
}

impl Start {
    fn terms(&self, now: Timestamp) -> Result<VersusTerms, IdError> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => format!("vs-{}", now.as_millisecond()).parse()?,
        };
        let seconds = u32::try_from(self.duration.as_secs()).unwrap_or(u32::MAX);
        Ok(VersusTerms {
            priority: self.priority,
            preempt: self.preempt,
            reconnect_window: self.reconnect_window,
            participants: ParticipantFilter { user_id: self.user_id.clone(), ..ParticipantFilter::default() },
            attributes: self.attributes.iter().cloned().collect(),
            ..VersusTerms::new(id, self.stages.clone(), seconds)
        })
    }
}

/// One line per session: id, end, state, stages.
fn line(session: &Versus) -> String {
    let stages: Vec<_> = session.terms.stages.iter().map(StageArn::as_str).collect();
    format!("{} until {}: {}; {}", session.terms.id, session.ends_at, session.state, stages.join(" "))
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
        #[command(flatten)]
        options: Options,
    }

    const TABLE: [&str; 4] = ["--dynamodb", "http://127.0.0.1:1", "--table", "stagelink"];

    fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
        let all = ["versus"].iter().chain(arguments).chain(&TABLE);
        Cli::try_parse_from(all).map(|cli| cli.options.command)
    }

    fn stage(id: &str) -> String {
        format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}")
    }

    #[test]
    fn a_session_is_asked_for_with_everything_it_can_have() {
        let (a, b, c) = (stage("A"), stage("B"), stage("C"));
        let full = [
            "start",
            &a,
            &b,
            &c,
            "--for",
            "1h 30m",
            "--id",
            "duel",
            "--priority",
            "70",
            "--preempt",
            "--reconnect-window",
            "20",
            "--user-id",
            "host-*",
            "--attribute",
            "via=duel",
        ];
        let Command::Start(start) = parse(&full).unwrap() else { panic!("not a start") };
        let terms = start.terms(Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((terms.id.as_str(), terms.stages.len(), terms.duration_seconds), ("duel", 3, 5_400));
        assert_eq!((terms.priority, terms.preempt, terms.reconnect_window.seconds()), (70, true, 20));
        assert!(terms.participants.matches("host-1") && !terms.participants.matches("guest"));
        assert_eq!(terms.attributes["via"], "duel");
        terms.validate().unwrap();

        let Command::Start(start) = parse(&["start", &a, &b, "--for", "90s"]).unwrap() else {
            panic!("not a start")
        };
        let now = Timestamp::from_millisecond(1_767_225_600_123).unwrap();
        let terms = start.terms(now).unwrap();
        assert_eq!(terms, VersusTerms::new("vs-1767225600123".parse().unwrap(), terms.stages.clone(), 90));
    }

    #[test]
    fn what_is_not_valid_is_named_with_what_is_allowed() {
        let (a, b) = (stage("A"), stage("B"));
        for (arguments, field, allowed) in [
            (vec!["start", &a, "--for", "5m"], "<STAGE>", "2"),
            (vec!["start", &a, "here", "--for", "5m"], "here", "arn:aws:ivs:"),
            (vec!["start", &a, &b], "--for", "required"),
            (vec!["start", &a, &b, "--for", "25h"], "--for", "1s to 24h"),
            (vec!["start", &a, &b, "--for", "1.5s"], "--for", "whole seconds"),
            (vec!["start", &a, &b, "--for", "5m", "--priority", "101"], "--priority", "0..=100"),
            (
                vec!["start", &a, &b, "--for", "5m", "--reconnect-window", "301"],
                "--reconnect-window",
                "0-300",
            ),
            (vec!["start", &a, &b, "--for", "5m", "--attribute", "via"], "--attribute", "KEY=VALUE"),
            (vec!["start", &a, &b, "--for", "5m", "--id", "a b"], "--id", "1-48 letters"),
            (vec!["extend", "duel", "--for", "soon"], "--for", "such as 5m"),
        ] {
            let text = parse(&arguments).unwrap_err().to_string();
            assert!(text.contains(field) && text.contains(allowed), "{arguments:?}: {text}");
        }
    }

    #[test]
    fn a_session_is_printed_on_one_line() {
        let stages = ["A", "B"].map(|id| stage(id).parse().unwrap()).to_vec();
        let terms = VersusTerms::new("duel".parse().unwrap(), stages, 60);
        let session = Versus::new(terms, Timestamp::UNIX_EPOCH);
        let expected = format!("duel until 1970-01-01T00:01:00Z: Starting; {} {}", stage("A"), stage("B"));
        assert_eq!(line(&session), expected);
    }
}
