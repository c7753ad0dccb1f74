//! What decides between the lines of a history: their order within a second, and how long ago they are.

use replication::sweep::history::read_history;
use replication::sweep::{EventName, SweepPolicy};
use replication::{Evidence, Moment, Observation, Owner, Phase, Replica};

use crate::build::{moment, publisher, session, stage, time, to};
use crate::{event, inventory, off, on, short};

use EventName::{Joined, Left, PublishStarted, PublishStopped, ReplicationStarted, ReplicationStopped};

/// What these lines of a history tell whoever knows this of the publisher, read at this time.
fn told(known: Evidence, lines: &[(EventName, &str)], took: &str) -> Vec<String> {
    let inventory = inventory(known, Some(on("00:00:06")));
    let events: Vec<_> = lines.iter().map(|(name, at)| event(name.clone(), at)).collect();
    let (took, policy) = (Moment::exact(time(took)), SweepPolicy::default());
    let news = read_history(&inventory, &publisher(), &session("st-1"), "", &events, took, &policy);
    news.iter().map(short).collect()
}

/// Lines of one second are in order where it can be told which came first. Then the last one stands, whatever else is known of that
/// second: it is told once more, for the time after it.
#[test]
fn the_last_line_of_a_second_stands_where_the_order_is_known() {
    let (on, off) = (on("00:00:07.500000000"), off("00:00:07.500000000"));
    let at = "00:00:07";
    let stopped = [(Joined, at), (PublishStarted, at), (PublishStopped, at)];
    let newest_first: Vec<_> = stopped.iter().rev().cloned().collect();
    for lines in [&stopped[..], &newest_first] {
        assert_eq!(told(on, lines, "00:10:00").len(), 2, "{lines:?}");
        assert_eq!(told(on, lines, "00:00:37.999999999").len(), 1, "IVS may not list yet what came after");
        assert_eq!(told(on, lines, "00:00:38").len(), 2);
    }
    assert_eq!(told(on, &stopped[1..], "00:10:00").len(), 1, "nobody knows which came first");
    assert_eq!(told(off, &[(PublishStarted, at)], "00:10:00").len(), 2, "one line is in order");
}

/// Whoever left without having stopped may be back within the longest reconnect window, of which IVS says nothing.
#[test]
fn leaving_counts_once_nobody_can_come_back() {
    let lines = [(PublishStarted, "00:00:07"), (Left, "00:00:09")];
    let known = on("00:00:07");
    assert_eq!(told(known, &lines, "00:05:39.999999999"), Vec::<String>::new());
    assert_eq!(told(known, &lines, "00:05:40").len(), 1);
}

#[test]
fn the_end_of_a_replication_is_its_last_line() {
    let (started, stopped) = (ReplicationStarted(stage("B")), ReplicationStopped(stage("B")));
    let lines = [(Joined, "00:00:01"), (started, "00:00:06"), (stopped, "00:00:09")];
    let told = told(on("00:00:01"), &lines, "00:10:00");
    assert_eq!(told, ["B ended at 2026-01-01T00:00:09Z/2026-01-01T00:00:09.999999999Z"]);
}

/// Ours began at 00:01:00.5 by our clock, and is somebody else's by what is known.
#[test]
fn a_line_belongs_to_our_start_within_what_clocks_differ() {
    let (started, stopped) = (ReplicationStarted(stage("B")), ReplicationStopped(stage("B")));
    let is_ours = |lines: &[(&EventName, &str)]| {
        let mut inventory = inventory(on("00:00:01"), None);
        let begun = Some(moment("00:01:00.500000000"));
        let (phase, evidence) = (Phase::Active, on("00:05:00"));
        inventory.put_replica(Replica {
            begun,
            phase,
            evidence,
            owner: Owner::Foreign,
            ..Replica::new(to("B"))
        });
        let events: Vec<_> = lines.iter().map(|(name, at)| event((*name).clone(), at)).collect();
        let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
        let news = read_history(&inventory, &publisher(), &session("st-1"), "", &events, took, &policy);
        let told = news.iter().find_map(|news| match news {
            Observation::ReplicaOwner { ours, .. } => Some(*ours),
            _ => None,
        });
        told.unwrap()
    };
    let came = (&Joined, "00:00:01");
    assert!(is_ours(&[came, (&started, "00:00:30.500000000")]), "30 s before");
    assert!(!is_ours(&[came, (&started, "00:00:30.499999999")]));
    assert!(is_ours(&[(&Joined, "00:01:02.500000000"), (&started, "00:03:00")]), "2 s after");
    assert!(!is_ours(&[(&Joined, "00:01:02.500000001"), (&started, "00:03:00")]));
    let before = [(&started, "00:00:10"), (&stopped, "00:01:00")];
    assert!(is_ours(&[came, before[0], before[1], (&started, "00:01:31")]), "IVS took its time for ours");
}

/// Ours began at 00:01:00.5, nobody recorded that, and a list of 00:04:00 did not show it.
#[test]
fn what_a_list_did_not_show_runs_if_the_history_has_our_start_and_no_end() {
    let (started, stopped) = (ReplicationStarted(stage("B")), ReplicationStopped(stage("B")));
    let told = |lines: &[(&EventName, &str)], took: &str| {
        let mut inventory = inventory(on("00:00:01"), None);
        inventory.put_replica(Replica {
            begun: Some(moment("00:01:00.500000000")),
            phase: Phase::Stopped,
            evidence: off("00:04:00.000000000"),
            ..Replica::new(to("B"))
        });
        let events: Vec<_> = lines.iter().map(|(name, at)| event((*name).clone(), at)).collect();
        let (took, policy) = (Moment::exact(time(took)), SweepPolicy::default());
        let news = read_history(&inventory, &publisher(), &session("st-1"), "", &events, took, &policy);
        news.iter().map(short).filter(|news| news.starts_with('B')).collect::<Vec<_>>()
    };
    let lines = [(&Joined, "00:00:01"), (&PublishStarted, "00:00:01"), (&started, "00:01:00")];
    let runs = ["B runs at 2026-01-01T00:04:00.000000001Z"];
    assert_eq!(told(&lines, "00:04:30.000000001"), runs);
    let nothing = Vec::<String>::new();
    assert_eq!(told(&lines, "00:04:30"), nothing, "IVS may not list its end yet");
    assert_eq!(told(&[&lines[..], &[(&PublishStopped, "00:03:00")]].concat(), "00:10:00"), nothing);
    assert_eq!(told(&[lines[0], lines[1], (&started, "00:00:20")], "00:10:00"), nothing, "not by our Start");
    assert_eq!(told(&[&lines[..], &[(&stopped, "00:03:00")]].concat(), "00:10:00"), nothing, "it ended");
    assert_eq!(told(&lines[..2], "00:10:00"), nothing, "it never began");
}
