//! Whom a look asks about: those of whom news can make a difference, and whose news is open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use replication::sweep::stage::{Findings, read_stage};
use replication::sweep::{Inventory, ListedParticipant, Look, Role, SweepPolicy};
use replication::{
    Blocked, BlockedReason, Evidence, Lease, Moment, Occupant, Owner, ParticipantFilter, Phase, Publisher,
    Replica, Rule, Source, Status,
};

use crate::build::{moment, participant, publisher, rule, stage, tags, time, to};
use crate::{inventory, look, on, row};

/// What a look at A finds at this time, where the participant is connected.
fn found(inventory: &Inventory, at: &str, look: &Look) -> Findings {
    let rows = [row(true, Role::Original { replicated: false })];
    read_stage(inventory, look, &rows, Moment::exact(time(at)), &SweepPolicy::default())
}

/// Whether the history of somebody is read of whom nothing is known, with this in the table.
fn is_asked_about(inventory: &Inventory) -> bool {
    !found(inventory, "00:10:00", &look("A", "st-1")).histories.is_empty()
}

#[test]
fn somebody_unknown_is_asked_about_if_a_rule_can_mean_them() {
    let with = |rule: Rule| Inventory { rules: vec![rule], ..Inventory::default() };
    let main = || rule("main", &["B"]);
    let meant = |filter: ParticipantFilter| with(Rule { participants: filter, ..main() });
    let by_user = |pattern: &str| ParticipantFilter {
        user_id: Some(pattern.parse().unwrap()),
        ..ParticipantFilter::default()
    };
    let by_role = || ParticipantFilter {
        attributes: [("role".to_owned(), "host".parse().unwrap())].into(),
        ..ParticipantFilter::default()
    };
    assert!(is_asked_about(&with(main())));
    assert!(
        is_asked_about(&with(Rule { source: Source::Tags(tags("role=main")), ..main() })),
        "tags are not known"
    );
    assert!(is_asked_about(&meant(by_role())), "attributes are not known");
    assert!(is_asked_about(&meant(by_user("*"))));
    for not_meant in [
        Inventory::default(),
        with(Rule { source: Source::Stage(stage("Z")), ..main() }),
        with(Rule { status: Status::Paused, ..main() }),
        with(Rule { expires_at: Some(time("00:10:00")), ..main() }),
        meant(by_user("host-*")),
    ] {
        assert!(!is_asked_about(&not_meant), "{not_meant:?}");
    }
    let mut guest = meant(by_role());
    guest.put_publisher(Publisher { attributes: Some(tags("role=guest")), ..Publisher::new(publisher()) });
    assert!(!is_asked_about(&guest));
}

#[test]
fn somebody_whom_no_rule_means_is_asked_about_if_they_are_replicated() {
    let mut replicated = Inventory::default();
    replicated.put_replica(Replica { phase: Phase::Stopped, ..Replica::new(to("B")) });
    assert!(!is_asked_about(&replicated));
    replicated.put_replica(Replica {
        phase: Phase::Active,
        evidence: on("00:00:05"),
        ..Replica::new(to("B"))
    });
    assert!(is_asked_about(&replicated));
}

/// A publisher takes a place: where nothing is replicated to, that makes no difference.
#[test]
fn somebody_who_takes_a_place_is_asked_about_where_places_count() {
    let confirming = Look { confirm: true, ..look("A", "st-1") };
    let asked = |inventory: &Inventory| !found(inventory, "00:10:00", &confirming).histories.is_empty();
    let mut there = Inventory { rules: Vec::new(), ..inventory(on("00:00:05"), None) };
    assert!(!asked(&there));
    assert!(!there.view(&publisher()).is_destination);
    there.put_occupants(stage("A"), BTreeSet::from([Occupant::publisher(&publisher())]));
    assert!(asked(&there));
    assert!(there.view(&publisher()).is_destination);
    let mut unknown = Inventory::default();
    unknown.put_occupants(stage("A"), BTreeSet::new());
    assert!(!asked(&unknown), "it is not known to take one");
}

/// Where no place may be left, it matters who else publishes, whatever the rules say.
#[test]
fn everybody_is_asked_about_where_places_may_be_taken() {
    let mut there = Inventory::default();
    there.put_occupants(stage("A"), BTreeSet::new());
    let original = Role::Original { replicated: false };
    let replica = |active| Role::Replica { source: stage("Z"), active };
    let asked = |last: Role, connected: Option<bool>| {
        let somebody = |i: usize| {
            let participant = format!("x{i}").parse().unwrap();
            ListedParticipant { participant, ..row(true, original.clone()) }
        };
        let mut rows: Vec<_> = (0..12).map(somebody).collect();
        rows[11] = ListedParticipant { role: last, connected, ..somebody(11) };
        let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
        read_stage(&there, &look("A", "st-1"), &rows, took, &policy).histories.len()
    };
    for connected in [Some(true), None] {
        assert_eq!(asked(original.clone(), connected), 12);
        assert_eq!(asked(replica(true), connected), 11, "a replica takes a place, and is no publisher");
    }
    for (last, connected) in [
        (original.clone(), Some(false)),
        (replica(true), Some(false)),
        (replica(false), Some(true)),
        (Role::Unknown, Some(true)),
    ] {
        assert_eq!(asked(last.clone(), connected), 0, "{last:?} {connected:?}");
    }
}

