//! Another try: the function is invoked with the event again, and waited for.

use std::collections::BTreeSet;

use aws_adapters::LookError;
use aws_adapters::stack::{Invoked, Message};
use jiff::Timestamp;

use super::{HOLD_SECONDS, Letter, Queue};
use crate::doctor::error_of;
use crate::remedy::Remedies;
use crate::{Deployment, Error, Screen};
use replication::plain;

#[derive(Debug, clap::Args)]
pub(super) struct Redrive {
    /// Their ids, or how these begin
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All that are there
    #[arg(long)]
    all: bool,
    /// Delete what cannot be redriven, and what its function cannot read, instead of keeping it
    #[arg(long)]
    discard: bool,
}

/// What became of the letters.
#[derive(Debug, Default)]
struct Tally {
    redriven: usize,
    discarded: usize,
    kept: usize,
    /// Of those that were kept: such as nothing helps but deleting them.
    superseded: usize,
}

/// Whether a function says that no repetition helps, because the event cannot be read.
fn is_unreadable(error: &[u8]) -> bool {
    let error: serde_json::Value = serde_json::from_slice(error).unwrap_or_default();
    error["errorType"] == "Malformed"
}

/// A redrive that is under way.
struct Redriving<'a> {
    redrive: &'a Redrive,
    queue: &'a Queue<'a>,
    /// When a sweep last listed all stages, once somebody asked.
    swept: Option<Option<Timestamp>>,
    tally: Tally,
}

/// What becomes of one.
enum Fate {
    /// Its message is deleted.
    Redriven,
    Discarded,
    /// Its message stays, for this reason.
    Kept(String),
    /// So will all others.
    KeptAsAll(LookError),
}

impl Redrive {
    pub(super) async fn run(
        &self,
        queue: &Queue<'_>,
        deployment: &Deployment,
        remedies: &Remedies,
        screen: &mut Screen<'_>,
    ) -> Result<bool, Error> {
        let mut redriving = Redriving { redrive: self, queue, swept: None, tally: Tally::default() };
        let mut held = Vec::new();
        let outcome = redriving.through(&mut held, deployment, screen).await;
        queue.give_back(&held).await;
        outcome?;
        let Tally { redriven, discarded, kept, superseded } = redriving.tally;
        screen.line(format_args!("{redriven} redriven, {discarded} discarded, {kept} kept."))?;
        if superseded > 0 {
            let command = remedies.stagelink_on_stack("dead-letters redrive --all --discard");
            screen.line(format_args!("next: {command} deletes those that cannot be redriven"))?;
        }
        Ok(kept == 0)
    }

    fn means(&self, id: &str) -> bool {
        self.all || self.ids.iter().any(|begins| id.starts_with(begins))
    }
}

