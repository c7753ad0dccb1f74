//! VS mode without rules: a versus session of two stages starts, runs and ends by itself.

use std::time::{Duration, Instant};

use aws_adapters::DynamoStore;
use controller::{VersusStore, versus};
use jiff::{SignedDuration, Timestamp};
use replication::{Versus, VersusId, VersusState, VersusTerms};

use super::Outcome;
use crate::demo::{
    checks::Check,
    play::{Deadline, PATIENCE, Play, SceneError},
};

/// How long the session lasts, in seconds.
const SECONDS: u32 = 20;

/// How long both directions may take to appear after the session's start.
const APPEAR: Duration = Duration::from_secs(5);

/// How long a Stop may come after the session's end.
const STOP: SignedDuration = SignedDuration::from_secs(1);

/// How long before the session's end its replicas are looked at once more.
const STILL: SignedDuration = SignedDuration::from_millis(500);

/// How long the events of those who publish have to find that no rule is about them.
const UNHEARD: Duration = Duration::from_secs(1);

/// Plays the scene: both publish, nothing happens, a session starts, both appear at each other's until it is over.
pub(in crate::demo) async fn play(play: &Play<'_>) -> Result<Outcome, SceneError> {
    play.timeline.headline(&format!("VS mode without rules: a versus session of {SECONDS} s"));
    let (left, right) = (play.stage("session-left"), play.stage("session-right"));
    let mut anna = play.publish("anna", &left)?;
    let mut ben = play.publish("ben", &right)?;
    let (annas, bens) = (anna.replicated_into(&right), ben.replicated_into(&left));
    tokio::time::sleep(UNHEARD).await;
    let both_are = |active: bool| [&annas, &bens].into_iter().all(|each| play.is_active(each) == active);
    let alone = both_are(false);

    let store = play.stand.table().store().await;
    let terms = VersusTerms::new("duel".parse()?, vec![left.arn.parse()?, right.arn.parse()?], SECONDS);
    let id = terms.id.clone();
    versus::start(&store, terms, Timestamp::now()).await?;
    play.timeline.happened(&format!("the session {id} starts, for both stages"));
    let began = Instant::now();
    tokio::try_join!(play.is_there(&annas, "after the start"), play.is_there(&bens, "after the start"))?;
    let appeared = began.elapsed();
    let started = in_another_state(&store, &id, &VersusState::Starting).await?;
    play.timeline.happened(&format!("the session is {}, until {}", started.state, started.ends_at));

    sleep_until(started.ends_at - STILL).await;
    let stayed = both_are(true);
    if stayed {
        play.timeline.happened(&format!("{} ms before the end both are still there", STILL.as_millis()));
    }
    sleep_until(started.ends_at).await;
    tokio::try_join!(play.is_gone(&annas, "after the end"), play.is_gone(&bens, "after the end"))?;
    let over = in_another_state(&store, &id, &started.state).await?;
    play.timeline.happened(&format!("the session is {}, and both still publish", over.state));
    let stopped = [&annas, &bens].map(|each| stop(&each.label, started.ends_at, play.stopped_at(each)));
    play.leave(&mut anna)?;
    play.leave(&mut ben)?;

    let seconds = APPEAR.as_secs();
    let checks = [
        Check::new(alone, "without a session nobody is replicated", || "somebody was".to_owned()),
        Check::new(
            appeared <= APPEAR,
            format!("both directions within {seconds} s of the session's start"),
            || format!("it took {appeared:.1?}"),
        ),
        is_in(&started, &VersusState::Running, "once both are there"),
        Check::new(stayed, "both are there until shortly before the session's end", || {
            "one was gone".to_owned()
        }),
        is_in(&over, &VersusState::Ended, "after its time"),
    ];
    Ok(Outcome {
        expected: vec![annas.expected(true), bens.expected(true)],
        checks: checks.into_iter().chain(stopped).collect(),
    })
}

/// The session as soon as it is not in this state any more.
async fn in_another_state(
    store: &DynamoStore,
    id: &VersusId,
    state: &VersusState,
) -> Result<Versus, SceneError> {
    let deadline = Deadline::after(PATIENCE * 2);
    loop {
        let found = store.versus(id).await.map_err(versus::Error::from)?;
        let session = found.ok_or_else(|| versus::Error::Unknown(id.clone()))?;
        if session.state != *state {
            return Ok(session);
        }
        deadline.wait(&format!("versus session {id} is not {state} any more")).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn sleep_until(at: Timestamp) {
    let left = Duration::try_from(at.duration_since(Timestamp::now()));
    tokio::time::sleep(left.unwrap_or_default()).await;
}

fn is_in(session: &Versus, wanted: &VersusState, when: &str) -> Check {
    let found = || format!("it is {}", session.state);
    Check::new(session.state == *wanted, format!("{when} the session is {wanted}"), found)
}

/// IVS is told the end, neither early nor late.
fn stop(label: &str, ends_at: Timestamp, stopped_at: Option<Timestamp>) -> Check {
    let late = stopped_at.map(|at| at.duration_since(ends_at));
    let in_time = late.is_some_and(|late| !late.is_negative() && late <= STOP);
    let text = format!("{label} was stopped within {} s after the session's end", STOP.as_secs());
    Check::new(in_time, text, || match late {
        Some(late) => format!("it was {} ms after it", late.as_millis()),
        None => "IVS was not told".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_in_time_from_the_end_until_a_second_later() {
        let end = Timestamp::UNIX_EPOCH;
        let stopped =
            |milliseconds| stop("a → b", end, Some(end + SignedDuration::from_millis(milliseconds)));
        assert!(stopped(0).passed && stopped(1_000).passed);
        assert_eq!(
            stopped(1_001).text,
            "a → b was stopped within 1 s after the session's end: it was 1001 ms after it"
        );
        assert!(!stopped(-1).passed);
        assert!(stop("a → b", end, None).text.ends_with("IVS was not told"));
    }

    #[test]
    fn the_state_that_a_session_has_to_be_in_is_found_or_not() {
        let stages = ["A", "B"].map(|id| format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}"));
        let stages = stages.map(|arn| arn.parse().unwrap()).to_vec();
        let terms = VersusTerms::new("duel".parse().unwrap(), stages, SECONDS);
        terms.validate().unwrap();
        let session = Versus::new(terms, Timestamp::UNIX_EPOCH);
        assert!(is_in(&session, &VersusState::Starting, "at first").passed);
        let over = is_in(&session, &VersusState::Ended, "after its time");
        assert_eq!(
            (over.passed, &*over.text),
            (false, "after its time the session is Ended: it is Starting")
        );
    }
}
