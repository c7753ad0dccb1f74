//! `cargo infra browser`: the dashboard's test in a real, headless Chromium.
//!
//! Chromium and chromedriver are those that the environment names, or those on the PATH. If there are none, Debian's are unpacked into
//! `.tools/chromium`, with the libraries that this machine lacks; nothing is installed. They are not pinned to one version, because
//! Debian keeps the newest only: the one that is used is printed, and none is taken that is older than the page needs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// The environment variable that names Chromium, to this command and to the test.
const CHROMIUM: &str = "STAGELINK_CHROMIUM";
/// The environment variable that names chromedriver.
const CHROMEDRIVER: &str = "STAGELINK_CHROMEDRIVER";

/// The first version that knows everything the page uses; `light-dark()` came last.
const OLDEST: u32 = 123;

/// Debian's packages of the two.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Arguments for the test, such as the name of one
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "TEST ARGUMENTS")]
    test: Vec<String>,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        let browser = Browser::find(&workspace.root)?;
        eprintln!("Chromium {}", browser.version()?);
        let mut cargo = process::cargo(&workspace.root);
        cargo.args([
            "test",
            "--locked",
            "-p",
            "stagelink-tests",
            "--features",
            "browser",
            "--test",
            "browser",
        ]);
        // One page at a time: what is measured should be measured alone.
        cargo.args(["--", "--test-threads=1"]).args(&self.test);
        process::run(browser.tell(&mut cargo))?;
        eprintln!("pictures are in {}", workspace.target.join("screenshots").display());
        Ok(())
    }
}

/// The two programs, and where else their libraries are.
#[derive(Debug)]
struct Browser {
    chromium: PathBuf,
    chromedriver: PathBuf,
    libraries: Option<OsString>,
}

impl Browser {
    fn find(root: &Path) -> Result<Self, Error> {
        match (named(CHROMIUM), named(CHROMEDRIVER)) {
            (Some(chromium), Some(chromedriver)) => {
                return Ok(Self { chromium, chromedriver, libraries: None });
            }
            (None, None) => {}
            (Some(_), None) => {
                return Err(Error::Usage(format!("{CHROMEDRIVER} is missing beside {CHROMIUM}")));
            }
            (None, Some(_)) => {
                return Err(Error::Usage(format!("{CHROMIUM} is missing beside {CHROMEDRIVER}")));
            }
        }
        let here = Self {
            chromium: first_that_runs(&["chromium", "chromium-browser", "google-chrome"]),
            chromedriver: "chromedriver".into(),
            libraries: None,
        };
        if here.version().is_ok() {
            return Ok(here);
        }
        let unpacked = Self::unpacked(&root.join(".tools/chromium"));
        if unpacked.version().is_err() {
            unpack(&root.join(".tools/chromium"))?;
        }
        Ok(unpacked)
    }

    /// Debian's, in a folder of ours.
    fn unpacked(folder: &Path) -> Self {
        let root = folder.join("root");
        let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
        let [system, base] = ["usr/lib", "lib"].map(|lib| root.join(lib).join(&architecture));
        // Installed, libpulse finds its own in there by the full path.
        let libraries = [system.join("pulseaudio"), system, base];
        Self {
            chromium: root.join("usr/lib/chromium/chromium"),
            chromedriver: root.join("usr/bin/chromedriver"),
            libraries: std::env::join_paths(libraries).ok(),
        }
    }

    /// Their version: both run, are of the same one, and it is not too old.
    fn version(&self) -> Result<String, Error> {
        let of = |program: &Path| {
            let mut command = Command::new(program);
            let output = self.tell(command.arg("--version")).stdin(Stdio::null()).output();
            let output = output.map_err(process::start_error(&command))?;
            version_in(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
                let said = String::from_utf8_lossy(&output.stderr);
                Error::Wrong(format!("{} does not say its version: {}", program.display(), said.trim()))
            })
        };
        let (chromium, chromedriver) = (of(&self.chromium)?, of(&self.chromedriver)?);
        match (major(&chromium), major(&chromedriver)) {
            (browser, driver) if browser != driver => Err(Error::Wrong(format!(
                "chromedriver {chromedriver} is not valid: allowed is that of Chromium {chromium}"
            ))),
            (Some(browser), _) if browser >= OLDEST => Ok(chromium),
            _ => Err(Error::Wrong(format!("Chromium {chromium} is not valid: allowed is {OLDEST} or later"))),
        }
    }

    /// Tells a program of them.
    fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(CHROMIUM, &self.chromium).env(CHROMEDRIVER, &self.chromedriver);
        match &self.libraries {
            Some(libraries) => command.env("LD_LIBRARY_PATH", libraries),
            None => command,
        }
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|name| !name.is_empty()).map(PathBuf::from)
}

