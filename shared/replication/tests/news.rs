//! What news and answers leave in a row.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod build;

use replication::{
    BlockedReason, CallError, Desired, LastError, Lease, Observation, Outcome, Owner, Phase, Policy,
    Publisher, Receipt, Refusal, Rejection, Replica, Rule, Source, View,
};

use build::{moment, publisher, rule, session, stage, tags, time, to};

fn with(replica: Replica) -> View {
    View { replicas: vec![replica], ..View::empty(publisher()) }
}

fn lease(holder: &str) -> Lease {
    Lease { holder: holder.to_owned(), since: time("00:00:10"), until: time("00:00:40") }
}

fn refused(code: &str, at: &str) -> LastError {
    let (code, message) = (code.to_owned(), String::new());
    LastError { rejection: Some(Rejection::Conflict), code, message, request_id: None, at: time(at) }
}

/// A view after news.
fn told(mut view: View, news: &Observation) -> Replica {
    news.fold_into(&mut view, &Policy::default());
    view.replicas.pop().unwrap()
}

#[test]
fn the_session_at_the_destination_is_the_newest_one_told() {
    let active = |id: Option<&str>, at: &str| Observation::ReplicaActive {
        key: to("B"),
        destination_session: id.map(session),
        at: moment(at),
    };
    let known = told(with(Replica::new(to("B"))), &active(Some("st-1"), "00:00:10"));
    let after = |id, at| told(with(known.clone()), &active(id, at)).destination_session.unwrap();
    assert_eq!(after(Some("st-2"), "00:00:11"), session("st-2"));
    assert_eq!(after(Some("st-2"), "00:00:10"), session("st-2"), "of one second, the one told last");
    assert_eq!(after(Some("st-2"), "00:00:09"), session("st-1"));
    assert_eq!(after(None, "00:00:11"), session("st-1"));
    let silent = told(with(Replica::new(to("B"))), &active(None, "00:00:12"));
    let late = told(with(silent), &active(Some("st-1"), "00:00:10"));
    assert_eq!(late.destination_session, Some(session("st-1")), "better than none");
}

#[test]
fn a_replica_that_nobody_knew_is_stopped_until_it_is_seen() {
    let ended = Observation::ReplicaEnded { key: to("B"), at: moment("00:00:10") };
    assert_eq!(told(View::empty(publisher()), &ended).phase, Phase::Stopped);
}

#[test]
fn a_refusal_at_the_destination_blocks_what_is_wanted_and_says_why() {
    let failed = |replica: &Replica, code: &str, at: &str| {
        let (key, code) = (to("B"), code.to_owned());
        told(with(replica.clone()), &Observation::ReplicaFailed { key, code, at: moment(at) })
    };
    let (phase, desired) = (Phase::Active, Desired::Replicated);
    let running = Replica { phase, desired, ..Replica::new(to("B")) };
    let reason = |replica: Replica| replica.blocked().map(|blocked| blocked.reason);
    for (code, why) in [
        ("QUOTA_EXCEEDED", BlockedReason::DestinationFull),
        ("INSUFFICIENT_CAPABILITIES", BlockedReason::AccessDenied),
        ("BITRATE_EXCEEDED", BlockedReason::Rejected),
    ] {
        for phase in [Phase::Active, Phase::Pending] {
            let replica = Replica { phase, ..running.clone() };
            assert_eq!(reason(failed(&replica, code, "00:00:10")), Some(why), "{code}");
        }
    }
    for unconcerned in [
        Replica { phase: Phase::Stopped, ..running.clone() },
        Replica { phase: Phase::Starting, ..running.clone() },
        Replica { desired: Desired::Released, ..running.clone() },
    ] {
        let after = failed(&unconcerned, "QUOTA_EXCEEDED", "00:00:10");
        assert_eq!((after.phase, after.last_error), (unconcerned.phase, None));
    }
    // It was told of this one before, and has planned anew since.
    let planned = Replica { last_error: Some(refused("QUOTA_EXCEEDED", "00:00:10.5")), ..running };
    assert_eq!(reason(failed(&planned, "QUOTA_EXCEEDED", "00:00:10.500000000")), None);
    assert!(reason(failed(&planned, "QUOTA_EXCEEDED", "00:00:11.000000")).is_some());
    assert!(reason(failed(&planned, "BITRATE_EXCEEDED", "00:00:10.500000000")).is_some());
}

