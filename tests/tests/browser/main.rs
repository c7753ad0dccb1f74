//! The dashboard in a real, headless Chromium.
//!
//! Not a part of plain `cargo test`, which needs nothing set up: `cargo infra browser` finds Chromium, or fetches it, and runs this.
//! Pictures are in `target/screenshots`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod driver;
mod world;

use controller::Operator;
use jiff::{SignedDuration, Timestamp};
use replication::{BlockedReason, Operation, Owner, Pause, Phase, Replica};
use stagelink_tests::rows;

use driver::{Browser, key};
use world::{World, blocked, called, last_error, publisher, replica};

/// A world that has something of everything.
async fn show(world: &World) {
    for (id, name, role) in [
        ("Host1", "friday-main", "main"),
        ("Over1", "friday-overflow-1", "overflow"),
        ("Over2", "friday-overflow-2", "overflow"),
        ("Over3", "friday-overflow-3", "overflow"),
        ("Wall", "monitoring-wall", "wall"),
        ("DuelA", "duel-red", "duel"),
        ("DuelB", "duel-blue", "duel"),
        ("Lobby", "lobby", "lobby"),
        ("Spare1", "spare-1", "spare"),
        ("Spare2", "spare-2", "spare"),
    ] {
        world.stage(id, name, &[("role", role), ("show", "friday")]).await;
    }
    let minutes = SignedDuration::from_mins;
    let publishers = vec![
        publisher("Host1", "aB3dE5fG7hJ9", "host-anna", minutes(42)),
        publisher("Host1", "kL2mN4pQ6rS8", "host-ben", minutes(17)),
        publisher("DuelA", "tU1vW3xY5zA7", "red-captain", minutes(6)),
        publisher("DuelB", "bC9dE7fG5hJ3", "blue-captain", minutes(6)),
        publisher("Lobby", "kM1nP2qR3sT4", "", minutes(1)),
    ];
    let (anna, ben) = ("aB3dE5fG7hJ9", "kL2mN4pQ6rS8");
    let overflow = |participant, destination, phase| replica("Host1", participant, destination, "main-to-overflow", phase);
    let refused = Replica {
        last_error: last_error("ConflictException", "the destination stage has a replica of this participant"),
        attempts: 2,
        ..overflow(ben, "Over3", blocked(BlockedReason::Rejected))
    };
    let foreign = Replica { owner: Owner::Foreign, rule: None, ..replica("Lobby", "kM1nP2qR3sT4", "Wall", "x", Phase::Active) };
    let replicas = vec![
        overflow(anna, "Over1", Phase::Active),
        overflow(anna, "Over2", Phase::Active),
        overflow(anna, "Over3", Phase::Active),
        replica("Host1", anna, "Wall", "everything-to-wall", Phase::Active),
        overflow(ben, "Over1", Phase::Active),
        overflow(ben, "Over2", Phase::Starting),
        refused.clone(),
        replica("Host1", ben, "Wall", "everything-to-wall", Phase::Pending),
        replica("DuelA", "tU1vW3xY5zA7", "DuelB", "versus.friday.1", Phase::Active),
        replica("DuelB", "bC9dE7fG5hJ3", "DuelA", "versus.friday.2", Phase::Stopping),
        replica("DuelA", "tU1vW3xY5zA7", "Wall", "everything-to-wall", blocked(BlockedReason::DestinationFull)),
        foreign,
    ];
    let mut rule = rows::rule("main-to-overflow", rows::stage("Host1").as_str(), rows::stage("Over1").as_str());
    rule.destinations.push(replication::Destination::Stage(rows::stage("Over2")));
    rule.destinations.push(replication::Destination::Stage(rows::stage("Over3")));
    let wall = rows::rule("everything-to-wall", rows::stage("Host1").as_str(), rows::stage("Wall").as_str());
    world.table.store.replace_rules(&[rule, wall]).await.unwrap();
    for (i, replica) in replicas.iter().take(6).enumerate() {
        let ago = 20 + 35 * i64::try_from(i).unwrap();
        world.note(called(replica, Operation::Start, "ok", ago)).await;
    }
    world.note(called(&refused, Operation::Start, "ConflictException: the destination stage has a replica of this participant", 5)).await;
    world.put(publishers, replicas).await;
    world.call(Operation::Start, 3).await;
    world.call(Operation::ListParticipants, 2).await;
    world.call(Operation::Stop, 1).await;
}

/// Whether the page has everything.
const SHOWN: &str = "document.querySelectorAll('#list [data-index]').length > 5";

#[tokio::test(flavor = "multi_thread")]
async fn pictures() {
    let world = World::start().await;
    let browser = Browser::start().await;
    browser.resize(1440, 900).await;
    browser.open(&world.url()).await;
    browser.wait_for("the empty page", "document.querySelector('#link').dataset.state === 'live' && !document.querySelector('#list-empty').hidden").await;
    browser.screenshot("empty").await;
    show(&world).await;
    browser.wait_for("the show", SHOWN).await;
    for _ in 0..8 {
        world.call(Operation::Start, 4).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    browser.screenshot("light").await;
    browser.prefer("prefers-color-scheme", "dark").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    browser.screenshot("dark").await;
    browser.resize(360, 780).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    browser.screenshot("narrow").await;
    browser.resize(2560, 1440).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    browser.screenshot("wide").await;
    browser.resize(1440, 900).await;
    browser.prefer("prefers-color-scheme", "light").await;
    browser.click("#list [data-index='0']").await;
    browser.wait_for("the explanation", "document.querySelectorAll('.story p').length > 1").await;
    browser.screenshot("panel").await;
    world.table.store.pause(&pause()).await.unwrap();
    browser.wait_for("the banner", "document.querySelector('[data-id=pause]')").await;
    browser.press(&[key::ESCAPE]).await;
    browser.screenshot("paused").await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}

fn pause() -> Pause {
    Pause { reason: "a fire drill".to_owned(), by: "kim".to_owned(), at: Timestamp::now() }
}
