//! Events that somebody made up: whoever may put events in the name of IVS can claim what they like, and gains what a publisher can
//! have anyway.

#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::rows::rule;
use stagelink_tests::world::with_time;

struct Scene {
    world: World,
    source: String,
    destination: String,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await.unwrap();
        let (source, destination) = (world.stage("source"), world.stage("destination"));
        world.rules(&[rule("main", &source, &destination)]).await.unwrap();
        Self { world, source, destination }
    }

    /// An event that tells of `who`, at so many seconds from now.
    fn event(&self, name: &str, who: &str, seconds: i64) -> Value {
        self.event_at(name, who, Timestamp::now() + SignedDuration::from_secs(seconds))
    }

    fn event_at(&self, name: &str, who: &str, at: Timestamp) -> Value {
        let at = at.to_string();
        json!({
            "version": "0", "id": "forged", "detail-type": "IVS Stage Update", "source": "aws.ivs", "account": "123456789012",
            "time": at, "region": "us-east-1", "resources": [self.source],
            "detail": { "session_id": "st-0123456789abc", "event_name": name, "event_time": at, "user_id": "", "participant_id": who },
        })
    }

    /// What the function of this name makes of it, in a word.
    async fn told(&self, function: &'static str, event: Value) -> String {
        let function = self.world.function(function).await;
        match function.handle(with_time(event, 3)).await {
            Ok(answer) => answer["handled"].as_str().unwrap().to_owned(),
            Err(failure) => failure.error_type().to_owned(),
        }
    }

    /// A sweep, and what is due then.
    async fn reconciled(&self) {
        self.world.sweep().await.unwrap();
        self.world.dispatch().handle(with_time(Value::Null, 10)).await.unwrap();
    }

    fn written(&self) -> usize {
        let requests = self.world.recording.take();
        requests.iter().filter(|request| request.operation == "TransactWriteItems").count()
    }
}

/// IVS is asked to start, for an event is a hint; it refuses, and nothing runs, has a place or is counted.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_only_said_to_publish_is_nowhere() {
    let scene = Scene::start().await;
    let event = scene.event("Participant Published", "nobody", 0);
    scene.told("participant-published", event).await;
    assert!(scene.world.simulator.replicas().is_empty());
    let replicas = scene.world.store.replicas().await.unwrap();
    assert!(replicas.iter().all(|replica| !replica.holds_slot()), "{replicas:?}");
}

/// News from the future would stand against all that is still to come.
#[tokio::test(flavor = "multi_thread")]
async fn news_from_the_future_is_refused_and_leaves_nothing() {
    let mut scene = Scene::start().await;
    let who = scene.world.publish(&scene.source).unwrap();
    let published = scene.world.event("Participant Published").await.unwrap();
    for name in ["Participant Published", "Participant Unpublished"] {
        let function =
            if name.ends_with("Unpublished") { "participant-unpublished" } else { "participant-published" };
        let event = scene.event(name, &who, 600);
        assert_eq!(scene.told(function, event).await, "Malformed");
    }
    assert_eq!(scene.written(), 0);
    assert_eq!(scene.told("participant-published", published).await, "settled");
    assert_eq!(scene.world.simulator.replicas().len(), 1);
}

/// Who is said to have left in the second in which it began to publish is released, and comes back with the next sweep: there is
/// reason to doubt, and IVS is asked. If it is said of a later second, it is believed until there is newer news.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_only_said_to_have_left_is_back_after_a_sweep_or_with_newer_news() {
    let mut scene = Scene::start().await;
    let who = scene.world.publish(&scene.source).unwrap();
    let published = scene.world.event("Participant Published").await.unwrap();
    let began: Timestamp = published["time"].as_str().unwrap().parse().unwrap();
    let second = Timestamp::from_second(began.as_second()).unwrap();
    assert_eq!(scene.told("participant-published", published).await, "settled");

    let left =
        scene.event_at("Participant Unpublished", &who, second + SignedDuration::from_nanos(999_999_999));
    scene.told("participant-unpublished", left).await;
    scene.reconciled().await;
    assert_eq!(scene.world.simulator.replicas().len(), 1);

    let left = scene.event_at("Participant Unpublished", &who, second + SignedDuration::from_secs(2));
    scene.told("participant-unpublished", left).await;
    scene.reconciled().await;
    assert_eq!(scene.world.simulator.replicas().len(), 0);
    let again = scene.event_at("Participant Published", &who, second + SignedDuration::from_secs(4));
    scene.told("participant-published", again).await;
    assert_eq!(scene.world.simulator.replicas().len(), 1);
}

/// Another source, another detail type, a stage of somebody else, a replica that is its own source: nothing is called.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_us_makes_no_call() {
    let scene = Scene::start().await;
    let with = |path: &str, value: Value| {
        let mut event = scene.event("Participant Published", "p", 0);
        *event.pointer_mut(path).unwrap() = value;
        event
    };
    let elsewhere = "arn:aws:ivs:us-east-1:210987654321:stage/AbCdEfGhIjKl";
    let mut own_source = with("/resources/0", scene.destination.as_str().into());
    own_source["detail"]["replica"] = true.into();
    own_source["detail"]["source_stage_arn"] = scene.destination.as_str().into();
    for (event, expected) in [
        (with("/source", "aws.ivs.evil".into()), "ignored"),
        (with("/source", "AWS.IVS".into()), "ignored"),
        (with("/detail-type", "IVS Stage Update ".into()), "ignored"),
        (with("/resources/0", elsewhere.into()), "unconcerned"),
        (own_source, "ignored"),
    ] {
        assert_eq!(scene.told("participant-published", event).await, expected);
    }
    assert_eq!(scene.written(), 0);
    assert!(scene.world.simulator.ledger().is_empty());
}
