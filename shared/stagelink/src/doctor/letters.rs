//! Whether anything could not be handled.

use aws_adapters::stack::QueueState;
use aws_adapters::{LookError, Stack};
use jiff::Timestamp;

use super::finding::{Finding, Level, Section};
use super::functions::FunctionLook;
use super::{count, in_time, not_checked, span};
use crate::remedy::Remedies;

/// The queue, and the oldest message of those that one receipt gives.
pub(super) struct LettersLook {
    queue: Result<QueueState, LookError>,
    oldest: Result<Option<Timestamp>, LookError>,
}

const SECTION: Section = Section::DeadLetters;

pub(super) async fn look(stack: &Stack, functions: &[FunctionLook]) -> LettersLook {
    let mut found = functions.iter().map(|look| look.on_failure.clone()).filter(|found| *found != Ok(None));
    let arn = match found.clone().find_map(Result::ok).flatten() {
        Some(arn) => arn,
        None => {
            let none =
                || LookError::Absent { message: "no function names a queue for what fails".to_owned() };
            let error = found.find_map(Result::err).unwrap_or_else(none);
            return LettersLook { queue: Err(error), oldest: Ok(None) };
        }
    };
    let queue = in_time(stack.queue(&arn)).await;
    let oldest = match &queue {
        Ok(queue) if queue.visible > 0 => {
            let received = in_time(stack.receive(&queue.url, 0)).await;
            received.map(|messages| messages.iter().filter_map(|message| message.sent).min())
        }
        _ => Ok(None),
    };
    LettersLook { queue, oldest }
}

pub(super) fn findings(look: &LettersLook, remedies: &Remedies, now: Timestamp) -> Vec<Finding> {
    let queue = match &look.queue {
        Ok(queue) => queue,
        Err(error) => return vec![not_checked(SECTION, "queue", error)],
    };
    let QueueState { visible, in_flight, retention_seconds, .. } = queue;
    if visible + in_flight == 0 {
        let days = retention_seconds / 86_400;
        return vec![Finding::ok(
            SECTION,
            "queue",
            format_args!("empty; it keeps what comes for {days} days"),
        )];
    }
    let mut words = count(*visible, "message");
    if *in_flight > 0 {
        words += &format!(", and {in_flight} that somebody is looking at");
    }
    match &look.oldest {
        Ok(Some(sent)) => words += &format!("; the oldest seen is {} old", span(now.duration_since(*sent))),
        Ok(None) => {}
        Err(LookError::Denied { action, .. }) => words += &format!("; their age needs {action}"),
        Err(error) => words += &format!("; their age is not known: {error}"),
    }
    let list = remedies.stagelink_on_stack("dead-letters list");
    vec![Finding::new(SECTION, "queue", Level::Failed, words).expected("none").remedy(list)]
}