impl Redriving<'_> {
    /// Goes through the queue until it gives nothing more, or everything that was asked for is done with. What is kept is held, so
    /// that the queue does not give it again.
    async fn through(
        &mut self,
        held: &mut Vec<Message>,
        deployment: &Deployment,
        screen: &mut Screen<'_>,
    ) -> Result<(), Error> {
        let (stack, url) = (self.queue.stack, &self.queue.state.url);
        let length = if self.redrive.all { self.queue.state.visible } else { self.redrive.ids.len() as u64 };
        let bar = screen.progress(length, "dead letters");
        let (mut seen, mut open) = (BTreeSet::new(), self.redrive.ids.iter().collect::<BTreeSet<_>>());
        while self.redrive.all || !open.is_empty() {
            let received = stack.receive(url, HOLD_SECONDS).await?;
            if received.is_empty() {
                break;
            }
            for message in received {
                // Its time was over, and it came back.
                if !seen.insert(message.id.clone()) {
                    stack.hide(url, &message.receipt, HOLD_SECONDS).await?;
                    held.retain(|other| other.id != message.id);
                    held.push(message);
                    continue;
                }
                if !self.redrive.means(&message.id) {
                    held.push(message);
                    continue;
                }
                open.retain(|begins| !message.id.starts_with(begins.as_str()));
                let letter = Letter::read(&message, stack.name());
                let fate = self.one(&letter, &message, deployment).await?;
                bar.inc(1);
                let keeps = matches!(fate, Fate::Kept(_) | Fate::KeptAsAll(_));
                if keeps {
                    held.push(message);
                }
                bar.suspend(|| self.tell(&letter, &fate, screen))?;
                if let Fate::KeptAsAll(error) = fate {
                    return Err(error.into());
                }
            }
        }
        bar.finish_and_clear();
        open.into_iter().next().map_or(Ok(()), |id| Err(self.queue.unknown(id)))
    }

    async fn one(
        &mut self,
        letter: &Letter,
        message: &Message,
        deployment: &Deployment,
    ) -> Result<Fate, Error> {
        let (stack, url) = (self.queue.stack, &self.queue.state.url);
        let (event, function) = match (&letter.event, letter.function, letter.superseded()) {
            (Some(event), Some(function), None) => (event, function),
            (_, _, why) => {
                return self.not_redriven(letter, message, why.unwrap_or_default(), deployment).await;
            }
        };
        // Those before it may have taken long.
        stack.hide(url, &message.receipt, HOLD_SECONDS).await?;
        match stack.invoke(function.name, event.to_string().as_bytes()).await {
            Ok(Invoked { error: None, .. }) => {
                stack.delete(url, &message.receipt).await?;
                Ok(Fate::Redriven)
            }
            Ok(Invoked { payload, .. }) if self.redrive.discard && is_unreadable(&payload) => {
                stack.delete(url, &message.receipt).await?;
                Ok(Fate::Discarded)
            }
            Ok(Invoked { payload, .. }) => {
                self.tally.superseded += usize::from(is_unreadable(&payload));
                Ok(Fate::Kept(format!("it failed again: {}", error_of(&payload))))
            }
            Err(denied @ LookError::Denied { .. }) => Ok(Fate::KeptAsAll(denied)),
            Err(error) => Ok(Fate::Kept(format!("nothing is known of the invocation: {error}"))),
        }
    }

    async fn not_redriven(
        &mut self,
        letter: &Letter,
        message: &Message,
        why: &str,
        deployment: &Deployment,
    ) -> Result<Fate, Error> {
        if !self.redrive.discard {
            self.tally.superseded += 1;
            return Ok(Fate::Kept(format!("cannot be redriven: {why}")));
        }
        if let Some(unrepaired) = self.unrepaired(letter, deployment).await? {
            return Ok(Fate::Kept(unrepaired));
        }
        self.queue.stack.delete(&self.queue.state.url, &message.receipt).await?;
        Ok(Fate::Discarded)
    }

    /// Why what a batch of the stream stood for may not be done yet: no sweep has ended since.
    async fn unrepaired(
        &mut self,
        letter: &Letter,
        deployment: &Deployment,
    ) -> Result<Option<String>, Error> {
        if letter.kind != super::letter::Kind::Stream {
            return Ok(None);
        }
        if self.swept.is_none() {
            self.swept = Some(deployment.store.survey().await?.0.listed_at);
        }
        let swept = self.swept.flatten();
        if swept.is_some_and(|swept| letter.at.is_none_or(|at| swept > at)) {
            return Ok(None);
        }
        Ok(Some(
            "no sweep has ended since, which would repair what it stood for: see `stagelink doctor`"
                .to_owned(),
        ))
    }

    fn tell(&mut self, letter: &Letter, fate: &Fate, screen: &mut Screen<'_>) -> Result<(), Error> {
        let about = format!("{}  {}  {}", letter.id, letter.function_in_words(), letter.what);
        let (word, why) = match fate {
            Fate::Redriven => {
                self.tally.redriven += 1;
                ("redriven ", String::new())
            }
            Fate::Discarded => {
                self.tally.discarded += 1;
                ("discarded", String::new())
            }
            Fate::Kept(why) => {
                self.tally.kept += 1;
                ("kept     ", format!(": {why}"))
            }
            Fate::KeptAsAll(error) => {
                self.tally.kept += 1;
                ("kept     ", format!(": {error}"))
            }
        };
        screen.line(format_args!("{word}  {}", plain(&format!("{about}{why}"))))?;
        Ok(())
    }
}
