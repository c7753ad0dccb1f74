//! How it looks: light, dark, narrow, wide; and that it can be read.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::scene::show;
use crate::world::World;
use crate::{Operation, SHOWN, opened, pause_for};

/// Texts whose colour is too close to what they stand on: WCAG 2, success criterion 1.4.3, level AA.
const TOO_FAINT: &str = r#"
    const rgb = (text) => text.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const under = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const [r, g, b, a = 1] = rgb(getComputedStyle(at).backgroundColor);
            if (a === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest('noscript, .unseen')) continue;
        const [a, b] = [light(rgb(getComputedStyle(element).color)), light(under(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.push(`${element.tagName} ${element.className} ${element.textContent.slice(0, 30)} ${contrast.toFixed(2)}`);
    }
    return [...new Set(faint)];
"#;

/// What a program that reads the page aloud would have no word for.
async fn nameless(browser: &Browser) -> Vec<Value> {
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
    let needs =
        ["button", "searchbox", "textbox", "grid", "tab", "dialog", "application", "image", "img", "link"];
    nodes
        .into_iter()
        .filter(|node| {
            node["ignored"] == json!(false)
                && needs.contains(&node["role"]["value"].as_str().unwrap_or_default())
        })
        .filter(|node| node["name"]["value"].as_str().is_none_or(|name| name.trim().is_empty()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_read_in_light_and_dark_narrow_and_wide() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    for _ in 0..6 {
        world.call(Operation::Start, 4).await;
        pause_for(300).await;
    }
    for (name, scheme, width, height) in [
        ("light", "light", 1440, 900),
        ("dark", "dark", 1440, 900),
        ("tablet", "light", 820, 1180),
        ("narrow", "dark", 360, 780),
        ("wide", "dark", 2560, 1440),
        ("wide-light", "light", 2560, 1440),
    ] {
        browser.prefer("prefers-color-scheme", scheme).await;
        browser.resize(width, height).await;
        pause_for(400).await;
        browser.screenshot(name).await;
        assert_eq!(browser.run(TOO_FAINT).await, json!([]), "{name}");
        let overflow = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
        assert_eq!(overflow, json!(0), "{name} is wider than the screen");
    }
    assert_eq!(nameless(&browser).await, Vec::<Value>::new());
    browser.resize(1440, 900).await;
    browser.prefer("prefers-color-scheme", "light").await;
    let page = "getComputedStyle(document.body).backgroundColor";
    let light = browser.eval(page).await;
    browser.prefer("prefers-color-scheme", "dark").await;
    let dark = browser.eval(page).await;
    assert_ne!(light, dark);
    browser.prefer("prefers-color-scheme", "light").await;
    browser.click("#theme").await;
    assert_eq!(browser.eval(page).await, dark, "the switch is stronger than the system");
    browser.open(&world.url()).await;
    browser.wait_for("the rows", SHOWN).await;
    assert_eq!(browser.eval(page).await, dark, "and is remembered");
    browser.click("#theme").await;
    assert_eq!(browser.eval(page).await, light);
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_says_what_to_do() {
    let world = World::start().await;
    let browser = Browser::start().await;
    browser.resize(1440, 900).await;
    browser.open(&world.url()).await;
    browser.wait_for("the empty page", "!document.querySelector('#graph-empty').hidden").await;
    assert!(browser.text("#graph-empty").await.starts_with("No rules yet"));
    assert!(browser.text("#list-empty").await.starts_with("No rules yet"));
    browser
        .wait_for(
            "no activity",
            "document.querySelector('#activity-empty').textContent.startsWith('Nothing was called')",
        )
        .await;
    pause_for(400).await;
    browser.screenshot("empty").await;
    assert_eq!(browser.eval("document.title").await, json!("Stagelink · stagelink"));
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_less_motion_gets_none() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    browser.prefer("prefers-reduced-motion", "reduce").await;
    browser.click("#list [data-index='0']").await;
    let moving = "document.getAnimations().length";
    assert_eq!(browser.eval(moving).await, json!(0));
    browser.prefer("prefers-reduced-motion", "no-preference").await;
    let animation = "getComputedStyle(document.querySelector('#panel')).animationName";
    assert_eq!(browser.eval(animation).await, json!("come"), "who does not, gets some");
}
