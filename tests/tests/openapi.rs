//! The OpenAPI document that is committed is the one that the code makes, and says everything.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use http_api::openapi::document;
use http_api::problem::Kind;
use serde_json::Value;
use stagelink_tests::World;
use stagelink_tests::http::{Asked, api};

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/http-api/openapi.json")
}

#[test]
fn the_document_is_as_it_is_committed() {
    let made = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file(), &made).unwrap();
    }
    let known = std::fs::read_to_string(file()).unwrap();
    assert!(made == known, "shared/http-api/openapi.json is not what the code says; BLESS=1 writes it anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_answered() {
    let world = World::start().await.unwrap();
    let answered = Asked::get("/openapi.json", "").of(&api(&world).await).await;
    let known: Value = serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap();
    assert_eq!(answered.with(200), known);
    assert_eq!(world.recording.take().len(), 0, "it needs no table");
}

/// Each `$ref` leads somewhere, and each schema is led to.
#[test]
fn every_reference_leads_to_a_schema_and_every_schema_is_needed() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap().keys();
    let unused: Vec<_> =
        schemas.filter(|name| !found.contains(&format!("#/components/schemas/{name}"))).collect();
    assert_eq!(unused, Vec::<&String>::new());
}

/// It is valid by the rules of JSON Schema, whose dialect OpenAPI 3.1 uses.
#[test]
fn every_schema_is_one() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}");
    }
}

#[test]
fn every_kind_of_problem_is_in_it() {
    let document = document();
    let known = document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"].clone();
    assert_eq!(known, serde_json::json!(Kind::ALL.map(Kind::urn)));
    let text = format!("{}{}", document["paths"], document["components"]["responses"]);
    let unanswered = Kind::ALL.into_iter().filter(|kind| !text.contains(&format!("\"{}\"", kind.urn())));
    // These belong to no operation: the description says so.
    assert_eq!(unanswered.collect::<Vec<_>>(), [Kind::UnknownPath, Kind::MethodNotAllowed]);
}

/// Names are unique, and every parameter and field is explained.
#[test]
fn everything_has_a_name_and_words() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path} {method}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(
                    parameter["description"].as_str().is_some_and(|words| words.len() > 5),
                    "{path} {parameter}"
                );
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{field}: {property}");
        }
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
