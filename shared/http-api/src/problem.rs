//! What can be wrong with a request or with the table, as problem details (RFC 9457).
//!
//! | `type` (after `urn:problem-type:stagelink:`) | status | means |
//! |---|---|---|
//! | `unknown-path` | 404 | there is no such path |
//! | `method-not-allowed` | 405 | the path does not know the method; `Allow` names those it knows |
//! | `unknown-parameter` | 400 | `field` is no parameter here |
//! | `missing-parameter` | 400 | `field` has to be given |
//! | `invalid-parameter` | 400 | `field` has a value that is not allowed |
//! | `invalid-header` | 400 | the header `field` has a value that is not allowed |
//! | `unsupported-media-type` | 415 | the body has to be `application/json` |
//! | `body-too-large` | 413 | the body has over 1 MiB |
//! | `invalid-json` | 400 | the body is not JSON, or not what was expected as a whole |
//! | `unknown-field` | 400 | the body's `field` is none; `allowed` names those there are |
//! | `missing-field` | 400 | the body lacks `field` |
//! | `invalid-field` | 400 | the body's `field` has a value that is not allowed |
//! | `unknown-rule` | 404 | there is no rule of this id |
//! | `rule-exists` | 409 | there is a rule of this id; `current_revision` and `rule` are how it stands |
//! | `rules-contradict` | 409 | the rule contradicts another one, as `detail` says |
//! | `precondition-required` | 428 | `If-Match` has to be given, with the revision that is to be changed |
//! | `revision-moved` | 409 | it has another revision by now; `current_revision` and `rule` are how it stands |
//! | `unknown-versus` | 404 | there is no versus session of this id; one that is over is forgotten after a day |
//! | `versus-exists` | 409 | there is another versus session of this id |
//! | `versus-over` | 409 | the versus session is over, and has no other end |
//! | `key-reused` | 422 | the `Idempotency-Key` came with another request before |
//! | `request-in-progress` | 409 | a request of the same `Idempotency-Key` is being carried out: try again |
//! | `contended` | 503 | others kept changing the same thing: try again after `Retry-After` seconds |
//! | `answer-too-large` | 500 | the answer has more than the 6 MB that Lambda takes: ask for less at once |
//! | `table-unavailable` | 503 | the table does not answer at the moment: try again after `Retry-After` seconds |
//! | `table-refused` | 500 | the table refuses the function: somebody has to change something |
//! | `item-unreadable` | 500 | an item that everything depends on is not as it must be |
//!
//! Where a problem is about a field, parameter or header, `field`, `value` and `allowed` say which, what it held, and what it may
//! hold. What the table says of itself is in the function's log, under the request id that `detail` names, and not in the answer.

mod kind;

use aws_adapters::PageError;
use controller::{StoreError, rules, versus};
use lambda_http::http::{HeaderMap, HeaderValue, header};
use replication::{Rule, VersusError};
use rules_file::{Misfit, Wrong};
use serde_json::{Map, Value, json};
use tracing::{error, warn};

pub use kind::Kind;

/// Seconds after which a client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// How much of a value a problem repeats, in characters.
const SHOWN: usize = 200;

/// The longest sentence of a problem, in characters. It may have what a client sent in it.
const SAID: usize = 4_000;

/// Why a request has no other answer.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    about: Option<Box<About>>,
    /// Members of its own.
    more: Map<String, Value>,
    /// The methods that a path knows.
    allow: Vec<&'static str>,
    /// What is wrong with the table.
    store: Option<Box<StoreError>>,
}

/// The field, parameter or header that a problem is about.
#[derive(Debug)]
struct About {
    field: String,
    value: Option<String>,
    allowed: Option<String>,
}

impl Problem {
    /// What kind of problem it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    /// The answer's body, to the request with this id.
    pub fn body(&self, request_id: &str) -> Value {
        let mut body = json!({
            "type": self.kind.urn(),
            "title": self.kind.title(),
            "status": self.status(),
            "detail": self.detail.replace(REQUEST, request_id),
        });
        if let Some(about) = &self.about {
            let About { field, value, allowed } = &**about;
            body["field"] = field.as_str().into();
            if let Some(value) = value {
                body["value"] = value.as_str().into();
            }
            if let Some(allowed) = allowed {
                body["allowed"] = allowed.as_str().into();
            }
        }
        for (name, value) in &self.more {
            body[name.as_str()] = value.clone();
        }
        body
    }

