//! Which stages are looked at, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use replication::sweep::agenda::roster_is_due;
use replication::sweep::{
    Asked, Inventory, ListedStage, Look, Roster, StageKnowledge, SweepPolicy, Target, agenda,
};
use replication::{Blocked, Evidence, Moment, Phase, Publisher, PublisherKey, Replica, ReplicationKey};

use crate::build::{moment, publisher, rule, session, stage, time, to};
use crate::directory::tagged_roster;
use crate::{id, inventory, off, on};

/// Those in doubt first, then those not looked at for the longest time; none is left out for ever.
#[test]
fn the_order_of_looks() {
    let (inventory, roster) = five_stages();
    let made = agenda(&inventory, &roster, 100, time("00:10:00"), &SweepPolicy::default());
    let order: Vec<_> = made.looks.iter().map(|look| id(look.stage.as_str())).collect();
    assert_eq!(order, ["D", "C", "B", "A"], "never, in doubt, oldest; no rule concerns E");
    assert_eq!(made.oldest, Some(time("00:00:00")));
    // In doubt counts as older by so much, and not more.
    let policy = SweepPolicy { doubt: SignedDuration::from_mins(2), ..SweepPolicy::default() };
    let made = agenda(&inventory, &roster, 100, time("00:10:00"), &policy);
    assert_eq!(
        made.looks.iter().map(|look| id(look.stage.as_str())).collect::<Vec<_>>(),
        ["D", "B", "C", "A"]
    );
}

/// A stage that cannot be read counts as looked at when that was tried, also one that was never looked at, or is in doubt.
#[test]
fn a_look_that_came_to_no_end_lets_the_others_go_first() {
    let (mut inventory, roster) = five_stages();
    for (i, name) in ["D", "C"].into_iter().enumerate() {
        let listed = roster.stages[&stage(name)].clone();
        let known = inventory.knowledge(&stage(name)).cloned();
        let known = known.unwrap_or_else(|| StageKnowledge::new(listed, time("00:00:00")));
        let attempted_at = Some(time("00:09:00") + SignedDuration::from_secs(i as i64));
        inventory.put_knowledge(StageKnowledge { attempted_at, ..known });
    }
    let made = agenda(&inventory, &roster, 100, time("00:10:00"), &SweepPolicy::default());
    let order: Vec<_> = made.looks.iter().map(|look| id(look.stage.as_str())).collect();
    assert_eq!(order, ["B", "A", "D", "C"]);
    assert_eq!(made.oldest, Some(time("00:00:00")), "it is not known for that");
}

/// What somebody asks for comes before everything else, also where no rule wants anything; and once, for a look answers it.
#[test]
fn what_is_asked_for_comes_first_and_once() {
    let (mut inventory, roster) = five_stages();
    let order = |inventory: &Inventory| {
        let made = agenda(inventory, &roster, 100, time("00:10:00"), &SweepPolicy::default());
        let shown =
            |look: &Look| format!("{}{}", id(look.stage.as_str()), if look.confirm { "!" } else { "" });
        made.looks.iter().map(shown).collect::<Vec<_>>().join(" ")
    };
    let asked = |at: &str| Asked { at: time(at), by: "kim".to_owned() };
    inventory.put_asked(Some(stage("A")), asked("00:09:30"));
    inventory.put_asked(Some(stage("E")), asked("00:09:40"));
    assert_eq!(order(&inventory), "E! A! D C B", "with their publishers confirmed");
    for looked_at in ["00:09:30", "00:09:50"] {
        let known = inventory.knowledge(&stage("A")).cloned().unwrap();
        inventory.put_knowledge(StageKnowledge { looked_at: Some(time(looked_at)), ..known });
        assert_eq!(order(&inventory), "E! D C B A");
    }
    inventory.put_asked(Some(stage("A")), asked("00:09:55"));
    assert_eq!(order(&inventory), "E! A! D C B", "until it is asked for again");
    inventory.put_asked(Some(stage("unheard-of")), asked("00:09:55"));
    assert_eq!(order(&inventory), "E! A! D C B");

    let (mut inventory, _) = five_stages();
    inventory.put_asked(None, asked("00:08:30"));
    assert_eq!(order(&inventory), "D B A C", "C has been looked at since, and is in doubt again");
    inventory.put_asked(Some(stage("A")), asked("00:09:30"));
    assert_eq!(order(&inventory), "A! D B C");
}

