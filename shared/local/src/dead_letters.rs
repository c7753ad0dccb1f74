//! The queue of what could not be handled: messages that are received, hidden for a while, and deleted, as in SQS.
//!
//! # Guarantees
//! A message is there until it is deleted. Who has received it has it for itself until its visibility timeout is over.
//!
//! # Caveats
//! Messages stay longer than their retention period, and are gone with the stand.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::time::Instant;

/// The queue.
#[derive(Default)]
pub(crate) struct DeadLetters(Mutex<Messages>);

#[derive(Default)]
struct Messages {
    sent: u64,
    received: u64,
    kept: Vec<Kept>,
}

struct Kept {
    message: Message,
    hidden_until: Option<Instant>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    /// Its attributes, all of them text.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) sent_ms: u128,
    /// How often it was received.
    pub(crate) receipts: u32,
    /// What the last receipt is called.
    pub(crate) receipt: String,
}

/// A receipt that is of no message, or not of its last receipt while it is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotReceived;

impl DeadLetters {
    /// Puts a message into the queue; gives its id.
    pub(crate) fn send(&self, body: String, attributes: BTreeMap<String, String>) -> String {
        let mut messages = self.messages();
        messages.sent += 1;
        let sent_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let (time, number) = (sent_ms & 0xffff_ffff_ffff, messages.sent);
        let id = format!("{:08x}-{:04x}-4000-9000-{number:012x}", time >> 16, time & 0xffff);
        let message =
            Message { id: id.clone(), body, attributes, sent_ms, receipts: 0, receipt: String::new() };
        messages.kept.push(Kept { message, hidden_until: None });
        id
    }

    /// Gives so many messages that nobody has at the moment, and hides them for a while.
    pub(crate) fn receive(&self, most: usize, hide: Duration) -> Vec<Message> {
        let (mut messages, now) = (self.messages(), Instant::now());
        let Messages { received, kept, .. } = &mut *messages;
        let visible = kept.iter_mut().filter(|kept| !kept.is_hidden(now)).take(most);
        let receive = |kept: &mut Kept| {
            *received += 1;
            kept.message.receipts += 1;
            kept.message.receipt = format!("{}#{received}", kept.message.id);
            kept.hidden_until = Some(now + hide);
            kept.message.clone()
        };
        visible.map(receive).collect()
    }

    /// Hides a message for this long from now on; no time at all gives it back.
    pub(crate) fn hide(&self, receipt: &str, hide: Duration) -> Result<(), NotReceived> {
        let (mut messages, now) = (self.messages(), Instant::now());
        let received = |kept: &&mut Kept| kept.message.receipt == receipt && kept.is_hidden(now);
        let kept = messages.kept.iter_mut().find(received).ok_or(NotReceived)?;
        kept.hidden_until = Some(now + hide);
        Ok(())
    }

    /// Deletes a message. It is no error if it is gone already.
    pub(crate) fn delete(&self, receipt: &str) -> Result<(), NotReceived> {
        if !receipt.contains('#') {
            return Err(NotReceived);
        }
        self.messages().kept.retain(|kept| kept.message.receipt != receipt);
        Ok(())
    }

    /// Deletes everything.
    pub(crate) fn purge(&self) {
        self.messages().kept.clear();
    }

    /// How many messages are visible, and how many are not.
    pub(crate) fn count(&self) -> (usize, usize) {
        let (messages, now) = (self.messages(), Instant::now());
        let hidden = messages.kept.iter().filter(|kept| kept.is_hidden(now)).count();
        (messages.kept.len() - hidden, hidden)
    }

    /// The bodies of all messages, oldest first.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let parsed = |body: &str| serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        self.messages().kept.iter().map(|kept| parsed(&kept.message.body)).collect()
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_hidden(&self, now: Instant) -> bool {
        self.hidden_until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_message_is_one_receivers_until_its_time_is_over() {
        let queue = DeadLetters::default();
        let id = queue.send("{}".to_owned(), BTreeMap::new());
        queue.send("b".to_owned(), BTreeMap::new());
        let soon = Duration::from_millis(100);
        let first = queue.receive(1, soon);
        assert_eq!((first.len(), &first[0].id, queue.count()), (1, &id, (1, 1)));
        assert_eq!(queue.receive(10, Duration::ZERO).len(), 1, "the other");
        assert_eq!(queue.receive(10, Duration::ZERO).len(), 1, "which was not hidden at all");

        tokio::time::sleep(soon).await;
        assert_eq!(queue.hide(&first[0].receipt, MINUTE), Err(NotReceived), "it is anybody's again");
        let again = queue.receive(10, MINUTE);
        assert_eq!((again.len(), again[0].receipts), (2, 2));
        queue.hide(&again[0].receipt, Duration::ZERO).unwrap();
        assert_eq!(queue.count(), (1, 1));
        queue.delete(&again[0].receipt).unwrap();
        queue.delete(&again[0].receipt).unwrap();
        assert_eq!(queue.bodies(), [Value::from("b")]);
        assert_eq!(queue.delete("nothing"), Err(NotReceived));
        queue.purge();
        assert_eq!(queue.count(), (0, 0));
    }
}
