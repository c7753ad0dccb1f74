//! Versus sessions: started, looked at, extended and ended.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_adapters::DynamoStore;
use controller::versus::{self, Error};
use controller::{StoreError, VersusStore};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::{
    IdError, ParticipantFilter, Pattern, ReconnectWindow, StageArn, Versus, VersusId, VersusTerms, View,
};
use serde::Deserialize;

use crate::answer::{Answer, Kept};
use crate::lists::page_of;
use crate::problem::Problem;
use crate::request::Call;

/// What a session is asked for with.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "VersusStart"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// The session's name: 1-48 letters, digits, '-' or '_'. Made up if it is left out.
    #[serde(default)]
    id: Option<String>,
    /// The ARNs of the stages whose publishers appear on all the others.
    #[cfg_attr(feature = "openapi", schemars(length(min = 2, max = 6)))]
    stages: Vec<String>,
    /// How long it lasts.
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 86400)))]
    duration_seconds: u32,
    /// Higher wins scarce slots and places.
    #[serde(default = "default_priority")]
    #[cfg_attr(feature = "openapi", schemars(range(max = 100)))]
    priority: u8,
    /// Whether it takes the slots and places of lower priorities.
    #[serde(default)]
    preempt: bool,
    /// How long a replica waits for its publisher to come back.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(range(max = 300)))]
    reconnect_window_seconds: u64,
    /// Which publishers of the stages are meant; all if left out.
    #[serde(default)]
    participants: Participants,
    /// Attributes of the replica participants; 1 KB in total.
    #[serde(default)]
    attributes: std::collections::BTreeMap<String, String>,
}

/// Which publishers are meant: those that match all of this. In a pattern `*` is any run of characters, `?` exactly one.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "VersusParticipants"))]
#[serde(deny_unknown_fields)]
struct Participants {
    /// A pattern that the user id matches.
    #[serde(default)]
    user_id: Option<String>,
    /// Attributes of the token, each with the pattern that its value matches.
    #[serde(default)]
    attributes: std::collections::BTreeMap<String, String>,
}

/// Another end: a time, or so many seconds from now.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    feature = "openapi",
    derive(schemars::JsonSchema),
    schemars(rename = "VersusExtend", extend("minProperties" = 1, "maxProperties" = 1))
)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extend {
    /// When it ends: at most 24 h after its start.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    ends_at: Option<String>,
    /// In how many seconds it ends.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 86400)))]
    for_seconds: Option<u32>,
}

fn default_priority() -> u8 {
    VersusTerms::DEFAULT_PRIORITY
}

/// What the fields of both may hold, by their paths.
fn allowed(field: &str) -> &'static str {
    match field {
        "(the whole)" => "a mapping of fields",
        "id" => "1-48 letters, digits, '-' or '_'",
        "stages" => "a list of 2-6 stage ARNs",
        "duration_seconds" | "for_seconds" => "a whole number, 1-86400",
        "priority" => "a whole number, 0-100",
        "reconnect_window_seconds" => "a whole number, 0-300",
        "preempt" => "true or false",
        "participants" => "a mapping of user_id and attributes",
        "attributes" | "participants.attributes" => "a mapping of names to values",
        "ends_at" => "an RFC 3339 time with zone, such as 2026-12-01T20:00:00Z",
        stage if stage.starts_with("stages[") => "a stage ARN",
        _ => "a text",
    }
}

/// The sessions that are not over.
pub(crate) async fn list(store: &DynamoStore) -> Result<Answer, Problem> {
    let sessions = store.versus_not_over().await?;
    let shown = sessions.iter().map(|session| session.as_ref().map(views::Versus::from));
    Ok(page_of("versus", shown, None))
}

pub(crate) async fn get(call: &Call, store: &DynamoStore) -> Result<Answer, Problem> {
    let id: VersusId = call.id()?;
    match store.versus(&id).await? {
        Some(session) => Ok(shown(200, &session)),
        None => Err(Error::Unknown(id).into()),
    }
}

/// A session that is there already on the same terms is the session that is asked for.
pub(crate) async fn start(call: &Call, store: &DynamoStore) -> Result<Kept, Problem> {
    let start: Start = call.body_as(allowed)?;
    let terms = start.terms(call.now)?;
    let keeping = Keeping::new(call, store, |session: &Versus| {
        shown(201, session).made_at(format!("/versus/{}", session.terms.id))
    });
    let session = versus::start(&keeping, terms, call.now).await?;
    Ok(keeping.kept(&session, 200))
}

pub(crate) async fn extend(call: &Call, store: &DynamoStore) -> Result<Kept, Problem> {
    let id: VersusId = call.id()?;
    let end = call.body_as::<Extend>(allowed)?.end(call.now)?;
    let keeping = Keeping::new(call, store, |session: &Versus| shown(200, session));
    let session = versus::extend(&keeping, &id, end, call.now).await?;
    Ok(keeping.kept(&session, 200))
}

