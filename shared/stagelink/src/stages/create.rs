//! `stagelink stages create`.

use clap::ValueEnum;
use controller::stages::{CreatedStage, CreatedToken};
use replication::stage::Capability;
use replication::{NewStage, NewToken};
use serde_json::{Value, json};

use super::settings::RecordingOptions;
use super::{parse, stages, words};
use crate::output::Output;
use crate::{Deployment, Error, Screen, ordered};
use replication::plain;

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Its name: 0-128 letters, digits, '-' and '_'; IVS lets several stages have the same
    #[arg(long, value_name = "NAME", value_parser = parse::name)]
    name: String,
    /// A tag, by which rules can select it; up to 50
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    tags: Vec<(String, String)>,
    #[command(flatten)]
    recording: RecordingOptions,
    #[command(flatten)]
    tokens: Tokens,
    #[command(flatten)]
    ordered: ordered::Optional,
    #[command(flatten)]
    output: Output,
}

/// Tokens that are created with the stage.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tokens")]
struct Tokens {
    /// A token for a participant of this user id; up to 12. Tokens are secrets, and nobody can read them again: so --show-tokens
    /// goes with it
    #[arg(long = "token", value_name = "USER_ID", requires = "show_tokens")]
    users: Vec<String>,
    /// Print the tokens. Whoever sees one can join the stage with it
    #[arg(long)]
    show_tokens: bool,
    /// Minutes until nobody can join with them any more, 1-20160 [IVS's default: 720]
    #[arg(long, value_name = "MINUTES", requires = "users", value_parser = parse::minutes)]
    token_minutes: Option<u32>,
    /// An attribute of their participants, for all on the stage to see; 1 KB in all
    #[arg(long = "token-attribute", value_name = "KEY=VALUE", requires = "users", value_parser = parse::pair)]
    attributes: Vec<(String, String)>,
    /// What their participants may do [IVS's default: both]
    #[arg(long, value_name = "WHAT", requires = "users", value_delimiter = ',')]
    token_can: Vec<Can>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Can {
    /// Publish
    Publish,
    /// Subscribe
    Subscribe,
}

impl Create {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let new = self.new_stage().map_err(controller::stages::Error::from)?;
        let spinner = screen.spinner("creating the stage");
        let created = stages(deployment, self.ordered.now()).create(&new).await;
        spinner.finish_and_clear();
        let (created, not_written) = created?;
        if self.output.is_document() {
            self.output.document(screen, &document(&created))?;
        } else {
            screen.line(&created.stage.listed.stage)?;
            for token in &created.tokens {
                show(token, screen)?;
            }
        }
        if let Some(error) = not_written {
            eprintln!("warning: the stage is there, but not in the history: {}", plain(&error.to_string()));
        }
        Ok(true)
    }

    fn new_stage(&self) -> Result<NewStage, replication::StageError> {
        let Tokens { users, token_minutes, attributes, token_can, .. } = &self.tokens;
        let attributes = parse::together("--token-attribute", attributes)?;
        let can = |can: &Can| match can {
            Can::Publish => Capability::Publish,
            Can::Subscribe => Capability::Subscribe,
        };
        let token = |user: &String| NewToken {
            minutes: *token_minutes,
            user_id: user.clone(),
            attributes: attributes.clone(),
            capabilities: token_can.iter().map(can).collect(),
        };
        let new = NewStage {
            name: self.name.clone(),
            tags: parse::together("--tag", &self.tags)?,
            tokens: users.iter().map(token).collect(),
            recording: self.recording.settings(),
        };
        new.check()?;
        Ok(new)
    }
}

fn show(token: &CreatedToken, screen: &mut Screen<'_>) -> Result<(), Error> {
    let until = token.expires_at.map(|at| format!(", until {at:.0}")).unwrap_or_default();
    screen.line(format_args!(
        "token for {}, participant {}{until}; it is a secret:",
        plain(&token.user_id),
        token.participant
    ))?;
    Ok(screen.line(plain(&token.token.0))?)
}

fn document(created: &CreatedStage) -> Value {
    let mut document = words::stage_document(&created.stage);
    if let Some(id) = &created.request_id {
        document["request_id"] = json!(id);
    }
    if !created.tokens.is_empty() {
        let token = |token: &CreatedToken| {
            json!({
                "participant": token.participant.as_str(),
                "user_id": token.user_id,
                "token": token.token.0,
                "expires_at": token.expires_at.map(|at| at.to_string()),
            })
        };
        document["tokens"] = created.tokens.iter().map(token).collect();
    }
    document
}
