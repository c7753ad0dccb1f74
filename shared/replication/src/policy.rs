//! Limits of IVS, the controller's own spans of time, and how far it may go, in one place.

use jiff::SignedDuration;

use crate::{Mode, ReplicationKey};

/// The numbers the planner plans with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Concurrent replications of one participant: 5, not adjustable (IVS service quotas).
    pub slots_per_participant: usize,
    /// How long a caller may keep a replication to itself. Longer than a call can take (5 s, see the adapters).
    pub lease: SignedDuration,
    /// How long IVS gets to end a replica by itself, once its publisher is gone, before a Stop call is spent on it.
    pub release_grace: SignedDuration,
    /// How long the end of a wanted replica waits for the news that its publisher left, before it is started again.
    pub restart_grace: SignedDuration,
    /// How long after somebody began to publish a start is live. Later it is backfill, and those who begin now go first.
    pub live_for: SignedDuration,
    /// First wait after a failed call; doubles with every further one.
    pub backoff_base: SignedDuration,
    /// Longest wait after a failed call.
    pub backoff_cap: SignedDuration,
    /// How long a replica that finds its destination full waits, if nobody wakes it before.
    pub full_retry: SignedDuration,
    /// Wait after IVS did not know a stage. Its ARN never comes back; this is for the case that the words were misread.
    pub stage_gone_retry: SignedDuration,
    /// Wait after IVS denied access: somebody has to change a policy first.
    pub access_denied_retry: SignedDuration,
    /// Whether anything may be started or stopped.
    pub mode: Mode,
    /// The share of our own running replicas that may be stopped within a minute without a second witness, in percent, 1–100;
    /// 100: all.
    pub brake_percent: u32,
    /// How many may be, whatever the share.
    pub brake_floor: usize,
    /// How long a versus session may take until all its replications run.
    pub versus_start: SignedDuration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            slots_per_participant: 5,
            full_retry: SignedDuration::from_secs(60),
            lease: SignedDuration::from_secs(8),
            release_grace: SignedDuration::from_secs(1),
            restart_grace: SignedDuration::from_secs(2),
            live_for: SignedDuration::from_secs(60),
            backoff_base: SignedDuration::from_millis(400),
            backoff_cap: SignedDuration::from_secs(60),
            stage_gone_retry: SignedDuration::from_hours(1),
            access_denied_retry: SignedDuration::from_secs(300),
            mode: Mode::Enforce,
            brake_percent: 30,
            brake_floor: 20,
            versus_start: SignedDuration::from_secs(15),
        }
    }
}

impl Policy {
    /// How long to wait after the `attempts`-th failed call for `key`: exponential, with a jitter of one half that is
    /// drawn from the key and the attempt, so that the same history waits the same time.
    pub fn backoff(&self, attempts: u32, key: &ReplicationKey) -> SignedDuration {
        let doublings = attempts.saturating_sub(1).min(16);
        let full = self.backoff_base.saturating_mul(1 << doublings).min(self.backoff_cap);
        let percent = 50 + i32::try_from(hash(key, attempts) % 51).unwrap_or(0);
        full.saturating_mul(percent) / 100
    }
}

fn hash(key: &ReplicationKey, attempts: u32) -> u64 {
    let parts = [key.source.as_str(), key.participant.as_str(), key.destination.as_str()];
    fnv1a(parts.into_iter().flat_map(str::bytes).chain(attempts.to_le_bytes()))
}

/// FNV-1a: stable between builds and machines, unlike the standard library's hasher.
pub fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(participant: &str) -> ReplicationKey {
        let stage = |id: &str| format!("arn:aws:ivs:us-east-1:1:stage/{id}").parse().unwrap();
        ReplicationKey {
            source: stage("A"),
            participant: participant.parse().unwrap(),
            destination: stage("B"),
        }
    }

    #[test]
    fn backoff_grows_to_its_cap_and_never_falls_under_half() {
        let policy = Policy::default();
        for attempts in 1..40 {
            let wait = policy.backoff(attempts, &key("p"));
            assert!(wait >= policy.backoff_base / 2 && wait <= policy.backoff_cap, "{attempts}: {wait}");
        }
        assert!(policy.backoff(40, &key("p")) >= policy.backoff_cap / 2);
    }

    #[test]
    fn jitter_differs_between_keys_and_not_between_runs() {
        let policy = Policy::default();
        let waits: Vec<_> = ["a", "b", "c", "d"].map(|p| policy.backoff(8, &key(p))).to_vec();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
        assert_eq!(policy.backoff(8, &key("a")), waits[0]);
    }
}
