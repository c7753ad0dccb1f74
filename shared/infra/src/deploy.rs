//! `cargo infra deploy`: build, package and deploy, with what is built and what is deployed for one architecture.
//!
//! A function whose code and whose setting name different architectures fails at every start, and nothing before that tells. So
//! the architecture is decided once, here: the option, else the parameter `Architecture` among the overrides given, else the one
//! that `infra/samconfig.toml` has saved, else the template's default. It is built, and unless the saved value is the same
//! anyway, it is passed on. `--parameter-overrides` on SAM's command line replaces *all* saved ones, so those are passed with
//! it. The parameter is passed even where it is the default: for an existing stack, SAM keeps the previous value of each
//! parameter that it is not told.

use std::io::IsTerminal;
use std::process::Command;

use clap::Args;

use crate::build::{Architecture, ArchitectureArguments, Compiler, build};
use crate::error::Error;
use crate::process;
use crate::samconfig::{Overrides, Saved};
use crate::tools::SAM;
use crate::workspace::Workspace;

/// The template's parameter for the architecture.
const PARAMETER: &str = "Architecture";

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    architecture: ArchitectureArguments,
    #[arg(long, value_enum, default_value_t)]
    compiler: Compiler,
    /// Ask for every setting, and save the answers in infra/samconfig.toml; as it is where no stack is named there yet
    #[arg(long)]
    guided: bool,
    /// Environment in infra/samconfig.toml
    #[arg(long, value_name = "NAME", default_value = "default")]
    env: String,
    /// Arguments for `sam deploy`
    #[arg(last = true, value_name = "SAM ARGUMENTS")]
    sam: Vec<String>,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        let file = workspace.template().with_file_name("samconfig.toml");
        let plan = self.plan(&Saved::read(&file, &self.env)?)?;
        if plan.guided && !(std::io::stdin().is_terminal() && std::env::var_os("CI").is_none()) {
            return Err(Error::Usage(format!(
                "{} names no stack for environment {:?}, and there is nobody to ask here: deploy once from a terminal, or \
                 give `-- --stack-name NAME`",
                file.display(),
                self.env
            )));
        }
        self.carry_out(&plan, workspace)?;
        if !plan.guided {
            return Ok(());
        }
        // The question for the architecture was answered after the build.
        let answers = Saved::read(&file, &self.env)?;
        match answers.overrides.get(PARAMETER).and_then(Architecture::from_name) {
            Some(asked) if asked != plan.architecture => {
                eprintln!(
                    "built for {}, and the answer was {}: once more",
                    plan.architecture.name(),
                    asked.name()
                );
                let again = Self { guided: false, architecture: ArchitectureArguments::NONE, ..self };
                again.carry_out(&again.plan(&answers)?, workspace)
            }
            _ => Ok(()),
        }
    }

    fn carry_out(&self, plan: &Plan, workspace: &Workspace) -> Result<(), Error> {
        build(workspace, plan.architecture, self.compiler)?;
        let programs = SAM.fetch(&workspace.root)?;
        let mut sam = Command::new(programs.join("sam"));
        // SAM looks for samconfig.toml beside the template, and saves answers there.
        sam.args(["deploy", "--template-file"]).arg(workspace.template()).args(&plan.arguments);
        process::run(sam.env("SAM_CLI_TELEMETRY", "0").current_dir(&workspace.root))
    }

    /// What to build and what to tell SAM, by what is saved.
    fn plan(&self, saved: &Saved) -> Result<Plan, Error> {
        let (given, others) = split_overrides(&self.sam).map_err(Error::Usage)?;
        for owned in
            ["--config-env", "--config-file", "--template-file", "--template", "-t", "--guided", "-g"]
        {
            if others.iter().any(|argument| argument.split('=').next() == Some(owned)) {
                let ours = "--env and --guided are options of `cargo infra deploy`; template and samconfig.toml are those in infra/";
                return Err(Error::Usage(format!("{owned} cannot be given to SAM here: {ours}")));
            }
        }
        let architecture = self.architecture(&given, saved)?;
        let mut arguments = vec!["--config-env".to_owned(), self.env.clone()];
        let named = saved.stack_name.is_some()
            || others.iter().any(|argument| argument.split('=').next() == Some("--stack-name"));
        let guided = self.guided || !named;
        arguments.extend(guided.then(|| "--guided".to_owned()));
        let saved_is_the_same = saved.overrides.get(PARAMETER) == Some(architecture.name());
        if !(saved_is_the_same && given == Overrides::default()) {
            let mut overrides = saved.overrides.clone().merged(&given);
            overrides.set(PARAMETER, architecture.name());
            arguments.push("--parameter-overrides".to_owned());
            arguments.extend(overrides.arguments());
        }
        arguments.extend(others);
        Ok(Plan { architecture, guided, arguments })
    }

    fn architecture(&self, given: &Overrides, saved: &Saved) -> Result<Architecture, Error> {
        let read = |name: &str| {
            Architecture::from_name(name)
                .ok_or_else(|| Error::Usage(format!("{PARAMETER} is {name:?}: allowed are arm64 and x86_64")))
        };
        let given = given.get(PARAMETER).map(read).transpose()?;
        let saved = || saved.overrides.get(PARAMETER).map(read).transpose();
        match (self.architecture.choice(), given) {
            (Some(option), Some(given)) if option != given => Err(Error::Usage(format!(
                "{} and {PARAMETER}={} say different things",
                option.name(),
                given.name()
            ))),
            (Some(decided), _) | (None, Some(decided)) => Ok(decided),
            (None, None) => Ok(saved()?.unwrap_or_default()),
        }
    }
}

