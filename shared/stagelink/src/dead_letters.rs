//! `stagelink dead-letters`: what could not be handled, and another try.
//!
//! Who reads a queue hides its messages from others for a while. They are given back at the end, and come back by themselves within
//! three minutes if this command is killed. A message is deleted only after its function has answered without an error; killed in
//! between, it is tried once more by the next redrive, which does no harm: functions are repeat-safe.

mod letter;
mod redrive;

use std::collections::BTreeSet;

use aws_adapters::stack::{Message, QueueState};
use aws_adapters::{LookError, Stack};
use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::doctor::{EXPECTED, StackArgument, count, span};
use crate::output::{Cell, Column, Output};
use crate::remedy::Remedies;
use crate::{Deployment, Error, Screen};
use letter::Letter;
use replication::plain;

#[derive(Debug, clap::Args)]
pub(crate) struct DeadLetters {
    #[command(flatten)]
    stack: StackArgument,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists what could not be handled: which function, when, what, and why
    List(List),
    /// Shows one with its event, and what can be done
    Show(Show),
    /// Invokes the function again with the event, and deletes the message once the function has answered
    Redrive(redrive::Redrive),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Its id, or how that begins
    id: String,
    #[command(flatten)]
    output: Output,
}

/// For so many seconds nobody else sees what is read here. Longer than any function runs.
const HOLD_SECONDS: i32 = 180;

/// So many are read at most.
const MOST: usize = 1_000;

/// Messages that are given back at the same time.
const SIDE_BY_SIDE: usize = 10;

/// How much of a reason stands in a column.
const IN_A_COLUMN: usize = 80;

impl DeadLetters {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let stack = self.stack.of(deployment);
        let remedies = Remedies::new(deployment, &stack);
        let queue = Box::pin(Queue::of(&stack)).await?;
        match &self.command {
            Command::List(list) => list.run(&queue, screen).await,
            Command::Show(show) => show.run(&queue, &remedies, screen).await,
            Command::Redrive(redrive) => Box::pin(redrive.run(&queue, deployment, &remedies, screen)).await,
        }
    }
}

impl List {
    async fn run(&self, queue: &Queue<'_>, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let letters = queue.letters(screen).await?;
        if letters.is_empty() && !self.output.is_document() {
            screen.line("No dead letters.")?;
            queue.tell_others(0, screen)?;
            return Ok(true);
        }
        let columns: [Column<Letter>; 6] = [
            Column { name: "ID", only_wide: false, cell: |letter| Cell::new(&letter.id) },
            Column { name: "AGE", only_wide: false, cell: |letter| Cell::new(age(letter)) },
            Column {
                name: "FUNCTION",
                only_wide: false,
                cell: |letter| Cell::new(letter.function_in_words()),
            },
            Column { name: "KIND", only_wide: false, cell: |letter| Cell::new(letter.kind.name()) },
            Column { name: "WHAT", only_wide: false, cell: |letter| Cell::new(&letter.what) },
            match self.output.format {
                crate::output::Format::Wide => {
                    Column { name: "WHY", only_wide: false, cell: |letter| Cell::new(&letter.why) }
                }
                _ => {
                    Column { name: "WHY", only_wide: false, cell: |letter| Cell::new(shortened(&letter.why)) }
                }
            },
        ];
        self.output.list(screen, &columns, &letters, || {
            serde_json::json!({ "dead_letters": letters.iter().map(Letter::document).collect::<Vec<_>>() })
        })?;
        if !self.output.is_document() {
            queue.tell_others(letters.len(), screen)?;
        }
        Ok(true)
    }
}

