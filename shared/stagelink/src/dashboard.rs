//! `stagelink dashboard`: the live dashboard in a browser, with the operator's credentials, on this machine only.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use controller::Store;
use dashboard::{Settings, TableSource, serve};
use tokio::net::TcpListener;

use crate::{Deployment, Error, Place, Screen};

#[derive(Debug, clap::Args)]
pub(crate) struct Dashboard {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Open it in the browser
    #[arg(long)]
    open: bool,
    /// Seconds from one look at the table to the next, while a page is open: 1-300. A look reads all of it [default: 5; 2 with
    /// --local]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=300))]
    every: Option<u16>,
    /// The deployment's parameter QuotaSharePercent, which the table does not hold
    #[arg(long, value_name = "PERCENT", default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..=100))]
    quota_share: u32,
}

impl Dashboard {
    pub(crate) async fn run(&self, deployment: &Deployment, screen: &mut Screen<'_>) -> Result<bool, Error> {
        // What is wrong with the table or the credentials is told here, not on an empty page.
        deployment.store.budgets().await?;
        let listened = TcpListener::bind(("127.0.0.1", self.port)).await;
        let listener = listened.map_err(|source| Error::Port { port: self.port, source })?;
        let url = format!("http://{}/", listener.local_addr()?);
        screen.line(format_args!("{url} shows table {}; Ctrl-C ends it.", deployment.place.table))?;
        screen.output.flush()?;
        if self.open && !opened(&url) {
            screen.line("No browser could be started: open that address in one.")?;
        }
        let source = Arc::new(TableSource::new(Arc::new(deployment.store.clone())));
        let interrupted = async { drop(tokio::signal::ctrl_c().await) };
        serve(listener, source, self.settings(&deployment.place), interrupted).await?;
        Ok(true)
    }

    fn settings(&self, place: &Place) -> Settings {
        let usual = if place.local { Settings::OF_THE_STAND } else { Settings::OF_A_DEPLOYMENT };
        Settings {
            table: place.table.clone(),
            region: place.region.clone().unwrap_or_default(),
            place: if place.local { "local stand" } else { "" }.to_owned(),
            interval: self.every.map_or(usual, |seconds| Duration::from_secs(seconds.into())),
            quota_share: self.quota_share,
        }
    }
}

/// Has the system open an address. False if it has no way to.
fn opened(url: &str) -> bool {
    let (program, arguments): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
