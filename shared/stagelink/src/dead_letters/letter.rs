//! What a message in the queue says. There are three kinds, and messages that nobody expects: anybody who may send to the queue
//! decides what stands in it.
//!
//! | kind | from | body |
//! |---|---|---|
//! | delivery | EventBridge, which could not invoke a function | the event; why is in the message's attributes |
//! | invocation | Lambda, whose function failed after every retry | a record with the event as `requestPayload` |
//! | stream | Lambda, whose function failed on a batch of the table's stream | a record that says where in the stream, not what |

use aws_adapters::stack::Message;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::doctor::Expected;

/// A dead letter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// The function of this stack that it is about; of those that leave dead letters.
    pub(super) function: Option<&'static Expected>,
    /// What it says of the function, whether or not that is one of this stack.
    named: Option<String>,
    /// When it was given up.
    pub(super) at: Option<Timestamp>,
    /// What happened, as far as the event says.
    pub(super) what: String,
    /// Why it was given up.
    pub(super) why: String,
    /// The event, if it is in the message.
    pub(super) event: Option<Value>,
    pub(super) body: Value,
}

/// Where a letter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Delivery,
    Invocation,
    Stream,
    Unknown,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Invocation => "invocation",
            Self::Stream => "stream",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Delivery => "EventBridge could not deliver an event",
            Self::Invocation => "a function failed after every retry",
            Self::Stream => "a function failed on a batch of the table's stream after every retry",
            Self::Unknown => "neither EventBridge nor Lambda writes such messages",
        }
    }
}

impl Letter {
    /// Reads a message of a stack's queue.
    pub(super) fn read(message: &Message, stack: &str) -> Self {
        let body: Value = serde_json::from_str(&message.body).unwrap_or_else(|_| json!(message.body));
        let of_lambda = body["requestContext"]["functionArn"].as_str();
        let of_events = message.attributes.get("TARGET_ARN").map(String::as_str);
        let (kind, arn) = match (of_lambda, of_events) {
            (Some(arn), _) if body["DDBStreamBatchInfo"].is_object() => (Kind::Stream, Some(arn)),
            (Some(arn), _) => (Kind::Invocation, Some(arn)),
            (None, Some(arn)) if body["detail-type"].is_string() => (Kind::Delivery, Some(arn)),
            _ => (Kind::Unknown, None),
        };
        let named = arn.map(function_name);
        let short = named.as_ref().and_then(|name| name.strip_prefix(stack)?.strip_prefix('-'));
        let event = match kind {
            Kind::Delivery => Some(body.clone()),
            Kind::Invocation => Some(body["requestPayload"].clone()).filter(|event| !event.is_null()),
            Kind::Stream | Kind::Unknown => None,
        };
        let told = body["timestamp"].as_str().and_then(|at| at.parse().ok());
        Self {
            id: message.id.clone(),
            kind,
            function: short.and_then(Expected::named).filter(|function| function.leaves_dead_letters()),
            at: if kind == Kind::Delivery { message.sent } else { told.or(message.sent) },
            what: what(kind, event.as_ref(), &body),
            why: why(kind, message, &body),
            named,
            event,
            body,
        }
    }

    /// The function as it is called in this stack, or as the letter calls it.
    pub(super) fn function_in_words(&self) -> String {
        match (self.function, &self.named) {
            (Some(function), _) => function.name.to_owned(),
            (None, Some(named)) => format!("{named} (none that leaves dead letters here)"),
            (None, None) => "-".to_owned(),
        }
    }

    /// Why there is nothing to redrive; nothing if there is.
    pub(super) fn superseded(&self) -> Option<&'static str> {
        let scheduled = self.event.as_ref().is_some_and(|event| event["detail-type"] == "Scheduled Event");
        match self.kind {
            Kind::Stream => {
                Some("it says where the changes stood, not what they were; a sweep repairs what they led to")
            }
            Kind::Unknown => Some("there is no event in it"),
            Kind::Delivery | Kind::Invocation if self.function.is_none() => {
                Some("its function is none of this stack that leaves dead letters")
            }
            Kind::Invocation | Kind::Delivery if self.event.is_none() => Some("there is no event in it"),
            _ if scheduled => Some("it is a run of a schedule; the next minute's run does the same work"),
            _ => None,
        }
    }

    /// All of it, for programs.
    pub(super) fn document(&self) -> Value {
        json!({
            "id": self.id,
            "kind": self.kind.name(),
            "function": self.function.map(|function| function.name),
            "at": self.at.map(|at| at.to_string()),
            "what": self.what,
            "why": self.why,
            "can_be_redriven": self.superseded().is_none(),
            "event": self.event,
            "message": if self.event.is_none() { self.body.clone() } else { Value::Null },
        })
    }
}

/// The name in a function's ARN, without a version.
fn function_name(arn: &str) -> String {
    arn.split(':').nth(6).unwrap_or(arn).to_owned()
}

