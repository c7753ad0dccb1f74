//! The OpenAPI document: from the table of operations, the kinds of problems and the types of what goes in and out.
//!
//! `openapi.json` beside this crate is what it was when it was last written; a test holds them against each other, and
//! `BLESS=1` writes it anew.

mod problems;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::operation::{Body, IfMatch, Method, Operation, Parameter, Route};
use crate::problem::Kind;
use crate::query::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::{rules, versus};

/// The document, as OpenAPI 3.1.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in Operation::ALL {
        let Route { method, path, .. } = operation.route();
        let method = method.names()[0].to_ascii_lowercase();
        paths.entry(path).or_default().insert(method, described(operation, &mut schemas));
    }
    let (title, version) = ("Stagelink", env!("CARGO_PKG_VERSION"));
    let responses = std::mem::take(&mut schemas.responses);
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": title,
            "version": version,
            "description": words::DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{
            "url": "https://{id}.lambda-url.{region}.on.aws",
            "description": "The Function URL: output ApiUrl of the stack.",
            "variables": { "id": { "default": "id" }, "region": { "default": "us-east-1" } },
        }],
        "security": [{ "sigv4": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.all(),
            "responses": responses,
            "headers": headers(),
            "securitySchemes": { "sigv4": {
                "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
                "description": "AWS Signature Version 4 for the service `lambda`: needs lambda:InvokeFunctionUrl, and lambda:InvokeFunction by way of the URL.",
            } },
        },
    })
}

/// An error, as it is answered: problem details of RFC 9457.
#[derive(Debug, Serialize, JsonSchema)]
#[allow(dead_code, reason = "it stands for what `Problem` writes")]
struct Problem {
    /// What kind of problem it is: programs tell problems apart by it.
    #[schemars(extend("enum" = Kind::ALL.map(Kind::urn)))]
    r#type: String,
    /// The kind in a sentence.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What is wrong here, and what is allowed.
    detail: String,
    /// The field, parameter or header that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What it held, cut to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// What it may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<String>,
    /// The revision that the rule has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_revision: Option<u64>,
    /// What the rule says now.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<views::Rule>,
}

/// How the function is.
#[derive(Debug, Serialize, JsonSchema)]
#[allow(dead_code, reason = "it stands for what is answered")]
struct Health {
    /// Always `ok`: who cannot read the table answers with a problem.
    #[schemars(extend("const" = "ok"))]
    status: String,
    /// Whether an operator ordered that nothing is started or stopped.
    paused: bool,
    /// The version of the function.
    version: String,
}

/// Schemas of what goes out and of what comes in: a field with a default is there in one, and may be left out in the other.
struct Schemas {
    out: SchemaGenerator,
    into: SchemaGenerator,
    /// Answers that several operations have.
    responses: Map<String, Value>,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            out: settings().for_serialize().into_generator(),
            into: settings().for_deserialize().into_generator(),
            responses: Map::new(),
        }
    }

    fn out<T: JsonSchema>(&mut self) -> Schema {
        self.out.subschema_for::<T>()
    }

    fn into<T: JsonSchema>(&mut self) -> Schema {
        self.into.subschema_for::<T>()
    }

    fn page<T: JsonSchema>(&mut self, name: &str, is_paged: bool) -> Value {
        let (item, unreadable) = (self.out::<T>(), self.out::<views::Unreadable>());
        let mut properties = json!({
            name: { "type": "array", "items": item },
            "left_out": { "type": "array", "items": unreadable, "description": "Items that cannot be read." },
        });
        if is_paged {
            properties["next"] =
                json!({ "type": "string", "description": "For the page after this; not there on the last." });
        }
        json!({ "type": "object", "properties": properties, "required": [name] })
    }

    /// Every schema that was asked for, and those that it needs.
    fn all(mut self) -> Map<String, Value> {
        let mut all = self.out.take_definitions(true);
        all.values_mut().for_each(without_null);
        all.extend(self.into.take_definitions(true));
        all
    }
}

/// What is not there is left out of an answer, and never `null`. The generator cannot know that, because it allows both.
fn without_null(schema: &mut Value) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(|properties| properties.values_mut()) {
        let Some(property) = property.as_object_mut() else { continue };
        let types = property.get("type").and_then(Value::as_array).map(Vec::as_slice);
        if let Some([of, null]) = types
            && null == "null"
        {
            let of = of.clone();
            property.insert("type".to_owned(), of);
        }
        let either = property.get("anyOf").and_then(Value::as_array).map(Vec::as_slice);
        if let Some([of, null]) = either
            && null["type"] == "null"
        {
            let of = of.as_object().cloned().unwrap_or_default();
            property.remove("anyOf");
            property.extend(of);
        }
    }
    let variants = schema.get_mut("anyOf").and_then(Value::as_array_mut);
    variants.into_iter().flatten().for_each(without_null);
}

