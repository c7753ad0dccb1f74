//! An event source mapping: gathers changes, delivers them, and tries again.

use std::{sync::Arc, time::Duration};

use dynoxide::DynoxideError;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Checkpoints, Filter, TableStream,
    batch::{Batch, Queue, Rest},
    record::{READ, Record, Start},
};
use crate::{
    delivery::{Deliveries, Source, Status, Throttled, Trigger},
    event_rules::PatternError,
    template::{Function, StreamSource},
};

/// A function's event source mapping on the table's stream.
pub(crate) struct Mapping {
    trigger: Trigger,
    function_arn: String,
    source: StreamSource,
    filter: Filter,
}

/// What a running mapping works with.
struct Running {
    mapping: Mapping,
    stream: TableStream,
    checkpoints: Arc<Checkpoints>,
    deliveries: Arc<Deliveries>,
}

/// How often the stream is looked at. Lambda looks four times a second.
const POLL: Duration = Duration::from_millis(100);

/// How long to wait after the stream could not be read.
const UNREADABLE: Duration = Duration::from_secs(1);

/// The mappings of all functions.
///
/// # Errors
/// As [`Filter::new`].
pub(crate) fn mappings(functions: &[Function]) -> Result<Vec<Mapping>, PatternError> {
    let sources =
        functions.iter().flat_map(|function| function.streams.iter().map(move |each| (function, each)));
    let mapping = |(function, source): (&Function, &StreamSource)| {
        let trigger = Trigger::new(Source::Stream, &source.name, &function.name);
        let (function_arn, source, filter) = (function.arn.clone(), source.clone(), Filter::new(source)?);
        Ok(Mapping { trigger, function_arn, source, filter })
    };
    sources.map(mapping).collect()
}

impl Mapping {
    /// Delivers the changes of the table until the deliveries are stopped.
    pub(crate) async fn run(
        self,
        stream: TableStream,
        checkpoints: Arc<Checkpoints>,
        deliveries: Arc<Deliveries>,
    ) {
        let running = Running { mapping: self, stream, checkpoints, deliveries: deliveries.clone() };
        deliveries.until_stopped(running.run()).await;
    }
}

impl Running {
    async fn run(&self) {
        let mut iterator = self.begin().await;
        loop {
            let (records, last, next) = self.gather(iterator).await;
            iterator = next;
            while !self.deliveries.is_on(&self.mapping.source.name) {
                tokio::time::sleep(POLL).await;
            }
            if !records.is_empty() {
                self.deliver(records).await;
            }
            self.checkpoints.set(&self.mapping.source.name, last);
        }
    }

    /// The iterator after the last change that the mapping is done with, or at its starting position.
    async fn begin(&self) -> String {
        loop {
            let source = &self.mapping.source;
            let checkpoint = self.checkpoints.get(&source.name);
            let start = checkpoint.map_or(Start::Position(source.starting_position), Start::After);
            match self.stream.iterator(start).await {
                Ok(iterator) => return iterator,
                Err(error) => self.unreadable(&error).await,
            }
        }
    }

    /// Waits for changes. Returns those to deliver, if any, with the last one that was read, and the iterator behind it.
    async fn gather(&self, mut iterator: String) -> (Vec<Record>, String, String) {
        let Mapping { source, filter, .. } = &self.mapping;
        let (size, mut gathered, mut last) = (source.batch_size as usize, Vec::new(), None);
        let mut closes: Option<Instant> = None;
        loop {
            let room = size - gathered.len();
            let read = match self.stream.read(iterator.clone(), room).await {
                Ok((records, next)) => {
                    iterator = next;
                    records
                }
                Err(error) => {
                    self.unreadable(&error).await;
                    continue;
                }
            };
            let exhausted = read.len() < room.min(READ);
            if let Some(record) = read.last() {
                last = Some(record.sequence_number.clone());
            }
            let chosen = |record: &Record| record.is_a_change() && filter.lets_through(&record.value);
            gathered.extend(read.into_iter().filter(chosen));
            if !gathered.is_empty() && closes.is_none() {
                closes = Some(Instant::now() + source.window);
            }
            let over = || closes.is_some_and(|closes| Instant::now() >= closes);
            let closed = gathered.len() >= size || (exhausted && over());
            match last.take_if(|_| closed || (exhausted && gathered.is_empty())) {
                Some(last) => return (gathered, last, iterator),
                None if exhausted => {
                    let until = (Instant::now() + POLL).min(closes.unwrap_or_else(|| Instant::now() + POLL));
                    tokio::time::sleep_until(until).await;
                }
                None => {}
            }
        }
    }

    /// Delivers changes until they are done with: delivered, or given up.
    async fn deliver(&self, records: Vec<Record>) {
        let Mapping { trigger, function_arn, source, .. } = &self.mapping;
        let first = records[0].value["eventID"].as_str().unwrap_or_default().to_owned();
        let name = match records.len() {
            1 => "1 change".to_owned(),
            number => format!("{number} changes"),
        };
        let under_way = self.deliveries.open(trigger, first, Some(name));
        let bury = |batch: &Batch, condition: &str| {
            under_way.bury(&batch.dead_letter(function_arn, condition, &self.stream));
            Status::DeadLetter
        };
        let (mut status, mut queue) = (Status::Delivered, Queue::from([Batch::new(records)]));
        while let Some(mut batch) = queue.pop_front() {
            if let Some(expired) = batch.expired(source, Timestamp::now()) {
                status = bury(&expired, "RecordAgeExceeded");
            }
            if batch.records.is_empty() {
                continue;
            }
            let answer = match under_way.attempt(&batch.event()).await {
                Ok(answer) => answer,
                Err(Throttled) => {
                    queue.push_front(batch);
                    tokio::time::sleep(self.deliveries.throttled_delay()).await;
                    continue;
                }
            };
            match batch.after(&answer, source) {
                Rest::Nothing => {}
                Rest::GivenUp(batch) => status = bury(&batch, "RetryAttemptsExhausted"),
                Rest::Again(batches) => {
                    let delay = self.deliveries.backoff(batches[0].failed);
                    batches.into_iter().rev().for_each(|batch| queue.push_front(batch));
                    tokio::time::sleep(delay).await;
                }
            }
        }
        under_way.end(status);
    }

    async fn unreadable(&self, error: &DynoxideError) {
        tracing::warn!(mapping = self.mapping.source.name, %error, "the table's stream could not be read");
        tokio::time::sleep(UNREADABLE).await;
    }
}
