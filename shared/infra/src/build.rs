//! `cargo infra build`: every function, for one architecture, in one run of cargo-lambda.
//!
//! One run, for `sam build` would run once per function and compile the AWS SDK each time.

mod unwinding;

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::process;
use crate::tools::CARGO_LAMBDA;
use crate::workspace::Workspace;

/// What the functions run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Architecture {
    /// As the template says if it is told nothing.
    #[default]
    Arm64,
    X86,
}

impl Architecture {
    /// As the template's parameter `Architecture`, CloudFormation and Lambda call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86 => "x86_64",
        }
    }

    /// The architecture of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Arm64, Self::X86].into_iter().find(|architecture| architecture.name() == name)
    }

    /// That of this machine, whose processes the emulated functions are.
    pub(crate) const OF_THIS_MACHINE: Self =
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86 };

    /// The Rust target.
    fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86 => "x86_64-unknown-linux-gnu",
        }
    }
}

/// The choice of an architecture on the command line.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ArchitectureArguments {
    /// For Graviton processors
    #[arg(long, conflicts_with = "x86_64")]
    arm64: bool,
    /// For Intel and AMD processors
    #[arg(long = "x86-64")]
    x86_64: bool,
}

impl ArchitectureArguments {
    /// Nothing chosen.
    pub(crate) const NONE: Self = Self { arm64: false, x86_64: false };

    /// What was chosen, if anything.
    pub(crate) fn choice(self) -> Option<Architecture> {
        match self {
            Self { arm64: true, .. } => Some(Architecture::Arm64),
            Self { x86_64: true, .. } => Some(Architecture::X86),
            _ => None,
        }
    }
}

/// What links the functions.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Compiler {
    /// Zig, which comes with cargo-lambda and links for either architecture
    #[default]
    Zig,
    /// Cargo alone, with the C compiler that is here
    Cargo,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    architecture: ArchitectureArguments,
    #[arg(long, value_enum, default_value_t)]
    compiler: Compiler,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        build(workspace, self.architecture.choice().unwrap_or_default(), self.compiler)
    }
}

/// Builds all functions to `target/lambda/NAME/bootstrap`.
///
/// # Errors
/// When Rust's target or a tool is missing, or the build fails.
pub(crate) fn build(
    workspace: &Workspace,
    architecture: Architecture,
    compiler: Compiler,
) -> Result<(), Error> {
    build_to(workspace, &workspace.functions, (architecture, compiler), &workspace.code())
}

/// Builds packages as functions to `FOLDER/NAME/bootstrap`.
///
/// # Errors
/// When Rust's target or a tool is missing, or the build fails.
pub(crate) fn build_to(
    workspace: &Workspace,
    packages: &[String],
    (architecture, compiler): (Architecture, Compiler),
    folder: &Path,
) -> Result<(), Error> {
    check_target(&workspace.root, architecture)?;
    let programs = CARGO_LAMBDA.fetch(&workspace.root)?;
    let mut command = process::cargo(&workspace.root);
    // Zig is found through the first `python3` on the path.
    command.env("PATH", process::path_with(&programs));
    command.args(arguments(packages, architecture, compiler));
    process::run(command.arg("--lambda-dir").arg(folder))?;
    for function in packages {
        let bootstrap = folder.join(function).join("bootstrap");
        if !bootstrap.is_file() {
            return Err(Error::Wrong(format!(
                "{function} was built, and there is no {}",
                bootstrap.display()
            )));
        }
        without_tables(&bootstrap)?;
    }
    eprintln!("built for {}: {}", architecture.name(), packages.join(", "));
    Ok(())
}

/// Empties what takes space in a zip, and of which no function makes use.
fn without_tables(bootstrap: &Path) -> Result<(), Error> {
    let mut program = fs::read(bootstrap).map_err(Error::file("read", bootstrap))?;
    unwinding::empty(&mut program)
        .map_err(|problem| Error::Unreadable { what: bootstrap.display().to_string(), problem })?;
    fs::write(bootstrap, program).map_err(Error::file("write", bootstrap))
}

fn arguments(functions: &[String], architecture: Architecture, compiler: Compiler) -> Vec<String> {
    let architecture = match architecture {
        Architecture::Arm64 => "--arm64",
        Architecture::X86 => "--x86-64",
    };
    let compiler = match compiler {
        Compiler::Zig => "zig",
        Compiler::Cargo => "cargo",
    };
    // The target was looked for, and rustup shall not download one.
    let options = ["lambda", "build", "--release", "--locked", architecture, "--skip-target-check"];
    let options = options.into_iter().chain(["--compiler", compiler]);
    // By package: features are then those that the functions ask for.
    let packages = functions.iter().flat_map(|function| ["-p", function.as_str()]);
    options.chain(packages).map(str::to_owned).collect()
}

/// That Rust can compile for the architecture, before minutes are spent.
fn check_target(root: &Path, architecture: Architecture) -> Result<(), Error> {
    let mut rustc = Command::new("rustc");
    rustc.env("RUSTUP_AUTO_INSTALL", "0").current_dir(root);
    let folder =
        process::output(rustc.args(["--print", "target-libdir", "--target", architecture.target()]))?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    let target = architecture.target();
    let otherwise = match architecture {
        Architecture::Arm64 => {
            "; --x86-64 builds for the other architecture, and most machines have what it needs"
        }
        Architecture::X86 => "",
    };
    Err(Error::Missing {
        what: format!("Rust's target {target}"),
        remedy: format!("`rustup target add {target}` adds it{otherwise}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_functions_are_built_in_one_run() {
        let functions = ["api".to_owned(), "dispatch".to_owned()];
        assert_eq!(
            arguments(&functions, Architecture::Arm64, Compiler::Zig).join(" "),
            "lambda build --release --locked --arm64 --skip-target-check --compiler zig -p api -p dispatch"
        );
        let other = arguments(&functions, Architecture::X86, Compiler::Cargo).join(" ");
        assert!(other.contains("--x86-64") && other.contains("--compiler cargo"), "{other}");
    }

    #[test]
    fn an_architecture_has_the_name_that_lambda_gives_it() {
        assert_eq!(Architecture::default().name(), "arm64");
        assert_eq!(Architecture::from_name("x86_64"), Some(Architecture::X86));
        assert_eq!(Architecture::from_name("x86-64"), None);
    }
}
