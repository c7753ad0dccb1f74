//! `stagelink activity`: what was called and ordered, by whom, why, and how it went.

mod follow;

use std::collections::BTreeSet;
use std::fmt;

use controller::history::{HistoryEntry, HistoryLine, HistoryPage, Part, Wanted, newest};
use jiff::{SignedDuration, Timestamp};
use replication::{ParticipantId, RuleId, StageArn, plain};
use serde_json::json;

use crate::output::Output;
use crate::sight::Sight;
use crate::stage_names::{StageArgument, StageNames};
use crate::{Deployment, Error, Screen};

#[derive(Debug, clap::Args)]
pub(crate) struct Activity {
    /// Go on: print what is added, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// From how long ago on, from 1s to 7d, such as 10m; history is kept for 7 days
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = span)]
    since: SignedDuration,
    /// About this participant: the id, or the user id
    #[arg(long, value_name = "PARTICIPANT")]
    participant: Option<String>,
    /// About publishers of this source stage: its ARN, name or id
    #[arg(long, value_name = "STAGE")]
    source: Option<StageArgument>,
    /// About this destination stage: its ARN, name or id
    #[arg(long, value_name = "STAGE")]
    destination: Option<StageArgument>,
    /// For this rule
    #[arg(long, value_name = "ID")]
    rule: Option<RuleId>,
    /// The newest so many lines, from 1 to 10000
    #[arg(long, value_name = "LINES", default_value = "200", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    #[command(flatten)]
    output: Output,
}

/// Where lines are looked for, and which are wanted.
struct Scope {
    /// The stages; with none, orders for all of them.
    lists: BTreeSet<Option<StageArn>>,
    /// One for each participant that is meant, or one for everybody.
    wanted: Vec<Wanted>,
    names: StageNames,
}

impl Activity {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let since = (deployment.now)().checked_sub(self.since).unwrap_or(Timestamp::MIN);
        let scope = self.scope(deployment, since).await?;
        if self.follow {
            return follow::follow(self, deployment, scope, screen).await;
        }
        let page = scope.newest(deployment, usize::from(self.limit)).await?;
        let more = page.next.is_some();
        let entries: Vec<_> = page.found.into_iter().rev().collect();
        if self.output.is_document() {
            let lines = entries.iter().filter_map(|entry| entry.line.as_ref().ok());
            let lines: Vec<_> = lines.map(views::Activity::from).collect();
            let left_out = entries.iter().filter_map(|entry| entry.line.as_ref().err());
            let left_out: Vec<_> = left_out.map(views::Unreadable::from).collect();
            let document = json!({ "activity": lines, "left_out": left_out, "more": more });
            self.output.document(screen, &document)?;
            return Ok(left_out.is_empty());
        }
        if more {
            screen.line(format_args!("(only the newest {} are shown: --limit raises that)", self.limit))?;
        }
        if entries.is_empty() {
            screen.line(format_args!("Nothing was called or ordered since {since}."))?;
        }
        self.print(&entries, &scope.names, screen)?;
        Ok(entries.iter().all(|entry| entry.line.is_ok()))
    }

    fn print(
        &self,
        entries: &[HistoryEntry],
        names: &StageNames,
        screen: &mut Screen<'_>,
    ) -> Result<(), Error> {
        let wide = self.output.format == crate::output::Format::Wide;
        for entry in entries {
            match &entry.line {
                Ok(line) => screen.line(Told { line, names, wide })?,
                Err(error) => screen.line(format_args!("left out: {}", plain(&error.to_string())))?,
            }
        }
        Ok(())
    }

    /// What is meant. It costs a Scan, unless everything is given by ARN and id.
    async fn scope(&self, deployment: &Deployment, since: Timestamp) -> Result<Scope, Error> {
        let all = Wanted { rule: self.rule.clone(), ..Wanted::since(since) };
        if let (Some(StageArgument::Arn(source)), None, None) =
            (&self.source, &self.destination, &self.participant)
        {
            let lists = BTreeSet::from([Some(source.clone())]);
            return Ok(Scope { lists, wanted: vec![all], names: StageNames::default() });
        }
        let sight = Sight::of_everything(deployment).await?;
        let destination = sight.stage(self.destination.as_ref())?;
        let all = Wanted { destination, ..all };
        let mut lists: BTreeSet<_> = match sight.stage(self.source.as_ref())? {
            Some(source) => BTreeSet::from([Some(source)]),
            None => sight.inventory.stages.keys().cloned().map(Some).chain([None]).collect(),
        };
        let Some(name) = &self.participant else {
            return Ok(Scope { lists, wanted: vec![all], names: sight.names });
        };
        let known = sight.known_as(name);
        let mut participants: BTreeSet<ParticipantId> =
            known.iter().map(|key| key.participant.clone()).collect();
        if known.is_empty() {
            // Its items may be forgotten already, and its history not.
            let id = name.parse().map_err(|error: replication::IdError| Error::Argument {
                field: "--participant",
                value: name.clone(),
                allowed: format!("allowed is a known user id, or a participant id: {}", error.allowed),
            })?;
            participants.insert(id);
        } else if self.source.is_none() {
            lists = known.into_iter().map(|key| Some(key.stage)).collect();
        }
        let wanted = participants.into_iter().map(|id| Wanted { participant: Some(id), ..all.clone() });
        Ok(Scope { lists, wanted: wanted.collect(), names: sight.names })
    }
}