pub(crate) async fn end(call: &Call, store: &DynamoStore) -> Result<Kept, Problem> {
    let id: VersusId = call.id()?;
    let keeping = Keeping::new(call, store, |session: &Versus| shown(200, session));
    let session = versus::end_early(&keeping, &id, call.now).await?;
    Ok(keeping.kept(&session, 200))
}

fn shown(status: u16, session: &Versus) -> Answer {
    Answer::of(status, &views::Versus::from(session)).at_revision(session.revision)
}

impl Start {
    fn terms(self, now: Timestamp) -> Result<VersusTerms, Problem> {
        let id = self.id.unwrap_or_else(|| format!("vs-{}", now.as_millisecond()));
        let of_id = |field: &str| {
            let field = field.to_owned();
            move |error: IdError| Problem::invalid_field(&field, &error.value, error.allowed)
        };
        let pattern = |field: String, text: &str| {
            text.parse::<Pattern>().map_err(|allowed| Problem::invalid_field(&field, text, &allowed))
        };
        let stages = self.stages.iter().enumerate();
        let stages = stages.map(|(i, arn)| arn.parse::<StageArn>().map_err(of_id(&format!("stages[{i}]"))));
        let window = self.reconnect_window_seconds;
        let attributes = self.participants.attributes.into_iter().map(|(key, text)| {
            pattern(format!("participants.attributes.{key}"), &text).map(|pattern| (key, pattern))
        });
        let user_id = self.participants.user_id;
        Ok(VersusTerms {
            priority: self.priority,
            preempt: self.preempt,
            reconnect_window: ReconnectWindow::from_seconds(window).ok_or_else(|| {
                Problem::invalid_field("reconnect_window_seconds", &window.to_string(), "0-300")
            })?,
            participants: ParticipantFilter {
                user_id: user_id.map(|text| pattern("participants.user_id".to_owned(), &text)).transpose()?,
                attributes: attributes.collect::<Result<_, _>>()?,
            },
            attributes: self.attributes,
            ..VersusTerms::new(
                id.parse().map_err(of_id("id"))?,
                stages.collect::<Result<_, _>>()?,
                self.duration_seconds,
            )
        })
    }
}

impl Extend {
    fn end(&self, now: Timestamp) -> Result<Timestamp, Problem> {
        match (&self.ends_at, self.for_seconds) {
            (Some(text), None) => {
                text.parse().map_err(|_| Problem::invalid_field("ends_at", text, allowed("ends_at")))
            }
            (None, Some(seconds)) if (1..=VersusTerms::MAX_DURATION_SECONDS).contains(&seconds) => {
                let end = now.checked_add(SignedDuration::from_secs(seconds.into()));
                end.map_err(|_| {
                    Problem::invalid_field("for_seconds", &seconds.to_string(), allowed("for_seconds"))
                })
            }
            (None, Some(seconds)) => {
                Err(Problem::invalid_field("for_seconds", &seconds.to_string(), allowed("for_seconds")))
            }
            (None, None) => Err(Problem::missing_field("ends_at", "exactly one of ends_at and for_seconds")),
            (Some(text), Some(_)) => {
                Err(Problem::invalid_field("ends_at", text, "exactly one of ends_at and for_seconds"))
            }
        }
    }
}

/// The sessions, where a write keeps the answer that it leads to, if the request has a key.
struct Keeping<'a, F> {
    call: &'a Call,
    store: &'a DynamoStore,
    answer: F,
    written: AtomicBool,
}

impl<'a, F: Fn(&Versus) -> Answer> Keeping<'a, F> {
    fn new(call: &'a Call, store: &'a DynamoStore, answer: F) -> Self {
        Self { call, store, answer, written: AtomicBool::new(false) }
    }

    /// The answer with this session; with that status, if nothing was written for it.
    fn kept(&self, session: &Versus, otherwise: u16) -> Kept {
        let written = self.written.load(Ordering::Relaxed);
        let answer = if written { (self.answer)(session) } else { shown(otherwise, session) };
        Kept { answer, kept: written && self.call.key.is_some() }
    }
}

impl<F: Fn(&Versus) -> Answer + Send + Sync> VersusStore for Keeping<'_, F> {
    fn versus<'a>(&'a self, id: &'a VersusId) -> BoxFuture<'a, Result<Option<Versus>, StoreError>> {
        self.store.versus(id)
    }

    fn all_versus(&self) -> BoxFuture<'_, Result<Vec<Versus>, StoreError>> {
        self.store.all_versus()
    }

    fn views_on<'a>(&'a self, stage: &'a StageArn) -> BoxFuture<'a, Result<Vec<View>, StoreError>> {
        self.store.views_on(stage)
    }

    fn write_versus<'a>(&'a self, versus: &'a Versus) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            match &self.call.key {
                None => self.store.write_versus(versus).await?,
                Some(key) => {
                    let store = key.keeping(self.store, &(self.answer)(versus), self.call.now)?;
                    store.write_versus(versus).await?;
                }
            }
            self.written.store(true, Ordering::Relaxed);
            Ok(())
        }
        .boxed()
    }
}
