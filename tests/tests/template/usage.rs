//! What each function does under its role, seen on the wire: it is played through short steps, and every action that it used is
//! granted, and every action that is granted was used. So a call that is new, or one that is gone, is missed here.
//!
//! The steps are those of the rehearsal (`tests/rehearsal/steps.py`), where the same is done under the roles themselves.

use std::collections::{BTreeMap, BTreeSet};

use controller::sweep::port::SweepStore;
use controller::{Store, VersusStore, Write};
use http_api::Api;
use ivs_sim::Publish;
use jiff::{SignedDuration, Timestamp};
use replication::{
    Destination, Moment, ParticipantFilter, Publisher, PublisherKey, Rule, StageArn, Tags, Versus,
    VersusTerms,
};
use serde_json::{Value, json};
use stagelink_tests::World;
use stagelink_tests::http::{Asked, api};
use stagelink_tests::rows::{ordered, rule};
use stagelink_tests::wire::Request;
use stagelink_tests::world::with_time;

use crate::{permissions, template};

/// An action, and on what: `table`, the name of an index, or `stage`.
type Use = (String, String);

/// What a recorded request needs to be allowed.
fn uses(request: &Request) -> BTreeSet<Use> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let on_table = |action: &str| (format!("dynamodb:{action}"), "table".to_owned());
    match request.operation.as_str() {
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().unwrap().iter();
            items
                .map(|item| match item.as_object().unwrap().keys().next().unwrap().as_str() {
                    "Put" => on_table("PutItem"),
                    "Update" => on_table("UpdateItem"),
                    "Delete" => on_table("DeleteItem"),
                    other => on_table(other),
                })
                .collect()
        }
        "Query" if body["IndexName"].is_string() => {
            [("dynamodb:Query".to_owned(), body["IndexName"].as_str().unwrap().to_owned())].into()
        }
        operation if body["TableName"].is_string() => [on_table(operation)].into(),
        operation => [(format!("ivs:{operation}"), "stage".to_owned())].into(),
    }
}

/// What a function's role grants.
fn granted(id: &str) -> BTreeSet<Use> {
    let template = template();
    let statements = template.pointer(&format!("/Resources/{id}/Properties/Policies/0/Statement"));
    let mut granted = BTreeSet::new();
    for statement in statements.and_then(Value::as_array).unwrap() {
        let resources = match &statement["Resource"] {
            Value::Array(resources) => resources.clone(),
            one => vec![one.clone()],
        };
        for resource in resources.iter().map(Value::to_string) {
            let index = resource.split("/index/").nth(1).map(|rest| rest.trim_matches(['"', '}']).to_owned());
            let on = index
                .unwrap_or_else(|| if resource.contains("stage") { "stage" } else { "table" }.to_owned());
            let actions = statement["Action"].as_array().unwrap().iter();
            granted.extend(actions.map(|action| (action.as_str().unwrap().to_owned(), on.clone())));
        }
    }
    granted
}

/// A world for one step, and what the function of that step is about used in it.
struct Bench {
    world: World,
    a: String,
    b: String,
}

impl Bench {
    async fn new() -> Self {
        let world = World::start().await.unwrap();
        let (a, b) = (world.stage("a"), world.stage("b"));
        Self { world, a, b }
    }

    async fn rules(&self, rules: &[Rule]) {
        self.world.store.replace_rules(rules, &ordered()).await.unwrap();
    }

    async fn replicates(&self) {
        self.rules(&[rule("r", &self.a, &self.b)]).await;
    }

    /// A rule that depends on the tags of both stages and on an attribute of the token, and a directory that says where it leads.
    async fn selects(&self) {
        let tags: Tags =
            [("role".to_owned(), "overflow".to_owned()), ("show".to_owned(), "1".to_owned())].into();
        for stage in [&self.a, &self.b] {
            self.world.simulator.call("TagResource", json!({ "resourceArn": stage, "tags": tags })).unwrap();
        }
        let destination = [("role".to_owned(), "overflow".to_owned())].into();
        let attributes = [("role".to_owned(), "host".parse().unwrap())].into();
        let selecting = Rule {
            participants: ParticipantFilter { user_id: None, attributes },
            destinations: vec![Destination::Tags { tags: destination, same: vec!["show".to_owned()] }],
            ..rule("by-tag", &self.a, &self.b)
        };
        self.rules(&[selecting]).await;
        let directory = BTreeMap::from([(self.b.parse::<StageArn>().unwrap(), Some(tags))]);
        self.world.store.remember_destinations(&directory).await.unwrap();
    }

