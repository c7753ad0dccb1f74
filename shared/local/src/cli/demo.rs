//! `cargo local demo`.

use super::{Outcome, StandArguments};
use crate::{demo, stand::Stand};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    stand: StandArguments,
}

impl Options {
    pub(super) async fn run(self) -> Outcome {
        let stand = Stand::start(self.stand.options()).await?;
        let interrupted = super::up::interrupted()?;
        let passed = tokio::select! {
            passed = demo::play(&stand) => passed,
            () = interrupted => {
                eprintln!("interrupted");
                false
            }
        };
        stand.shutdown().await;
        Ok(passed)
    }
}
