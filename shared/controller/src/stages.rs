//! Stages as an operator lists, creates and changes them.
//!
//! # Guarantees
//! * What is not valid is refused before any call, and what comes to the same as before is not called for.
//! * UpdateStage is called once, with its intent in the stage's history before it, and its outcome after it.
//! * Whatever else a stage says of its recording goes back as it came, known here or not.
//! * Calls that the functions make too are taken from the one call budget.
//!
//! # Caveats
//! * UpdateStage knows no condition, and stages have no version: who changes the recording between our GetStage and our
//!   UpdateStage, less than a second later, is overwritten.
//! * CreateStage has no idempotency token. Without an answer, there may be a stage.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use replication::stage::RecordingSettings;
use replication::sweep::ListedStage;
use replication::{
    CallError, NewStage, Operation, ParticipantId, Refusal, StageArn, StageChange, StageError,
};

use crate::sweep::port::{ListStages, Pace};
use crate::{Activity, Clock, Order, Store, StoreError, Write};

/// How long it waits for a call that the budget leaves free.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// A stage as GetStage gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageDescription {
    /// What lists say of it, too.
    pub listed: ListedStage,
    /// How it records: what is said of it, and not what is so by default.
    pub recording: RecordingSettings,
    /// The same in IVS's own words (JSON), with what is not known here.
    pub settings: String,
}

/// A stage that has just been created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedStage {
    /// The stage.
    pub stage: StageDescription,
    /// The tokens that were created with it, in the order in which they were asked for.
    pub tokens: Vec<CreatedToken>,
    /// IVS's request id.
    pub request_id: Option<String>,
}

/// A token that has just been created. Nobody can read it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedToken {
    /// Who joins with it.
    pub participant: ParticipantId,
    /// The customer's name for the participant; empty if there is none.
    pub user_id: String,
    /// The token itself.
    pub token: Secret,
    /// Until when it can be used to join.
    pub expires_at: Option<Timestamp>,
}

/// A text that lets whoever has it do something: no log and no error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A stage that has just been changed, or did not have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedStage {
    /// As it was.
    pub before: StageDescription,
    /// As IVS says it is now; nothing if nothing had to be changed, and UpdateStage was not called.
    pub after: Option<StageDescription>,
    /// Whether IVS says what was asked for.
    pub as_asked: bool,
    /// IVS's request id.
    pub request_id: Option<String>,
}

/// Creates stages. IAM: `ivs:CreateStage`, and `ivs:TagResource` for one with tags.
pub trait CreateStage: Send + Sync {
    /// Calls CreateStage once, no retry.
    fn create_stage<'a>(&'a self, new: &'a NewStage) -> BoxFuture<'a, Result<CreatedStage, CallError>>;
}

/// Reads a stage with all its settings. IAM: `ivs:GetStage`.
pub trait DescribeStage: Send + Sync {
    /// Calls GetStage once.
    fn describe_stage<'a>(
        &'a self,
        stage: &'a StageArn,
    ) -> BoxFuture<'a, Result<StageDescription, CallError>>;
}

/// Changes stages. IAM: `ivs:UpdateStage`.
pub trait UpdateStage: Send + Sync {
    /// Calls UpdateStage once, no retry: all of `before` as it was read, but for what `change` says. Gives the stage as IVS
    /// says it is now, and IVS's request id.
    fn update_stage<'a>(
        &'a self,
        before: &'a StageDescription,
        change: &'a StageChange,
    ) -> BoxFuture<'a, Result<(StageDescription, Option<String>), CallError>>;
}

/// The calls about stages.
#[derive(Clone)]
pub struct StageCalls {
    /// ListStages.
    pub list: Arc<dyn ListStages>,
    /// GetStage.
    pub describe: Arc<dyn DescribeStage>,
    /// CreateStage.
    pub create: Arc<dyn CreateStage>,
    /// UpdateStage.
    pub update: Arc<dyn UpdateStage>,
}

impl StageCalls {
    /// The IAM actions that all of them need.
    pub const IAM_ACTIONS: [&str; 5] =
        ["ivs:CreateStage", "ivs:GetStage", "ivs:ListStages", "ivs:TagResource", "ivs:UpdateStage"];

    /// One that can do it all.
    pub fn all_of<T>(ivs: Arc<T>) -> Self
    where
        T: ListStages + DescribeStage + CreateStage + UpdateStage + 'static,
    {
        Self { list: ivs.clone(), describe: ivs.clone(), create: ivs.clone(), update: ivs }
    }
}