/// What a deployment is.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    architecture: Architecture,
    guided: bool,
    /// For `sam deploy`, after the template.
    arguments: Vec<String>,
}

/// Takes the parameter overrides out of SAM's arguments: all that follow the option, up to the next option.
fn split_overrides(arguments: &[String]) -> Result<(Overrides, Vec<String>), String> {
    let (mut overrides, mut others, mut among) = (Overrides::default(), Vec::new(), false);
    for argument in arguments {
        let value = argument.strip_prefix("--parameter-overrides");
        match value {
            Some("") => among = true,
            Some(value) if value.starts_with('=') => {
                overrides = overrides.merged(&Overrides::parse(&value[1..])?)
            }
            _ if argument.starts_with('-') => {
                among = false;
                others.push(argument.clone());
            }
            // The shell took the quotes away that would hold a value together.
            _ if among => overrides = overrides.merged(&pair_or_pairs(argument)?),
            _ => others.push(argument.clone()),
        }
    }
    Ok((overrides, others))
}

fn pair_or_pairs(argument: &str) -> Result<Overrides, String> {
    match argument.split_once('=') {
        Some((key, value)) if !value.contains(['"', '=']) => {
            let mut one = Overrides::parse(&format!("{key}="))?;
            one.set(key, value);
            Ok(one)
        }
        _ => Overrides::parse(argument),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    /// The plan for a command line, with `parameter_overrides` saved for a stack.
    fn plan(line: &str, saved: &str) -> Result<(Architecture, String), String> {
        let saved =
            Saved { stack_name: Some("stagelink".to_owned()), overrides: Overrides::parse(saved).unwrap() };
        plan_with(line, &saved).map(|plan| (plan.architecture, plan.arguments.join(" ")))
    }

    fn plan_with(line: &str, saved: &Saved) -> Result<Plan, String> {
        let line = ["deploy"].into_iter().chain(line.split_whitespace());
        let Line { options } = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        options.plan(saved).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_saved_is_built_and_nothing_is_passed_that_would_replace_it() {
        let expected = (Architecture::X86, "--config-env default".to_owned());
        assert_eq!(plan("", "Mode=observe Architecture=x86_64"), Ok(expected.clone()));
        assert_eq!(plan("--x86-64", "Mode=observe Architecture=x86_64"), Ok(expected));
    }

    #[test]
    fn another_architecture_is_passed_with_all_that_is_saved() {
        let expected = r#"--config-env local --parameter-overrides Mode="observe" Architecture="arm64" --no-confirm-changeset"#;
        assert_eq!(
            plan("--arm64 --env local -- --no-confirm-changeset", "Mode=observe Architecture=x86_64"),
            Ok((Architecture::Arm64, expected.to_owned()))
        );
    }

    #[test]
    fn the_default_is_passed_too_where_nothing_is_saved() {
        let expected = r#"--config-env default --parameter-overrides Architecture="arm64""#;
        assert_eq!(plan("", ""), Ok((Architecture::Arm64, expected.to_owned())));
    }

    #[test]
    fn overrides_given_to_sam_count_more_than_saved_ones_and_lose_none() {
        let line = "-- --parameter-overrides Mode=enforce Architecture=x86_64 --region us-west-2";
        let expected = r#"--config-env default --parameter-overrides BrakePercent="30" Mode="enforce" Architecture="x86_64" --region us-west-2"#;
        assert_eq!(plan(line, "BrakePercent=30 Mode=observe"), Ok((Architecture::X86, expected.to_owned())));
    }

    #[test]
    fn overrides_keep_spaces_that_the_shell_left_them() {
        let given = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            split_overrides(&arguments).unwrap().0
        };
        assert_eq!(given(&["--parameter-overrides", "A=b c"]).get("A"), Some("b c"));
        assert_eq!(given(&["--parameter-overrides", "A=b C=d"]).get("C"), Some("d"));
        assert_eq!(given(&["--parameter-overrides=A=b"]).get("A"), Some("b"));
    }

    #[test]
    fn a_stack_that_is_named_nowhere_is_asked_for() {
        let nothing = Saved::default();
        assert!(plan_with("", &nothing).unwrap().guided);
        assert!(!plan_with("-- --stack-name mine", &nothing).unwrap().guided);
        let named = Saved { stack_name: Some("stagelink".to_owned()), ..Saved::default() };
        let guided = plan_with("--guided", &named).unwrap();
        assert!(guided.guided && guided.arguments.contains(&"--guided".to_owned()));
        assert!(!plan_with("", &named).unwrap().guided);
    }

    #[test]
    fn what_would_come_apart_is_refused() {
        for (line, saved, problem) in [
            ("--arm64 -- --parameter-overrides Architecture=x86_64", "", "say different things"),
            ("", "Architecture=mips", "allowed are arm64 and x86_64"),
            ("-- --config-file other.toml", "", "--config-file cannot be given"),
            ("-- --template-file=other.yaml", "", "--template-file cannot be given"),
            ("-- --parameter-overrides file://p.yaml", "", "allowed is Key=Value"),
            ("--arm64 --x86-64", "", "cannot be used with"),
        ] {
            let error = plan(line, saved).unwrap_err();
            assert!(error.contains(problem), "{line}: {error}");
        }
    }
}
