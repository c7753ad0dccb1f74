//! Rules that select stages by tag and participants by attribute.

use replication::{BlockedReason, Decision, Destination, ParticipantFilter, Phase, Question, Rule, Source};

use crate::build::{rule, stage, tagged, tags, window};
use crate::scene::{Scene, decided, decisions};

/// Everybody on a main stage appears on the overflow stages of the same show.
fn overflow() -> Rule {
    Rule {
        source: Source::Tags(tags("role=main")),
        destinations: vec![tagged("role=overflow", &["show"])],
        ..rule("overflow", &[])
    }
}

const STAGES: [(&str, &str); 5] = [
    ("A", "role=overflow show=7"),
    ("B", "role=overflow show=7"),
    ("C", "role=overflow show=8"),
    ("D", "role=main show=7"),
    ("E", "role=overflow show=7 more=x"),
];

/// p1 publishes on A since 00:00:05, and its replicas on B and E run.
fn running(rules: Vec<Rule>) -> Scene {
    let mut scene = Scene::new(rules);
    scene.tags(Some("role=main show=7")).directory(&STAGES);
    scene.published("00:00:05.000000").at("00:00:05.2").plan();
    scene.start_ok("B");
    scene.start_ok("E");
    scene.plan();
    scene
}

#[test]
fn exactly_the_overflow_stages_of_the_same_show() {
    let mut scene = running(vec![overflow()]);
    let made = scene.plan();
    assert_eq!(
        decisions(&made),
        ["B keep", "E keep"],
        "not the source itself, though it is in the directory"
    );
    scene.golden("tags_select");
}

#[test]
fn unknown_tags_are_asked_for_and_start_nothing() {
    let mut scene = Scene::new(vec![overflow()]);
    let made = scene.directory(&STAGES).published("00:00:05").at("00:00:05.4").plan();
    assert_eq!((made.asks.as_slice(), made.report.lines.len()), ([Question::Tags].as_slice(), 0));
    let made = scene.tags(Some("role=main show=7")).plan();
    assert_eq!((made.asks.len(), decisions(&made)), (0, vec!["B start".to_owned(), "E start".to_owned()]));
    scene.golden("tags_unknown");
}

#[test]
fn tags_that_are_not_known_any_more_stop_nothing() {
    let mut scene = running(vec![overflow()]);
    let made = scene.tags(None).at("00:01:00").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B keep".to_owned(), "E keep".to_owned()], 0));
    // Its publisher is gone: that is known.
    let made = scene.unpublished("00:01:10.000000").at("00:01:20").plan();
    assert_eq!(decided(&made, Decision::Stop), 2);
    scene.golden("tags_forgotten");
}

#[test]
fn a_tag_that_changed_on_the_source_withdraws() {
    let mut scene = running(vec![overflow()]);
    let made = scene.tags(Some("role=rehearsal show=7")).at("00:01:00").plan();
    assert_eq!(decided(&made, Decision::Stop), 2);
    scene.golden("tags_source_changed");
}

#[test]
fn a_show_that_changed_moves_the_replicas() {
    let mut scene = running(vec![overflow()]);
    let made = scene.tags(Some("role=main show=8")).at("00:01:00").plan();
    assert_eq!(decisions(&made), ["B stop", "E stop", "C start"]);
    scene.golden("tags_show_changed");
}

#[test]
fn a_destination_that_changed_is_withdrawn_and_a_new_one_started() {
    let mut scene = running(vec![overflow()]);
    let changed =
        [("B", "role=archive show=7"), ("E", "role=overflow show=7"), ("F", "role=overflow show=7")];
    let made = scene.directory(&changed).at("00:01:00").plan();
    assert_eq!(decisions(&made), ["B stop", "E keep", "F start"]);
    scene.golden("tags_destination_changed");
}

#[test]
fn a_destination_of_which_nothing_is_known_any_more_is_kept() {
    let mut scene = running(vec![overflow()]);
    let made = scene.directory(&[("E", "role=overflow show=7")]).at("00:01:00").plan();
    assert_eq!((decisions(&made), made.steps.len()), (vec!["B keep".to_owned(), "E keep".to_owned()], 0));
    // When it ends, it is not started again.
    let made = scene.replica_ended("B", "00:01:10.000000").at("00:01:20").plan();
    assert_eq!(decisions(&made), ["B rest", "E keep"]);
    scene.golden("tags_destination_unknown");
}

#[test]
fn attributes_are_asked_for_once_and_only_hosts_are_started() {
    let filter = ParticipantFilter {
        user_id: None,
        attributes: [("role".to_owned(), "host".parse().unwrap())].into(),
    };
    let hosts = Rule { participants: filter, ..rule("hosts", &["B"]) };
    for (attributes, expected) in [("role=host", vec!["B start"]), ("role=guest", vec![]), ("", vec![])] {
        let mut scene = Scene::new(vec![hosts.clone()]);
        let made = scene.published("00:00:05").at("00:00:05.4").plan();
        assert_eq!((made.asks.as_slice(), made.steps.len()), ([Question::Attributes].as_slice(), 0));
        let made = scene.attributes(attributes).plan();
        assert_eq!(
            (made.asks.len(), decisions(&made)),
            (0, expected.into_iter().map(str::to_owned).collect())
        );
        let name = if attributes.is_empty() { "none" } else { &attributes[5..] };
        scene.golden(&format!("attributes_{name}"));
    }
}

#[test]
fn nobody_is_asked_where_no_rule_could_match() {
    let host = [("role".to_owned(), "host".parse().unwrap())];
    let filter =
        |user: &str| ParticipantFilter { user_id: user.parse().ok(), attributes: host.clone().into() };
    let other_user = Rule { participants: filter("host-*"), ..rule("other-user", &["B"]) };
    let other_tags =
        Rule { participants: filter("*"), source: Source::Tags(tags("role=stage")), ..overflow() };
    let mut scene = Scene::new(vec![other_user, other_tags]);
    scene.tags(Some("role=main")).published_by("guest-1", "00:00:05");
    assert_eq!(scene.at("00:00:05.4").plan().asks, []);
    // Nor for somebody who does not publish.
    let mut scene = Scene::new(vec![Rule { participants: filter("*"), ..rule("hosts", &["B"]) }]);
    assert_eq!(scene.unpublished("00:00:05").at("00:00:05.4").plan().asks, []);
    scene.golden("attributes_not_asked");
}

#[test]
fn named_and_selected_destinations_keep_their_order_and_come_once() {
    let named = |id| Destination::Stage(stage(id));
    let destinations = vec![named("H"), tagged("role=overflow", &[]), named("B"), tagged("show=7", &[])];
    let both = Rule { destinations, reconnect_window: window(0), ..rule("both", &[]) };
    let mut scene = Scene::new(vec![both]);
    scene.directory(&[
        ("B", "role=overflow show=7"),
        ("C", "role=overflow"),
        ("D", "role=overflow"),
        ("E", "show=7"),
        ("F", "show=7"),
    ]);
    let made = scene.published("00:00:05").at("00:00:05.4").plan();
    let full = format!("F blocked({})", BlockedReason::ParticipantSlotsFull);
    assert_eq!(decisions(&made), ["H start", "B start", "C start", "D start", "E start", &full]);
    assert_eq!(scene.phase("H"), Phase::Starting);
    scene.golden("tags_order");
}
