//! The arrows point inward: which package may depend on which, and what the top level may hold.
//!
//! The table is the third column of the code map in `shared/ARCHITECTURE.md`. A new arrow is a change of the design, and
//! stands here in the commit that makes it. Every check returns what is wrong as text, so that it can be seen to fail.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package, as `cargo metadata` tells of it.
#[derive(Debug, Clone)]
struct Package {
    name: String,
    manifest: PathBuf,
    dependencies: Vec<Dependency>,
}

impl Package {
    fn is_function(&self) -> bool {
        let folder = self.manifest.ancestors().nth(2);
        folder.is_some_and(|folder| folder.ends_with("functions"))
    }
}

#[derive(Debug, Clone)]
struct Dependency {
    name: String,
    kind: Kind,
    /// Whether it is a package of this workspace.
    ours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In `[dependencies]` or `[build-dependencies]`: part of what is shipped, or of what makes it.
    Shipped,
    Dev,
}

/// What a package may depend on; `None` is anything.
#[derive(Clone, Copy)]
struct Arrows {
    /// Packages of this workspace.
    ours: Option<&'static [&'static str]>,
    /// Crates of others, dev-dependencies aside.
    others: Option<&'static [&'static str]>,
}

const ANYTHING: Arrows = Arrows { ours: None, others: None };

const fn ours(ours: &'static [&'static str]) -> Arrows {
    Arrows { ours: Some(ours), others: None }
}

/// Each package and its arrows.
const TABLE: [(&str, Arrows); 18] = [
    ("replication", Arrows { others: Some(&["jiff", "thiserror"]), ..ours(&[]) }),
    (
        "controller",
        Arrows { others: Some(&["futures", "jiff", "thiserror", "tracing"]), ..ours(&["replication"]) },
    ),
    ("aws-adapters", ours(&["controller", "replication"])),
    ("lambda-kit", ours(&["aws-adapters", "controller", "replication"])),
    ("http-api", ours(&["aws-adapters", "controller", "replication", "rules-file", "views"])),
    ("rules-file", ours(&["replication"])),
    (
        "views",
        Arrows { others: Some(&["jiff", "schemars", "serde"]), ..ours(&["controller", "replication"]) },
    ),
    // What it shows comes through the controller's ports, so it can be tested without a table.
    ("dashboard", ours(&["controller", "replication", "views"])),
    ("infra", ours(&[])),
    ("stagelink", ours(&["aws-adapters", "controller", "dashboard", "replication", "rules-file", "views"])),
    ("ivs-sim", ours(&[])),
    ("local", ANYTHING),
    ("stagelink-tests", ANYTHING),
    ("simulation", ours(&["controller", "ivs-sim", "lambda-kit", "replication"])),
    ("model", ours(&["controller", "replication"])),
    // They see a function as Lambda does, from outside.
    ("benches", ours(&[])),
    ("floor", ours(&["benches"])),
    // The one function that is no reaction to an event.
    ("api", ours(&["aws-adapters", "http-api", "lambda-kit"])),
];

/// The arrows of every package under `functions/` without a row of its own.
const FUNCTION: Arrows = ours(&["aws-adapters", "controller", "lambda-kit"]);

/// The only package that may name the AWS SDK.
const NAMES_THE_SDK: &str = "aws-adapters";

/// All that may stand at the top level, dotfiles aside.
const TOP_LEVEL: [&str; 11] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "events",
    "functions",
    "infra",
    "shared",
    "tests",
];

// ---- the checks -----------------------------------------------------------------------------------------------------

/// Arrows that the table does not allow, packages without a row, and rows without a package.
fn wrong_arrows(packages: &[Package]) -> Vec<String> {
    let row = |name: &str| TABLE.iter().find(|(row, _)| *row == name).map(|(_, arrows)| *arrows);
    let mut wrong = Vec::new();
    for package in packages {
        let name = &package.name;
        let Some(arrows) = row(name).or_else(|| package.is_function().then_some(FUNCTION)) else {
            wrong.push(format!("{name} has no row in the table of arrows"));
            continue;
        };
        for Dependency { name: dependency, kind, ours } in &package.dependencies {
            let allowed = if *ours { arrows.ours } else { arrows.others };
            let exempt = !ours && *kind == Kind::Dev;
            if !exempt && allowed.is_some_and(|allowed| !allowed.contains(&dependency.as_str())) {
                wrong.push(format!("{name} may not depend on {dependency}"));
            }
        }
    }
    let missing = TABLE.iter().filter(|(row, _)| packages.iter().all(|package| package.name != *row));
    wrong
        .extend(missing.map(|(row, _)| format!("{row} has a row in the table of arrows, and is no package")));
    wrong
}

