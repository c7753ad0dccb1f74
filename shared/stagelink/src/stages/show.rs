//! `stagelink stages show`.

use controller::stages::StageDescription;
use controller::sweep::port::SweepStore;
use jiff::Timestamp;
use replication::occupancy::PLACES;
use replication::sweep::{Inventory, wanted_recording};
use replication::{
    Destination, Match, Owner, Phase, Publisher, Publishing, Replica, Rule, Source, StageArn, Standing,
};
use serde_json::{Value, json};

use super::{reading, resolve, words};
use crate::output::Output;
use crate::stage_names::StageArgument;
use crate::{Deployment, Error, Screen};
use replication::plain;

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The stage: its ARN, its name, or the last part of its ARN
    #[arg(value_name = "STAGE")]
    stage: StageArgument,
    #[command(flatten)]
    output: Output,
}

impl Show {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let spinner = screen.spinner("asking IVS");
        let described = async {
            let stages = reading(deployment);
            Ok::<_, Error>(stages.describe(&resolve(&stages, &self.stage).await?).await?)
        };
        let described = described.await;
        let inventory = deployment.store.inventory().await;
        spinner.finish_and_clear();
        let (described, inventory) = (described?, inventory?);
        let known = Known { stage: &described, inventory: &inventory, now: (deployment.now)() };
        if self.output.is_document() {
            self.output.document(screen, &known.document())?;
        } else {
            known.tell(screen)?;
        }
        Ok(!inventory.rules_incomplete)
    }
}

/// A stage as IVS has it, and the table.
struct Known<'a> {
    stage: &'a StageDescription,
    inventory: &'a Inventory,
    now: Timestamp,
}

/// What a rule has to do with a stage.
struct Concern<'a> {
    rule: &'a Rule,
    /// Whether it replicates who publishes there.
    source: Match,
    /// Whether it can bring somebody there.
    destination: bool,
}

