//! Participants who publish and stop again all the time, each time at the cost of calls: others get their replicas all the same. On
//! virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::Clock;
use ivs_sim::{Config, LedgerEntry, Publish};
use jiff::Timestamp;
use replication::{Destination, Moment, Observation, PublisherKey, Rule, SessionId, StageArn};
use stagelink_tests::in_process::InProcess;
use stagelink_tests::rows::rule;

/// As many as IVS lets publish on one stage.
const FLAPPERS: usize = 12;

struct Scene {
    world: Arc<InProcess>,
    noisy: StageArn,
    quiet: StageArn,
}

impl Scene {
    /// A stage whose publishers are replicated to five others, and one whose publishers are replicated to one, by rules of these
    /// priorities.
    fn new(noisy_priority: u8, quiet_priority: u8) -> Self {
        let world = InProcess::new(Config::default());
        let stage =
            |name: &str| -> StageArn { world.simulator.create_stage(name, BTreeMap::new()).parse().unwrap() };
        let (noisy, quiet) = (stage("noisy"), stage("quiet"));
        let to = |name: &str| Destination::Stage(stage(name));
        let many = ["one", "two", "three", "four", "five"].map(to).into();
        world.rules(vec![
            Rule {
                priority: noisy_priority,
                destinations: many,
                ..rule("noisy", noisy.as_str(), quiet.as_str())
            },
            Rule {
                priority: quiet_priority,
                destinations: vec![to("six")],
                ..rule("quiet", quiet.as_str(), noisy.as_str())
            },
        ]);
        Self { world, noisy, quiet }
    }

    /// Somebody begins to publish, or stops, and the event of it is delivered.
    async fn publish(&self, stage: &StageArn, who: &str, on: bool) {
        let key = PublisherKey { stage: stage.clone(), participant: who.parse().unwrap() };
        let (user_id, at) = (String::new(), Moment::exact(self.world.now()));
        let news = if on {
            let publish = Publish {
                stage_arn: stage.to_string(),
                participant_id: Some(who.to_owned()),
                ..Publish::default()
            };
            let session: SessionId =
                self.world.simulator.publish(publish).unwrap().session_id.parse().unwrap();
            Observation::Published { key, session, user_id, at }
        } else {
            self.world.simulator.unpublish(stage.as_str(), who).unwrap();
            Observation::Unpublished { key, session: "st-1".parse().unwrap(), user_id, at }
        };
        let function = self.world.event_function(on, !on);
        function.handle(&news, &self.world.invocation("event", 4)).await.unwrap();
    }

    /// Starts of this participant that IVS accepted.
    fn starts(&self, who: &str) -> Vec<LedgerEntry> {
        let ledger = self.world.simulator.ledger().into_iter();
        let starts =
            ledger.filter(|entry| entry.operation == "StartParticipantReplication" && entry.status == 200);
        starts.filter(|entry| entry.key.split(' ').nth(1) == Some(who)).collect()
    }
}

/// How long the only one who does not flap waits, in seconds, and how many calls the others cost.
async fn waits(noisy_priority: u8, quiet_priority: u8) -> (f64, usize) {
    let scene = Scene::new(noisy_priority, quiet_priority);
    let mut came: Option<Timestamp> = None;
    for round in 0..40 {
        for i in 0..FLAPPERS {
            scene.publish(&scene.noisy, &format!("flapper-{i}"), round % 2 == 0).await;
        }
        if round == 10 {
            came = Some(scene.world.now());
            scene.publish(&scene.quiet, "host", true).await;
        }
        scene.world.dispatch().await.unwrap();
        scene.world.wait(1);
    }
    let flapped: usize = (0..FLAPPERS).map(|i| scene.starts(&format!("flapper-{i}")).len()).sum();
    let started = scene.starts("host").first().expect("the host is replicated").at;
    (started.duration_since(came.unwrap()).as_secs_f64(), flapped)
}

#[tokio::test]
async fn who_does_not_flap_is_replicated_whoever_does() {
    let (equal, flapped) = waits(50, 50).await;
    let (higher, _) = waits(50, 60).await;
    let (lower, _) = waits(50, 40).await;
    println!(
        "the host waits {equal:.1} s; {higher:.1} s with a higher priority, {lower:.1} s with a lower one; {flapped} starts of others"
    );
    assert!(flapped > 50, "{flapped} starts: nobody flaps");
    assert!(higher <= 1.0, "{higher} s");
    assert!(equal <= 15.0, "{equal} s");
}
