//! What can be done with the keyboard and the mouse.

use serde_json::json;

use crate::driver::key;
use crate::scene::show;
use crate::world::World;
use crate::{opened, pause_for, row};

const FOCUS: &str = "document.activeElement.id";
const PANEL: &str = "!document.querySelector('#panel').hidden";

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_leads_from_the_filter_to_the_explanation_and_back() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    browser.press(&["/"]).await;
    assert_eq!(browser.eval(FOCUS).await, json!("search"));
    browser.write("host-ben rejected").await;
    browser.wait_for("one row", "document.querySelectorAll('#list [data-index]').length === 1").await;
    assert_eq!(browser.text("#matches").await, "1 in the list");
    browser.screenshot("filtered").await;
    browser.press(&[key::ENTER]).await;
    assert_eq!(browser.eval(FOCUS).await, json!("list"));
    browser.press(&[key::ENTER]).await;
    browser.wait_for("the panel", PANEL).await;
    assert_eq!(browser.eval(FOCUS).await, json!("panel-title"));
    browser.wait_for("the explanation", "document.querySelectorAll('.story p').length > 1").await;
    let story = browser.text(".story").await;
    assert!(story.contains("host-ben") && story.contains("Blocked(Rejected)"), "{story}");
    assert!(story.contains("rule main-to-overflow"), "{story}");
    browser.wait_for("the history", "document.querySelector('.history .bad')").await;
    assert!(
        browser.text(".history").await.contains("b1946ac9-2492-4d23-8f0d-1f2a6f2b9a11"),
        "the request id"
    );
    pause_for(300).await;
    browser.screenshot("panel").await;
    browser.press(&[key::ESCAPE]).await;
    assert_eq!(browser.eval(PANEL).await, json!(false));
    assert_eq!(browser.eval(FOCUS).await, json!("list"), "the focus is where it was");
    browser.press(&[key::ESCAPE]).await;
    browser.wait_for("all rows", "document.querySelectorAll('#list [data-index]').length > 5").await;
    browser.press(&["?"]).await;
    assert_eq!(browser.eval("document.querySelector('#keys').open").await, json!(true));
    browser.press(&[key::ESCAPE]).await;
    assert_eq!(browser.eval("document.querySelector('#keys').open").await, json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_goes_through_all_parts_and_arrows_from_stage_to_stage() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    let mut path = Vec::new();
    for _ in 0..24 {
        browser.press(&[key::TAB]).await;
        let id = "document.activeElement.id || document.activeElement.dataset?.status || document.activeElement.className";
        path.push(browser.eval(id).await.as_str().unwrap_or_default().to_owned());
        if path.last().is_some_and(|id| id == "activity") {
            break;
        }
    }
    let parts = [
        "skip",
        "Active",
        "Blocked",
        "search",
        "theme",
        "help",
        "zoom-fit",
        "graph",
        "tab-replicas",
        "list",
        "activity",
    ];
    let order: Vec<_> = parts.iter().map(|part| path.iter().position(|id| id == part)).collect();
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{path:?}");

    browser.run("document.querySelector('#graph').focus()").await;
    let said = browser.text("#graph-focus").await;
    assert!(said.starts_with("Stage friday-"), "{said}");
    browser.press(&["0"]).await;
    let mut stages = std::collections::BTreeSet::new();
    for step in [key::HOME, key::LEFT, key::DOWN, key::RIGHT, key::DOWN] {
        browser.press(&[step]).await;
        stages.insert(browser.text("#graph-focus").await);
    }
    assert!(stages.len() >= 4, "{stages:?}");
    browser.press(&[key::ENTER]).await;
    browser.wait_for("the stage", PANEL).await;
    let title = browser.text("#panel-title").await;
    assert!(stages.iter().any(|said| said.starts_with(&format!("Stage {title},"))), "{title} {stages:?}");
    browser.press(&[key::ESCAPE]).await;
    assert_eq!(browser.eval("document.activeElement.id").await, json!("graph"));
    browser.run("document.querySelector('#list').focus()").await;
    browser.press(&[key::DOWN, key::DOWN]).await;
    let active = "document.getElementById(document.querySelector('#list').getAttribute('aria-activedescendant'))?.dataset.index";
    assert_eq!(browser.eval(active).await, json!("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_on_a_stage_shows_who_is_on_it_and_one_on_them_why() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    let at = "(await import('/graph.js')).positionOf('arn:aws:ivs:us-east-1:123456789012:stage/Wall')";
    let at = browser.eval(at).await;
    browser.click_at(at["x"].as_f64().unwrap(), at["y"].as_f64().unwrap()).await;
    browser.wait_for("the stage", PANEL).await;
    assert_eq!(browser.text("#panel-title").await, "monitoring-wall");
    let body = browser.text("#panel-body").await;
    for part in [
        "Here as replicas: 4",
        "host-anna",
        "from friday-main",
        "seen running",
        "min ago",
        "DestinationFull",
        "role=wall",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    pause_for(300).await;
    browser.screenshot("stage").await;
    browser.click(".person").await;
    browser.wait_for("the explanation", "document.querySelectorAll('.story p').length > 1").await;
    assert!(browser.text("#panel-title").await.ends_with("→ monitoring-wall"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_change_with_their_tabs() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    for (filter, rows) in [
        ("everything-to-wall", 3),
        ("stage/duela", 3),
        ("red-captain", 2),
        ("foreign", 1),
        ("friday-main pending", 1),
        ("nobody", 0),
    ] {
        browser
            .run("document.querySelector('#search').select(), document.querySelector('#search').focus()")
            .await;
        browser.write(filter).await;
        let found = format!(
            "document.querySelectorAll('#list [data-index]').length === {rows} || document.querySelector('#list').hidden && {rows} === 0"
        );
        browser.wait_for(filter, &found).await;
    }
    assert_eq!(browser.text("#list-empty").await, "Nothing of 12 replicas matches the filter.");
    browser.press(&[key::ESCAPE]).await;
    browser.click("#counts [data-status=Blocked]").await;
    browser.wait_for("the blocked", "document.querySelectorAll('#list [data-index]').length === 2").await;
    browser.click("#counts [data-status=Blocked]").await;
    browser.click("#tab-rules").await;
    browser.wait_for("the rules", &row(&["main-to-overflow", "enabled", "50"])).await;
    browser.click("#tab-stages").await;
    browser.wait_for("the stages", &row(&["friday-main", "host-anna, host-ben"])).await;
    browser.click("#tab-versus").await;
    browser
        .wait_for(
            "no versus session",
            "document.querySelector('#list-empty').textContent.startsWith('No versus session')",
        )
        .await;
}