/// Somebody else has the lease by now: what came of the call is known, and what follows is theirs to decide.
#[test]
fn an_answer_after_its_lease_was_lost_is_evidence_if_it_did_something() {
    let (policy, took) = (Policy::default(), moment("00:00:20.5"));
    let error = CallError {
        refusal: Refusal::Unavailable,
        code: "Timeout".to_owned(),
        message: String::new(),
        request_id: None,
    };
    for (phase, done, not_done) in [
        (
            Phase::Starting,
            Outcome::Start(to("B"), Ok(Receipt::default())),
            Outcome::Start(to("B"), Err(error.clone())),
        ),
        (
            Phase::Stopping,
            Outcome::Stop(to("B"), Ok(Receipt::default())),
            Outcome::Stop(to("B"), Err(error.clone())),
        ),
    ] {
        let theirs = Replica { phase, lease: Some(lease("them")), ..Replica::new(to("B")) };
        let after = |outcome: &Outcome| {
            let mut view = with(theirs.clone());
            outcome.apply(&mut view, &lease("us"), took, &policy);
            view.replicas.pop().unwrap()
        };
        assert_eq!(after(&not_done), theirs);
        assert_eq!(not_done.error(), Some(&error));
        let known = after(&done);
        assert_eq!(done.error(), None);
        assert_eq!((&known.phase, &known.lease), (&theirs.phase, &theirs.lease));
        assert!(known.evidence.on == Some(took) || known.evidence.off == Some(took));
    }
}

/// What IVS refused to stop, and does not list, is not under way either: what runs there later was not started by us. Where a Stop
/// had no answer, a Start before it may still take effect.
#[test]
fn what_ivs_refused_to_stop_and_does_not_list_is_over() {
    let begun = Some(moment("00:00:05"));
    for (last_error, expected) in
        [(Some(refused("ResourceNotFoundException", "00:00:15")), None), (None, begun)]
    {
        let (phase, owner) = (Phase::Stopping, Owner::Stagelink);
        let stopping = Replica { begun, phase, owner, last_error, ..Replica::new(to("B")) };
        let mut view = with(Replica { lease: Some(lease("us")), ..stopping });
        Outcome::Verify(vec![to("B")], Ok(Vec::new())).apply(
            &mut view,
            &lease("us"),
            moment("00:00:20.5"),
            &Policy::default(),
        );
        let after = &view.replicas[0];
        assert_eq!((&after.phase, after.owner, after.begun), (&Phase::Stopped, Owner::Nobody, expected));
    }
}

/// Why IVS refused the call that is asked about must not be lost with an answer that does not come.
#[test]
fn a_question_without_an_answer_keeps_what_the_call_was_refused_for() {
    let (phase, last_error) = (Phase::Starting, Some(refused("ConflictException", "00:00:09")));
    let mut view = with(Replica { phase, last_error, lease: Some(lease("us")), ..Replica::new(to("B")) });
    let error = CallError {
        refusal: Refusal::Unavailable,
        code: "Timeout".to_owned(),
        message: String::new(),
        request_id: None,
    };
    Outcome::Verify(vec![to("B")], Err(error)).apply(
        &mut view,
        &lease("us"),
        moment("00:00:20.5"),
        &Policy::default(),
    );
    let last = view.replicas[0].last_error.clone().unwrap();
    assert_eq!((last.rejection, last.code.as_str()), (Some(Rejection::Conflict), "Timeout"));
}

#[test]
fn a_lease_ends_at_its_end() {
    let leased = Replica { lease: Some(lease("us")), ..Replica::new(to("B")) };
    assert!(leased.is_leased(time("00:00:39.999999999")));
    assert!(!leased.is_leased(time("00:00:40")));
    assert!(!Replica::new(to("B")).is_leased(time("00:00:20")));
}

#[test]
fn what_may_have_been_at_the_same_time_was_not_certainly_before() {
    let second = moment("00:00:10");
    assert!(second.certainly_before(moment("00:00:11")));
    assert!(!moment("00:00:10.5").certainly_before(moment("00:00:10.5")));
    assert!(!second.certainly_before(moment("00:00:10.999999999")));
}

#[test]
fn owners_are_told_apart_in_what_runs() {
    let running = Replica { phase: Phase::Active, ..Replica::new(to("B")) };
    assert_eq!(running.owner_if_running(), Owner::Foreign);
    assert_eq!(Replica { owner: Owner::Stagelink, ..running }.owner_if_running(), Owner::Stagelink);
}

/// Such an event deserves no write.
#[test]
fn nobody_is_concerned_without_a_rule_and_anything_to_look_after() {
    let nothing = View::empty(publisher());
    assert!(nothing.is_unconcerned());
    let elsewhere = Rule { source: Source::Stage(stage("Z")), ..rule("main", &["B"]) };
    assert!(View { rules: vec![elsewhere], ..nothing.clone() }.is_unconcerned());
    for concerned in [
        View { rules: vec![rule("main", &["B"])], ..nothing.clone() },
        View {
            rules: vec![Rule { source: Source::Tags(tags("role=main")), ..rule("main", &["B"]) }],
            ..nothing.clone()
        },
        View { publisher: Some(Publisher::new(publisher())), ..nothing.clone() },
        View { is_destination: true, ..nothing.clone() },
        with(Replica::new(to("B"))),
    ] {
        assert!(!concerned.is_unconcerned(), "{concerned:?}");
    }
}
