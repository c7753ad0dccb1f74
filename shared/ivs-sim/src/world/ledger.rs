//! The ledger: one line for every API call received.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// An API call that was received, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// When it was received.
    #[serde(rename = "time")]
    pub at: Timestamp,
    /// The API's name of the operation, or the path if there is no such operation.
    pub operation: String,
    /// What it is about: for Start and Stop `sourceArn participant destinationArn`, else the stage's ARN and the ids
    /// in the request, as far as they are there; parts are separated by a space.
    pub key: String,
    /// HTTP status of the answer; 0 if the connection was closed without one.
    pub status: u16,
    /// Name of the error, if it was one.
    #[serde(rename = "errorCode")]
    pub error: Option<String>,
    /// Id that the answer carried in `x-amzn-RequestId`.
    pub request_id: String,
}

/// The latest entries.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: VecDeque<LedgerEntry>,
    capacity: usize,
}

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity }
    }

    pub(super) fn push(&mut self, entry: LedgerEntry) {
        self.entries.push_back(entry);
        while self.entries.len() > self.capacity {
            self.entries.pop_front();
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &LedgerEntry> {
        self.entries.iter()
    }
}

/// The key of a request.
pub(super) fn key(input: &Value) -> String {
    let members = [
        "arn",
        "stageArn",
        "resourceArn",
        "sourceStageArn",
        "sessionId",
        "participantId",
        "destinationStageArn",
    ];
    let parts: Vec<&str> = members.iter().filter_map(|member| input[*member].as_str()).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_names_source_participant_and_destination_in_that_order() {
        let input = json!({"destinationStageArn": "d", "participantId": "p", "sourceStageArn": "s"});
        assert_eq!(key(&input), "s p d");
        assert_eq!(key(&json!({"stageArn": "a", "sessionId": "st", "participantId": 5})), "a st");
        assert_eq!(key(&json!(null)), "");
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let mut ledger = Ledger::new(2);
        for operation in ["a", "b", "c"] {
            ledger.push(LedgerEntry {
                at: Timestamp::UNIX_EPOCH,
                operation: operation.to_owned(),
                key: String::new(),
                status: 200,
                error: None,
                request_id: String::new(),
            });
        }
        assert_eq!(ledger.entries().map(|entry| entry.operation.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }
}