/// Packages that name the AWS SDK, in whatever kind of dependency, and should not.
fn wrong_sdk_users(packages: &[Package]) -> Vec<String> {
    let sdk = |name: &str| name.starts_with("aws-sdk-") || name == "aws-config";
    let others = packages.iter().filter(|package| package.name != NAMES_THE_SDK);
    others
        .flat_map(|package| package.dependencies.iter().map(move |dependency| (package, dependency)))
        .filter(|(_, dependency)| sdk(&dependency.name))
        .map(|(package, dependency)| {
            format!("{} names {}; only {NAMES_THE_SDK} may", package.name, dependency.name)
        })
        .collect()
}

/// What a manifest has instead of `workspace = true`, in its dependencies of all kinds and in `[lints]`.
///
/// It knows the two forms that this workspace uses, `name.workspace = true` and `name = { workspace = true, … }` on one
/// line, and takes every other for wrong.
fn not_inherited(manifest: &str) -> Vec<String> {
    let inherits = |line: &str| {
        let line: String = line.chars().filter(|character| !character.is_whitespace()).collect();
        let inline = || {
            let (_, value) = line.split_once("={")?;
            Some(value.strip_suffix('}')?.split(',').any(|entry| entry == "workspace=true"))
        };
        line.split_once('=').is_some_and(|(key, value)| key.ends_with(".workspace") && value == "true")
            || inline().unwrap_or(false)
    };
    let (mut section, mut lints) = (String::new(), false);
    let mut wrong = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            if section.contains("dependencies.") {
                wrong.push(format!("[{section}] is a section of its own"));
            }
            continue;
        }
        if section.ends_with("dependencies") && !inherits(line) {
            wrong.push(format!("[{section}] {line}"));
        }
        lints |= section == "lints" && line == "workspace = true";
    }
    if !lints {
        wrong.push("[lints] workspace = true is missing".to_owned());
    }
    wrong
}

/// Names at the top level that should not be there, of paths as `git ls-files` prints them.
fn wrong_at_top_level<'a>(files: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let names = files.into_iter().map(|file| file.split_once('/').map_or(file, |(folder, _)| folder));
    names.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name)).collect()
}

// ---- this workspace -------------------------------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").expect("cargo sets CARGO for tests");
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependencies = package["dependencies"].as_array().unwrap().iter().map(|dependency| Dependency {
        name: text(&dependency["name"]),
        kind: if dependency["kind"] == "dev" { Kind::Dev } else { Kind::Shipped },
        ours: dependency["path"].is_string(),
    });
    Package {
        name: text(&package["name"]),
        manifest: text(&package["manifest_path"]).into(),
        dependencies: dependencies.collect(),
    }
}

#[test]
fn every_arrow_points_inward() {
    assert_eq!(wrong_arrows(&packages()), Vec::<String>::new());
}

#[test]
fn only_the_adapters_name_the_aws_sdk() {
    assert_eq!(wrong_sdk_users(&packages()), Vec::<String>::new());
}

