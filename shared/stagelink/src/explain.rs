//! `stagelink explain`: why a participant is, or is not, on the stages that rules mean.
//!
//! The words are the planner's own: it is asked what a function would do that looks at the participant now.

use std::collections::BTreeSet;

use aws_adapters::DynamoStore;
use controller::Store;
use controller::sweep::port::SweepStore;
use jiff::Timestamp;
use replication::sweep::Inventory;
use replication::{
    Allowance, Capabilities, Context, Line, Policy, PublisherKey, Publishing, Replica, RuleId, StageArn,
    View, plan,
};

use crate::{Error, Screen};

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The participant's id, or the user id of its token
    participant: String,
    /// One destination stage only
    #[arg(long, value_name = "ARN")]
    destination: Option<StageArn>,
}

/// Every call: what one function may not do, another does.
const ALL: Capabilities =
    Capabilities { start: true, stop: true, verify: true, get_stage: true, get_participant: true };

impl Explain {
    pub(crate) async fn run(&self, store: &DynamoStore, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let publishers = known_as(&self.participant, &store.inventory().await?);
        if publishers.is_empty() {
            return Err(Error::UnknownParticipant(self.participant.clone()));
        }
        for publisher in publishers {
            let view = store.load(&publisher).await?;
            write!(screen.output, "{}", story(&view, self.destination.as_ref(), Timestamp::now()))?;
        }
        Ok(true)
    }
}

/// The publishers with this participant id, or this user id.
fn known_as(name: &str, inventory: &Inventory) -> BTreeSet<PublisherKey> {
    let stages = inventory.stages.values();
    let publishers = stages.clone().flat_map(|items| items.publishers.values());
    let publishers = publishers
        .filter(|publisher| publisher.key.participant.as_str() == name || publisher.user_id == name)
        .map(|publisher| publisher.key.clone());
    let replicas = stages.flat_map(|items| items.replicas.values());
    let replicas = replicas
        .filter(|replica| replica.key.participant.as_str() == name)
        .map(|replica| replica.key.publisher());
    publishers.chain(replicas).collect()
}

/// What is known of a publisher, what follows from that, and what does not.
fn story(view: &View, only: Option<&StageArn>, now: Timestamp) -> String {
    let policy = Policy::default();
    let context = Context {
        now,
        policy: &policy,
        can: ALL,
        allowance: Allowance::UNLIMITED,
        holder: "explain",
        witness: None,
    };
    let report = plan(view, context).report;
    let mut text = publisher(view);
    if let Some(pause) = &view.control.pause {
        line(
            &mut text,
            1,
            format_args!("everything is paused by {} since {}: {}", pause.by, pause.at, pause.reason),
        );
    }
    for told in report.lines.iter().filter(|told| only.is_none_or(|stage| told.destination == *stage)) {
        destination(&mut text, told, view.replica(&told.destination));
    }
    for (rule, why) in &report.unmatched {
        let verdict = if why.is_open() { "is not decided" } else { "does not apply" };
        line(&mut text, 1, format_args!("rule {rule} {verdict}: {why}"));
    }
    if let Some(stage) = only.filter(|stage| !report.lines.iter().any(|told| told.destination == **stage)) {
        line(&mut text, 1, format_args!("no rule leads to {stage}, and nothing is replicated there"));
    }
    text
}

fn publisher(view: &View) -> String {
    let PublisherKey { stage, participant } = &view.key;
    let mut text = String::new();
    let Some(publisher) = &view.publisher else {
        line(&mut text, 0, format_args!("{participant} on {stage}"));
        line(&mut text, 1, format_args!("there is no news of it publishing"));
        return text;
    };
    let user = if publisher.user_id.is_empty() { "no user id" } else { publisher.user_id.as_str() };
    line(&mut text, 0, format_args!("{participant} ({user}) on {stage}"));
    let (on, off) = (publisher.evidence.on, publisher.evidence.off);
    let told = |moment: Option<replication::Moment>| {
        moment.map_or("never".to_owned(), |moment| moment.earliest().to_string())
    };
    match publisher.publishing() {
        Publishing::Yes => line(&mut text, 1, format_args!("publishes, by news of {}", told(on))),
        Publishing::No => line(&mut text, 1, format_args!("does not publish, by news of {}", told(off))),
        Publishing::Uncertain => line(
            &mut text,
            1,
            format_args!(
                "publishes or not: news of {} says so, and news of {} the contrary",
                told(on),
                told(off)
            ),
        ),
        Publishing::Unknown => line(&mut text, 1, format_args!("there is no news of it publishing")),
    }
    text
}

fn destination(text: &mut String, told: &Line, replica: Option<&Replica>) {
    let rule = told.rule.as_ref().map_or("no rule", RuleId::as_str);
    let phase = replica.map_or("nothing yet".to_owned(), |replica| replica.phase.to_string());
    line(text, 1, format_args!("{}: {phase}, by {rule}", told.destination));
    line(text, 2, format_args!("{}: {}", told.decision, told.why));
    let Some(replica) = replica else { return };
    if let Some(until) = replica.wanted_until {
        line(text, 2, format_args!("wanted until {until}"));
    }
    if let Some(error) = &replica.last_error {
        let request = error.request_id.as_ref().map_or(String::new(), |id| format!(", request {id}"));
        line(text, 2, format_args!("last error at {}: {}: {}{request}", error.at, error.code, error.message));
    }
    if let Some(lease) = &replica.lease {
        line(text, 2, format_args!("a call is under way since {}, by request {}", lease.since, lease.holder));
    }
    if let Some(next) = replica.next_attempt {
        line(text, 2, format_args!("attempts: {}, the next at {next}", replica.attempts));
    }
}

/// A line, so deep under what it belongs to.
fn line(text: &mut String, depth: usize, words: std::fmt::Arguments<'_>) {
    text.push_str(&format!("{}{words}\n", "  ".repeat(depth)));
}