fn described(operation: Operation, schemas: &mut Schemas) -> Value {
    let Route { path, parameters, body, if_match, .. } = operation.route();
    let (id, summary) = words::of(operation);
    let mut described = json!({ "operationId": id, "summary": summary });
    let mut listed: Vec<Value> = Vec::new();
    if path.contains("{id}") {
        let (what, pattern) = match path.starts_with("/versus") {
            true => ("The session's id.", "^[A-Za-z0-9_-]{1,48}$"),
            false => ("The rule's id.", "^[A-Za-z0-9_.-]{1,64}$"),
        };
        let schema = json!({ "type": "string", "pattern": pattern });
        listed.push(
            json!({ "name": "id", "in": "path", "required": true, "description": what, "schema": schema }),
        );
    }
    listed.extend(parameters.iter().map(|one| parameter(operation, *one)));
    if if_match != IfMatch::No {
        listed.push(json!({
            "name": "If-Match", "in": "header", "required": if_match == IfMatch::Must,
            "description": "The revision that is to be changed, as `ETag` has it.",
            "schema": { "type": "string", "pattern": "^\"[1-9][0-9]*\"$" }, "example": "\"3\"",
        }));
    }
    if operation.takes_key() {
        listed.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "description": words::KEY,
            "schema": { "type": "string", "minLength": 1, "maxLength": 257 },
            "example": "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
        }));
    }
    if !listed.is_empty() {
        described["parameters"] = listed.into();
    }
    if let Some(schema) = taken(operation, schemas) {
        described["requestBody"] = json!({ "required": body == Body::Required, "content": { "application/json": { "schema": schema } } });
    }
    described["responses"] = responses(operation, schemas);
    described
}

fn parameter(operation: Operation, parameter: Parameter) -> Value {
    let arn = || json!({ "type": "string", "maxLength": 128, "pattern": "^arn:aws:ivs:[a-z0-9-]+:[0-9]+:stage/[A-Za-z0-9-]+$" });
    let schema = match parameter {
        Parameter::Source | Parameter::Destination | Parameter::Stage => arn(),
        Parameter::Phase => json!({ "type": "string", "enum": replication::Phase::NAMES }),
        Parameter::Participant => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" }),
        Parameter::Rule => json!({ "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$" }),
        Parameter::Since => json!({ "type": "string", "format": "date-time" }),
        Parameter::Reason => json!({ "type": "string", "minLength": 1, "maxLength": 256 }),
        Parameter::Limit => {
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT })
        }
        Parameter::Next => json!({ "type": "string" }),
    };
    let required = match parameter {
        Parameter::Stage => true,
        Parameter::Participant => operation == Operation::Explain,
        _ => false,
    };
    let description = words::of_parameter(operation, parameter);
    json!({
        "name": parameter.name(), "in": "query", "required": required, "description": description, "schema": schema,
    })
}

/// What an operation takes as its body.
fn taken(operation: Operation, schemas: &mut Schemas) -> Option<Value> {
    let with = |schema: Schema, more: Value| json!({ "allOf": [schema, more] });
    Some(match operation {
        Operation::CreateRule | Operation::ReplaceRule => {
            // A rule as it is written, and what stands beside its fields. So the fields are repeated, for the schema of a rule
            // allows no others.
            let _ = schemas.into::<rules_file::RuleDocument>();
            let mut rule = schemas.into.definitions().get("RuleDocument").cloned().unwrap_or_default();
            let reason =
                json!({ "type": "string", "minLength": 1, "maxLength": 256, "description": words::REASON });
            rule["properties"]["reason"] = reason;
            if operation == Operation::ReplaceRule {
                rule["properties"]["revision"] = json!({
                    "type": "integer", "minimum": 1, "description": "May be there, as an answer gave it: as in If-Match.",
                });
                rule["required"] = json!(["source", "destinations"]);
            }
            rule
        }
        Operation::PauseRule | Operation::ResumeRule => json!(schemas.into::<rules::Reasoned>()),
        Operation::RollBackRule => json!(schemas.into::<rules::Rollback>()),
        Operation::StartVersus => json!(schemas.into::<versus::Start>()),
        Operation::ExtendVersus => json!(schemas.into::<versus::Extend>()),
        Operation::Plan => {
            let document = schemas.into::<rules_file::Document<rules_file::RuleDocument>>();
            with(document, json!({ "description": "A rules file, as JSON." }))
        }
        _ => return None,
    })
}