impl Scope {
    /// The newest lines, the newest first.
    async fn newest(&self, deployment: &Deployment, limit: usize) -> Result<HistoryPage, Error> {
        let mut all = HistoryPage::default();
        for wanted in &self.wanted {
            let (mut found, mut before) = (Vec::new(), None);
            // A page may be short although there is more.
            while found.len() < limit {
                let part = Part { limit: limit - found.len(), before: before.as_ref() };
                let page = newest(&deployment.store, self.lists.iter().cloned(), wanted, part).await?;
                found.extend(page.found);
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            all.found.extend(found);
            all.next = all.next.max(before);
        }
        all.found.sort_by(|a, b| b.key.cmp(&a.key));
        // Lines that cannot be read are found for each participant.
        all.found.dedup_by(|a, b| a.key == b.key);
        if all.found.len() > limit {
            all.found.truncate(limit);
            all.next = all.found.last().map(|entry| entry.key.clone());
        }
        Ok(all)
    }
}

/// A line as people read it: when, what, about whom, how it went, why, by whom, with what request.
pub(crate) struct Told<'a> {
    pub(crate) line: &'a HistoryLine,
    pub(crate) names: &'a StageNames,
    pub(crate) wide: bool,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HistoryLine {
            at,
            stage,
            participant,
            destination,
            operation,
            rule,
            outcome,
            reason,
            request_id,
            caller,
        } = self.line;
        let name = |stage: &StageArn| match self.wide {
            true => stage.to_string(),
            false => plain(self.names.short(stage)).into_owned(),
        };
        write!(f, "{at:.3}  {}", plain(operation))?;
        if let Some(participant) = participant {
            write!(f, "  {participant}")?;
        }
        match (stage, destination) {
            (Some(stage), Some(destination)) => write!(f, "  {} -> {}", name(stage), name(destination))?,
            (Some(stage), None) => write!(f, "  {}", name(stage))?,
            _ => f.write_str("  all stages")?,
        }
        write!(f, "  {}", plain(outcome))?;
        if let Some(rule) = rule {
            write!(f, "  rule {rule}")?;
        }
        if let Some(reason) = reason {
            write!(f, "  because: {}", plain(reason))?;
        }
        write!(f, "  by {}", plain(caller))?;
        if let Some(request) = request_id {
            write!(f, "  request {}", plain(request))?;
        }
        Ok(())
    }
}

/// A span of time from a second to a week.
fn span(text: &str) -> Result<SignedDuration, String> {
    let text = text.trim();
    // A day is no span of civil time here: 24 h.
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    let span = match days {
        Some(days) => {
            days.checked_mul(24).map(|hours| SignedDuration::from_secs(hours.saturating_mul(3_600)))
        }
        None => text.parse::<SignedDuration>().ok(),
    };
    let allowed = SignedDuration::from_secs(1)..=SignedDuration::from_hours(7 * 24);
    let span = span.filter(|span| allowed.contains(span));
    span.ok_or_else(|| "allowed is 1s to 7d, such as 10m or \"1h 30m\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_second_to_a_week() {
        for (text, seconds) in [("1s", 1), ("10m", 600), ("1h 30m", 5_400), ("7d", 604_800)] {
            assert_eq!(span(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in ["0s", "8d", "soon", "", "-1d", "999999999999999999d"] {
            assert!(span(text).unwrap_err().starts_with("allowed is 1s to 7d"), "{text}");
        }
    }

    #[test]
    fn a_line_holds_nothing_that_a_terminal_obeys() {
        let evil = "x\u{1b}[2J\n".to_owned();
        let line = HistoryLine {
            at: Timestamp::UNIX_EPOCH,
            stage: None,
            participant: None,
            destination: None,
            operation: evil.clone(),
            rule: None,
            outcome: evil.clone(),
            reason: Some(evil.clone()),
            request_id: Some(evil.clone()),
            caller: evil,
        };
        let told = Told { line: &line, names: &StageNames::default(), wide: true }.to_string();
        assert_eq!(told.matches("x\\u{1b}[2J\\n").count(), 5, "{told}");
        assert!(!told.contains(char::is_control), "{told:?}");
    }
}
