//! Function `api` as its Function URL invokes it, with every answer held against the OpenAPI document.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{LazyLock, Mutex, PoisonError};

use aws_adapters::{Connection, ConnectionOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_api::{Api, Settings};
use jsonschema::Validator;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use replication::Policy;
use serde_json::{Map, Value, json};

use crate::World;
use crate::world::Trouble;

/// The caller, if nothing else is said.
pub const CALLER: &str = "arn:aws:iam::123456789012:user/backend";

/// A request, as a client puts it together.
#[derive(Debug, Clone)]
pub struct Asked {
    method: String,
    path: String,
    query: String,
    headers: Map<String, Value>,
    body: Option<String>,
    is_base64: bool,
    caller: String,
}

/// An answer, as it goes back to the Function URL.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Map<String, Value>,
    /// The body, if it is JSON.
    pub body: Value,
    raw: String,
}

impl Asked {
    /// A request without headers of its own and without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: Map::new(),
            body: None,
            is_base64: false,
            caller: CALLER.to_owned(),
        }
    }

    /// GET.
    pub fn get(path: &str, query: &str) -> Self {
        Self { query: query.to_owned(), ..Self::new("GET", path) }
    }

    /// POST of JSON.
    pub fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path).json(body)
    }

    /// With this query.
    pub fn query(self, query: &str) -> Self {
        Self { query: query.to_owned(), ..self }
    }

    /// With JSON as its body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").text(&body.to_string())
    }

    /// With this body.
    pub fn text(self, body: &str) -> Self {
        Self { body: Some(body.to_owned()), ..self }
    }

    /// With this body, which a Function URL encodes unless it is text.
    pub fn bytes(self, body: &[u8]) -> Self {
        match std::str::from_utf8(body) {
            Ok(text) => self.text(text),
            Err(_) => Self { body: Some(STANDARD.encode(body)), is_base64: true, ..self },
        }
    }

    /// With a header, in lower case, as a Function URL gives it.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// About this revision.
    pub fn if_match(self, revision: u64) -> Self {
        self.header("if-match", &format!("\"{revision}\""))
    }

    /// With a key for the case that it is sent again.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", &format!("\"{key}\""))
    }

    /// Asked by somebody else.
    pub fn by(self, caller: &str) -> Self {
        Self { caller: caller.to_owned(), ..self }
    }

    /// The answer, which is what the OpenAPI document says.
    pub async fn of(self, api: &Api) -> Answered {
        let answered = self.clone().unchecked(api).await;
        if let Err(wrong) = against_the_document(&self, &answered) {
            panic!("{} {}?{}: {wrong}\n{answered:#?}", self.method, self.path, self.query);
        }
        answered
    }

    async fn unchecked(self, api: &Api) -> Answered {
        self.try_of(api).await.expect("an answer")
    }

    /// The answer, whatever it is.
    ///
    /// # Errors
    /// When there is none: the Function URL would answer 502.
    ///
    /// # Panics
    /// When the answer is none.
    pub async fn try_of(self, api: &Api) -> Result<Answered, Trouble> {
        let request: LambdaRequest = serde_json::from_value(self.event())?;
        let mut context = Context::default();
        context.request_id = "request-1".to_owned();
        let answer =
            api.handle(LambdaEvent::new(request, context)).await.map_err(|error| error.to_string())?;
        let answer = serde_json::to_value(answer).expect("JSON");
        let raw = answer["body"].as_str().expect("a body").to_owned();
        Ok(Answered {
            status: u16::try_from(answer["statusCode"].as_u64().expect("a status")).expect("a status"),
            headers: answer["headers"].as_object().expect("headers").clone(),
            body: serde_json::from_str(&raw).unwrap_or_default(),
            raw,
        })
    }

    /// What a Function URL with IAM authentication sends: payload format 2.0.
    fn event(&self) -> Value {
        let domain = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws";
        let (method, path) = (&self.method, &self.path);
        let mut headers = self.headers.clone();
        for (name, value) in [("host", domain), ("x-forwarded-proto", "https"), ("accept", "*/*")] {
            headers.entry(name).or_insert(value.into());
        }
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abcdefghijklmnopqrstuvwxyz012345",
                "authentication": null,
                "authorizer": { "iam": {
                    "accessKey": "AKIAIOSFODNN7EXAMPLE",
                    "accountId": "123456789012",
                    "callerId": "AIDACKCEVSQ6C2EXAMPLE",
                    "cognitoIdentity": null,
                    "principalOrgId": "o-example",
                    "userArn": self.caller,
                    "userId": "AIDACKCEVSQ6C2EXAMPLE"
                } },
                "domainName": domain,
                "domainPrefix": "abcdefghijklmnopqrstuvwxyz012345",
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test" },
                "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
                "routeKey": "$default",
                "stage": "$default",
                "time": "29/Jun/2026:16:40:32 +0000",
                "timeEpoch": 1_782_751_232_000_i64
            },
            "isBase64Encoded": self.is_base64
        });
        if let Some(body) = &self.body {
            event["body"] = body.as_str().into();
        }
        event
    }
}

impl Answered {
    /// Status, headers and body, as a person reads them.
    pub fn shown(&self) -> String {
        let body = match &self.body {
            Value::Null => format!("({} bytes)", self.raw.len()),
            body => serde_json::to_string_pretty(body).expect("JSON"),
        };
        let headers =
            self.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.as_str().unwrap()));
        format!("{}\n{}\n{body}\n", self.status, headers.collect::<String>())
    }

    /// The body's JSON, if the status is this one.
    ///
    /// # Panics
    /// When it is another.
    pub fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:#?}");
        self.body
    }

    /// The kind of problem, and the field that it is about.
    pub fn problem(&self) -> (&str, &str) {
        let kind = self.body["type"].as_str().expect("a problem");
        let kind = kind.strip_prefix("urn:problem-type:stagelink:").expect("a problem of ours");
        (kind, self.body["field"].as_str().unwrap_or_default())
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_str()
    }

    /// The body, byte by byte.
    pub fn raw(&self) -> &str {
        &self.raw
    }
}