    fn publish(&self, stage: &str, who: &str) -> String {
        let publish = Publish {
            stage_arn: stage.to_owned(),
            participant_id: Some(who.to_owned()),
            attributes: [("role".to_owned(), "host".to_owned())].into(),
            ..Publish::default()
        };
        self.world.simulator.publish(publish).unwrap().session_id
    }

    /// Somebody publishes on the first stage; the event of it.
    async fn published(&mut self, who: &str) -> Value {
        self.publish(&self.a.clone(), who);
        self.event("Participant Published").await
    }

    async fn event(&mut self, name: &str) -> Value {
        self.world.event(name).await.unwrap()
    }

    /// An IVS call of somebody else's, about a replication from the first stage to the second.
    fn call(&self, operation: &str, who: &str) {
        let input = json!({ "sourceStageArn": self.a, "destinationStageArn": self.b, "participantId": who });
        self.world.simulator.call(operation, input).unwrap();
    }

    /// Gives an event to a function; what that used.
    async fn told(&self, function: &'static str, event: Value) -> BTreeSet<Use> {
        let function = self.world.function(function).await;
        let _ = function.handle(with_time(event, 4)).await;
        self.used()
    }

    async fn dispatched(&self) -> BTreeSet<Use> {
        self.world.recording.take();
        let _ = self.world.dispatch().handle(with_time(Value::Null, 8)).await;
        self.used()
    }

    async fn swept(&self) -> BTreeSet<Use> {
        self.world.recording.take();
        let _ = self.world.reconcile().handle(with_time(Value::Null, 15)).await;
        self.used()
    }

    async fn rules_changed(&self, pk: &str) -> BTreeSet<Use> {
        self.world.recording.take();
        let keys = json!({ "pk": { "S": pk }, "sk": { "S": "RULE#r" } });
        let records = json!({ "Records": [{ "eventName": "MODIFY", "dynamodb": { "Keys": keys } }] });
        let _ = self.world.rule_changed().handle(with_time(records, 15)).await;
        self.used()
    }

    fn used(&self) -> BTreeSet<Use> {
        self.world.recording.take().iter().flat_map(uses).collect()
    }

    /// Somebody who is replicated to the second stage.
    async fn replicated(&mut self, who: &str) -> Value {
        self.replicates().await;
        let event = self.published(who).await;
        self.told("participant-published", event.clone()).await;
        assert_eq!(self.world.simulator.replicas().len(), 1);
        event
    }

    /// A start that is due.
    async fn due(&mut self, who: &str) {
        let nobody =
            ParticipantFilter { user_id: Some("nobody".parse().unwrap()), attributes: BTreeMap::new() };
        self.rules(&[Rule { participants: nobody, ..rule("r", &self.a, &self.b) }]).await;
        let event = self.published(who).await;
        self.told("participant-published", event).await;
        self.replicates().await;
        self.rules_changed(&format!("STAGE#{}", self.a)).await;
    }

    async fn delete(&self, pk: &str, sk: &str) {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let input = json!({ "TableName": self.world.table(), "Key": key });
        self.world.dynamodb("DeleteItem", &input).await.unwrap();
    }
}

fn with(event: &Value, fields: Value) -> Value {
    let mut event = event.clone();
    let now = Timestamp::now().to_string();
    let detail = event["detail"].as_object_mut().unwrap();
    detail.insert("event_time".to_owned(), now.clone().into());
    detail.insert("event_time_precise".to_owned(), now.into());
    detail.extend(fields.as_object().unwrap().clone());
    event
}

async fn participant_published() -> BTreeSet<Use> {
    let mut all = BTreeSet::new();
    // Somebody is replicated.
    let mut bench = Bench::new().await;
    bench.replicates().await;
    let event = bench.published("p").await;
    all.extend(bench.told("participant-published", event).await);
    // Somebody else has started it: IVS refuses, and ListParticipantReplicas tells.
    let mut bench = Bench::new().await;
    bench.replicates().await;
    let event = bench.published("p").await;
    bench.call("StartParticipantReplication", "p");
    all.extend(bench.told("participant-published", event).await);
    // The participant has left already: the place at the destination is free again, and given on.
    let mut bench = Bench::new().await;
    bench.replicates().await;
    let event = bench.published("p").await;
    bench.world.simulator.leave(&bench.a, "p").unwrap();
    all.extend(bench.told("participant-published", event).await);
    // A rule by tag and by attribute: GetStage and GetParticipant.
    let mut bench = Bench::new().await;
    bench.selects().await;
    let event = bench.published("p").await;
    all.extend(bench.told("participant-published", event).await);
    all
}