    /// Headers that belong to the answer.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        match self.kind {
            Kind::MethodNotAllowed => {
                // Names of methods are always a valid value.
                if let Ok(allowed) = HeaderValue::from_str(&self.allow.join(", ")) {
                    headers.insert(header::ALLOW, allowed);
                }
            }
            Kind::UnsupportedMediaType => {
                headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            }
            kind if kind.is_passing() => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
    }

    /// What is wrong with the table goes into the log; what is wrong with a request is the client's to know.
    pub(crate) fn log(&self) {
        let error_type = self.kind.name();
        match (&self.store, self.kind) {
            (Some(store), Kind::TableUnavailable) => warn!(error_type, error = %store, "not answered"),
            (Some(store), _) => error!(error_type, error = %store, "not answered"),
            (None, _) => {}
        }
    }

    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let detail = cut(&detail.into(), SAID);
        Self { kind, detail, about: None, more: Map::new(), allow: Vec::new(), store: None }
    }

    fn about(self, field: &str, value: Option<&str>, allowed: Option<&str>) -> Self {
        let about = About {
            field: shown(field),
            value: value.map(shown),
            allowed: allowed.map(|allowed| cut(allowed, SAID)),
        };
        Self { about: Some(Box::new(about)), ..self }
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }
}

/// What is wrong with how something is asked for.
impl Problem {
    pub(crate) fn unknown_path(path: &str, known: &[&str]) -> Self {
        let detail = format!("path {:?} is not known: allowed are {}", shown(path), known.join(", "));
        Self::new(Kind::UnknownPath, detail)
    }

    pub(crate) fn method_not_allowed(path: &str, method: &str, allow: Vec<&'static str>) -> Self {
        let allowed = allow.join(", ");
        let detail = format!("method {} is not known at {path}: allowed are {allowed}", shown(method));
        Self { allow, ..Self::new(Kind::MethodNotAllowed, detail) }
    }

    pub(crate) fn unknown_parameter(name: &str, allowed: &[&str]) -> Self {
        let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
        let detail = format!("parameter {:?} is not known: allowed are {allowed}", shown(name));
        Self::new(Kind::UnknownParameter, detail).about(name, None, Some(&allowed))
    }

    /// One of these parameters has to be given.
    pub(crate) fn missing_parameter(names: &[&str], allowed: &str) -> Self {
        let detail = format!("{} is missing: allowed is {allowed}", names.join(" or "));
        let field = names.first().copied().unwrap_or_default();
        Self::new(Kind::MissingParameter, detail).about(field, None, Some(allowed))
    }

    pub(crate) fn invalid_parameter(name: &str, value: &str, allowed: &str) -> Self {
        Self::invalid(Kind::InvalidParameter, name, value, allowed)
    }

    /// The token of a page is not one of ours. It is long and says nothing to people, so it is not repeated.
    pub(crate) fn next() -> Self {
        Self::invalid_parameter("next", "(a token)", "the next of an earlier answer to the same request")
    }

    pub(crate) fn invalid_header(name: &str, value: &str, allowed: &str) -> Self {
        Self::invalid(Kind::InvalidHeader, name, value, allowed)
    }

    pub(crate) fn precondition_required() -> Self {
        let allowed = "the revision to be changed in quotes, such as \"3\"; the ETag of an answer has it";
        let detail = format!("If-Match is missing: allowed is {allowed}");
        Self::new(Kind::PreconditionRequired, detail).about("If-Match", None, Some(allowed))
    }

    pub(crate) fn media_type(given: Option<&str>) -> Self {
        let given = given.unwrap_or("(nothing)");
        Self::invalid(Kind::UnsupportedMediaType, "Content-Type", given, "application/json")
    }

    pub(crate) fn too_large(bytes: usize, most: usize) -> Self {
        let (value, allowed) = (format!("{bytes} bytes"), format!("at most {most} bytes"));
        let detail = format!("the body of {value} is not valid: allowed is {allowed}");
        Self::new(Kind::BodyTooLarge, detail).about("(the body)", Some(&value), Some(&allowed))
    }

