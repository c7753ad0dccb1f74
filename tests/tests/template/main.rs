//! The deployment against the code: what each function may do, what wakes it, and that nothing that matters can be dropped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod findings;
mod permissions;
mod usage;

use std::collections::BTreeSet;
use std::path::Path;

use controller::DueClass;
use local::template::document;
use serde_json::Value;

use findings::findings;

const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

fn template() -> Value {
    document(TEMPLATE).unwrap()
}

/// The logical ids of the functions, with the names of their binaries.
fn functions(template: &Value) -> Vec<(String, String)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let functions = resources.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions.map(|(id, _)| (id.clone(), kebab(id))).collect()
}

/// `RuleChanged` as `rule-changed`.
fn kebab(id: &str) -> String {
    let parts = id.char_indices().map(|(i, letter)| match letter {
        'A'..='Z' if i > 0 => format!("-{}", letter.to_ascii_lowercase()),
        letter => letter.to_ascii_lowercase().to_string(),
    });
    parts.collect()
}

#[test]
fn the_template_is_as_it_must_be() {
    assert_eq!(findings(&template()), Vec::<String>::new());
}

#[test]
fn every_function_is_in_the_template() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    let packages = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let packages: BTreeSet<_> = packages.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let deployed: BTreeSet<_> = functions(&template()).into_iter().map(|(_, name)| name).collect();
    assert_eq!(deployed, packages);
}

/// Every property of every resource, dropped by itself, is missed; but for what only people read.
#[test]
fn no_property_can_be_dropped_unnoticed() {
    const FOR_PEOPLE: [&str; 4] = ["Description", "AlarmDescription", "DisplayName", "DashboardBody"];
    let template = template();
    let mut paths = Vec::new();
    for section in ["Globals", "Resources"] {
        collect(&template[section], &format!("/{section}"), &mut paths);
    }
    assert!(paths.len() > 500, "{} paths", paths.len());
    let unnoticed: Vec<_> = paths
        .into_iter()
        .filter(|path| !FOR_PEOPLE.iter().any(|name| path.contains(&format!("/{name}"))))
        .filter(|path| findings(&without(template.clone(), path)).is_empty())
        .collect();
    assert_eq!(unnoticed, Vec::<String>::new());
}

/// The paths of everything in `value`.
fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    let mut below = |key: &str, child: &Value| {
        let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        collect(child, &path, paths);
        paths.push(path);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, child)| below(key, child)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, child)| below(&i.to_string(), child));
        }
        _ => {}
    }
}

fn without(mut template: Value, path: &str) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    match template.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(&key.replace("~1", "/").replace("~0", "~"))),
        Value::Array(items) => drop(items.remove(key.parse().unwrap())),
        other => panic!("{parent} is {other}"),
    }
    template
}

/// Work of every class wakes dispatch, but for leases: these end by themselves, and mostly before.
#[test]
fn every_class_of_work_wakes_dispatch() {
    let filter = filter("Dispatch", "Work");
    for class in DueClass::ALL {
        let named = filter.contains(&format!("\"{}\"", class.name()));
        assert_eq!(named, class != DueClass::Lease, "{}", class.name());
    }
}

#[test]
fn rules_and_orders_wake_rule_changed() {
    let filter = filter("RuleChanged", "Rules");
    assert!(filter.contains("{\"prefix\": \"RULE#\"}") && filter.contains("\"CONTROL\""), "{filter}");
}

fn filter(function: &str, event: &str) -> String {
    let path = format!(
        "/Resources/{function}/Properties/Events/{event}/Properties/FilterCriteria/Filters/0/Pattern"
    );
    template().pointer(&path).unwrap().as_str().unwrap().to_owned()
}