impl<'a> Known<'a> {
    fn arn(&self) -> &'a StageArn {
        &self.stage.listed.stage
    }

    /// The rules that speak of the stage, in the order of their ids.
    fn concerns(&self) -> Vec<Concern<'a>> {
        let tags = &self.stage.listed.tags;
        let concern = |rule: &'a Rule| {
            let named = rule
                .destinations
                .iter()
                .any(|destination| *destination == Destination::Stage(self.arn().clone()));
            let destination = named || rule.can_select(tags);
            Concern { rule, source: rule.covers(self.arn(), Some(tags)), destination }
        };
        let mut concerns: Vec<_> = self.inventory.rules.iter().map(concern).collect();
        concerns.retain(|concern| concern.source != Match::No || concern.destination);
        concerns.sort_by(|a, b| a.rule.id.cmp(&b.rule.id));
        concerns
    }

    fn publishers(&self) -> impl Iterator<Item = &'a Publisher> {
        self.inventory
            .publishers_on(self.arn())
            .filter(|publisher| matches!(publisher.publishing(), Publishing::Yes | Publishing::Uncertain))
    }

    /// Replicas that are there, may be, or wait to be.
    fn replicas(&self) -> impl Iterator<Item = &'a Replica> {
        self.inventory.replicas_to(self.arn()).filter(|replica| replica.phase != Phase::Stopped)
    }

    fn tell(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        let listed = &self.stage.listed;
        let name = if listed.name.is_empty() { "(without a name)".into() } else { plain(&listed.name) };
        screen.line(format_args!("{name}  {}", listed.stage))?;
        let tags = if listed.tags.is_empty() { "none".to_owned() } else { words::tags(&listed.tags) };
        screen.line(format_args!("  tags: {tags}"))?;
        match &listed.active_session {
            Some(session) => screen.line(format_args!("  session: {session}"))?,
            None => screen.line("  session: none, for nobody is there")?,
        }
        let looked_at = self.inventory.knowledge(self.arn()).and_then(|known| known.looked_at);
        match looked_at {
            Some(at) => screen.line(format_args!("  looked at by a sweep: {at:.0}"))?,
            None => screen.line("  looked at by a sweep: never")?,
        }
        screen.line("")?;
        self.tell_recording(screen)?;
        screen.line("")?;
        self.tell_rules(screen)?;
        screen.line("")?;
        self.tell_who(screen)
    }

    fn tell_recording(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        for line in words::lines(&self.stage.recording) {
            screen.line(format_args!("{}: {}", line.name, line.text))?;
        }
        for (name, value) in words::unknown(self.stage) {
            screen.line(format_args!(
                "{}: {} (not known to this version; kept by every change)",
                plain(&name),
                plain(&value.to_string())
            ))?;
        }
        if let Some(wanted) = wanted_recording(self.inventory, &self.stage.listed, self.now) {
            let not = if wanted.record_replicas { "" } else { "not " };
            let is_so = self.stage.recording.replicas.unwrap_or(true) == wanted.record_replicas;
            let so = match self.stage.recording.is_on() {
                false => "nobody is, so there is nothing to do",
                true if is_so => "it is so",
                true => "a sweep sets it within 10 minutes, once IVS lets it",
            };
            screen.line(format_args!("rule {} wants replicas {not}recorded: {so}", wanted.rule))?;
        }
        Ok(())
    }

    fn tell_rules(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        let concerns = self.concerns();
        if concerns.is_empty() {
            screen.line("rules: none speaks of this stage")?;
        } else {
            screen.line("rules:")?;
        }
        for concern in &concerns {
            let rule = concern.rule;
            let state = if rule.is_active(self.now) { "" } else { ", not in force" };
            screen.line(format_args!(
                "  {} (priority {}{state}): {}",
                rule.id,
                rule.priority,
                concern.words()
            ))?;
        }
        if self.inventory.rules_incomplete {
            screen.line("  a rule cannot be read: `stagelink get rules` says which")?;
        }
        Ok(())
    }

    fn tell_who(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        let publishers: Vec<_> = self.publishers().collect();
        if publishers.is_empty() {
            screen.line("publishers: none known")?;
        } else {
            screen.line("publishers:")?;
        }
        for publisher in publishers {
            let unsure = if publisher.publishing() == Publishing::Uncertain { ", perhaps" } else { "" };
            screen.line(format_args!(
                "  {} since {}{unsure}{}",
                who(publisher),
                since(publisher.evidence.on),
                self.replicated(publisher)
            ))?;
        }
        let replicas: Vec<_> = self.replicas().collect();
        let held = replicas.iter().filter(|replica| replica.holds_slot()).count() + self.publishers().count();
        screen.line(format_args!("replicas here: {} ({held} of {PLACES} places taken)", replicas.len()))?;
        for replica in replicas {
            screen.line(format_args!(
                "  {} of {}: {}{}{}",
                replica.key.participant,
                self.name_of(&replica.key.source),
                replica.phase,
                by(replica),
                seen(replica)
            ))?;
        }
        Ok(())
    }

    /// `; to main (stage/A): Active, …`.
    fn replicated(&self, publisher: &Publisher) -> String {
        let replicas = self.inventory.replicas_of(&publisher.key);
        let to: Vec<_> = replicas
            .filter(|replica| replica.phase != Phase::Stopped)
            .map(|replica| format!("to {}: {}", self.name_of(&replica.key.destination), replica.phase))
            .collect();
        if to.is_empty() { String::new() } else { format!("; {}", to.join(", ")) }
    }

    /// The name of a stage with its id, as far as it is known.
    fn name_of(&self, stage: &StageArn) -> String {
        let name = self.inventory.knowledge(stage).map(|known| plain(&known.listed.name));
        match name.filter(|name| !name.is_empty()) {
            Some(name) => format!("{name} (stage/{})", stage.resource_id()),
            None => format!("stage/{}", stage.resource_id()),
        }
    }

    fn document(&self) -> Value {
        let mut document = words::stage_document(self.stage);
        let looked_at = self.inventory.knowledge(self.arn()).and_then(|known| known.looked_at);
        if let Some(at) = looked_at {
            document["looked_at"] = json!(at.to_string());
        }
        if let Some(wanted) = wanted_recording(self.inventory, &self.stage.listed, self.now) {
            document["wanted_recording"] =
                json!({ "replicas": wanted.record_replicas, "rule": wanted.rule.as_str() });
        }
        let rule = |concern: &Concern<'_>| {
            json!({
                "id": concern.rule.id.as_str(),
                "priority": concern.rule.priority,
                "in_force": concern.rule.is_active(self.now),
                "source": concern.source == Match::Yes,
                "destination": concern.destination,
            })
        };
        document["rules"] = self.concerns().iter().map(rule).collect();
        document["publishers"] =
            self.publishers().map(|known| json!(views::Publisher::from(known))).collect();
        document["replicas"] = self.replicas().map(|known| json!(views::Replica::from(known))).collect();
        document
    }
}

impl Concern<'_> {
    fn words(&self) -> String {
        let source = match (&self.rule.source, self.source) {
            (_, Match::No) => None,
            (Source::Any, _) => Some("replicates who publishes here, as on any stage"),
            (Source::Tags(_), Match::Yes) => Some("replicates who publishes here, by the stage's tags"),
            _ => Some("replicates who publishes here"),
        };
        let destination = self.destination.then_some("brings others here");
        source.into_iter().chain(destination).collect::<Vec<_>>().join("; ")
    }
}

/// `host-1 (p-1)`, or the participant alone.
fn who(publisher: &Publisher) -> String {
    let participant = &publisher.key.participant;
    match publisher.user_id.is_empty() {
        true => participant.to_string(),
        false => format!("{} ({participant})", plain(&publisher.user_id)),
    }
}

/// The last second in which it can have begun.
fn since(on: Option<replication::Moment>) -> String {
    on.map_or_else(|| "an unknown time".to_owned(), |on| format!("{:.0}", on.earliest()))
}

fn by(replica: &Replica) -> String {
    match &replica.rule {
        _ if replica.owner == Owner::Foreign => ", started by somebody else".to_owned(),
        Some(rule) => format!(", by rule {}", rule.id),
        None => String::new(),
    }
}

fn seen(replica: &Replica) -> String {
    match replica.evidence.standing() {
        Standing::On => format!(", since {}", since(replica.evidence.on)),
        _ => String::new(),
    }
}
