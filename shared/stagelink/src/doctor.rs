//! `stagelink doctor`: whether an installation is healthy, and if not, what to do.
//!
//! Everything is looked at as it is in AWS, side by side, and each look has its time: one that hangs is one finding that could not
//! be made. Nothing is changed: writes are tried on a condition that never holds, and functions are asked with an event that is
//! none of theirs.
//!
//! A finding *failed* if something is broken, or an alarm of the stack would wake somebody for it; the exit code is then 1. It is a
//! *warning* if somebody should know it.

mod access;
mod expected;
mod finding;
mod functions;
mod heartbeat;
mod letters;
mod limits;
mod table;
mod triggers;

use std::time::Duration;

use aws_adapters::{LookError, Stack};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::output::{BAD, GOOD, Output, PASSING};
use crate::remedy::Remedies;
use crate::{Deployment, Error, Screen, ages};
use finding::{Finding, Level, Report};
use functions::FunctionLook;
use replication::plain;

pub use expected::{EXPECTED, Expected};
pub(crate) use functions::error_of;

/// How long each look may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a function may take to answer what is not for it: a cold start, and some. Less than it may run.
const ANSWER: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    stack: StackArgument,
    /// Leave the functions alone: do not invoke those that answer at once with an event that is not for them
    #[arg(long)]
    no_invoke: bool,
    #[command(flatten)]
    output: Output,
}

/// Which stack is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct StackArgument {
    /// Name of the deployment's stack, with which the names of its functions begin
    #[arg(long, value_name = "NAME", env = "STAGELINK_STACK", default_value = "stagelink", value_parser = stack_name)]
    stack: String,
}

impl StackArgument {
    /// The stack of a deployment.
    pub(crate) fn of(&self, deployment: &Deployment) -> Stack {
        deployment.connection.stack(&self.stack, &deployment.place.table)
    }
}

impl Doctor {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let stack = self.stack.of(deployment);
        let spinner = screen.spinner("looking at the installation");
        let report = Box::pin(self.examine(deployment, &stack)).await;
        spinner.finish_and_clear();
        if self.output.is_document() {
            self.output.document(screen, &report)?;
        } else {
            print(&report, screen)?;
        }
        Ok(report.is_healthy())
    }

    async fn examine(&self, deployment: &Deployment, stack: &Stack) -> Report {
        let remedies = Remedies::new(deployment, stack);
        let (now, local) = (Timestamp::now(), deployment.place.local);
        let looks =
            EXPECTED.iter().map(|expected| Box::pin(FunctionLook::at(stack, expected, !self.no_invoke)));
        // Boxed, because futures of the SDK are large, and a stack is not.
        let (access, table, functions, heartbeat) = tokio::join!(
            Box::pin(access::look(deployment, stack)),
            Box::pin(table::look(stack, local)),
            join_all(looks),
            in_time(heartbeat::look(&deployment.store)),
        );
        let letters = letters::look(stack, &functions).await;

        let mut findings = access::findings(&access, &remedies, now);
        findings.extend(table::findings(&table, &remedies));
        findings.extend(functions::findings(&functions, &remedies));
        findings.extend(triggers::findings(&functions, &table, &remedies));
        findings.extend(heartbeat::findings(&heartbeat, &functions, &remedies, now));
        findings.extend(limits::findings(&heartbeat, &functions));
        findings.extend(letters::findings(&letters, &remedies, now));
        Report::new(findings)
    }
}

fn print(report: &Report, screen: &mut Screen<'_>) -> Result<(), Error> {
    let (mut section, mut width) = (None, 0);
    for finding in &report.findings {
        if section != Some(finding.section) {
            section = Some(finding.section);
            screen.line(finding.section.heading())?;
            let same = report.findings.iter().filter(|other| other.section == finding.section);
            width = same.map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
        }
        let style = match finding.level {
            Level::Ok => GOOD,
            Level::Warning | Level::NotChecked => PASSING,
            Level::Failed => BAD,
        };
        let level = screen.painted(style, &format!("{:<11}", finding.level.in_words()));
        let (subject, found) = (plain(&finding.subject), plain(&finding.found));
        let expected = finding.expected.as_ref();
        let expected =
            expected.map_or(String::new(), |expected| format!("; expected is {}", plain(expected)));
        screen.line(format_args!("  {level}  {subject:width$}  {found}{expected}"))?;
        if let Some(remedy) = &finding.remedy {
            screen.line(format_args!("{:15}-> {}", "", plain(remedy)))?;
        }
    }
    screen.line(report.summary_in_words())?;
    Ok(())
}

/// The look, or that it took too long.
async fn in_time<T>(look: impl Future<Output = Result<T, LookError>>) -> Result<T, LookError> {
    within(PATIENCE, look).await
}

async fn within<T>(
    patience: Duration,
    look: impl Future<Output = Result<T, LookError>>,
) -> Result<T, LookError> {
    let late = || LookError::Failed {
        code: "Timeout".to_owned(),
        message: format!("no answer within {} s", patience.as_secs()),
    };
    tokio::time::timeout(patience, Box::pin(look)).await.unwrap_or_else(|_| Err(late()))
}

/// What a look that gave nothing says of its subject.
fn not_checked(section: finding::Section, subject: &str, error: &LookError) -> Finding {
    let finding = |found| Finding::new(section, subject, Level::NotChecked, found);
    match error {
        LookError::Denied { action, .. } => {
            finding(format!("needs {action}")).remedy(format!("allow {action} to these credentials"))
        }
        other => finding(other.to_string()),
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// How long ago, or how long.
pub(crate) fn span(span: SignedDuration) -> String {
    ages::span(span.as_secs().max(0))
}

fn stack_name(text: &str) -> Result<String, String> {
    let mut letters = text.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    if begins && text.len() <= 128 && letters.all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(text.to_owned());
    }
    Err("allowed are 1-128 letters, digits and hyphens, a letter first".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_a_name_that_cloudformation_takes() {
        assert!(stack_name("my-Stack1").is_ok());
        for wrong in ["", "1st", "a_b", "a b"] {
            assert!(stack_name(wrong).is_err(), "{wrong}");
        }
    }
}
