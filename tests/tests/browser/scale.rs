//! Many stages, and many changes. What is measured is printed, and judged by nobody but the reader.

use std::sync::Arc;
use std::time::Instant;

use controller::{MemoryStore, Store};
use dashboard::TableSource;
use replication::{Phase, Replica};
use serde_json::{Value, json};

use crate::driver::Browser;
use crate::scene::{a_thousand_stages, show};
use crate::world::{Server, World, replica, writes};
use crate::{SHOWN, opened, pause_for, row};

/// Elements of the page, and of what it has dropped and not forgotten.
async fn nodes(browser: &Browser) -> u64 {
    browser.devtools("HeapProfiler.collectGarbage", json!({})).await;
    browser.devtools("Performance.enable", json!({})).await;
    let metrics = browser.devtools("Performance.getMetrics", json!({})).await;
    let metrics = metrics["metrics"].as_array().cloned().unwrap_or_default();
    let nodes = metrics.iter().find(|metric| metric["name"] == "Nodes").map(|metric| metric["value"].clone());
    nodes.as_ref().and_then(Value::as_f64).map_or(0, |nodes| nodes as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_stages_with_five_thousand_replicas() {
    let store = Arc::new(MemoryStore::default());
    let (stages, replicas) = a_thousand_stages(&store).await;
    let server = Server::start(Arc::new(TableSource::new(store.clone())), 0).await;
    let browser = Browser::start().await;
    browser.resize(1920, 1080).await;
    let began = Instant::now();
    browser.open(&server.url()).await;
    browser.wait_for("the rows", SHOWN).await;
    let shown = began.elapsed();
    pause_for(500).await;
    browser.screenshot("thousand").await;
    let figures = browser
        .run("const { measure } = await import('/graph.js');
              const snapshot = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js')).length;
              return { ...measure, elements: document.querySelectorAll('*').length, scripts: snapshot }")
        .await;
    println!(
        "{stages} stages, {replicas} replicas: rows {} ms after opening the page, a look at the table included",
        shown.as_millis()
    );
    println!(
        "layout {} ms, drawing all of it {} ms, {} elements",
        figures["layoutMilliseconds"], figures["milliseconds"], figures["elements"]
    );
    assert!(figures["elements"].as_u64().unwrap() < 2_000, "only what can be seen is an element: {figures}");

    let frames = "const { measure } = await import('/graph.js');
        const canvas = document.querySelector('#graph');
        const times = [];
        for (let i = 0; i < 20; i += 1) {
            canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: i < 10 ? -120 : 120, clientX: 400, clientY: 400, cancelable: true }));
            await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
            times.push(measure.milliseconds);
        }
        times.sort((a, b) => a - b);
        return [times[10], times[19]]";
    let frames = browser.run(frames).await;
    println!("drawing while zooming: median {} ms, longest {} ms", frames[0], frames[1]);

    let changed = Instant::now();
    let late = replica("S000x0", "h000n0", "D000x0", "late", Phase::Pending);
    for write in writes(vec![], &[late]) {
        store.write(&write).await.unwrap();
    }
    browser.press(&["/"]).await;
    browser.write("late pending").await;
    browser.wait_for("the change", &row(&["Pending", "late"])).await;
    println!("a change is seen after {} ms, the looks at the table included", changed.elapsed().as_millis());
    browser.press(&[crate::driver::key::ENTER]).await;
    pause_for(300).await;
    browser.screenshot("thousand-found").await;
    browser.press(&[crate::driver::key::ESCAPE]).await;
    browser.run("document.querySelector('#zoom-fit').click(); for (let i = 0; i < 7; i += 1) document.querySelector('#zoom-in').click()").await;
    pause_for(300).await;
    browser.screenshot("thousand-near").await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_leave_no_more_elements_than_a_few() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    browser.click("#list [data-index='0']").await;
    let mut changing = replica("Host1", "aB3dE5fG7hJ9", "Spare1", "main-to-overflow", Phase::Pending);
    let change = async |changing: &mut Replica, i: u64| {
        changing.version = i;
        changing.phase = if i % 2 == 0 { Phase::Pending } else { Phase::Starting };
        world.put(vec![], vec![changing.clone()]).await;
        pause_for(60).await;
    };
    for i in 0..40 {
        change(&mut changing, i).await;
    }
    let before = nodes(&browser).await;
    for i in 40..240 {
        change(&mut changing, i).await;
    }
    pause_for(600).await;
    let after = nodes(&browser).await;
    println!("elements after 40 changes: {before}, after 240: {after}");
    assert!(after < before + before / 5 + 100, "{before} {after}");
    let kept = "const { known } = await import('/store.js'); return [known.samples.length <= 300, known.activity.length <= 200, history.length]";
    let kept = browser.run(kept).await;
    assert_eq!((&kept[0], &kept[1]), (&json!(true), &json!(true)));
    assert!(kept[2].as_u64().unwrap() <= 2, "the browser's history does not grow: {kept}");
}