/// Why something about a stage could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is not as it must be; nothing was called.
    #[error(transparent)]
    Invalid(#[from] StageError),
    /// IVS refused, or gave no answer.
    #[error("{operation} failed")]
    Call {
        /// IVS's name of the call.
        operation: &'static str,
        /// What it said.
        #[source]
        error: CallError,
    },
    /// The functions need all calls that there are.
    #[error("no call of {0} was free within {seconds} s", seconds = PATIENCE.as_secs())]
    NoCallFree(Operation),
    /// The history cannot be written. UpdateStage was not called.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sees to stages on behalf of somebody.
pub struct Stages {
    /// The calls.
    pub calls: StageCalls,
    /// The table, for the history.
    pub store: Arc<dyn Store>,
    /// When calls may be made.
    pub pace: Arc<dyn Pace>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who asks and why, for the history.
    pub order: Order,
}

impl Stages {
    /// Every stage of the account, of all pages, in the order of IVS.
    ///
    /// # Errors
    /// [`Error`], if a page is missing: then there is no telling which stages there are.
    pub async fn list(&self) -> Result<Vec<ListedStage>, Error> {
        let (mut stages, mut token) = (Vec::new(), None);
        loop {
            let page = self.calls.list.list_stages(token);
            let page = self.paced(Operation::ListStages, page).await?;
            stages.extend(page.rows);
            match page.next {
                Some(next) => token = Some(next),
                None => return Ok(stages),
            }
        }
    }

    /// One stage with all its settings.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn describe(&self, stage: &StageArn) -> Result<StageDescription, Error> {
        self.paced(Operation::GetStage, self.calls.describe.describe_stage(stage)).await
    }

    /// Creates a stage. The second value is why that could not be written down, which does not undo it.
    ///
    /// # Errors
    /// [`Error`]; if IVS gave no answer, there may be a stage.
    pub async fn create(&self, new: &NewStage) -> Result<(CreatedStage, Option<StoreError>), Error> {
        const OPERATION: &str = "CreateStage";
        new.check()?;
        let called = self.calls.create.create_stage(new).await;
        let created = called.map_err(|error| Error::Call { operation: OPERATION, error })?;
        let stage = &created.stage.listed.stage;
        let written = self.write_down(OPERATION, stage, "ok".to_owned(), created.request_id.clone()).await;
        Ok((created, written.err()))
    }

    /// Changes a stage, if that makes a difference.
    ///
    /// # Errors
    /// [`Error`]; if IVS gave no answer, the stage may be changed.
    pub async fn change(&self, stage: &StageArn, change: &StageChange) -> Result<ChangedStage, Error> {
        let before = self.describe(stage).await?;
        let wanted = change.of(&before.recording)?;
        let name = change.name.as_ref().unwrap_or(&before.listed.name);
        let is_so = |now: &StageDescription| now.listed.name == *name && now.recording.comes_to(&wanted);
        if is_so(&before) {
            return Ok(ChangedStage { before, after: None, as_asked: true, request_id: None });
        }
        let operation = Operation::UpdateStage.name();
        self.leave(Operation::UpdateStage).await?;
        self.write_down(operation, stage, format!("intent: {}", words(change)), None).await?;
        let called = self.calls.update.update_stage(&before, change).await;
        let (outcome, request_id) = match &called {
            Ok((_, request_id)) => ("ok".to_owned(), request_id.clone()),
            Err(error) => (error.to_string(), error.request_id.clone()),
        };
        // It is done by now, or it is not: what could not be written down changes nothing of that.
        drop(self.write_down(operation, stage, outcome, request_id).await);
        let (after, request_id) = self.heard(Operation::UpdateStage, called).await?;
        let as_asked = is_so(&after);
        Ok(ChangedStage { before, after: Some(after), as_asked, request_id })
    }

    /// A call at the pace of the budget.
    async fn paced<T>(
        &self,
        operation: Operation,
        call: BoxFuture<'_, Result<T, CallError>>,
    ) -> Result<T, Error> {
        self.leave(operation).await?;
        self.heard(operation, call.await).await
    }

    async fn leave(&self, operation: Operation) -> Result<(), Error> {
        let until = self.clock.now().checked_add(PATIENCE).unwrap_or(Timestamp::MAX);
        if self.pace.take(operation, until).await {
            return Ok(());
        }
        // Without the table there is no budget, either, which would be another matter.
        self.store.budgets().await?;
        Err(Error::NoCallFree(operation))
    }

    /// An answer; if IVS throttles, all others who call are told to go slower.
    async fn heard<T>(&self, operation: Operation, answer: Result<T, CallError>) -> Result<T, Error> {
        if let Err(CallError { refusal: Refusal::Throttled { .. }, .. }) = &answer {
            self.pace.throttled(operation).await;
        }
        answer.map_err(|error| Error::Call { operation: operation.name(), error })
    }

    async fn write_down(
        &self,
        operation: &'static str,
        stage: &StageArn,
        outcome: String,
        request_id: Option<String>,
    ) -> Result<(), StoreError> {
        let line = Activity {
            at: self.clock.now(),
            stage: stage.clone(),
            participant: None,
            destination: None,
            operation,
            rule: None,
            outcome,
            reason: self.order.reason.clone(),
            request_id,
            caller: self.order.by.clone(),
        };
        self.store.write(&Write { activity: vec![line], ..Write::default() }).await
    }
}

/// What a change says, in IVS's words.
fn words(change: &StageChange) -> String {
    let name = change.name.iter().map(|name| format!("name {name}"));
    let said = change.recording.said().into_iter().map(|(field, value)| format!("{field} {value}"));
    name.chain(said).collect::<Vec<_>>().join(", ")
}