fn what(kind: Kind, event: Option<&Value>, body: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if kind == Kind::Stream {
        let batch = &body["DDBStreamBatchInfo"];
        let (size, first) = (&batch["batchSize"], text(&batch["startSequenceNumber"]).unwrap_or_default());
        return format!("{size} changes of the table, from {first}");
    }
    let Some(event) = event else { return "-".to_owned() };
    let detail = &event["detail"];
    let name = text(&detail["event_name"]).or_else(|| text(&event["detail-type"]));
    let stage = text(&event["resources"][0]).filter(|arn| arn.contains(":stage/"));
    let stage = stage.map(|arn| format!("on {}", arn.rsplit('/').next().unwrap_or_default()));
    let words = [name, text(&detail["participant_id"]), stage];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn why(kind: Kind, message: &Message, body: &Value) -> String {
    let attribute = |name: &str| message.attributes.get(name).cloned();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let context = &body["requestContext"];
    let words = match kind {
        Kind::Delivery => [
            attribute("ERROR_CODE"),
            attribute("ERROR_MESSAGE"),
            attribute("RETRY_ATTEMPTS").map(|tries| format!("after {tries} retries")),
        ],
        Kind::Invocation | Kind::Stream => {
            let error = &body["responsePayload"];
            let error = [text(&error["errorType"]), text(&error["errorMessage"])];
            let error = error.into_iter().flatten().collect::<Vec<_>>().join(": ");
            let tries = context["approximateInvokeCount"].as_u64();
            [
                text(&context["condition"]),
                Some(error).filter(|error| !error.is_empty()),
                tries.map(|tries| format!("after {tries} invocations")),
            ]
        }
        Kind::Unknown => [None, None, None],
    };
    let words: Vec<_> = words.into_iter().flatten().collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: Value, attributes: &[(&str, &str)]) -> Message {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sent = "2026-07-01T18:05:00Z".parse().ok();
        Message {
            id: "id".to_owned(),
            sent,
            body: body.to_string(),
            attributes: attributes.collect(),
            ..Message::default()
        }
    }

    fn event() -> Value {
        json!({
            "detail-type": "IVS Stage Update", "source": "aws.ivs",
            "resources": ["arn:aws:ivs:us-east-1:123456789012:stage/AbC"],
            "detail": { "event_name": "Participant Published", "participant_id": "p-1" },
        })
    }

    const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:mine-participant-published";

    /// As in the Lambda developer guide.
    fn invocation(arn: &str) -> Value {
        json!({
            "version": "1.0",
            "timestamp": "2026-07-01T18:00:00.000Z",
            "requestContext": {
                "requestId": "r", "functionArn": arn, "condition": "RetriesExhausted", "approximateInvokeCount": 3,
            },
            "requestPayload": event(),
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "responsePayload": { "errorMessage": "no", "errorType": "StoreCorrupt" },
        })
    }

    #[test]
    fn an_invocation_that_failed_holds_its_event() {
        let letter = Letter::read(&message(invocation(&format!("{ARN}:$LATEST")), &[]), "mine");
        assert_eq!(
            (letter.kind, letter.function_in_words().as_str()),
            (Kind::Invocation, "participant-published")
        );
        assert_eq!(letter.what, "Participant Published p-1 on AbC");
        assert_eq!(letter.why, "RetriesExhausted, StoreCorrupt: no, after 3 invocations");
        assert_eq!((letter.event.as_ref(), letter.superseded()), (Some(&event()), None));
        assert_eq!(letter.at, "2026-07-01T18:00:00Z".parse().ok());
    }

    /// As in the EventBridge user guide: the event as it is, and the rest in attributes.
    #[test]
    fn an_event_that_was_not_delivered_is_the_message() {
        let attributes = [
            ("ERROR_CODE", "NO_PERMISSIONS"),
            ("ERROR_MESSAGE", "not authorized"),
            ("RETRY_ATTEMPTS", "0"),
            ("RULE_ARN", "arn:aws:events:us-east-1:123456789012:rule/mine-R"),
            ("TARGET_ARN", ARN),
        ];
        let letter = Letter::read(&message(event(), &attributes), "mine");
        assert_eq!(
            (letter.kind, letter.function_in_words().as_str()),
            (Kind::Delivery, "participant-published")
        );
        assert_eq!(letter.why, "NO_PERMISSIONS, not authorized, after 0 retries");
        assert_eq!((letter.event.as_ref(), letter.superseded()), (Some(&event()), None));
    }

    #[test]
    fn a_batch_of_the_stream_has_no_event() {
        let body = json!({
            "requestContext": {
                "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:mine-rule-changed",
                "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 6,
            },
            "timestamp": "2026-07-01T18:00:00Z",
            "DDBStreamBatchInfo": { "shardId": "s", "startSequenceNumber": "800", "batchSize": 3, "streamArn": "a" },
        });
        let letter = Letter::read(&message(body, &[]), "mine");
        assert_eq!((letter.kind, letter.function_in_words().as_str()), (Kind::Stream, "rule-changed"));
        assert_eq!(letter.what, "3 changes of the table, from 800");
        assert_eq!(letter.why, "RetryAttemptsExhausted, after 6 invocations");
        assert!(letter.superseded().unwrap().contains("a sweep repairs"));
    }

    /// Who may send to the queue must not have an operator's credentials invoke what he likes; nor have the API take any name for
    /// the caller's.
    #[test]
    fn a_function_of_somebody_else_is_never_invoked() {
        for (arn, stack) in [
            (ARN, "other"),
            ("arn:aws:lambda:us-east-1:123456789012:function:mine-payments", "mine"),
            ("arn:aws:lambda:us-east-1:123456789012:function:participant-published", "mine"),
            ("mine-participant-published", "mine-"),
            ("arn:aws:lambda:us-east-1:123456789012:function:mine-api", "mine"),
        ] {
            let letter = Letter::read(&message(invocation(arn), &[]), stack);
            assert_eq!(letter.function, None, "{arn}");
            assert!(letter.superseded().is_some(), "{arn}");
        }
    }

    #[test]
    fn what_nobody_expects_is_shown_and_not_redriven() {
        for body in [json!("hello"), json!({}), json!({ "detail-type": "x" }), json!(null), json!([1])] {
            let letter = Letter::read(&message(body, &[]), "mine");
            assert_eq!((letter.kind, letter.superseded()), (Kind::Unknown, Some("there is no event in it")));
        }
        let mut without = invocation(ARN);
        without["requestPayload"] = Value::Null;
        assert_eq!(
            Letter::read(&message(without, &[]), "mine").superseded(),
            Some("there is no event in it")
        );
    }
}
