//! AWS's own protocols over what the stand runs: Lambda, EventBridge, SQS and STS, at one address, for `stagelink --local`, the AWS
//! CLI and any SDK.
//!
//! | service | operations |
//! |---|---|
//! | Lambda | Invoke (waiting, or as a dry run), GetFunctionConfiguration, GetFunctionEventInvokeConfig, Get-, Put- and DeleteFunctionConcurrency, ListEventSourceMappings, UpdateEventSourceMapping |
//! | EventBridge | ListRules, ListRuleNamesByTarget, DescribeRule, ListTargetsByRule, DisableRule, EnableRule |
//! | SQS | GetQueueUrl, GetQueueAttributes, SendMessage, ReceiveMessage, ChangeMessageVisibility, DeleteMessage, PurgeQueue |
//! | STS | GetCallerIdentity |
//!
//! # Guarantees
//! Answers are of this stand: the template's rules, the processes, the switches, the queue. What is switched off here is off.
//!
//! # Caveats
//! There is one queue, that of dead letters. Signatures are not looked at. Other operations are refused by name.

mod events;
mod lambda;
mod sqs;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    delivery::Deliveries,
    lambda::Functions,
    template::{Deployment, Function, Template},
};

/// What is shown.
pub(crate) struct Aws {
    /// What is deployed.
    pub(crate) template: Template,
    /// Where.
    pub(crate) deployment: Deployment,
    /// The ARN of the table's stream.
    pub(crate) stream: Option<String>,
    /// The functions' processes.
    pub(crate) functions: Arc<Functions>,
    /// What is and was delivered to them.
    pub(crate) deliveries: Arc<Deliveries>,
    /// Where this is served.
    pub(crate) url: String,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

type Answer = Result<Value, Refusal>;

/// Serves the protocols until dropped.
pub(crate) async fn serve(listener: TcpListener, aws: Aws) -> std::io::Result<()> {
    let router = Router::new().merge(lambda::routes()).fallback(by_target).with_state(Arc::new(aws));
    axum::serve(listener, router).await
}

/// Services whose operation stands in a header, or in a form.
async fn by_target(
    State(aws): State<Arc<Aws>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let Some((service, operation)) = target.and_then(|target| target.split_once('.')) else {
        let form = String::from_utf8_lossy(&body);
        if form.split('&').any(|field| field == "Action=GetCallerIdentity") {
            return aws.caller();
        }
        let message = format!("{method} {uri} is no operation of the local stand");
        return Refusal::bad_request("UnknownOperationException", message).into_response();
    };
    let request: Value = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the body is not JSON: {error}");
            return Refusal::bad_request("SerializationException", message).into_response();
        }
    };
    let answer = match service {
        "AmazonSQS" => aws.sqs(operation, &request).await,
        "AWSEvents" => aws.events(operation, &request),
        _ => Err(unknown_operation(target.unwrap_or_default())),
    };
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Aws {
    /// Anybody: the stand takes all credentials.
    fn caller(&self) -> Response {
        let account = &self.deployment.account;
        let body = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{account}:user/anybody</Arn><UserId>anybody</UserId><Account>{account}</Account>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>local</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        );
        ([("content-type", "text/xml")], body).into_response()
    }

    /// The function of this name or ARN, with or without a version.
    fn function(&self, named: &str) -> Option<&Function> {
        let named = named.strip_suffix(":$LATEST").unwrap_or(named);
        let functions = &self.template.functions;
        functions.iter().find(|function| function.full_name == named || function.arn == named)
    }
}

impl Refusal {
    fn bad_request(code: &'static str, message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message }
    }

    fn not_valid(field: &str, value: &Value, allowed: &str) -> Self {
        let message = format!("field `{field}`: {value} is not valid: allowed is {allowed}");
        Self::bad_request("ValidationException", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, code, message } = self;
        // The header is where REST-JSON has the code, the body where the others have it.
        let body = json!({ "__type": code, "message": message, "Message": message });
        (status, [("x-amzn-errortype", code)], Json(body)).into_response()
    }
}

fn unknown_operation(operation: &str) -> Refusal {
    let message = format!("{operation} is no operation of the local stand");
    Refusal::bad_request("UnknownOperationException", message)
}

/// A field of a request that is text.
fn text<'a>(request: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    request[field].as_str().ok_or_else(|| Refusal::not_valid(field, &request[field], "a text"))
}
