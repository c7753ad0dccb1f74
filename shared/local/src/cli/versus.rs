//! `cargo local versus`: the operator's `stagelink versus`, on the table of a stand that is told by its addresses.

use std::io;

use stagelink::versus::{self, Command};
use stagelink::{Deployment, Place, Screen, Terminal};

use super::{Outcome, TableOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Replicates the publishers of each of these stages to all the others, for a while
    Start(On<versus::Start>),
    /// Gives a session another end, counted from now
    Extend(On<versus::Extend>),
    /// Ends a session now
    End(On<versus::End>),
    /// Prints every session of the last day
    List(TableOptions),
}

/// What is to be done, and on which table.
#[derive(Debug, clap::Args)]
struct On<T: clap::Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    table: TableOptions,
}

impl Options {
    pub(super) async fn run(self) -> Outcome {
        let (command, table) = match self.command {
            Subcommand::Start(On { what, table }) => (Command::Start(what), table),
            Subcommand::Extend(On { what, table }) => (Command::Extend(what), table),
            Subcommand::End(On { what, table }) => (Command::End(what), table),
            Subcommand::List(table) => (Command::List, table),
        };
        let address = table.address();
        let place = Place {
            table: address.table.clone(),
            region: Some(address.region.clone()),
            profile: None,
            local: true,
        };
        let deployment = Deployment::new(address.connection().await, place);
        let (mut output, mut nothing) = (io::stdout().lock(), io::empty());
        let mut screen = Screen { output: &mut output, input: &mut nothing, terminal: Terminal::default() };
        Ok(command.run(&deployment, &mut screen).await?)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_table_is_told_behind_what_is_to_be_done() {
        for (arguments, wanted) in [
            (&["start", "A", "B", "--for", "5m"][..], "Start"),
            (&["extend", "duel", "--for", "5m"], "Extend"),
            (&["end", "duel"], "End"),
            (&["list"], "List"),
        ] {
            let table = ["--dynamodb", "http://127.0.0.1:1", "--table", "stagelink"];
            let all = ["versus"].iter().chain(arguments).chain(&table);
            let cli = Cli::try_parse_from(all).unwrap();
            assert!(format!("{:?}", cli.options.command).starts_with(wanted), "{cli:?}");
            let missing = Cli::try_parse_from(["versus"].iter().chain(arguments)).unwrap_err().to_string();
            assert!(missing.contains("--dynamodb"), "{missing}");
        }
    }
}