    /// What was found is more than an answer can hold.
    pub(crate) fn answer_too_large(bytes: usize, most: usize) -> Self {
        let detail = format!(
            "the answer of {bytes} bytes is more than the {most} that an answer can have: ask for less at once"
        );
        Self::new(Kind::AnswerTooLarge, detail)
    }

    pub(crate) fn invalid_field(field: &str, value: &str, allowed: &str) -> Self {
        Self::invalid(Kind::InvalidField, field, value, allowed)
    }

    pub(crate) fn missing_field(field: &str, allowed: &str) -> Self {
        let detail = format!("{field} is missing: allowed is {allowed}");
        Self::new(Kind::MissingField, detail).about(field, None, Some(allowed))
    }

    /// JSON that does not fit. `allowed` says what a field may hold, by its path.
    pub(crate) fn misfit(misfit: &Misfit, allowed: impl Fn(&str) -> &'static str) -> Self {
        match misfit {
            Misfit::Unknown { field, allowed } => {
                let detail = format!("{field} is no field: allowed are {allowed}");
                Self::new(Kind::UnknownField, detail).about(field, None, Some(allowed))
            }
            Misfit::Missing { field } => Self::missing_field(field, allowed(field)),
            Misfit::Value { field, value } => {
                let allowed = if value == "(a second time)" { "each field once" } else { allowed(field) };
                let detail = format!("{field} {value} is not valid: allowed is {allowed}");
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.clone());
                Self::new(Kind::InvalidField, detail).about(field, Some(&value), Some(allowed))
            }
        }
    }

    pub(crate) fn key_reused(key: &str) -> Self {
        let allowed = "a key of its own for each request, for 24 h; the same key only for the same request";
        Self::invalid(Kind::KeyReused, "Idempotency-Key", key, allowed)
    }

    pub(crate) fn in_progress(key: &str) -> Self {
        let detail =
            format!("a request with Idempotency-Key {:?} is being carried out: try again", shown(key));
        Self::new(Kind::RequestInProgress, detail).about("Idempotency-Key", Some(key), None)
    }

    /// A rule that is not at the revision that was named: it is there although there must be none, gone, or another.
    pub(crate) fn moved(error: &rules::Error, rule: Option<&Rule>) -> Self {
        let detail = error.to_string();
        let rules::Error::Conflict { rule: id, expected, current } = error else {
            return Self::new(Kind::Contended, detail);
        };
        // It may have been changed again since.
        let current = rule.map_or(*current, |rule| rule.revision);
        let problem = match (*expected, current) {
            (_, 0) => {
                let allowed = "the id of a rule that is there";
                return Self::new(Kind::UnknownRule, format!("rule {id} is not known: allowed is {allowed}"))
                    .about("id", Some(id.as_str()), Some(allowed));
            }
            (0, _) => {
                let detail = format!("rule {id} is there: allowed is an id that no rule has");
                let allowed = "an id that no rule has";
                Self::new(Kind::RuleExists, detail).about("id", Some(id.as_str()), Some(allowed))
            }
            (expected, current) => {
                let detail = format!(
                    "rule {id}: revision {expected} is not valid: allowed is the current one, {current}"
                );
                let (value, allowed) = (format!("\"{expected}\""), format!("\"{current}\""));
                Self::new(Kind::RevisionMoved, detail).about("If-Match", Some(&value), Some(&allowed))
            }
        };
        let problem = problem.with("current_revision", current.into());
        match rule {
            Some(rule) => problem.with("rule", json!(views::Rule::from(rule))),
            None => problem,
        }
    }

    fn invalid(kind: Kind, field: &str, value: &str, allowed: &str) -> Self {
        let detail = format!("{field} {:?} is not valid: allowed is {allowed}", shown(value));
        Self::new(kind, detail).about(field, Some(value), Some(allowed))
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        let detail = wrong.to_string();
        match wrong {
            Wrong::Document { .. } => Self::new(Kind::InvalidJson, detail),
            Wrong::UnknownField { field, allowed, .. } => {
                Self::new(Kind::UnknownField, detail).about(&field, None, Some(&allowed))
            }
            Wrong::MissingField { field, allowed, .. } => {
                Self::new(Kind::MissingField, detail).about(&field, None, Some(&allowed))
            }
            Wrong::Rule(error) => {
                // Sentences show a text in quotes. Here it stands by itself.
                let value = serde_json::from_str(&error.value).unwrap_or(error.value);
                let problem = Self::new(Kind::InvalidField, detail);
                problem.about(&error.field, Some(&value), Some(&error.allowed))
            }
            Wrong::Conflict(_) => Self::new(Kind::RulesContradict, detail),
        }
    }
}