/// What an operation answers if all is well, by status.
fn answered(operation: Operation, schemas: &mut Schemas) -> Vec<(u16, Value)> {
    let schema = match operation {
        Operation::Health => json!(schemas.out::<Health>()),
        Operation::OpenApi => json!({ "type": "object" }),
        Operation::ListRules => schemas.page::<views::Rule>("rules", true),
        Operation::CreateRule => return vec![(201, json!(schemas.out::<views::Rule>()))],
        Operation::GetRule
        | Operation::ReplaceRule
        | Operation::DeleteRule
        | Operation::PauseRule
        | Operation::ResumeRule
        | Operation::RollBackRule => json!(schemas.out::<views::Rule>()),
        Operation::ListRevisions => schemas.page::<views::Revision>("revisions", true),
        Operation::ListVersus => schemas.page::<views::Versus>("versus", false),
        Operation::StartVersus => {
            let session = json!(schemas.out::<views::Versus>());
            return vec![(200, session.clone()), (201, session)];
        }
        Operation::GetVersus | Operation::ExtendVersus | Operation::EndVersus => {
            json!(schemas.out::<views::Versus>())
        }
        Operation::ListPublishers => schemas.page::<views::Publisher>("publishers", true),
        Operation::ListReplicas => schemas.page::<views::Replica>("replicas", true),
        Operation::Explain => json!(schemas.out::<views::Explanation>()),
        Operation::ListActivity => schemas.page::<views::Activity>("activity", true),
        Operation::Plan => json!(schemas.out::<views::Forecast>()),
    };
    vec![(200, schema)]
}

fn responses(operation: Operation, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    for (status, schema) in answered(operation, schemas) {
        let mut headers = Map::new();
        let mut add = |name: &str| {
            headers.insert(name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
        };
        if has_revision(operation) {
            add("ETag");
        }
        if status == 201 {
            add("Location");
        }
        if operation.takes_key() {
            add("Idempotent-Replayed");
        }
        let mut response = json!({
            "description": words::of_answer(operation, status),
            "content": { "application/json": { "schema": schema } },
        });
        if !headers.is_empty() {
            response["headers"] = headers.into();
        }
        responses.insert(status.to_string(), response);
    }
    let mut by_status: BTreeMap<u16, BTreeSet<Kind>> = BTreeMap::new();
    for kind in problems::of(operation) {
        by_status.entry(kind.status()).or_default().insert(kind);
    }
    let problem = schemas.out::<Problem>();
    for (status, kinds) in by_status {
        let told: Vec<_> = kinds.iter().map(|kind| format!("`{}`: {}.", kind.name(), kind.title())).collect();
        let urns: Vec<_> = kinds.iter().map(|kind| kind.urn()).collect();
        let mut schema = json!(problem);
        schema["properties"] = json!({ "type": { "enum": urns } });
        let mut response = json!({
            "description": told.join(" "),
            "content": { "application/problem+json": { "schema": schema } },
        });
        if kinds.iter().any(|kind| kind.is_passing()) {
            response["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } });
        }
        // What may be wrong with the table may be so everywhere.
        if status >= 500 {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            let name = names.join("-or-");
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            schemas.responses.insert(name, std::mem::replace(&mut response, reference));
        }
        responses.insert(status.to_string(), response);
    }
    responses.into()
}

/// Whether the answer has a revision that `If-Match` takes, or that tells a session's end from an earlier one.
fn has_revision(operation: Operation) -> bool {
    let about_one = operation.route().path.contains("{id}") || operation.route().method == Method::Post;
    let other = [Operation::DeleteRule, Operation::ListRevisions, Operation::Plan];
    about_one && !other.contains(&operation)
}

fn headers() -> Value {
    let header = |schema: Value, words: &str| json!({ "description": words, "schema": schema });
    let text = || json!({ "type": "string" });
    json!({
        "ETag": header(text(), "The revision, in quotes."),
        "Location": header(text(), "The path of what is new."),
        "Idempotent-Replayed": header(json!({ "const": "true" }), words::REPLAYED),
        "Retry-After": header(json!({ "type": "integer" }), "Seconds after which it is worth trying again."),
    })
}
