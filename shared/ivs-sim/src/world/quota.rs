//! Call rates: at most N calls of an operation in any window of one second.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::model::Operation;

/// The admitted calls of the last second, per operation.
#[derive(Debug, Default)]
pub(super) struct Quotas(BTreeMap<Operation, VecDeque<Timestamp>>);

impl Quotas {
    /// Whether the call is within the quota; if so, it is counted. Refused calls are not.
    pub(super) fn admit(&mut self, operation: Operation, now: Timestamp) -> bool {
        let admitted = self.0.entry(operation).or_default();
        while admitted.front().is_some_and(|at| now.duration_since(*at) >= SignedDuration::from_secs(1)) {
            admitted.pop_front();
        }
        let within = admitted.len() < operation.calls_per_second();
        if within {
            admitted.push_back(now);
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether calls at these ms are admitted.
    fn admit(quotas: &mut Quotas, operation: Operation, at: &[i64]) -> Vec<bool> {
        at.iter().map(|ms| quotas.admit(operation, Timestamp::from_millisecond(*ms).unwrap())).collect()
    }

    #[test]
    fn no_window_of_one_second_holds_more_than_the_quota() {
        let mut quotas = Quotas::default();
        let admitted =
            admit(&mut quotas, Operation::GetStage, &[0, 900, 900, 900, 900, 999, 1000, 1000, 1899, 1900]);
        assert_eq!(admitted, [true, true, true, true, true, false, true, false, false, true]);
    }

    #[test]
    fn operations_do_not_share_a_quota() {
        let mut quotas = Quotas::default();
        assert_eq!(admit(&mut quotas, Operation::GetStage, &[0; 6]).iter().filter(|ok| **ok).count(), 5);
        assert_eq!(admit(&mut quotas, Operation::TagResource, &[0; 12]).iter().filter(|ok| **ok).count(), 10);
        let tokens = admit(&mut quotas, Operation::CreateParticipantToken, &[0; 60]);
        assert_eq!(tokens.iter().filter(|ok| **ok).count(), 50);
    }
}
