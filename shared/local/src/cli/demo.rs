//! `cargo local demo`.

use std::time::Duration;

use clap::ValueEnum;

use super::{Outcome, StandArguments};
use crate::{
    demo::{self, Programme, Scene},
    stand::Stand,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    stand: StandArguments,
    /// Play this scene only
    #[arg(long, value_name = "NAME")]
    scene: Option<Scene>,
    /// Hosts that publish at the same moment in the burst
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=900))]
    publishers: u16,
}

/// The stand's schedules come every so many seconds, if nothing else is said: nobody watches a minute go by.
const TICK: Duration = Duration::from_secs(5);

impl Options {
    pub(super) async fn run(self) -> Outcome {
        let mut options = self.stand.options();
        options.tick.get_or_insert(TICK);
        let programme = Programme {
            scenes: self.scene.map_or_else(|| Scene::value_variants().to_vec(), |scene| vec![scene]),
            publishers: self.publishers.into(),
        };
        let stand = Stand::start(options).await?;
        let interrupted = super::up::interrupted()?;
        let passed = tokio::select! {
            passed = demo::play(&stand, &programme) => passed,
            () = interrupted => {
                eprintln!("interrupted");
                false
            }
        };
        stand.shutdown().await;
        Ok(passed)
    }
}
