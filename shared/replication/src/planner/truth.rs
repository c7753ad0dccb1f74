//! Whether a replication runs, by everything that is known.

use crate::moment::later;
use crate::{Evidence, Moment, Phase, Publisher, Publishing, ReconnectWindow, Replica, Standing};

/// Whether a replication runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// It runs.
    Present,
    /// It does not.
    Absent,
    /// Only IVS can tell.
    InDoubt,
}

/// What all the news together says of a replication that nobody is calling IVS for right now.
pub(super) fn truth(replica: &Replica, publisher: Option<&Publisher>) -> Truth {
    match replica.phase {
        Phase::Starting | Phase::Stopping => after_unrecorded_call(replica, publisher),
        _ => match replica.evidence.standing() {
            Standing::On => since_last_seen(replica, publisher),
            Standing::Off | Standing::Unknown => Truth::Absent,
            Standing::Uncertain => Truth::InDoubt,
        },
    }
}

/// A call began and its outcome is not known. News from after its beginning decides if it says that the call did what it was
/// for, and news of the end if it is from after the call: whatever that did is over by then. What was seen running since its Start may
/// have ended with its publisher, as any other.
fn after_unrecorded_call(replica: &Replica, publisher: Option<&Publisher>) -> Truth {
    let evidence = &replica.evidence;
    let since = replica.lease.as_ref().map(|lease| lease.since);
    let newer =
        |moment: Option<Moment>| moment.zip(since).is_some_and(|(moment, since)| moment.earliest() >= since);
    let last_known = replica.last_error.as_ref().map(|error| error.at);
    let over = replica.lease.as_ref().map(|lease| lease.until).max(last_known);
    let after =
        |moment: Option<Moment>| moment.zip(over).is_some_and(|(moment, over)| moment.earliest() > over);
    match (&replica.phase, evidence.standing()) {
        (Phase::Starting, Standing::On) if newer(evidence.on) => since_last_seen(replica, publisher),
        (Phase::Starting, Standing::Off) if after(evidence.off) => Truth::Absent,
        (Phase::Stopping, Standing::Off) if newer(evidence.off) || after(evidence.off) => Truth::Absent,
        _ => Truth::InDoubt,
    }
}

/// It was seen running. If its publisher dropped out and came back since, it survived only within its reconnect window.
fn since_last_seen(replica: &Replica, publisher: Option<&Publisher>) -> Truth {
    let Some(publisher) = publisher.filter(|publisher| publisher.publishing() == Publishing::Yes) else {
        return Truth::Present;
    };
    let (Some(seen), Some(left), Some(back)) =
        (replica.evidence.on, publisher.evidence.off, publisher.evidence.on)
    else {
        return Truth::Present;
    };
    if !seen.certainly_before(left) {
        return Truth::Present;
    }
    let window = replica.reconnect_window.duration();
    let shortest = back.earliest().duration_since(left.latest());
    let longest = back.latest().duration_since(left.earliest());
    match () {
        () if longest <= window => Truth::Present,
        () if shortest > window => Truth::Absent,
        () => Truth::InDoubt,
    }
}

/// The evidence of an absent replication, to be kept with another reconnect window. That it is absent may follow from the
/// window it has, and must not follow from another one any more: then its end is written down.
pub(super) fn evidence_for(
    window: ReconnectWindow,
    replica: &Replica,
    publisher: Option<&Publisher>,
) -> Evidence {
    let mut evidence = replica.evidence;
    let left = publisher.and_then(|publisher| publisher.evidence.off);
    let inferred = evidence.standing() == Standing::On && window != replica.reconnect_window;
    if let Some(left) = left.filter(|_| inferred) {
        let waited = replica.reconnect_window.duration();
        evidence.saw_off(Moment::between(later(left.earliest(), waited), later(left.latest(), waited)));
    }
    evidence
}
