//! The dashboard in a real, headless Chromium.
//!
//! Not a part of plain `cargo test`, which needs nothing set up: `cargo infra browser` finds Chromium, or fetches it, and runs this.
//! Pictures are in `target/screenshots`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod driver;
mod hands;
mod looks;
mod scale;
mod scene;
mod trust;
mod world;

use std::sync::atomic::Ordering;
use std::time::Duration;

use controller::Operator;
use jiff::{SignedDuration, Timestamp};
use replication::{BlockedReason, Operation, Pause, Phase, Replica};
use serde_json::json;

use driver::Browser;
use scene::show;
use world::{World, blocked, called, last_error, publisher, replica};

/// Whether the page has the rows of a table.
const SHOWN: &str = "document.querySelectorAll('#list [data-index]').length > 0";

/// A page that shows what is in the table.
async fn opened(world: &World) -> Browser {
    let browser = Browser::start().await;
    browser.resize(1440, 900).await;
    browser.open(&world.url()).await;
    browser.wait_for("the rows", SHOWN).await;
    browser
}

async fn pause_for(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// A row of the list that has all these texts.
fn row(texts: &[&str]) -> String {
    format!(
        "[...document.querySelectorAll('#list [data-index]')].find((row) => {}.every((text) => row.textContent.includes(text)))",
        json!(texts)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_in_the_table_appears_without_a_reload() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    browser.run("window.never_reloaded = true").await;
    let eve = publisher("Lobby", "zZ9yY8xX7wW6", "host-eve", SignedDuration::from_secs(2));
    let pending = replica("Lobby", "zZ9yY8xX7wW6", "Over1", "lobby-to-overflow", Phase::Pending);
    world.put(vec![eve], vec![pending.clone()]).await;
    browser.wait_for("the new replica", &row(&["Pending", "host-eve", "friday-overflow-1"])).await;
    let failed = Replica {
        last_error: last_error("ThrottlingException", "slow down"),
        phase: blocked(BlockedReason::Throttled),
        version: 1,
        ..pending.clone()
    };
    world.note(called(&failed, Operation::Start, "ThrottlingException: slow down", 0)).await;
    world.put(vec![], vec![failed.clone()]).await;
    browser.wait_for("its reason", &row(&["Blocked", "host-eve", "Throttled"])).await;
    browser
        .wait_for("the count of problems in the title", "document.title.startsWith('(3) Stagelink')")
        .await;
    let line = "document.querySelector('#activity li.bad .what').textContent.includes('host-eve → friday-overflow-1')";
    browser.wait_for("the call in the timeline", line).await;
    let announced = browser.text("#announcer").await;
    assert_eq!(announced, "3 problems now, 1 more");
    world.put(vec![], vec![Replica { phase: Phase::Stopped, version: 2, ..failed }]).await;
    browser.wait_for("its end", &format!("!{}", row(&["host-eve"]))).await;
    assert_eq!(browser.eval("window.never_reloaded").await, json!(true));
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told_and_comes_back_by_itself() {
    let mut world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    browser.run("window.never_reloaded = true").await;
    world.stop().await;
    browser.wait_for("the banner", "document.querySelector('[data-id=lost]')").await;
    assert!(browser.text("[data-id=lost]").await.starts_with("Connection lost"));
    assert_eq!(browser.eval("document.querySelector('#link').dataset.state").await, json!("lost"));
    browser.screenshot("lost").await;
    let late = replica("Lobby", "kM1nP2qR3sT4", "Over1", "lobby-to-overflow", Phase::Pending);
    world.put(vec![], vec![late]).await;
    world.serve().await;
    browser
        .wait_for("what happened meanwhile", &row(&["Pending", "kM1nP2qR3sT4", "friday-overflow-1"]))
        .await;
    browser.wait_for("the end of the banner", "!document.querySelector('[data-id=lost]')").await;
    assert_eq!(browser.eval("window.never_reloaded").await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_a_table_out_of_order_are_told() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    let pause = Pause { reason: "a fire drill".to_owned(), by: "kim".to_owned(), at: Timestamp::now() };
    world.table.store.pause(&pause).await.unwrap();
    browser.wait_for("the banner", "document.querySelector('[data-id=pause]')").await;
    let banner = browser.text("[data-id=pause]").await;
    assert!(banner.starts_with("Paused by kim") && banner.contains("a fire drill"), "{banner}");
    browser.screenshot("paused").await;
    world.out_of_order.store(true, Ordering::Relaxed);
    browser.wait_for("the banner", "document.querySelector('[data-id=trouble]')").await;
    let banner = browser.text("[data-id=trouble]").await;
    assert!(banner.contains("ProvisionedThroughputExceededException: <b>slow down</b>"), "{banner}");
    assert_eq!(browser.eval("document.querySelector('#link').dataset.state").await, json!("stale"));
    assert_eq!(browser.eval(SHOWN).await, json!(true), "what was known stays");
    world.out_of_order.store(false, Ordering::Relaxed);
    browser.wait_for("the end of the banner", "!document.querySelector('[data-id=trouble]')").await;
}
