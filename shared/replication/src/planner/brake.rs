//! What keeps a replica running that should be stopped: hands off, and the brake.

use jiff::Timestamp;

use super::Planning;
use super::settle::{line, running};
use super::wants::Want;
use crate::brake::{Braked, StopReason, limit};
use crate::{Decision, Desired, Replica};

/// A stop that may be made.
pub(super) struct Clearance {
    /// The brake's mark on the replica.
    pub(super) braked: Option<Braked>,
    /// Whether a second witness or an operator agrees.
    pub(super) confirmed: bool,
}

impl Planning<'_> {
    /// Why a replica that no rule wants is stopped.
    pub(super) fn why_unwanted(&self, known: &Replica) -> StopReason {
        let wanted_it = known.rule.as_ref().map(|rule| &rule.id);
        let rule = self.view.rules.iter().find(|rule| Some(&rule.id) == wanted_it);
        let end = rule.and_then(|rule| rule.expires_at);
        // A rule that is over may be gone already, and with it what it said; the replica knows its end.
        let ends = [end, known.wanted_until];
        if ends.into_iter().flatten().any(|end| end <= self.context.now) {
            StopReason::Expired
        } else {
            StopReason::Unwanted
        }
    }

    /// Nothing may be stopped now: it stays as it is, and nothing is due. That its end came is kept, for when it may be.
    pub(super) fn keep_hands_off(
        &mut self,
        known: &Replica,
        want: Option<&Want<'_>>,
        reason: StopReason,
        would: String,
    ) {
        let braked = marked(known, reason, self.context.now);
        let (next_attempt, wanted_until, lease) = (None, None, None);
        self.change(known, Replica { next_attempt, wanted_until, lease, braked, ..running(known) });
        self.line(line(known, want, Decision::Hold, would));
    }

    /// Whether a replica may be stopped now. If not, gives the mark it keeps running with.
    pub(super) fn brake(&self, known: &Replica, reason: StopReason) -> Result<Clearance, Braked> {
        let now = self.context.now;
        let limit = limit(self.context.policy, &self.view.control, now);
        if reason.is_announced() {
            return Ok(Clearance { braked: marked(known, reason, now), confirmed: false });
        }
        let Some(limit) = limit else {
            return Ok(Clearance { braked: known.braked, confirmed: true });
        };
        let braked = match known.braked {
            None if self.context.allowance.recent_stops < limit => {
                return Ok(Clearance { braked: None, confirmed: false });
            }
            None => Braked { since: now, confirmed_at: None },
            Some(braked) => braked,
        };
        let confirmed_at = braked.confirmed_at.or_else(|| self.is_witnessed(known, reason).then_some(now));
        if confirmed_at.is_none() {
            return Err(braked);
        }
        Ok(Clearance { braked: Some(Braked { confirmed_at, ..braked }), confirmed: true })
    }

    /// The brake holds it: it keeps running, and nothing is due until somebody agrees.
    pub(super) fn hold_back(
        &mut self,
        known: &Replica,
        want: Option<&Want<'_>>,
        why: StopReason,
        braked: Braked,
    ) {
        let desired = Desired::Released;
        let after = Replica {
            desired,
            braked: Some(braked),
            next_attempt: None,
            wanted_until: None,
            lease: None,
            ..running(known)
        };
        self.change(known, after);
        let stops = self.context.allowance.recent_stops;
        let since = match known.braked {
            None => format!("the brake is on, with {stops} stops within a minute"),
            Some(_) => format!("the brake holds it since {}", braked.since),
        };
        let why = format!("{why}; {since}; it waits for a second look or an operator");
        self.line(line(known, want, Decision::Brake, why));
    }

    /// Whether the second witness says the same.
    fn is_witnessed(&self, known: &Replica, reason: StopReason) -> bool {
        let Some(witness) = self.context.witness else { return false };
        match reason {
            StopReason::Unwanted => witness.unwanted.contains(&known.key.destination),
            StopReason::PublisherGone => {
                let left = self.view.publisher.as_ref().and_then(|publisher| publisher.evidence.off);
                left.is_some_and(|left| witness.gone_at.is_some_and(|at| left.latest() < at))
            }
            StopReason::Expired | StopReason::Outranked { .. } | StopReason::GivesWay { .. } => false,
        }
    }
}

/// The brake's mark. A replica whose rule has expired keeps that: the rule may be gone before there is a call for it.
fn marked(known: &Replica, reason: StopReason, now: Timestamp) -> Option<Braked> {
    if reason != StopReason::Expired {
        return known.braked;
    }
    let since = known.braked.map_or(now, |braked| braked.since);
    Some(Braked { since, confirmed_at: known.braked.and_then(|braked| braked.confirmed_at).or(Some(now)) })
}
