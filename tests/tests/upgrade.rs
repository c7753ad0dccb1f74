//! From one version to the next, on one table.
//!
//! `tests/fixtures/table-VERSION.json` is a table as that version left it: its code, run through [`scenario`], wrote every item.
//! Beside the items stand the journal of what was done to IVS, and what that version itself did next.
//!
//! Proven, for each such table: the present code reads every item; it plans the same calls for every publisher as the version
//! that wrote them; it goes on to the same replications with no more calls; and an item of a form that is not known is refused by
//! the number of its schema, and never taken for another.
//!
//! Not proven: that the code of an earlier version reads what is written now, for it is not here to be run; `table_format.rs` has
//! what can be said of that. Nor are times to live, nor a change of the table's keys or indexes.
//!
//! A release keeps its table: `BLESS=1 cargo test -p stagelink-tests --test upgrade -- --ignored` writes it.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use controller::sweep::port::SweepStore;
use controller::{Calls, Clock, Operator, RuleBook, StartReplication, StopReplication, Store, rules, versus};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::{
    Allowance, CallError, Capabilities, Context, Moment, Observation, ParticipantFilter, Pause, Policy,
    PublisherKey, Receipt, ReconnectWindow, ReplicationKey, StageArn, StartRequest, Status, Step,
    VersusTerms, plan,
};
use serde_json::{Value, json};
use stagelink_tests::rows::{order, ordered};
use stagelink_tests::table_world::{TableWorld, kind};
use tokio::sync::Notify;

