//! What becomes of a batch after an invocation, as a function of values.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{TableStream, record::Record};
use crate::{delivery::Answer, template::StreamSource};

/// Changes that are delivered together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    /// Never empty.
    pub(super) records: Vec<Record>,
    /// How often it has failed, halving aside.
    pub(super) failed: u32,
}

/// What is left to do of a batch.
#[derive(Debug, PartialEq)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// These are delivered, one after the other.
    Again(Vec<Batch>),
    /// Nothing, for it has failed too often.
    GivenUp(Batch),
}

impl Batch {
    pub(super) fn new(records: Vec<Record>) -> Self {
        Self { records, failed: 0 }
    }

    /// The event that the function gets.
    pub(super) fn event(&self) -> Value {
        let records: Vec<&Value> = self.records.iter().map(|record| &record.value).collect();
        json!({ "Records": records })
    }

    /// Takes out the changes that are older than a mapping delivers.
    pub(super) fn expired(&mut self, source: &StreamSource, now: Timestamp) -> Option<Self> {
        let age = source.maximum_record_age?;
        let old =
            |record: &Record| Duration::try_from(now.duration_since(record.created)).is_ok_and(|is| is > age);
        let young = self.records.iter().position(|record| !old(record)).unwrap_or(self.records.len());
        let expired: Vec<Record> = self.records.drain(..young).collect();
        (!expired.is_empty()).then_some(Self { records: expired, failed: self.failed })
    }

    /// What is left to do after this answer.
    ///
    /// # Caveats
    /// Lambda's guide does not say what becomes of a batch whose first change is reported again and again while failed batches
    /// are halved. Here it is halved.
    pub(super) fn after(mut self, answer: &Answer, source: &StreamSource) -> Rest {
        let first_failed = match answer {
            Ok(answer) if source.reports_failures => first_failed(answer, &self.records),
            Ok(_) => None,
            Err(_) => Some(0),
        };
        match first_failed {
            None => Rest::Nothing,
            Some(0) if source.bisect && self.records.len() > 1 => {
                let second = self.records.split_off(self.records.len() / 2);
                let failed = self.failed;
                Rest::Again(vec![self, Self { records: second, failed }])
            }
            Some(0) => {
                self.failed += 1;
                if source.maximum_retry_attempts.is_some_and(|most| self.failed > most) {
                    return Rest::GivenUp(self);
                }
                Rest::Again(vec![self])
            }
            // Those before it are done with, so this is another batch.
            Some(first) => Rest::Again(vec![Self::new(self.records.split_off(first))]),
        }
    }

    /// The record that Lambda sends to a stream's on-failure destination: which changes, without the changes.
    pub(super) fn dead_letter(&self, function_arn: &str, condition: &str, stream: &TableStream) -> Value {
        let (first, last) = (self.records.first(), self.records.last());
        let number = |record: Option<&Record>| record.map(|record| record.sequence_number.clone());
        let time = |record: Option<&Record>| record.map(|record| record.created.to_string());
        let response =
            json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
        json!({
            "version": "1.0",
            "timestamp": Timestamp::now().to_string(),
            "requestContext": {
                "functionArn": function_arn,
                "condition": condition,
                "approximateInvokeCount": self.failed,
            },
            "responseContext": (self.failed > 0).then_some(response),
            "DDBStreamBatchInfo": {
                "shardId": stream.shard,
                "startSequenceNumber": number(first),
                "endSequenceNumber": number(last),
                "approximateArrivalOfFirstRecord": time(first),
                "approximateArrivalOfLastRecord": time(last),
                "batchSize": self.records.len(),
                "streamArn": stream.arn,
            },
        })
    }
}

/// The batches in the order in which they are delivered.
pub(super) type Queue = VecDeque<Batch>;

