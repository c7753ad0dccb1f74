//! That nothing of what others say is obeyed, and that nobody else is asked.

use controller::Operator;
use jiff::{SignedDuration, Timestamp};
use replication::{BlockedReason, Operation, Pause, Replica};
use serde_json::json;

use crate::scene::show;
use crate::world::{World, blocked, called, last_error, publisher, replica};
use crate::{opened, pause_for, row};

/// What would run, if anybody took it for markup.
const PLANTED: &str = "<img src=x onerror=\"window.planted=1\">";

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_names_and_texts_is_text() {
    let world = World::start().await;
    world.stage("Evil", PLANTED, &[("note", PLANTED)]).await;
    world.stage("Over1", "overflow\u{202e}1", &[]).await;
    let eve = publisher("Evil", "zZ9yY8xX7wW6", PLANTED, SignedDuration::from_secs(2));
    let refused = Replica {
        last_error: last_error(PLANTED, PLANTED),
        ..replica("Evil", "zZ9yY8xX7wW6", "Over1", "evil", blocked(BlockedReason::Rejected))
    };
    world.note(called(&refused, Operation::Start, PLANTED, 3)).await;
    world.put(vec![eve], vec![refused]).await;
    let pause = Pause { reason: PLANTED.to_owned(), by: PLANTED.to_owned(), at: Timestamp::now() };
    world.table.store.pause(&pause).await.unwrap();
    let browser = opened(&world).await;
    browser.wait_for("the user id and the name, as text", &row(&["Blocked", PLANTED, "Rejected"])).await;
    browser.wait_for("the pause, as text", "document.querySelector('[data-id=pause]')").await;
    assert_eq!(browser.text("[data-id=pause]").await.matches(PLANTED).count(), 2);
    browser.wait_for("the call, as text", "document.querySelector('#activity .why')").await;
    assert!(browser.text("#activity .why").await.contains(PLANTED));
    browser.click("#list [data-index='0']").await;
    browser.wait_for("the explanation", "document.querySelectorAll('.story p').length > 1").await;
    assert!(browser.text(".story").await.contains(PLANTED));
    assert!(browser.text(".facts").await.contains(PLANTED), "the last error");
    browser.click(".facts .to").await;
    browser
        .wait_for("the stage", "document.querySelector('#panel-title').textContent.startsWith('<img')")
        .await;
    assert_eq!(browser.text("#panel-title").await, PLANTED);
    browser.run("document.querySelector('#graph').focus()").await;
    browser.click("#tab-stages").await;
    pause_for(500).await;
    browser.screenshot("planted").await;
    assert_eq!(browser.eval("document.images.length").await, json!(0));
    assert_eq!(browser.eval("typeof window.planted").await, json!("undefined"));
    let turned = browser.eval("document.body.textContent.includes('\\u202e')").await;
    assert_eq!(turned, json!(false), "nothing turns the text around");
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_asked_and_the_policy_would_not_let_it() {
    let world = World::start().await;
    show(&world).await;
    let browser = opened(&world).await;
    browser.click("#list [data-index='0']").await;
    browser.wait_for("the explanation", "document.querySelectorAll('.story p').length > 1").await;
    let asked = browser
        .eval("performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => !name.startsWith(location.origin) && !name.startsWith('data:'))")
        .await;
    assert_eq!(asked, json!([]));
    assert_eq!(browser.console().await, Vec::<String>::new(), "not even refused");
    let elsewhere = "fetch('http://127.0.0.1:9/').then(() => 'asked', () => 'refused')";
    let refused = format!(
        "const said = new Promise((told) => addEventListener('securitypolicyviolation', (event) => told(event.violatedDirective)));
         const answer = await {elsewhere}; return [answer, await said]"
    );
    assert_eq!(browser.run(&refused).await, json!(["refused", "connect-src"]));
    let markup =
        "try { document.body.innerHTML = '<p>'; return 'taken' } catch (error) { return error.name }";
    assert_eq!(browser.run(markup).await, json!("TypeError"), "markup out of text is an error");
    let script = "const made = document.createElement('script'); made.append('window.planted = 1');
        try { document.body.append(made) } catch { return 'refused' } return typeof window.planted";
    assert_ne!(browser.run(script).await, json!("number"), "a script in the page does not run");
}