/// A row tells of a running replica if it is active and not disconnected, and its source is another stage.
#[test]
fn a_row_is_a_running_replica_or_none() {
    let seen = |source: &str, active: bool, connected: Option<bool>| {
        let role = Role::Replica { source: stage(source), active };
        let rows = [ListedParticipant { connected, ..row(true, role) }];
        let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
        let known = inventory(on("00:00:05"), None);
        read_stage(&known, &look("B", "st-1"), &rows, took, &policy).observations.len()
    };
    assert_eq!([seen("A", true, Some(true)), seen("A", true, None)], [1, 1]);
    assert_eq!([seen("A", true, Some(false)), seen("A", false, Some(true)), seen("A", false, None)], [0; 3]);
    assert_eq!(seen("B", true, Some(true)), 0);
}

/// It is news if it is not known, and nobody's if it is not known to be ours; what was stopped may be listed for a moment.
#[test]
fn what_is_seen_running_is_news_unless_it_is_known() {
    let seen = |phase: Phase, evidence: Evidence, owner: Owner| {
        let mut known = inventory(on("00:00:05"), None);
        known.put_replica(Replica { phase, evidence, owner, ..Replica::new(to("B")) });
        let rows = [row(true, Role::Replica { source: stage("A"), active: true })];
        let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
        let found = read_stage(&known, &look("B", "st-1"), &rows, took, &policy);
        (found.observations.len(), found.unowned.len())
    };
    let stopped = |at: &str| Evidence { off: Some(moment(at)), ..on("00:00:06") };
    let running = on("00:00:06");
    assert_eq!(seen(Phase::Active, running, Owner::Stagelink), (0, 0));
    assert_eq!(seen(Phase::Stopping, running, Owner::Stagelink), (1, 0), "a call is not recorded");
    assert_eq!(seen(Phase::Pending, Evidence::default(), Owner::Nobody), (1, 1));
    let (just, before) = (stopped("00:09:30.000000000"), stopped("00:09:29.999999999"));
    assert_eq!(seen(Phase::Stopped, just, Owner::Nobody), (0, 0));
    assert_eq!(seen(Phase::Starting, just, Owner::Stagelink), (1, 0), "a call is not recorded");
    assert_eq!(seen(Phase::Stopped, before, Owner::Nobody), (1, 1));
}

/// A replica that its destination should list and does not is asked for in a second list.
#[test]
fn a_replica_that_its_destination_does_not_list_is_missed() {
    let missed = |since: &str, rows: &[ListedParticipant]| {
        let known = inventory(on("00:00:05"), Some(on(since)));
        let (took, policy) = (Moment::exact(time("00:10:00")), SweepPolicy::default());
        read_stage(&known, &look("B", "st-1"), rows, took, &policy).replications
    };
    let there = row(true, Role::Replica { source: stage("A"), active: true });
    let asked = BTreeMap::from([(publisher(), BTreeSet::from([to("B")]))]);
    assert_eq!(missed("00:00:06", &[]), asked);
    assert_eq!(missed("00:00:06", &[ListedParticipant { connected: Some(false), ..there.clone() }]), asked);
    assert_eq!(missed("00:00:06", &[there]), BTreeMap::new());
    assert_eq!(missed("00:09:50", &[]), BTreeMap::new(), "IVS gets a moment to show it");
}

/// The history of a participant is asked for whose replica runs as somebody else's and may be ours.
#[test]
fn whose_a_replica_is_that_may_be_ours_is_asked_for() {
    let owners = |owner: Owner, begun: Option<Moment>| {
        let mut known = inventory(on("00:00:05"), None);
        let (phase, evidence) = (Phase::Active, on("00:00:06"));
        known.put_replica(Replica { phase, evidence, owner, begun, ..Replica::new(to("B")) });
        found(&known, "00:10:00", &look("A", "st-1")).owners.into_keys().collect::<Vec<_>>()
    };
    let begun = Some(moment("00:00:05.5"));
    assert_eq!(owners(Owner::Foreign, begun), [participant()]);
    assert_eq!(owners(Owner::Foreign, None), []);
    assert_eq!(owners(Owner::Stagelink, begun), []);
}

#[test]
fn somebody_who_is_said_not_to_publish_is_asked_about() {
    for (reason, asked) in [(BlockedReason::NotPublishing, true), (BlockedReason::StageGone, false)] {
        let mut known = inventory(on("00:00:05"), None);
        let phase = Phase::Blocked(Blocked { reason, until: Some(time("00:20:00")) });
        known.put_replica(Replica { phase, ..Replica::new(to("B")) });
        assert_eq!(is_asked_about(&known), asked, "{reason:?}");
    }
}

/// IVS gets a moment to show what was started, and who calls IVS knows better.
#[test]
fn a_replica_is_missed_once_it_should_be_listed() {
    let settle = SweepPolicy::default().settle;
    let started = time("00:00:06");
    let running = Replica {
        phase: Phase::Active,
        owner: Owner::Stagelink,
        evidence: Evidence { on: Some(Moment::exact(started)), off: None },
        ..Replica::new(to("B"))
    };
    let missed = |replica: &Replica, later: SignedDuration| {
        let mut known = inventory(on("00:00:05"), None);
        known.put_replica(replica.clone());
        let at = (started + later).to_string();
        let rows = [row(true, Role::Original { replicated: false })];
        let took = Moment::exact(at.parse().unwrap());
        let found = read_stage(&known, &look("A", "st-1"), &rows, took, &SweepPolicy::default());
        !found.replications.is_empty()
    };
    let moment = SignedDuration::from_nanos(1);
    assert!(!missed(&running, settle));
    assert!(missed(&running, settle + moment));
    let leased = Lease { holder: "me".to_owned(), since: started, until: started + settle + moment + moment };
    assert!(!missed(&Replica { lease: Some(leased), ..running.clone() }, settle + moment));
    let ended = Evidence { off: Some(Moment::exact(started + moment)), ..running.evidence };
    assert!(!missed(&Replica { evidence: ended, ..running.clone() }, settle + moment));
}
