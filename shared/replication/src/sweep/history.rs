//! What a participant's history says: the lines of ListParticipantEvents, to their end.
//!
//! Times may be whole seconds, and IVS does not say in which order it lists. So the order is taken from the list itself, and
//! where two lines of one second contradict each other, the later one decides for the time after that second.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{EventName, Inventory, ListedEvent, SweepPolicy};
use crate::moment::later;
use crate::{
    Evidence, Moment, Observation, PublisherKey, ReconnectWindow, Replica, ReplicationKey, SessionId,
    StageArn, Standing,
};

/// Reads the history of a participant in one session of its own stage. The call took `took`.
pub fn read_history(
    inventory: &Inventory,
    key: &PublisherKey,
    session: &SessionId,
    user_id: &str,
    events: &[ListedEvent],
    took: Moment,
    policy: &SweepPolicy,
) -> Vec<Observation> {
    if events.iter().any(|event| event.replica) {
        return Vec::new();
    }
    let (events, ordered) = oldest_first(events);
    let mut observations = Vec::new();
    let known = inventory.publisher(key).map_or(Evidence::default(), |publisher| publisher.evidence);
    // What IVS may not list yet could have come after both lines of a tie.
    let settled = |at: Moment| took.earliest().duration_since(at.latest()) > policy.settle;
    let end_of = |(on, at)| End { on, at, ordered: ordered && settled(at) };
    let end = publishing(&events, took.earliest(), policy).map(end_of);
    for (on, at) in end.map_or(Vec::new(), |end| end.news_to(known)) {
        let (key, session, user_id) = (key.clone(), session.clone(), user_id.to_owned());
        observations.push(match on {
            true => Observation::Published { key, session, user_id, at },
            false => Observation::Unpublished { key, session, user_id, at },
        });
    }
    for (destination, last) in replications(&events) {
        let PublisherKey { stage: source, participant } = key.clone();
        let key = ReplicationKey { source, participant, destination: destination.clone() };
        let known = inventory.replica(&key).map_or(Evidence::default(), |replica| replica.evidence);
        for (on, at) in end_of(last).news_to(known) {
            let key = key.clone();
            observations.push(match on {
                true => Observation::ReplicaActive { key, destination_session: None, at },
                false => Observation::ReplicaEnded { key, at },
            });
        }
    }
    for replica in inventory.replicas_of(key) {
        let ended = ended_before_another(replica, &events);
        observations.extend(ended.map(|at| Observation::ReplicaEnded { key: replica.key.clone(), at }));
    }
    for replica in inventory.replicas_of(key) {
        let runs = runs_unlisted(replica, &events, took, policy);
        let observation =
            |at| Observation::ReplicaActive { key: replica.key.clone(), destination_session: None, at };
        observations.extend(runs.map(observation));
    }
    for replica in inventory.replicas_of(key).filter(|replica| replica.may_be_ours()) {
        if let Some(ours) = runs_by_our_start(replica, &events, policy) {
            observations.push(Observation::ReplicaOwner { key: replica.key.clone(), ours, at: took });
        }
    }
    observations
}

/// When a replica ended that our last Start began, if there is no news of it because another one runs there since.
fn ended_before_another(replica: &Replica, events: &[&ListedEvent]) -> Option<Moment> {
    let started = Moment::exact(replica.begun?.latest());
    let lines = lines_of(replica, events);
    lines.last().filter(|(on, _)| *on)?;
    let ended = lines.iter().filter(|(on, _)| !on).map(|(_, at)| *at).max()?;
    (started.certainly_before(ended) && replica.evidence.off < Some(ended)).then_some(ended)
}

/// Since when a replica runs that a list did not show, and that counts as over for it: the history has our Start of it and no end, long
/// enough after that list, and its participant still publishes.
fn runs_unlisted(
    replica: &Replica,
    events: &[&ListedEvent],
    took: Moment,
    policy: &SweepPolicy,
) -> Option<Moment> {
    let over = replica.evidence.off.filter(|_| replica.evidence.standing() == Standing::Off)?;
    let is_listed_by_now = took.earliest().duration_since(over.latest()) > policy.settle;
    let runs = is_listed_by_now
        && publishing(events, took.earliest(), policy).is_some_and(|(publishes, _)| publishes)
        && runs_by_our_start(replica, events, policy) == Some(true);
    runs.then(|| Moment::exact(later(over.latest(), SignedDuration::from_nanos(1))))
}

/// Whether a replica runs by a Start of ours: the line of the history by which it was started is among our Starts, or, for IVS may take
/// its time, the only line since, and no other is our last Start's. Nothing if the history does not show it running.
///
/// Clocks differ, so a line counts as later than our Starts only if it is by more than that. Otherwise, where a participant is back
/// within a second, the end of the replica before would count as the end of the one that we have started by a slow clock.
fn runs_by_our_start(replica: &Replica, events: &[&ListedEvent], policy: &SweepPolicy) -> Option<bool> {
    let begun = replica.begun?;
    let lines = lines_of(replica, events);
    let ((_, started), before) = lines.split_last().filter(|((on, _), _)| *on)?;
    // Somebody else's start of just before would have had ours refused.
    let is_older = begun.earliest().duration_since(started.latest()) > policy.settle;
    let is_later = |at: Moment| at.earliest().duration_since(begun.latest()) > policy.clocks_differ;
    let is_by_our_last = |on: bool, at: Moment| {
        on && !is_later(at) && begun.latest().duration_since(at.latest()) <= policy.clocks_differ
    };
    // A session to which the participant came only then is none in which we have started anything.
    let came_later = events.first().is_some_and(|first| is_later(first.at));
    let is_another = came_later
        || is_later(*started) && before.iter().any(|(on, at)| is_later(*at) || is_by_our_last(*on, *at));
    Some(!is_older && !is_another)
}