/// The versions whose tables are kept.
const VERSIONS: [&str; 1] = ["0.1.0"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn dump(version: &str) -> Value {
    let path = fixture(&format!("table-{version}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// A world in which the table is as it was left, and IVS too.
async fn restored(dump: &Value) -> TableWorld {
    let mut world = TableWorld::start().await.unwrap();
    let now = dump["now"].as_str().unwrap().parse().unwrap();
    world.replay(list(&dump["journal"]), now).unwrap();
    for item in list(&dump["items"]) {
        world.put(item).await.unwrap();
    }
    world
}

fn by_kind(items: &[Value]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    items.iter().for_each(|item| *kinds.entry(kind(item)).or_default() += 1);
    kinds
}

// ---- what a version does --------------------------------------------------------------------------------------------

/// The calls that are planned for every publisher: by somebody who may make all of them, once no pause holds.
async fn planned(world: &TableWorld) -> Vec<String> {
    let mut calls = Vec::new();
    for publisher in world.publishers().await.unwrap() {
        let mut view = world.store.load(&publisher).await.unwrap();
        view.control.pause = None;
        let can =
            Capabilities { start: true, stop: true, verify: true, get_stage: true, get_participant: true };
        // A little later, when nobody is waited for any more who was calling.
        let (policy, now) = (Policy::default(), clock(world) + SignedDuration::from_secs(20));
        let allowance = Allowance::UNLIMITED;
        let context = Context { now, policy: &policy, can, allowance, holder: "upgrade", witness: None };
        calls.extend(plan(&view, context).steps.iter().flat_map(|step| match step {
            Step::Start(start) => vec![format!("start {}", start.key)],
            Step::Stop(stop) => vec![format!("stop {}", stop.key)],
            Step::Verify(keys) => keys.iter().map(|key| format!("verify {key}")).collect(),
        }));
    }
    calls.sort();
    calls
}

/// Goes on for some minutes: the pause is over, and nothing else happens. Gives the calls that changed IVS, and what runs then.
async fn goes_on(world: &TableWorld) -> (BTreeMap<String, usize>, Vec<String>) {
    let before = calls(world);
    world.store.resume(&order(clock(world))).await.unwrap();
    world.rule_changed().await.unwrap();
    for _ in 0..4 {
        world.minute().await.unwrap();
    }
    let mut made = calls(world);
    for (call, n) in before {
        *made.get_mut(&call).unwrap() -= n;
    }
    made.retain(|_, n| *n > 0);
    let running = world.ivs.running().into_iter();
    (made, running.map(|(source, participant, to)| format!("{source} {participant} {to}")).collect())
}

/// Successful calls that change IVS, with how often each was made.
fn calls(world: &TableWorld) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for line in world.journal() {
        let (action, input) = (&line["action"], &line["action"]["input"]);
        let names = ["sourceStageArn", "participantId", "destinationStageArn"];
        if let (Some(operation), [Some(source), Some(participant), Some(to)]) =
            (action["operation"].as_str(), names.map(|name| input[name].as_str()))
        {
            *calls.entry(format!("{operation} {source} {participant} {to}")).or_default() += 1;
        }
    }
    calls
}

// ---- the tables that are kept ---------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn every_item_of_an_earlier_version_is_read() {
    for version in VERSIONS {
        let dump = dump(version);
        let world = restored(&dump).await;
        let mut kinds = by_kind(list(&dump["items"]));
        let activity = kinds.remove("activity").unwrap_or(0);
        assert!(activity > 0, "{version}: there is history, which no function reads");
        assert_eq!(world.readable().await.unwrap(), kinds, "{version}");
        let phases = list(&dump["items"]).iter().filter_map(|item| item["phase"]["S"].as_str());
        let all = ["Active", "Blocked", "Pending", "Starting", "Stopped", "Stopping"];
        assert_eq!(phases.collect::<BTreeSet<_>>(), BTreeSet::from(all), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_calls_are_planned_for_the_table_of_an_earlier_version() {
    for version in VERSIONS {
        let dump = dump(version);
        let planned = planned(&restored(&dump).await).await;
        assert!(!planned.is_empty(), "{version}: a table with nothing to do would show nothing");
        assert_eq!(json!(planned), dump["planned"], "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_present_version_goes_on_where_an_earlier_one_stopped() {
    for version in VERSIONS {
        let dump = dump(version);
        let world = restored(&dump).await;
        let (made, running) = goes_on(&world).await;
        assert_eq!(json!(running), dump["then"]["running"], "{version}");
        for (call, n) in &made {
            let allowed = dump["then"]["calls"][call].as_u64().unwrap_or(0);
            assert!(*n as u64 <= allowed, "{version}: {call}: {n} times, and {version} made {allowed}");
        }
        let settled = world.ivs.mutations();
        world.minute().await.unwrap();
        assert_eq!(world.ivs.mutations(), settled, "{version}: and then nothing more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_an_unknown_form_is_refused_by_its_number_and_taken_for_nothing_else() {
    let dump = dump(VERSIONS[0]);
    let world = restored(&dump).await;
    let all = world.readable().await.unwrap();
    let mut seen = BTreeSet::new();
    for item in list(&dump["items"]) {
        if kind(item) == "activity" || !seen.insert(kind(item)) {
            continue;
        }
        let mut newer = item.clone();
        newer["schema"] = json!({ "N": "9" });
        refused(&world, &newer, &all, "schema is 9: allowed is 1").await;
        // A form that has nothing in common with the known one but the keys.
        let known = ["pk", "sk", "schema", "participant"];
        newer.as_object_mut().unwrap().retain(|name, _| known.contains(&&**name));
        refused(&world, &newer, &all, "(schema: 9)").await;
        world.put(item).await.unwrap();
    }
    assert_eq!(seen.len(), all.len(), "one of every kind: {seen:?}");
}

/// The first change of a rule that has no history writes down what it replaces.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_an_earlier_version_can_be_changed_and_rolled_back() {
    for version in VERSIONS {
        let world = restored(&dump(version)).await;
        let (book, id) = (&*world.store, "to-wall".parse().unwrap());
        let known = book.rules().await.unwrap().get(&id).cloned().unwrap();
        let changed =
            rules::set_status(book, &id, Status::Paused, Some(known.revision), &ordered()).await.unwrap();
        assert_eq!(changed.after.unwrap().revision, known.revision + 1);
        let revisions: Vec<_> =
            rules::all_revisions(book, &id).await.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(
            (revisions.len(), revisions[0].ordered.is_some(), revisions[1].ordered.is_some()),
            (2, true, false)
        );
        assert_eq!(revisions[1].rule.as_ref(), Some(&known));
        rules::delete(book, &id, None, &ordered()).await.unwrap();
        let back = rules::rollback(book, &id, Some(known.revision), Some(0), &ordered())
            .await
            .unwrap()
            .after
            .unwrap();
        assert!(back.says_the_same(&known) && back.revision == known.revision + 3, "{version}: {back:?}");
    }
}

/// After a way back, rules of a later version may be there, whose replicas run: nobody knows that they are not wanted any more.
#[tokio::test(flavor = "multi_thread")]
async fn rules_of_a_form_that_is_not_known_stop_and_start_nothing() {
    let mut world = TableWorld::start().await.unwrap();
    let main = create(&mut world, "main", &json!({ "role": "main" }));
    let [wall, red] = ["wall", "red"].map(|name| create(&mut world, name, &json!({})));
    let rules = format!(
        "rules:
  - {{ id: of-stage, source: {{ stage: \"{main}\" }}, destinations: [ {{ stage: \"{wall}\" }} ] }}
  - {{ id: of-tag, source: {{ tags: {{ role: main }} }}, destinations: [ {{ stage: \"{red}\" }} ] }}
"
    );
    world.address.replace_rules(&rules).await.unwrap();
    world.minute().await.unwrap();
    let news = publishes(&mut world, &main, "before");
    world.tell(&news, world.calls()).await.unwrap();
    let running = world.ivs.running();
    assert_eq!(running.len(), 2);

    for mut item in world.items().await.unwrap().into_iter().filter(|item| kind(item) == "rule") {
        item["schema"] = json!({ "N": "9" });
        world.put(&item).await.unwrap();
    }
    let (made, runs) = goes_on(&world).await;
    assert_eq!((made.len(), runs.len()), (0, 2), "{made:?}");
    let news = publishes(&mut world, &main, "after");
    world.tell(&news, world.calls()).await.unwrap();
    assert_eq!(world.ivs.running(), running);
    // Who has left is not kept for a rule that nobody can read.
    leave(&world, &main, "before", false).await;
    goes_on(&world).await;
    assert_eq!(world.ivs.running().len(), 0);
}

/// That an item is left out, or is an error that says so.
async fn refused(world: &TableWorld, item: &Value, all: &BTreeMap<&'static str, usize>, says: &str) {
    world.put(item).await.unwrap();
    match world.readable().await {
        Ok(read) => assert!(read[kind(item)] < all[kind(item)], "{item} was read as if it were known"),
        Err(error) => assert!(words(&*error).contains(says), "{item}: {}", words(&*error)),
    }
}

fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

// ---- the scenario ---------------------------------------------------------------------------------------------------

/// Somebody who calls IVS and is killed before the answer.
struct Killed(Arc<Notify>);

impl StartReplication for Killed {
    fn start_participant_replication<'a>(
        &'a self,
        _: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        self.0.notify_one();
        std::future::pending().boxed()
    }
}

impl StopReplication for Killed {
    fn stop_participant_replication<'a>(
        &'a self,
        _: &'a ReplicationKey,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        self.0.notify_one();
        std::future::pending().boxed()
    }
}

/// The stages of the scenario.
struct Stages {
    main: String,
    wall: String,
    red: String,
    blue: String,
}

fn create(world: &mut TableWorld, name: &str, tags: &Value) -> String {
    world.act(json!({ "stage": name, "tags": tags })).unwrap().as_str().unwrap().to_owned()
}

/// A participant publishes, and the news of it.
fn publishes(world: &mut TableWorld, stage: &str, participant: &str) -> Observation {
    let attributes = json!({ "role": "host" });
    let publish = json!({ "stageArn": stage, "participantId": participant, "userId": participant,
        "attributes": attributes });
    let published = world.act(json!({ "publish": publish })).unwrap();
    Observation::Published {
        key: key(stage, participant),
        session: published["sessionId"].as_str().unwrap().parse().unwrap(),
        user_id: participant.to_owned(),
        at: moment(world),
    }
}

fn key(stage: &str, participant: &str) -> PublisherKey {
    PublisherKey { stage: stage.parse().unwrap(), participant: participant.parse().unwrap() }
}

fn clock(world: &TableWorld) -> Timestamp {
    Clock::now(&*world.ivs)
}

fn moment(world: &TableWorld) -> Moment {
    Moment::exact(clock(world))
}

/// News to a function that is killed while it calls.
async fn killed(world: &TableWorld, news: &Observation) {
    let called = Arc::new(Notify::new());
    let hand = Arc::new(Killed(called.clone()));
    let calls = Calls { start: Some(hand.clone()), stop: Some(hand), ..Calls::default() };
    tokio::select! {
        handled = world.tell(news, calls) => panic!("it was not killed: {handled:?}"),
        () = called.notified() => {}
    }
}

/// Rules of every form, publishers and replications in every phase, a versus session, a sweep, and at last a pause.
async fn scenario(world: &mut TableWorld) -> Stages {
    let main = create(world, "main", &json!({ "role": "main", "show": "a" }));
    create(world, "over", &json!({ "role": "overflow", "show": "a" }));
    let [wall, red, blue] = ["wall", "red", "blue"].map(|name| create(world, name, &json!({})));
    let gone = main.replace("stage/", "stage/gone");
    let rules = format!(
        "rules:
  - id: to-wall
    source: {{ stage: \"{main}\" }}
    destinations: [ {{ stage: \"{wall}\" }} ]
    reconnect_window_seconds: 30
    attributes: {{ via: main }}
    record_replicas: false
  - id: overflow
    priority: 70
    source: {{ tags: {{ role: main }} }}
    participants: {{ user_id: \"*\", attributes: {{ role: host }} }}
    destinations: [ {{ tags: {{ role: overflow }}, same: [ show ] }} ]
    preempt: true
  - id: to-nowhere
    source: {{ stage: \"{main}\" }}
    participants: {{ user_id: \"active\" }}
    destinations: [ {{ stage: \"{gone}\" }} ]
    expires_at: 2026-01-01T06:00:00Z
"
    );
    world.address.replace_rules(&rules).await.unwrap();
    world.minute().await.unwrap();

    // Both of its replications run, and the third has no destination: Active and Blocked.
    let news = publishes(world, &main, "active");
    world.tell(&news, world.calls()).await.unwrap();
    // Everything stopped: Stopped.
    let news = publishes(world, &main, "stopped");
    world.tell(&news, world.calls()).await.unwrap();
    world.wait(SignedDuration::from_secs(5));
    leave(world, &main, "stopped", false).await;
    // Somebody else's, which is in the inventory and not ours.
    publishes(world, &red, "foreign");
    let foreign = json!({ "sourceStageArn": red, "participantId": "foreign", "destinationStageArn": wall });
    world.ivs.simulator.call("StartParticipantReplication", foreign).unwrap();
    world.wait(SignedDuration::from_secs(60));

    versus_session(world, &red, &blue).await;
    world.minute().await.unwrap();

    // A Stop whose outcome nobody knows: Stopping.
    let news = publishes(world, &main, "stopping");
    world.tell(&news, world.calls()).await.unwrap();
    world.wait(SignedDuration::from_secs(5));
    leave(world, &main, "stopping", true).await;
    // A Start whose outcome nobody knows: Starting. One that nobody made yet: Pending.
    let news = publishes(world, &main, "starting");
    killed(world, &news).await;
    let news = publishes(world, &main, "pending");
    world.tell(&news, Calls::default()).await.unwrap();

    // A sweep of a larger account counts its replicas.
    world.store.remember_running(13).await.unwrap();
    let at = clock(world);
    world.store.release_brake(at + SignedDuration::from_mins(5), &order(at)).await.unwrap();
    let pause = Pause { reason: "an upgrade".to_owned(), by: "kim".to_owned(), at };
    world.store.pause(&pause).await.unwrap();
    Stages { main, wall, red, blue }
}

/// A participant is said to have stopped publishing; on IVS it is still there, so that a Stop is needed.
async fn leave(world: &TableWorld, stage: &str, participant: &str, kill: bool) {
    let key = key(stage, participant);
    let view = world.store.load(&key).await.unwrap();
    let session = view.publisher.unwrap().session.unwrap();
    let news = Observation::Unpublished { key, session, user_id: String::new(), at: moment(world) };
    world.wait(SignedDuration::from_secs(40));
    if kill { killed(world, &news).await } else { drop(world.tell(&news, world.calls()).await.unwrap()) }
}

async fn versus_session(world: &mut TableWorld, red: &str, blue: &str) {
    for (stage, participant) in [(red, "red-1"), (blue, "blue-1")] {
        publishes(world, stage, participant);
    }
    let stages: Vec<StageArn> = [red, blue].map(|stage| stage.parse().unwrap()).into();
    let terms = VersusTerms {
        id: "final".parse().unwrap(),
        stages,
        duration_seconds: 3_600,
        priority: 60,
        preempt: false,
        reconnect_window: ReconnectWindow::default(),
        participants: ParticipantFilter::default(),
        attributes: BTreeMap::new(),
    };
    versus::start(&*world.store, terms, clock(world)).await.unwrap();
}

/// Writes the table of this version. Not for every run: a table that is kept is not written anew.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the table of this version, with BLESS=1"]
async fn this_version_leaves_its_table() {
    let mut world = TableWorld::start().await.unwrap();
    let stages = scenario(&mut world).await;
    let now = clock(&world);
    let mut dump =
        json!({ "now": now.to_string(), "journal": world.journal(), "items": world.items().await.unwrap() });
    let restored = restored(&dump).await;
    assert_eq!(restored.ivs.running(), world.ivs.running(), "IVS can be brought back to where it was");
    dump["planned"] = json!(planned(&restored).await);
    let (calls, running) = goes_on(&restored).await;
    dump["then"] = json!({ "calls": calls, "running": running });
    let has =
        |source: &str, participant: &str, to: &str| running.contains(&format!("{source} {participant} {to}"));
    assert!(
        has(&stages.main, "pending", &stages.wall) && has(&stages.red, "red-1", &stages.blue),
        "{running:#?}"
    );
    if std::env::var_os("BLESS").is_some() {
        let path = fixture(&format!("table-{}.json", env!("CARGO_PKG_VERSION")));
        std::fs::write(path, lines(&dump)).unwrap();
    }
}

/// One line for each item and each entry of a list, so that a person can read it.
fn lines(dump: &Value) -> String {
    let mut text = "{\n".to_owned();
    let members = dump.as_object().unwrap();
    for (i, (name, value)) in members.iter().enumerate() {
        let comma = if i + 1 < members.len() { "," } else { "" };
        match value.as_array() {
            Some(entries) => {
                let entries: Vec<_> = entries.iter().map(|entry| format!("    {entry}")).collect();
                text += &format!("  \"{name}\": [\n{}\n  ]{comma}\n", entries.join(",\n"));
            }
            None => text += &format!("  \"{name}\": {value}{comma}\n"),
        }
    }
    text + "}\n"
}
