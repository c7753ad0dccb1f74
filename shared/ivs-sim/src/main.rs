//! Runs the simulator alone, on loopback.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use ivs_sim::{Config, Simulator, SystemClock, serve};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Amazon IVS Real-Time on 127.0.0.1, at its own REST protocol, with a control plane under /_sim.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Region of the simulated account.
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Id of the simulated account.
    #[arg(long, default_value = "123456789012")]
    account: String,
    /// Seed of all ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the ready line as JSON: {"ivs": URL}.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ivs-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    if args.json {
        println!("{}", serde_json::json!({ "ivs": url }));
    } else {
        println!("IVS Real-Time ({}, account {}) is ready at {url}", args.region, args.account);
    }
    let config = Config { region: args.region, account: args.account, seed: args.seed, ..Config::default() };
    serve(listener, Simulator::new(config, Arc::new(SystemClock)), interrupted()).await
}

/// Resolves at Ctrl-C. Where signals cannot be caught, never.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
