//! `stagelink completions` and `stagelink man`: what the command says of itself, for shells and for `man`.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, Error, Screen};

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell; for bash: `source <(stagelink completions bash)`
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Write a page for each command into this folder, such as ~/.local/share/man/man1, instead of printing the first
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(&self, screen: &mut Screen<'_>) -> Result<bool, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "stagelink", &mut script);
        screen.output.write_all(&script)?;
        Ok(true)
    }
}

impl Man {
    pub(crate) fn run(&self, screen: &mut Screen<'_>) -> Result<bool, Error> {
        match &self.dir {
            Some(dir) => {
                let written =
                    std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
                written.map_err(|source| Error::Write { path: dir.clone(), source })?;
                screen.line(format_args!("The pages are in {}.", dir.display()))?;
            }
            None => clap_mangen::Man::new(Cli::command()).render(&mut screen.output)?,
        }
        Ok(true)
    }
}