async fn participant_unpublished() -> BTreeSet<Use> {
    let mut all = BTreeSet::new();
    // Who leaves is replicated no more.
    let mut bench = Bench::new().await;
    bench.replicated("p").await;
    bench.world.simulator.leave(&bench.a, "p").unwrap();
    let event = bench.event("Participant Unpublished").await;
    all.extend(bench.told("participant-unpublished", event).await);
    // IVS keeps the replica of somebody who is only gone by the news: it has to be stopped. Then somebody else has stopped it.
    for stopped in [false, true] {
        let mut bench = Bench::new().await;
        let event = bench.replicated("p").await;
        if stopped {
            bench.call("StopParticipantReplication", "p");
        }
        let left = with(&event, json!({ "event_name": "Participant Unpublished" }));
        all.extend(bench.told("participant-unpublished", left).await);
    }
    all
}

async fn replication_changed() -> BTreeSet<Use> {
    // A replication ended that no rule wants: its place is free, and given on.
    let mut bench = Bench::new().await;
    bench.replicated("p").await;
    bench.rules(&[]).await;
    bench.call("StopParticipantReplication", "p");
    let event = bench.event("Participant Replication End").await;
    bench.told("replication-changed", with(&event, json!({}))).await
}

async fn rule_changed() -> BTreeSet<Use> {
    let mut all = BTreeSet::new();
    // A rule for any stage changed: every publisher is planned again.
    let mut bench = Bench::new().await;
    bench.replicated("p").await;
    bench.rules(&[]).await;
    all.extend(bench.rules_changed("STAGE#*").await);
    // A rule is gone, and so is its replica, of which nobody has drawn the conclusion: its place is free, and given on.
    let mut bench = Bench::new().await;
    bench.replicated("p").await;
    bench.rules(&[]).await;
    let mut replica = bench.world.store.replicas().await.unwrap().pop().unwrap();
    replica.evidence.saw_off(Moment::exact(Timestamp::now()));
    bench.world.store.write(&Write { replicas: vec![replica], ..Write::default() }).await.unwrap();
    all.extend(bench.rules_changed(&format!("STAGE#{}", bench.a)).await);
    all
}

async fn dispatch() -> BTreeSet<Use> {
    let mut all = BTreeSet::new();
    // A new rule for somebody who publishes already; and one whose replica somebody else has started.
    for started in [false, true] {
        let mut bench = Bench::new().await;
        bench.due("p").await;
        if started {
            bench.call("StartParticipantReplication", "p");
        }
        all.extend(bench.dispatched().await);
    }
    // A rule is gone.
    let mut bench = Bench::new().await;
    bench.replicated("p").await;
    bench.rules(&[]).await;
    bench.rules_changed(&format!("STAGE#{}", bench.a)).await;
    all.extend(bench.dispatched().await);
    // A rule by tag and by attribute came while something is due.
    let mut bench = Bench::new().await;
    bench.due("p").await;
    bench.selects().await;
    all.extend(bench.dispatched().await);
    // A versus session begins where somebody unknown publishes, and somebody known of an earlier session.
    let mut bench = Bench::new().await;
    bench.publish(&bench.a.clone(), "unknown");
    bench.known_of_an_earlier_session("known").await;
    bench.versus(0).await;
    all.extend(bench.dispatched().await);
    // One on whose stages nobody publishes has failed: its rules are deleted.
    let bench = Bench::new().await;
    bench.versus(-60).await;
    all.extend(bench.dispatched().await);
    all
}

impl Bench {
    async fn known_of_an_earlier_session(&mut self, who: &str) {
        let key = PublisherKey { stage: self.a.parse().unwrap(), participant: who.parse().unwrap() };
        let mut publisher =
            Publisher { session: Some("st-0123456789abc".parse().unwrap()), ..Publisher::new(key) };
        publisher.evidence.saw_on(Moment::exact(Timestamp::now() - SignedDuration::from_secs(90)));
        self.world.store.write(&Write { publisher: Some(publisher), ..Write::default() }).await.unwrap();
    }

    async fn versus(&self, seconds: i64) {
        let stages = vec![self.a.parse().unwrap(), self.b.parse().unwrap()];
        let terms = VersusTerms::new("duel".parse().unwrap(), stages, 300);
        let session = Versus::new(terms, Timestamp::now() + SignedDuration::from_secs(seconds));
        self.world.store.write_versus(&session).await.unwrap();
    }
}