impl From<rules::Error> for Problem {
    fn from(error: rules::Error) -> Self {
        let detail = error.to_string();
        match error {
            rules::Error::Conflict { .. } => Self::moved(&error, None),
            rules::Error::Unknown(id) => {
                let allowed = "the id of a rule that is there";
                Self::new(Kind::UnknownRule, detail).about("id", Some(id.as_str()), Some(allowed))
            }
            rules::Error::OfVersus(id) => {
                let allowed = "a rule of no versus session; those begin and end with their session";
                Self::new(Kind::InvalidParameter, detail).about("id", Some(id.as_str()), Some(allowed))
            }
            rules::Error::Invalid(error) => Wrong::Rule(*error).into(),
            rules::Error::Contradicts(conflict) => Wrong::Conflict(conflict).into(),
            rules::Error::NoRevision { revision, allowed, .. } => {
                let value = revision.map_or("(the one before)".to_owned(), |number| number.to_string());
                let allowed: Vec<_> = allowed.iter().map(u64::to_string).collect();
                let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                Self::new(Kind::InvalidField, detail).about("to_revision", Some(&value), Some(&allowed))
            }
            rules::Error::Contended => Self::new(Kind::Contended, format!("{detail}: try again")),
            // One change is never too much for one transaction.
            rules::Error::Partly { source, .. } => (*source).into(),
            rules::Error::Store(error) => error.into(),
        }
    }
}

impl From<versus::Error> for Problem {
    fn from(error: versus::Error) -> Self {
        let detail = error.to_string();
        match error {
            versus::Error::Invalid(VersusError { field: "state", value, allowed, .. }) => {
                Self::new(Kind::VersusOver, detail).about("state", Some(&value), Some(&allowed))
            }
            versus::Error::Invalid(VersusError { field, value, allowed, .. }) => {
                // The field of the body says its unit.
                let field = if field == "duration" { "duration_seconds" } else { field };
                Self::new(Kind::InvalidField, detail).about(field, Some(&value), Some(&allowed))
            }
            versus::Error::Taken(id) => {
                let allowed = "an id that no other session has had for a day";
                Self::new(Kind::VersusExists, detail).about("id", Some(id.as_str()), Some(allowed))
            }
            versus::Error::Unknown(id) => {
                let allowed = "the id of a session";
                Self::new(Kind::UnknownVersus, detail).about("id", Some(id.as_str()), Some(allowed))
            }
            versus::Error::Contended(_) => Self::new(Kind::Contended, format!("{detail}: try again")),
            versus::Error::Store(error) => error.into(),
        }
    }
}

/// Stands in a detail for the id of the request, which is not known where the problem is.
const REQUEST: &str = "\u{0}request\u{0}";

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (kind, detail) = match &error {
            StoreError::Corrupt { pk, sk, .. } => (
                Kind::ItemUnreadable,
                format!("item {pk} {sk} is not as it must be; the log of request {REQUEST} says why"),
            ),
            StoreError::Unavailable { .. } | StoreError::DestinationFull { .. } | StoreError::Conflict => {
                (Kind::TableUnavailable, format!("try again; the log of request {REQUEST} says why"))
            }
            StoreError::Refused { .. } => {
                (Kind::TableRefused, format!("the log of request {REQUEST} says why"))
            }
        };
        Self { store: Some(Box::new(error)), ..Self::new(kind, detail) }
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        match error {
            PageError::NotOfThisList => Self::next(),
            PageError::Store(error) => error.into(),
        }
    }
}

/// A value, or a name that a client made up, as far as it is repeated.
fn shown(text: &str) -> String {
    cut(text, SHOWN)
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