/// The first of these programs in PATH that runs, by its whole path: chromedriver takes no other.
fn first_that_runs(programs: &[&str]) -> PathBuf {
    let runs = |program: &PathBuf| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let in_folders = |program: &&str| {
        std::env::split_paths(&folders).map(|folder| folder.join(program)).collect::<Vec<_>>()
    };
    programs.iter().flat_map(in_folders).find(runs).unwrap_or_else(|| programs[0].into())
}

/// The version in what a program says with `--version`: `Chromium 156.0.8078.79 built on …`.
fn version_in(said: &str) -> Option<String> {
    let word = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(word.to_owned())
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// Unpacks Debian's packages and all that they need and this machine lacks, by name and version as apt would install them.
fn unpack(folder: &Path) -> Result<(), Error> {
    let mut plan = Command::new("apt-get");
    plan.args(["install", "--simulate", "--reinstall", "--no-install-recommends"]).args(PACKAGES);
    let missing = || Error::Missing {
        what: "Chromium with its chromedriver".to_owned(),
        remedy: format!(
            "on Debian and Ubuntu, apt-get install --no-install-recommends {}; elsewhere, name both with {CHROMIUM} and {CHROMEDRIVER}",
            PACKAGES.join(" ")
        ),
    };
    let plan = process::output(&mut plan).map_err(|_| missing())?;
    let packages = planned(&plan);
    if packages.is_empty() {
        return Err(missing());
    }
    let archives = folder.join("archives");
    for folder in [&archives, &folder.join("root")] {
        fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    }
    process::run(Command::new("apt-get").arg("download").args(&packages).current_dir(&archives))?;
    for archive in fs::read_dir(&archives).map_err(Error::file("read", &archives))? {
        let archive = archive.map_err(Error::file("read", &archives))?.path();
        process::run(Command::new("dpkg").arg("--extract").arg(&archive).arg(folder.join("root")))?;
    }
    fs::remove_dir_all(&archives).map_err(Error::file("delete", &archives))
}

/// What apt would install, as `name=version`, of lines such as `Inst chromium (156.0 Debian-Security:12/stable [amd64])`.
fn planned(plan: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut words = line.strip_prefix("Inst ")?.split_whitespace();
        let name = words.next()?.to_owned();
        let version = words.find_map(|word| word.strip_prefix('('))?;
        Some(format!("{name}={version}"))
    };
    plan.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        for (said, version) in [
            ("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)\n", "156.0.8078.79"),
            (
                "ChromeDriver 156.0.8078.79 (a21ce95c24ce39 - refs/branch-heads/8078@{#1704})\n",
                "156.0.8078.79",
            ),
            ("Google Chrome 130.0.1\n", "130.0.1"),
        ] {
            assert_eq!(version_in(said).as_deref(), Some(version));
        }
        assert_eq!((version_in("no"), major("156.0"), major("x")), (None, Some(156), None));
    }

    #[test]
    fn what_apt_would_install_is_read_with_its_version() {
        let plan = "Reading package lists...\n\
            Inst libnspr4 (2:4.35-1 Debian:12.11/oldstable [amd64])\n\
            Inst chromium [150.0-1] (156.0-1~deb12u1 Debian-Security:12/oldstable-security [amd64]) []\n\
            Conf chromium (156.0-1~deb12u1 Debian-Security:12/oldstable-security [amd64])\n";
        assert_eq!(planned(plan), ["libnspr4=2:4.35-1", "chromium=156.0-1~deb12u1"]);
    }

    #[test]
    fn a_browser_that_is_not_there_has_no_version() {
        let nowhere = Browser::unpacked(Path::new("/nowhere"));
        assert!(nowhere.version().unwrap_err().words().contains("/nowhere/root/usr/lib/chromium/chromium"));
    }
}
