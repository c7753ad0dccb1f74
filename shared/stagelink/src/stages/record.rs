//! `stagelink stages record`.

use controller::stages::{ChangedStage, StageDescription};
use controller::sweep::port::SweepStore;
use jiff::Timestamp;
use replication::stage::Storage;
use replication::sweep::wanted_recording;
use replication::{RecordingSettings, StageChange};
use serde_json::json;

use super::settings::RecordingOptions;
use super::{resolve, stages, words};
use crate::output::Output;
use crate::stage_names::StageArgument;
use crate::{Deployment, Error, Screen, ordered};
use replication::plain;

#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// The stage: its ARN, its name, or the last part of its ARN
    #[arg(value_name = "STAGE")]
    stage: StageArgument,
    /// Record nobody any more; IVS forgets all other settings with it
    #[arg(long, conflicts_with_all = ["storage", "replicas", "media_types", "reconnect_window", "segment", "thumbnails",
        "thumbnail_interval", "thumbnail_storage"])]
    off: bool,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    ordered: ordered::Optional,
    #[command(flatten)]
    output: Output,
}

impl Record {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let recording = match self.off {
            true => RecordingSettings { storage: Some(Storage::Off), ..RecordingSettings::default() },
            false => self.recording.settings(),
        };
        let asked = !recording.said().is_empty();
        let change = StageChange { name: None, recording };
        let spinner = screen.spinner("asking IVS");
        let changed = async {
            let stages = stages(deployment, self.ordered.now());
            Ok::<_, Error>(stages.change(&resolve(&stages, &self.stage).await?, &change).await?)
        };
        let changed = changed.await;
        spinner.finish_and_clear();
        let changed = changed?;
        let now = changed.after.as_ref().unwrap_or(&changed.before);
        let contrary = contrary_rule(deployment, now).await?;
        if self.output.is_document() {
            let mut document = json!({
                "before": words::stage_document(&changed.before),
                "after": words::stage_document(now),
                "changed": changed.after.is_some(),
                "as_asked": changed.as_asked,
            });
            if let Some(id) = &changed.request_id {
                document["request_id"] = json!(id);
            }
            if let Some(rule) = &contrary {
                document["contrary_rule"] = json!(rule);
            }
            self.output.document(screen, &document)?;
            return Ok(changed.as_asked);
        }
        tell(&changed, asked, screen)?;
        if let Some(rule) = contrary {
            let (does, not) = if changed_replicas(now) { ("", " not") } else { (" not", "") };
            screen.line(format_args!(
                "Replicas are{does} recorded here now, and rule {rule} wants them{not} to be (record_replicas): a sweep sets that \
                 again within 10 minutes. Change the rule, if that is not meant."
            ))?;
        }
        Ok(changed.as_asked)
    }
}

/// The rule that wants the recording of replicas otherwise than it is now; a sweep will set it back.
async fn contrary_rule(deployment: &Deployment, now: &StageDescription) -> Result<Option<String>, Error> {
    if !now.recording.is_on() {
        return Ok(None);
    }
    let inventory = deployment.store.inventory().await?;
    let wanted = wanted_recording(&inventory, &now.listed, Timestamp::now());
    let contrary = wanted.filter(|wanted| wanted.record_replicas != changed_replicas(now));
    Ok(contrary.map(|wanted| wanted.rule.to_string()))
}

fn changed_replicas(now: &StageDescription) -> bool {
    now.recording.replicas.unwrap_or(true)
}

/// What it was and what it is, where these differ.
fn tell(changed: &ChangedStage, asked: bool, screen: &mut Screen<'_>) -> Result<(), Error> {
    let ChangedStage { before, after, as_asked, request_id } = changed;
    let name = plain(&before.listed.name);
    screen.line(format_args!("{} {name}", before.listed.stage).to_string().trim_end())?;
    let Some(after) = after else {
        for line in words::lines(&before.recording) {
            screen.line(format_args!("  {}: {}", line.name, line.text))?;
        }
        let said = match asked {
            true => "It is so already; nothing was changed.",
            false => "Nothing was to be changed; `stagelink stages record --help` says what can be.",
        };
        screen.line(said)?;
        return Ok(());
    };
    let (was, is) = (words::lines(&before.recording), words::lines(&after.recording));
    for line in &is {
        match was.iter().find(|other| other.name == line.name) {
            Some(other) if other.text == line.text => {
                screen.line(format_args!("  {}: {}", line.name, line.text))?;
            }
            Some(other) => {
                screen.line(format_args!("  {}: {}; before: {}", line.name, line.text, other.text))?;
            }
            None => screen.line(format_args!("  {}: {}", line.name, line.text))?,
        }
    }
    for line in was.iter().filter(|line| is.iter().all(|other| other.name != line.name)) {
        screen.line(format_args!("  {}: gone; before: {}", line.name, line.text))?;
    }
    let request = request_id.as_ref().map(|id| format!(" Request {}.", plain(id))).unwrap_or_default();
    screen.line(match as_asked {
        true => format!("Changed.{request}"),
        false => format!("IVS took the call, and says otherwise.{request} Look again in a moment."),
    })?;
    Ok(())
}