/// Where nothing is wanted any more, it is looked for a while whether what ended by hearsay did end.
#[test]
fn what_ended_lately_is_looked_for_whatever_the_rules_say() {
    let roster = tagged_roster(&[("A", ""), ("B", "")], true);
    let looks = |begun: Option<Moment>, now: &str| {
        let mut inventory = Inventory::default();
        let (phase, evidence) =
            (Phase::Stopped, Evidence { on: Some(moment("00:00:01")), off: Some(moment("00:04:00")) });
        inventory.put_replica(Replica { evidence, phase, begun, ..Replica::new(to("B")) });
        let made = agenda(&inventory, &roster, 100, time(now), &SweepPolicy::default());
        made.looks.iter().map(|look| id(look.stage.as_str()).to_owned()).collect::<Vec<_>>()
    };
    let begun = Some(moment("00:00:01"));
    assert_eq!(looks(begun, "00:05:00"), ["A", "B"]);
    assert_eq!(looks(begun, "00:09:00.999999998"), ["A", "B"]);
    assert_eq!(looks(begun, "00:09:00.999999999"), Vec::<String>::new(), "not for ever");
    assert_eq!(looks(None, "00:05:00"), Vec::<String>::new(), "not if a Stop of ours ended it");
}

#[test]
fn stages_are_listed_again_when_somebody_has_asked_since() {
    let (mut inventory, _) = five_stages();
    // More looks than fit, so that the list is left alone for a while.
    inventory.listed_at = Some(time("00:09:00"));
    let policy = SweepPolicy::default();
    let is_due = |inventory: &Inventory| {
        roster_is_due(inventory, 10, 1, SignedDuration::from_mins(1), time("00:10:00"), &policy)
    };
    assert!(!is_due(&inventory));
    for whom in [Some(stage("A")), None] {
        let (mut asking, _) = five_stages();
        asking.listed_at = inventory.listed_at;
        asking.put_asked(whom.clone(), Asked { at: time("00:09:30"), by: "kim".to_owned() });
        assert!(is_due(&asking));
        asking.listed_at = Some(time("00:09:31"));
        assert!(!is_due(&asking), "once");
    }
}

/// 12 looks may go along with two pages, which is what 4 sweeps of 3 looks have; half a sweep less, for schedules are not exact.
#[test]
fn stages_are_listed_once_in_so_many_looks_where_looks_are_scarce() {
    let (mut inventory, _) = five_stages();
    inventory.listed_at = Some(time("00:09:00"));
    let policy = SweepPolicy { looks_per_extra: 6, ..SweepPolicy::default() };
    let is_due = |at: &str| roster_is_due(&inventory, 2, 3, SignedDuration::from_mins(1), time(at), &policy);
    assert_eq!([is_due("00:12:29.999999999"), is_due("00:12:30")], [false, true]);
}

/// That somebody still publishes is confirmed once in ten minutes, of those for whom that is the longest ago; where looks are scarce, of
/// as many as one for each so many looks.
#[test]
fn publishers_are_confirmed_in_turn() {
    let (mut inventory, roster) = five_stages();
    for (id, confirmed_at, evidence) in [
        ("A", "00:00:00.000000001", on("00:00:01")),
        ("B", "00:00:00", on("00:00:01")),
        ("C", "00:00:00", off("00:00:01")),
        ("D", "00:00:00", on("00:00:01")),
    ] {
        let known = inventory.knowledge(&stage(id)).cloned().unwrap();
        inventory.put_knowledge(StageKnowledge { confirmed_at: Some(time(confirmed_at)), ..known });
        let key = PublisherKey { stage: stage(id), ..publisher() };
        inventory.put_publisher(Publisher {
            evidence,
            session: Some(session("st-1")),
            ..Publisher::new(key)
        });
    }
    let confirmed = |capacity: usize, now: &str| {
        let policy = SweepPolicy { looks_per_extra: 3, ..SweepPolicy::default() };
        let looks = agenda(&inventory, &roster, capacity, time(now), &policy).looks;
        assert_eq!(looks.len(), 4);
        let confirmed =
            looks.iter().filter(|look| look.confirm).map(|look| id(look.stage.as_str()).to_owned());
        confirmed.collect::<BTreeSet<_>>().into_iter().collect::<String>()
    };
    assert_eq!(confirmed(100, "00:09:59.999999999"), "");
    assert_eq!(confirmed(100, "00:10:00"), "BD", "C does not publish");
    assert_eq!(confirmed(100, "00:10:00.000000001"), "ABD");
    assert_eq!(confirmed(4, "00:11:00"), "ABD", "all looks fit");
    assert_eq!(confirmed(3, "00:11:00").len(), 1, "one for each three looks");
    inventory.knowledge(&stage("D")).cloned().into_iter().for_each(|known| {
        inventory.put_knowledge(StageKnowledge { confirmed_at: Some(time("00:00:30")), ..known });
    });
    let policy = SweepPolicy { looks_per_extra: 3, ..SweepPolicy::default() };
    let looks = agenda(&inventory, &roster, 3, time("00:11:00"), &policy).looks;
    let confirmed: Vec<_> =
        looks.iter().filter(|look| look.confirm).map(|look| id(look.stage.as_str())).collect();
    assert_eq!(confirmed, ["B"], "it is the longest ago");
}