/// The API on the recorded way to the world's table.
pub async fn api(world: &World) -> Api {
    let api = connected(world.urls()[0], world.table()).await;
    world.recording.take();
    api
}

/// The API on some table.
pub async fn connected(dynamodb: &str, table: &str) -> Api {
    let options = ConnectionOptions {
        region: Some("us-east-1".to_owned()),
        dynamodb_endpoint: Some(dynamodb.to_owned()),
        emulated: true,
        ..ConnectionOptions::default()
    };
    let settings = Settings { policy: Policy::default(), share_percent: 80 };
    Api::new(Connection::new(options).await.store(table), settings).await
}

// ---- the OpenAPI document ------------------------------------------------------------------------------------------

/// The document, where no object may have a property that it does not name.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = http_api::openapi::document();
    close(&mut document["components"]["schemas"]);
    close(&mut document["paths"]);
    document
});

/// Validators of its schemas, by these: to make one takes longer than to ask it.
static VALIDATORS: Mutex<BTreeMap<String, Validator>> = Mutex::new(BTreeMap::new());

/// Holds an answer against the document.
///
/// # Errors
/// What the document does not say of it.
pub fn against_the_document(asked: &Asked, answered: &Answered) -> Result<(), String> {
    let kind = answered.body["type"].as_str().unwrap_or_default();
    if kind.ends_with(":unknown-path") || kind.ends_with(":method-not-allowed") {
        return valid(&json!({ "$ref": "#/components/schemas/Problem" }), &answered.body);
    }
    let is_head = asked.method == "HEAD" && answered.raw.is_empty();
    if is_head && answered.status == 404 && !paths().any(|(path, _)| is_of(path, &asked.path)) {
        return Ok(());
    }
    let method = if is_head { "get".to_owned() } else { asked.method.to_ascii_lowercase() };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let operation =
        paths.iter().find(|(path, _)| is_of(path, &asked.path)).map(|(_, methods)| &methods[&method]);
    let operation = operation.filter(|operation| operation.is_object()).ok_or("no such operation")?;
    let response = &operation["responses"][answered.status.to_string()];
    let response = match response["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => DOCUMENT.pointer(pointer).ok_or("a reference that leads nowhere")?,
        None => response,
    };
    let content_type = answered.header("content-type").ok_or("no content type")?;
    let schema = &response["content"][content_type]["schema"];
    if schema.is_null() {
        return Err(format!("{} {content_type} is no answer that it names", answered.status));
    }
    for name in ["etag", "location", "idempotent-replayed", "retry-after"] {
        let named = response["headers"].as_object().into_iter().flatten();
        let named = named.into_iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
        if answered.header(name).is_some() && !named {
            return Err(format!("the header {name} is none that it names"));
        }
    }
    if is_head { Ok(()) } else { valid(schema, &answered.body) }
}

fn paths() -> impl Iterator<Item = (&'static String, &'static Value)> {
    DOCUMENT["paths"].as_object().unwrap().iter()
}

fn valid(schema: &Value, value: &Value) -> Result<(), String> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = match validators.entry(schema.to_string()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": DOCUMENT["components"],
                "allOf": [schema],
            });
            place.insert(jsonschema::validator_for(&schema).map_err(|error| error.to_string())?)
        }
    };
    let wrong: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Whether a path is of this form.
fn is_of(form: &str, path: &str) -> bool {
    let (form, path): (Vec<_>, Vec<_>) = (form.split('/').collect(), path.split('/').collect());
    form.len() == path.len() && form.iter().zip(path).all(|(form, path)| *form == path || *form == "{id}")
}

/// Takes a property that is not named for wrong, but where a schema only adds to another.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let adds = object.contains_key("$ref");
            if object.get("properties").is_some_and(Value::is_object) && !adds {
                object.entry("additionalProperties").or_insert(false.into());
            }
            object.values_mut().for_each(close);
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(body: Value, status: u16, headers: &[(&str, &str)]) -> Result<(), String> {
        let mut answered = Answered { status, headers: Map::new(), raw: body.to_string(), body };
        answered.headers.insert("content-type".to_owned(), "application/json".into());
        for (name, value) in headers {
            answered.headers.insert((*name).to_owned(), (*value).into());
        }
        against_the_document(&Asked::get("/health", ""), &answered)
    }

    #[test]
    fn an_answer_that_the_document_does_not_know_is_found() {
        let right = json!({ "status": "ok", "paused": false, "version": "1" });
        assert_eq!(health(right.clone(), 200, &[]), Ok(()));
        let mut more = right.clone();
        more["colour"] = "red".into();
        for (body, status, headers) in [
            (more, 200, vec![]),
            (json!({ "status": "ok", "paused": false }), 200, vec![]),
            (json!({ "status": "ok", "paused": "no", "version": "1" }), 200, vec![]),
            (right.clone(), 201, vec![]),
            (right.clone(), 200, vec![("etag", "\"1\"")]),
            (right, 200, vec![("content-type", "text/plain")]),
        ] {
            assert!(health(body.clone(), status, &headers).is_err(), "{status} {body}");
        }
    }
}