#[test]
fn every_member_inherits_dependencies_and_lints() {
    for Package { name, manifest, .. } in packages() {
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert_eq!(not_inherited(&manifest), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_top_level_holds_what_the_design_names() {
    let git = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let files = match git {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        trouble => {
            assert!(std::env::var_os("CI").is_none(), "CI has to run in a git checkout: {trouble:?}");
            eprintln!("SKIPPED: the top level is judged by what git tracks, and this is no git checkout");
            return;
        }
    };
    let wrong = wrong_at_top_level(files.split_terminator('\0'));
    assert_eq!(wrong, BTreeSet::new(), "neither in the design nor a dotfile");
}

// ---- that the checks can fail ---------------------------------------------------------------------------------------

fn add(packages: &mut [Package], name: &str, dependency: &str, kind: Kind, ours: bool) {
    let package = packages.iter_mut().find(|package| package.name == name).unwrap();
    package.dependencies.push(Dependency { name: dependency.to_owned(), kind, ours });
}

#[test]
fn a_wrong_arrow_is_found() {
    for (name, dependency, kind, ours) in [
        ("replication", "controller", Kind::Shipped, true),
        ("replication", "serde", Kind::Shipped, false),
        ("controller", "aws-adapters", Kind::Shipped, true),
        ("controller", "ivs-sim", Kind::Dev, true),
        ("controller", "tokio", Kind::Shipped, false),
        ("aws-adapters", "lambda-kit", Kind::Shipped, true),
        ("lambda-kit", "rules-file", Kind::Shipped, true),
        ("rules-file", "controller", Kind::Shipped, true),
        ("views", "aws-adapters", Kind::Shipped, true),
        ("views", "lambda_http", Kind::Shipped, false),
        ("http-api", "lambda-kit", Kind::Shipped, true),
        ("api", "controller", Kind::Shipped, true),
        ("dispatch", "http-api", Kind::Shipped, true),
        ("stagelink", "local", Kind::Shipped, true),
        ("dashboard", "aws-adapters", Kind::Shipped, true),
        ("ivs-sim", "replication", Kind::Shipped, true),
        ("model", "ivs-sim", Kind::Shipped, true),
        ("participant-published", "replication", Kind::Shipped, true),
    ] {
        let mut packages = packages();
        add(&mut packages, name, dependency, kind, ours);
        assert_eq!(wrong_arrows(&packages), [format!("{name} may not depend on {dependency}")]);
    }
    let mut packages = packages();
    add(&mut packages, "replication", "proptest", Kind::Dev, false);
    add(&mut packages, "local", "lambda-kit", Kind::Shipped, true);
    assert_eq!(wrong_arrows(&packages), Vec::<String>::new(), "both are allowed");
}

#[test]
fn a_package_and_a_row_without_each_other_are_found() {
    let mut packages = packages();
    let package = packages.iter_mut().find(|package| package.name == "rules-file").unwrap();
    package.name = "novelty".to_owned();
    assert_eq!(
        wrong_arrows(&packages),
        [
            "novelty has no row in the table of arrows",
            "rules-file has a row in the table of arrows, and is no package"
        ]
    );
}

#[test]
fn a_second_user_of_the_sdk_is_found() {
    for (dependency, kind) in [("aws-sdk-dynamodb", Kind::Shipped), ("aws-config", Kind::Dev)] {
        let mut packages = packages();
        add(&mut packages, "local", dependency, kind, false);
        assert_eq!(wrong_sdk_users(&packages), [format!("local names {dependency}; only aws-adapters may")]);
    }
    let adapters = packages().into_iter().find(|package| package.name == NAMES_THE_SDK).unwrap();
    let renamed = Package { name: "others".to_owned(), ..adapters };
    assert!(wrong_sdk_users(&[renamed]).len() >= 3, "the adapters do name the SDK");
}

#[test]
fn what_is_not_inherited_is_found() {
    let inherited = r#"
[package]
name = "a"

[lints]
workspace = true

[dependencies]
serde.workspace = true
tokio = { workspace = true, features = ["net", "signal"] }

[target.'cfg(unix)'.dev-dependencies]
# a comment
proptest = { features = ["std"], workspace = true }
"#;
    assert_eq!(not_inherited(inherited), Vec::<String>::new());
    for (good, bad) in [
        ("serde.workspace = true", "serde = \"1\""),
        ("serde.workspace = true", "serde = { version = \"1\", features = [\"derive\"] }"),
        ("serde.workspace = true", "serde = { path = \"../serde\" }"),
        ("serde.workspace = true", "serde.workspace = false"),
        ("features = [\"std\"], workspace = true", "version = \"1\""),
    ] {
        assert_eq!(not_inherited(&inherited.replace(good, bad)).len(), 1, "{bad}");
    }
    let section = inherited.replace("serde.workspace = true", "[dependencies.serde]\nversion = \"1\"");
    assert_eq!(not_inherited(&section), ["[dependencies.serde] is a section of its own"]);
    let no_lints = inherited.replace("[lints]\nworkspace = true", "");
    assert_eq!(not_inherited(&no_lints), ["[lints] workspace = true is missing"]);
}

#[test]
fn a_stray_name_at_the_top_level_is_found() {
    let files =
        ["Cargo.toml", "shared/local/Cargo.toml", "docs/a.md", ".ci/run", "tests/Cargo.toml", "NOTES"];
    assert_eq!(wrong_at_top_level(files), BTreeSet::from(["NOTES", "docs"]));
}