impl Show {
    async fn run(
        &self,
        queue: &Queue<'_>,
        remedies: &Remedies,
        screen: &mut Screen<'_>,
    ) -> Result<bool, Error> {
        let mut letters = queue.letters(screen).await?;
        letters.retain(|letter| letter.id.starts_with(&self.id));
        let letter = match &letters[..] {
            [letter] => letter,
            [] => return Err(queue.unknown(&self.id)),
            more => {
                let ids = more.iter().map(|letter| letter.id.clone()).collect();
                return Err(Error::ManyDeadLetters { id: self.id.clone(), ids });
            }
        };
        if self.output.is_document() {
            self.output.document(screen, &letter.document())?;
            return Ok(true);
        }
        let at = letter.at.map_or("not known".to_owned(), |at| format!("{at}, {} ago", age(letter)));
        let rows = [
            ("id", letter.id.clone()),
            ("function", letter.function_in_words()),
            ("kind", format!("{}: {}", letter.kind.name(), letter.kind.in_words())),
            ("at", at),
            ("what", letter.what.clone()),
            ("why", letter.why.clone()),
        ];
        for (name, text) in rows {
            screen.line(format_args!("{name:<9} {}", plain(&text)))?;
        }
        let body = letter.event.as_ref().unwrap_or(&letter.body);
        let text = serde_json::to_string_pretty(body).map_err(std::io::Error::other)?;
        screen.line(if letter.event.is_some() { "event" } else { "message" })?;
        for line in text.lines() {
            screen.line(format_args!("  {}", plain(line)))?;
        }
        let next = match letter.superseded() {
            None => format!("dead-letters redrive {}", letter.id),
            Some(_) => format!("dead-letters redrive {} --discard", letter.id),
        };
        if let Some(why) = letter.superseded() {
            screen.line(format_args!("It cannot be redriven: {why}."))?;
        }
        screen.line(format_args!("next: {}", remedies.stagelink_on_stack(&next)))?;
        Ok(true)
    }
}

/// The queue of one stack.
struct Queue<'a> {
    stack: &'a Stack,
    state: QueueState,
}

impl<'a> Queue<'a> {
    /// The queue that a function of the stack names for what fails.
    async fn of(stack: &'a Stack) -> Result<Self, LookError> {
        let mut error = None;
        for function in EXPECTED.iter().filter(|function| function.is_asynchronous()) {
            match stack.on_failure(function.name).await {
                Ok(Some(arn)) => return Ok(Self { stack, state: stack.queue(&arn).await? }),
                Ok(None) => {}
                // What is true of one is true of all.
                Err(denied @ LookError::Denied { .. }) => return Err(denied),
                Err(other) => error = Some(other),
            }
        }
        let message = format!("stack {} has no function that names a queue for what fails", stack.name());
        Err(error.unwrap_or(LookError::Absent { message }))
    }

    /// Everything that can be read, oldest first. It is given back.
    async fn letters(&self, screen: &Screen<'_>) -> Result<Vec<Letter>, Error> {
        let bar = screen.progress(self.state.visible, "dead letters read");
        let (mut held, mut ids) = (Vec::new(), BTreeSet::new());
        let read = loop {
            match self.stack.receive(&self.state.url, HOLD_SECONDS).await {
                Ok(received) if received.is_empty() || ids.len() >= MOST => {
                    held.extend(received);
                    break Ok(());
                }
                Ok(received) => {
                    bar.inc(received.len() as u64);
                    ids.extend(received.iter().map(|message| message.id.clone()));
                    held.extend(received);
                }
                Err(error) => break Err(error),
            }
        };
        self.give_back(&held).await;
        bar.finish_and_clear();
        read?;
        let mut letters: Vec<_> =
            held.iter().map(|message| Letter::read(message, self.stack.name())).collect();
        letters.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        letters.dedup_by(|a, b| a.id == b.id);
        Ok(letters)
    }

    /// Lets others see messages again. What cannot be given back comes back by itself.
    async fn give_back(&self, held: &[Message]) {
        stream::iter(held)
            .for_each_concurrent(SIDE_BY_SIDE, async |message| {
                drop(self.stack.hide(&self.state.url, &message.receipt, 0).await);
            })
            .await;
    }

    /// What else there may be.
    fn tell_others(&self, read: usize, screen: &mut Screen<'_>) -> Result<(), Error> {
        let QueueState { visible, in_flight, .. } = &self.state;
        if *in_flight > 0 {
            let more = count(*in_flight, "message");
            screen
                .line(format_args!("{more} somebody else is looking at, which come back within minutes."))?;
        }
        let rest = visible.saturating_sub(read as u64);
        if read >= MOST && rest > 0 {
            screen.line(format_args!("These are the first that came; some {rest} more are there."))?;
        }
        Ok(())
    }

    fn unknown(&self, id: &str) -> Error {
        Error::UnknownDeadLetter { id: id.to_owned(), in_flight: self.state.in_flight }
    }
}

fn age(letter: &Letter) -> String {
    letter.at.map_or(String::new(), |at| span(Timestamp::now().duration_since(at)))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= IN_A_COLUMN {
        return text.to_owned();
    }
    text.chars().take(IN_A_COLUMN - 1).chain(['…']).collect()
}
