//! The IVS calls.

use std::sync::Arc;

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::config::http::HttpResponse;
use aws_sdk_ivsrealtime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ivsrealtime::operation::RequestId;
use aws_sdk_ivsrealtime::types::ReplicationState;
use controller::sweep::port::{Reads, RecordingCalls};
use controller::{Calls, ListReplicas, StageCalls, StartReplication, StopReplication};
use futures::FutureExt;
use futures::future::BoxFuture;
use replication::{CallError, Listed, Operation, PublisherKey, Receipt, ReplicationKey, StartRequest};
use tracing::warn;

use crate::CallTally;
use crate::failure::call_error_hiding;

mod body;
mod reads;
mod recording;
mod settings;
mod stages;

/// IVS Real-Time of one account and Region.
#[derive(Debug, Clone)]
pub struct IvsRealTime {
    client: Client,
    tally: Arc<CallTally>,
}

impl IvsRealTime {
    pub(crate) fn new(client: Client, tally: Arc<CallTally>) -> Self {
        Self { client, tally }
    }

    /// The calls of a function that starts replications, and has to know whom the rules mean.
    pub fn for_starting(&self) -> Calls {
        Calls {
            start: Some(Arc::new(self.clone())),
            list: Some(Arc::new(self.clone())),
            stage: Some(Arc::new(self.clone())),
            participant: Some(Arc::new(self.clone())),
            ..Calls::default()
        }
    }

    /// The calls of a function that stops replications.
    pub fn for_stopping(&self) -> Calls {
        Calls { stop: Some(Arc::new(self.clone())), list: Some(Arc::new(self.clone())), ..Calls::default() }
    }

    /// Every call: for the function that does what is due.
    pub fn for_dispatch(&self) -> Calls {
        Calls { stop: Some(Arc::new(self.clone())), ..self.for_starting() }
    }

    /// The reads of the sweep.
    pub fn for_sweeping(&self) -> Reads {
        Reads::all_of(Arc::new(self.clone()))
    }

    /// The calls about a stage's recording.
    pub fn for_recording(&self) -> RecordingCalls {
        RecordingCalls::both_of(Arc::new(self.clone()))
    }

    /// The calls about stages that an operator makes.
    pub fn for_stages(&self) -> StageCalls {
        StageCalls::all_of(Arc::new(self.clone()))
    }

    /// What an answer means, and that it came: every call of a function passes here.
    fn counted<T, E>(
        &self,
        operation: Operation,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, CallError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.counted_hiding(operation, answer, &[])
    }

    /// The same, of a call that was made with values that nobody else is to see.
    fn counted_hiding<T, E>(
        &self,
        operation: Operation,
        answer: Result<T, SdkError<E, HttpResponse>>,
        hidden: &[&str],
    ) -> Result<T, CallError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = answer.map_err(|error| call_error_hiding(&error, hidden));
        self.tally.count(operation, answer.as_ref().err());
        answer
    }

    async fn start(&self, request: &StartRequest) -> Result<Receipt, CallError> {
        let attributes = &request.attributes;
        let output = self
            .client
            .start_participant_replication()
            .source_stage_arn(request.key.source.as_str())
            .destination_stage_arn(request.key.destination.as_str())
            .participant_id(request.key.participant.as_str())
            .reconnect_window_seconds(request.reconnect_window.seconds().into())
            .set_attributes((!attributes.is_empty()).then(|| attributes.clone().into_iter().collect()))
            .send()
            .await;
        let hidden: Vec<&str> = attributes.values().map(String::as_str).collect();
        let output = self.counted_hiding(Operation::Start, output, &hidden)?;
        Ok(Receipt { request_id: output.request_id().map(str::to_owned) })
    }

    async fn stop(&self, key: &ReplicationKey) -> Result<Receipt, CallError> {
        let output = self
            .client
            .stop_participant_replication()
            .source_stage_arn(key.source.as_str())
            .destination_stage_arn(key.destination.as_str())
            .participant_id(key.participant.as_str())
            .send()
            .await;
        let output = self.counted(Operation::Stop, output)?;
        Ok(Receipt { request_id: output.request_id().map(str::to_owned) })
    }

    async fn list(&self, publisher: &PublisherKey) -> Result<Vec<Listed>, CallError> {
        let mut pages = self
            .client
            .list_participant_replicas()
            .source_stage_arn(publisher.stage.as_str())
            .participant_id(publisher.participant.as_str())
            .into_paginator()
            .send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            for row in self.counted(Operation::List, page)?.replicas {
                if row.replication_state != ReplicationState::Active {
                    continue;
                }
                match row.destination_stage_arn.parse() {
                    Ok(destination) => {
                        listed.push(Listed {
                            destination,
                            destination_session: row.destination_session_id.parse().ok(),
                        });
                    }
                    Err(error) => warn!(%error, "listed replica left out"),
                }
            }
        }
        Ok(listed)
    }
}

impl StartReplication for IvsRealTime {
    fn start_participant_replication<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        self.start(request).boxed()
    }
}

impl StopReplication for IvsRealTime {
    fn stop_participant_replication<'a>(
        &'a self,
        key: &'a ReplicationKey,
    ) -> BoxFuture<'a, Result<Receipt, CallError>> {
        self.stop(key).boxed()
    }
}

impl ListReplicas for IvsRealTime {
    fn list_participant_replicas<'a>(
        &'a self,
        publisher: &'a PublisherKey,
    ) -> BoxFuture<'a, Result<Vec<Listed>, CallError>> {
        self.list(publisher).boxed()
    }
}