/// When our Starts were of a replica that may be ours, and of which this history has no line: it may run on from a session before, whose
/// history tells.
pub fn started_before(inventory: &Inventory, key: &PublisherKey, events: &[ListedEvent]) -> Option<Moment> {
    let events: Vec<_> = events.iter().collect();
    let open = inventory.replicas_of(key).filter(|replica| replica.may_be_ours());
    open.filter(|replica| lines_of(replica, &events).is_empty()).filter_map(|replica| replica.begun).min()
}

/// The lines about a replica: whether it began or ended, and when.
fn lines_of(replica: &Replica, events: &[&ListedEvent]) -> Vec<(bool, Moment)> {
    let here = |to: &StageArn| *to == replica.key.destination;
    let line = |event: &&ListedEvent| match &event.name {
        EventName::ReplicationStarted(to) => here(to).then_some((true, event.at)),
        EventName::ReplicationStopped(to) => here(to).then_some((false, event.at)),
        _ => None,
    };
    events.iter().filter_map(line).collect()
}

/// Whether the history says that the participant does not publish any more.
pub fn has_stopped(events: &[ListedEvent], took: Moment, policy: &SweepPolicy) -> bool {
    let (events, ordered) = oldest_first(events);
    ordered && publishing(&events, took.earliest(), policy).is_some_and(|(publishes, _)| !publishes)
}

/// What a history ends with.
#[derive(Debug, Clone, Copy)]
struct End {
    on: bool,
    at: Moment,
    /// Whether it is known which of two lines of the same second came later.
    ordered: bool,
}

impl End {
    /// The news that it is, to somebody who knows this. None, if it is known, or something newer is.
    fn news_to(self, known: Evidence) -> Vec<(bool, Moment)> {
        let wanted = if self.on { Standing::On } else { Standing::Off };
        let standing = known.standing();
        let nothing_to_end = standing == Standing::Unknown && !self.on;
        // A later line of the same kind stands against what comes late from between the two.
        let same = if self.on { known.on } else { known.off };
        let is_known = standing == wanted && same.is_some_and(|same| !same.certainly_before(self.at));
        let newest = known.on.max(known.off);
        let outdated = newest.is_some_and(|newest| self.at.certainly_before(newest));
        if is_known || nothing_to_end || outdated {
            return Vec::new();
        }
        let mut after = known;
        let mut news = vec![(self.on, self.at)];
        match self.on {
            true => after.saw_on(self.at),
            false => after.saw_off(self.at),
        }
        if after.standing() != wanted && self.ordered {
            let moment = Moment::exact(later(self.at.latest(), SignedDuration::from_nanos(1)));
            news.push((self.on, moment));
        }
        news
    }
}

/// The lines from the oldest to the newest, and whether lines of the same second are certainly in order.
fn oldest_first(events: &[ListedEvent]) -> (Vec<&ListedEvent>, bool) {
    let mut sorted: Vec<&ListedEvent> = events.iter().collect();
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return (sorted, true) };
    let newest_first = match first.at.cmp(&last.at) {
        std::cmp::Ordering::Greater => Some(true),
        std::cmp::Ordering::Less => Some(false),
        // All in one second: whoever is there has joined before anything else.
        std::cmp::Ordering::Equal if sorted.len() == 1 || first.name == EventName::Joined => Some(false),
        std::cmp::Ordering::Equal if last.name == EventName::Joined => Some(true),
        std::cmp::Ordering::Equal => None,
    };
    if newest_first == Some(true) {
        sorted.reverse();
    }
    sorted.sort_by_key(|event| event.at);
    (sorted, newest_first.is_some())
}

/// Whether the participant publishes at the end, and since when. A `LEFT` without a `PUBLISH_STOPPED` may be a drop-out
/// that IVS says nothing of until the reconnect window is over; it counts once the longest window is.
fn publishing(events: &[&ListedEvent], now: Timestamp, policy: &SweepPolicy) -> Option<(bool, Moment)> {
    let mut end = None;
    for event in events {
        match &event.name {
            EventName::PublishStarted => end = Some((true, event.at)),
            EventName::PublishStopped => end = Some((false, event.at)),
            _ => {}
        }
    }
    let (publishes, since) = end?;
    let presence = events
        .iter()
        .rev()
        .find(|event| matches!(event.name, EventName::Joined | EventName::Left))
        .filter(|event| event.name == EventName::Left && event.at >= since);
    let Some(left) = presence.filter(|_| publishes) else { return Some((publishes, since)) };
    let longest = SignedDuration::from_secs(ReconnectWindow::MAX_SECONDS.into()) + policy.settle;
    (now.duration_since(left.at.latest()) > longest).then_some((false, left.at))
}

/// The last word on each replication.
fn replications<'a>(events: &[&'a ListedEvent]) -> BTreeMap<&'a StageArn, (bool, Moment)> {
    let mut last = BTreeMap::new();
    for event in events {
        match &event.name {
            EventName::ReplicationStarted(destination) => last.insert(destination, (true, event.at)),
            EventName::ReplicationStopped(destination) => last.insert(destination, (false, event.at)),
            _ => None,
        };
    }
    last
}
