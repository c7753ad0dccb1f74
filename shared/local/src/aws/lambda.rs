//! Lambda: the functions, their settings, and their event source mappings.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Aws, Refusal};
use crate::{
    delivery::{Host, Status, Throttled},
    template::{Function, StartingPosition, StreamSource},
};

/// Lambda's paths.
pub(super) fn routes() -> Router<Arc<Aws>> {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/2015-03-31/functions/{name}/configuration", get(configuration))
        .route("/2019-09-25/functions/{name}/event-invoke-config", get(event_invoke_config))
        .route("/2019-09-30/functions/{name}/concurrency", get(concurrency))
        .route("/2017-10-31/functions/{name}/concurrency", put(reserve).delete(unreserve))
        .route("/2015-03-31/event-source-mappings", get(mappings))
        .route("/2015-03-31/event-source-mappings/", get(mappings))
        .route("/2015-03-31/event-source-mappings/{uuid}", put(update_mapping))
}

type Stand = State<Arc<Aws>>;

async fn invoke(State(aws): Stand, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
    let function = match aws.need(&name) {
        Ok(function) => function,
        Err(refusal) => return refusal.into_response(),
    };
    match kind.unwrap_or("RequestResponse") {
        "RequestResponse" => {}
        "DryRun" => return StatusCode::NO_CONTENT.into_response(),
        other => {
            let message = format!("InvocationType {other} is not valid: allowed is RequestResponse, DryRun");
            return Refusal::bad_request("InvalidParameterValueException", message).into_response();
        }
    }
    let event = match body.as_ref() {
        b"" => Ok(json!({})),
        body => serde_json::from_slice::<Value>(body),
    };
    let event = match event {
        Ok(event) => event,
        Err(error) => {
            let message = format!("Could not parse request body into json: {error}");
            return Refusal::bad_request("InvalidRequestContentException", message).into_response();
        }
    };
    let version = ("x-amz-executed-version", "$LATEST");
    match aws.functions.invoke(&function.name, &event).await {
        Ok(Ok(answer)) => ([version], Json(answer)).into_response(),
        Ok(Err(failure)) => ([version, ("x-amz-function-error", "Unhandled")], Json(failure)).into_response(),
        Err(Throttled) => {
            let (status, message) = (StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded.".to_owned());
            Refusal { status, code: "TooManyRequestsException", message }.into_response()
        }
    }
}

async fn configuration(State(aws): Stand, Path(name): Path<String>) -> Response {
    answered(aws.need(&name).and_then(|function| aws.configuration(function)))
}

async fn event_invoke_config(State(aws): Stand, Path(name): Path<String>) -> Response {
    let config = |function: &Function| {
        let destination = function.on_failure.as_ref().map(|arn| json!({ "Destination": arn }));
        json!({
            "FunctionArn": format!("{}:$LATEST", function.arn),
            "MaximumRetryAttempts": function.maximum_retry_attempts,
            "MaximumEventAgeInSeconds": function.maximum_event_age.as_secs(),
            "DestinationConfig": { "OnSuccess": {}, "OnFailure": destination.unwrap_or_else(|| json!({})) },
        })
    };
    answered(aws.need(&name).map(config))
}

async fn concurrency(State(aws): Stand, Path(name): Path<String>) -> Response {
    let reserved = |function: &Function| {
        let off = aws.functions.setup(&function.name).is_some_and(|setup| !setup.is_on);
        let reserved = if off { Some(0) } else { function.reserved_concurrency };
        reserved.map_or_else(|| json!({}), |number| json!({ "ReservedConcurrentExecutions": number }))
    };
    answered(aws.need(&name).map(reserved))
}

async fn reserve(State(aws): Stand, Path(name): Path<String>, Json(request): Json<Value>) -> Response {
    let number = &request["ReservedConcurrentExecutions"];
    if *number != json!(0) {
        let allowed = "0, which switches the function off; the stand reserves nothing else";
        return Refusal::not_valid("ReservedConcurrentExecutions", number, allowed).into_response();
    }
    answered(aws.need(&name).map(|function| {
        aws.functions.switch(&function.name, false);
        request.clone()
    }))
}

async fn unreserve(State(aws): Stand, Path(name): Path<String>) -> Response {
    match aws.need(&name) {
        Ok(function) => {
            aws.functions.switch(&function.name, true);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn mappings(State(aws): Stand, Query(query): Query<Vec<(String, String)>>) -> Response {
    let asked = query.iter().find(|(name, _)| name == "FunctionName").map(|(_, value)| value.as_str());
    let functions = match asked {
        Some(name) => match aws.need(name) {
            Ok(function) => std::slice::from_ref(function),
            Err(refusal) => return refusal.into_response(),
        },
        None => &aws.template.functions,
    };
    let mappings = functions.iter().flat_map(|function| {
        function.streams.iter().map(|mapping| aws.mapping(function, mapping)).collect::<Vec<_>>()
    });
    answered(Ok(json!({ "EventSourceMappings": mappings.collect::<Vec<_>>() })))
}

async fn update_mapping(State(aws): Stand, Path(uuid): Path<String>, Json(request): Json<Value>) -> Response {
    let Some(enabled) = request["Enabled"].as_bool() else {
        return Refusal::not_valid("Enabled", &request["Enabled"], "true or false").into_response();
    };
    let mut all = aws.template.functions.iter().flat_map(|f| f.streams.iter().map(move |each| (f, each)));
    let Some((function, mapping)) = all.find(|(_, mapping)| uuid_of(mapping) == uuid) else {
        return not_found("The resource you requested does not exist.".to_owned()).into_response();
    };
    aws.deliveries.switch(&mapping.name, enabled);
    (StatusCode::ACCEPTED, Json(aws.mapping(function, mapping))).into_response()
}

/// The UUID of a mapping: the same in every stand, made of its name.
fn uuid_of(mapping: &StreamSource) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, mapping.name.as_bytes()).to_string()
}

impl Aws {
    fn need(&self, named: &str) -> Result<&Function, Refusal> {
        self.function(named).ok_or_else(|| not_found(format!("Function not found: {named}")))
    }

    fn configuration(&self, function: &Function) -> Answer {
        let setup = self.functions.setup(&function.name);
        let setup = setup.ok_or_else(|| not_found(format!("Function not found: {}", function.full_name)))?;
        let file = std::fs::metadata(setup.binary).ok();
        let modified = file.as_ref().and_then(|file| file.modified().ok()).unwrap_or(SystemTime::UNIX_EPOCH);
        let modified = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut told = json!({
            "FunctionName": function.full_name,
            "FunctionArn": function.arn,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "CodeSize": file.map_or(0, |file| file.len()),
            "Timeout": function.timeout.as_secs(),
            "MemorySize": setup.memory_size,
            "LastModified": modified.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string(),
            "Version": "$LATEST",
            "Environment": { "Variables": setup.environment },
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
        });
        if !setup.is_running {
            told["State"] = json!("Failed");
            told["StateReason"] = json!("No process of it runs, and none could be started.");
            told["StateReasonCode"] = json!("InternalError");
        }
        Ok(told)
    }

    fn mapping(&self, function: &Function, mapping: &StreamSource) -> Value {
        let last = self.deliveries.last_of(&mapping.name);
        let failed = |error: &crate::delivery::Failure| format!("PROBLEM: Function call failed: {error}");
        let result = match &last {
            None => "No records processed".to_owned(),
            Some(delivery) if delivery.status == Status::Delivered => "OK".to_owned(),
            Some(delivery) => {
                let error = delivery.attempts.last().and_then(|attempt| attempt.error.as_ref());
                error.map_or_else(|| "OK".to_owned(), failed)
            }
        };
        let filters: Vec<_> =
            mapping.filters.iter().map(|filter| json!({ "Pattern": filter.to_string() })).collect();
        let on_failure = mapping.dead_letters.as_ref().map(|arn| json!({ "Destination": arn }));
        let minus_one = |number: Option<u64>| number.map_or(json!(-1), |number| json!(number));
        json!({
            "UUID": uuid_of(mapping),
            "EventSourceArn": self.stream,
            "FunctionArn": function.arn,
            "State": if self.deliveries.is_on(&mapping.name) { "Enabled" } else { "Disabled" },
            "StateTransitionReason": "User action",
            "LastProcessingResult": result,
            "BatchSize": mapping.batch_size,
            "MaximumBatchingWindowInSeconds": mapping.window.as_secs(),
            "MaximumRetryAttempts": minus_one(mapping.maximum_retry_attempts.map(u64::from)),
            "MaximumRecordAgeInSeconds": minus_one(mapping.maximum_record_age.map(|age| age.as_secs())),
            "BisectBatchOnFunctionError": mapping.bisect,
            "FunctionResponseTypes": if mapping.reports_failures { json!(["ReportBatchItemFailures"]) } else { json!([]) },
            "StartingPosition": match mapping.starting_position {
                StartingPosition::TrimHorizon => "TRIM_HORIZON",
                StartingPosition::Latest => "LATEST",
            },
            "FilterCriteria": { "Filters": filters },
            "DestinationConfig": { "OnFailure": on_failure.unwrap_or_else(|| json!({})) },
        })
    }
}

fn answered(answer: Answer) -> Response {
    answer.map_or_else(IntoResponse::into_response, |answer| Json(answer).into_response())
}

fn not_found(message: String) -> Refusal {
    Refusal { status: StatusCode::NOT_FOUND, code: "ResourceNotFoundException", message }
}