/// Where the first change stands that a function reports as failed. An answer that Lambda cannot read reports all.
fn first_failed(answer: &Value, records: &[Record]) -> Option<usize> {
    let failures = match &answer["batchItemFailures"] {
        Value::Null => return None,
        Value::Array(failures) => failures,
        _ => return Some(0),
    };
    let place = |failure: &Value| {
        let number = failure["itemIdentifier"].as_str()?;
        records.iter().position(|record| record.sequence_number == number)
    };
    failures.iter().map(|failure| place(failure).unwrap_or(0)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{delivery::Failure, template::tests::our};

    fn record(number: u32) -> Record {
        let created = Timestamp::from_second(1_000 + i64::from(number)).unwrap();
        Record { value: json!({ "n": number }), sequence_number: number.to_string(), created }
    }

    fn batch(numbers: &[u32], failed: u32) -> Batch {
        Batch { records: numbers.iter().copied().map(record).collect(), failed }
    }

    /// Halves, and lets the function report; one retry.
    fn source(bisect: bool) -> StreamSource {
        let maximum_retry_attempts = Some(1);
        StreamSource { bisect, maximum_retry_attempts, ..our("rule-changed").streams.remove(0) }
    }

    fn failure() -> Answer {
        Err(Failure { error_type: "Test".to_owned(), error_message: "failed".to_owned() })
    }

    fn reported(numbers: &[&str]) -> Answer {
        let failures: Vec<Value> = numbers.iter().map(|number| json!({ "itemIdentifier": number })).collect();
        Ok(json!({ "batchItemFailures": failures }))
    }

    #[test]
    fn an_answer_without_failures_is_success() {
        for answer in [json!(null), json!("done"), json!({}), json!({ "batchItemFailures": [] })] {
            assert_eq!(batch(&[1, 2], 0).after(&Ok(answer), &source(true)), Rest::Nothing);
        }
    }

    #[test]
    fn a_failure_is_tried_again_and_then_given_up() {
        let source = source(false);
        assert_eq!(batch(&[1, 2], 0).after(&failure(), &source), Rest::Again(vec![batch(&[1, 2], 1)]));
        assert_eq!(batch(&[1, 2], 1).after(&failure(), &source), Rest::GivenUp(batch(&[1, 2], 2)));
        let for_ever = StreamSource { maximum_retry_attempts: None, ..source };
        assert_eq!(batch(&[1], 999).after(&failure(), &for_ever), Rest::Again(vec![batch(&[1], 1_000)]));
    }

    #[test]
    fn halving_keeps_the_order_and_uses_up_no_retry() {
        let halves = vec![batch(&[1], 1), batch(&[2, 3], 1)];
        assert_eq!(batch(&[1, 2, 3], 1).after(&failure(), &source(true)), Rest::Again(halves));
        assert_eq!(batch(&[1], 1).after(&failure(), &source(true)), Rest::GivenUp(batch(&[1], 2)));
    }

    #[test]
    fn what_comes_before_the_first_reported_change_is_done_with() {
        let rest = batch(&[1, 2, 3], 1).after(&reported(&["3", "2"]), &source(true));
        assert_eq!(rest, Rest::Again(vec![batch(&[2, 3], 0)]));
        let first = batch(&[1, 2], 0).after(&reported(&["1"]), &source(false));
        assert_eq!(first, Rest::Again(vec![batch(&[1, 2], 1)]));
    }

    #[test]
    fn a_report_that_cannot_be_read_reports_all_and_one_that_nobody_asked_for_none() {
        for answer in [
            json!({ "batchItemFailures": "1" }),
            json!({ "batchItemFailures": [{ "itemIdentifier": null }] }),
            json!({ "batchItemFailures": [{ "id": "2" }] }),
            json!({ "batchItemFailures": [{ "itemIdentifier": "unknown" }] }),
        ] {
            let rest = batch(&[1, 2], 0).after(&Ok(answer), &source(false));
            assert_eq!(rest, Rest::Again(vec![batch(&[1, 2], 1)]));
        }
        let silent = StreamSource { reports_failures: false, ..source(false) };
        assert_eq!(batch(&[1], 0).after(&reported(&["1"]), &silent), Rest::Nothing);
    }

    #[test]
    fn changes_that_are_too_old_are_taken_out() {
        let aged = StreamSource { maximum_record_age: Some(Duration::from_secs(60)), ..source(false) };
        let now = Timestamp::from_second(1_062).unwrap();
        let mut all = batch(&[1, 2, 3], 0);
        assert_eq!(all.expired(&aged, now), Some(batch(&[1], 0)));
        assert_eq!(all, batch(&[2, 3], 0));
        assert_eq!(all.expired(&aged, now), None);
        let unlimited = StreamSource { maximum_record_age: None, ..aged };
        assert_eq!(all.expired(&unlimited, Timestamp::MAX), None);
    }
}