/// Somebody waits for a place on A, which whoever is gone may take.
#[test]
fn publishers_are_confirmed_sooner_where_somebody_waits_for_a_place() {
    let (mut inventory, roster) = five_stages();
    for id in ["A", "B"] {
        let key = PublisherKey { stage: stage(id), ..publisher() };
        let known = inventory.knowledge(&stage(id)).cloned().unwrap();
        inventory.put_knowledge(StageKnowledge { confirmed_at: Some(time("00:00:00")), ..known });
        let (session, evidence) = (Some(session("st-1")), on("00:00:01"));
        inventory.put_publisher(Publisher { evidence, session, ..Publisher::new(key) });
    }
    let key = ReplicationKey { source: stage("B"), destination: stage("A"), ..to("A") };
    let phase = Phase::Blocked(Blocked::DESTINATION_FULL);
    inventory.put_replica(Replica { phase, ..Replica::new(key) });
    let confirmed = |now: &str| {
        let looks = agenda(&inventory, &roster, 100, time(now), &SweepPolicy::default()).looks;
        let confirmed =
            looks.iter().filter(|look| look.confirm).map(|look| id(look.stage.as_str()).to_owned());
        confirmed.collect::<BTreeSet<_>>().into_iter().collect::<String>()
    };
    assert_eq!(confirmed("00:01:59.999999999"), "");
    assert_eq!(confirmed("00:02:00"), "A");
    assert_eq!(confirmed("00:10:00"), "AB");
}

#[test]
fn a_list_that_broke_off_says_nothing_of_stages_that_it_does_not_hold() {
    let known = inventory(on("00:00:05"), Some(on("00:00:06")));
    let at = |complete| {
        let roster = Roster { stages: BTreeMap::new(), complete };
        agenda(&known, &roster, 100, time("00:10:00"), &SweepPolicy::default()).looks
    };
    assert_eq!(at(false), vec![]);
    assert!(at(true).iter().all(|look| look.target == Target::Unlisted));
    assert_eq!(at(true).len(), 2);
}

/// Stages that are known since long, A to E, and that a rule concerns, but for E.
fn five_stages() -> (Inventory, Roster) {
    let mut inventory = Inventory { rules: vec![rule("r", &["B", "C", "D"])], ..Inventory::default() };
    let listed = |id: &str, in_session: &str| ListedStage {
        stage: stage(id),
        name: String::new(),
        tags: BTreeMap::new(),
        active_session: Some(session(in_session)),
    };
    let mut roster = Roster { complete: true, ..Roster::default() };
    for (id, looked_at, in_session) in [
        ("A", Some("00:08:00"), "st-1"),
        ("B", Some("00:05:00"), "st-1"),
        ("C", Some("00:09:00"), "st-2"),
        ("D", None, "st-1"),
        ("E", None, "st-1"),
    ] {
        roster.stages.insert(stage(id), listed(id, in_session));
        let known = StageKnowledge::new(listed(id, "st-1"), time("00:00:00"));
        let looked_in = looked_at.map(|_| session("st-1"));
        inventory.put_knowledge(StageKnowledge { looked_at: looked_at.map(time), looked_in, ..known });
    }
    (inventory, roster)
}