async fn reconcile() -> BTreeSet<Use> {
    let mut all = BTreeSet::new();
    // Somebody publishes of whom nothing was heard, under a rule that depends on tags and on the token's attributes.
    let bench = Bench::new().await;
    bench.selects().await;
    bench.publish(&bench.a, "p");
    all.extend(bench.swept().await);
    // Somebody is known to publish in a session that is over.
    let mut bench = Bench::new().await;
    bench.replicates().await;
    bench.publish(&bench.a.clone(), "unknown");
    bench.known_of_an_earlier_session("known").await;
    all.extend(bench.swept().await);
    // A replica that should be running is not there; and somebody has a place, and no replica.
    let mut bench = Bench::new().await;
    bench.replicated("p").await;
    bench.call("StopParticipantReplication", "p");
    let mut replica = bench.world.store.replicas().await.unwrap().pop().unwrap();
    replica.evidence = Default::default();
    replica.evidence.saw_on(Moment::exact(Timestamp::now() - SignedDuration::from_secs(60)));
    bench.world.store.write(&Write { replicas: vec![replica], ..Write::default() }).await.unwrap();
    all.extend(bench.swept().await);
    let mut bench = Bench::new().await;
    bench.replicated("p").await;
    bench.delete(&format!("STAGE#{}", bench.a), &format!("REP#p#{}", bench.b)).await;
    all.extend(bench.swept().await);
    // A rule wants replicas not to be recorded, at a stage that records them.
    let bench = Bench::new().await;
    bench.rules(&[Rule { record_replicas: Some(false), ..rule("r", &bench.a, &bench.b) }]).await;
    let storage = "arn:aws:ivs:us-east-1:123456789012:storage-configuration/abcdABCDefgh";
    let recording = json!({ "storageConfigurationArn": storage, "recordParticipantReplicas": true });
    let input = json!({ "arn": bench.b, "autoParticipantRecordingConfiguration": recording });
    bench.world.simulator.call("UpdateStage", input).unwrap();
    all.extend(bench.swept().await);
    // A stage is in the directory that no rule can select.
    let bench = Bench::new().await;
    let directory = BTreeMap::from([(bench.b.parse::<StageArn>().unwrap(), Some(Tags::new()))]);
    bench.world.store.remember_destinations(&directory).await.unwrap();
    all.extend(bench.swept().await);
    all
}

async fn asked(bench: &Bench, api: &Api, asked: Asked) -> BTreeSet<Use> {
    asked.of(api).await;
    bench.used()
}

async fn api_function() -> BTreeSet<Use> {
    let bench = Bench::new().await;
    let api = api(&bench.world).await;
    let body = json!({ "id": "r", "source": { "stage": bench.a }, "destinations": [{ "stage": bench.b }] });
    let versus = json!({ "stages": [bench.a, bench.b], "duration_seconds": 60, "id": "duel" });
    let mut all = BTreeSet::new();
    for request in [
        Asked::get("/health", ""),
        Asked::get("/rules", ""),
        Asked::get("/replicas", &format!("destination={}", bench.b)),
        Asked::get("/publishers", &format!("stage={}", bench.a)),
        Asked::get("/explain", &format!("stage={}&participant=p", bench.a)),
        Asked::get("/activity", &format!("stage={}", bench.a)),
        Asked::post("/rules", &body).key("key"),
        Asked::new("POST", "/rules/r/pause"),
        Asked::new("POST", "/rules/r/rollback"),
        Asked::get("/rules/r", ""),
        Asked::get("/rules/r/history", ""),
        Asked::new("DELETE", "/rules/r").if_match(3),
        Asked::post("/versus", &versus),
        Asked::get("/versus", ""),
        Asked::post("/versus/duel/extend", &json!({ "for_seconds": 90 })),
        Asked::new("POST", "/versus/duel/end"),
        Asked::post("/plan", &json!({ "rules": [] })),
    ] {
        all.extend(asked(&bench, &api, request).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_uses_all_that_it_is_granted_and_nothing_else() {
    let (mut wrong, mut checked) = (Vec::new(), BTreeSet::new());
    let (one, two, three) =
        tokio::join!(participant_published(), participant_unpublished(), replication_changed());
    let (four, five, six, seven) = tokio::join!(rule_changed(), dispatch(), reconcile(), api_function());
    for (id, used) in [
        ("ParticipantPublished", one),
        ("ParticipantUnpublished", two),
        ("ReplicationChanged", three),
        ("RuleChanged", four),
        ("Dispatch", five),
        ("Reconcile", six),
        ("Api", seven),
    ] {
        let granted = granted(id);
        wrong.extend(
            used.difference(&granted).map(|(action, on)| format!("{id} used {action} on {on}, and may not")),
        );
        wrong.extend(
            granted.difference(&used).map(|(action, on)| format!("{id} may {action} on {on}, and never did")),
        );
        checked.insert(id);
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(checked, permissions::FUNCTIONS.map(|(id, _)| id).into());
}
