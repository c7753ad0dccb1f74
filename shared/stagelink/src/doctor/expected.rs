//! What a deployment has: the functions of `infra/template.yaml`, and what invokes them. `tests/tests/doctor.rs` holds this to the
//! template.

/// A function of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its name, without the stack's.
    pub name: &'static str,
    /// Its event rules: what each means, and its pattern but for `source`.
    pub rules: &'static [(&'static str, &'static str)],
    /// When its schedule comes, if it has one.
    pub schedule: Option<&'static str>,
    /// The filter of its mapping on the table's stream, if it has one.
    pub filter: Option<&'static str>,
    /// An event that is not for it, and that it answers at once. Nothing for functions that work through their minute.
    pub ping: Option<&'static str>,
}

const EVERY_MINUTE: Option<&str> = Some("rate(1 minute)");

/// From a source that no function listens to.
const NOT_FOR_US: Option<&str> =
    Some(r#"{"id":"doctor","source":"stagelink.doctor","detail-type":"Examination","detail":{}}"#);

/// Every function.
pub const EXPECTED: [Expected; 7] = [
    Expected {
        name: "participant-published",
        rules: &[
            (
                "Participant Published, without `replica`",
                r#"{"detail-type":["IVS Stage Update"],"detail":{"event_name":["Participant Published"],"replica":[{"exists":false}]}}"#,
            ),
            (
                "Participant Published, `replica` false",
                r#"{"detail-type":["IVS Stage Update"],"detail":{"event_name":["Participant Published"],"replica":[false]}}"#,
            ),
        ],
        schedule: None,
        filter: None,
        ping: NOT_FOR_US,
    },
    Expected {
        name: "participant-unpublished",
        rules: &[
            (
                "Participant Unpublished, without `replica`",
                r#"{"detail-type":["IVS Stage Update"],"detail":{"event_name":["Participant Unpublished"],"replica":[{"exists":false}]}}"#,
            ),
            (
                "Participant Unpublished, `replica` false",
                r#"{"detail-type":["IVS Stage Update"],"detail":{"event_name":["Participant Unpublished"],"replica":[false]}}"#,
            ),
        ],
        schedule: None,
        filter: None,
        ping: NOT_FOR_US,
    },
    Expected {
        name: "replication-changed",
        rules: &[
            (
                "replications and publish errors",
                r#"{"detail-type":["IVS Stage Update"],"detail":{"event_name":["Participant Replication Start","Participant Replication End","Participant Publish Error"]}}"#,
            ),
            (
                "replicas",
                r#"{"detail-type":["IVS Stage Update"],"detail":{"event_name":["Participant Published","Participant Unpublished"],"replica":[true]}}"#,
            ),
        ],
        schedule: None,
        filter: None,
        ping: NOT_FOR_US,
    },
    Expected {
        name: "rule-changed",
        rules: &[],
        schedule: None,
        filter: Some(r#"{"dynamodb":{"Keys":{"sk":{"S":[{"prefix":"RULE#"},"CONTROL"]}}}}"#),
        ping: Some(r#"{"Records":[]}"#),
    },
    Expected {
        name: "dispatch",
        rules: &[],
        schedule: EVERY_MINUTE,
        filter: Some(
            r#"{"dynamodb":{"NewImage":{"due_class":{"S":["backfill","release","start","verify","versus"]}}}}"#,
        ),
        ping: None,
    },
    Expected { name: "reconcile", rules: &[], schedule: EVERY_MINUTE, filter: None, ping: None },
    Expected { name: "api", rules: &[], schedule: None, filter: None, ping: Some(HEALTH) },
];

/// `GET /health`, as a Function URL brings it.
const HEALTH: &str = r#"{"version":"2.0","routeKey":"$default","rawPath":"/health","rawQueryString":"","headers":{"host":"doctor"},"requestContext":{"accountId":"000000000000","apiId":"doctor","domainName":"doctor","domainPrefix":"doctor","http":{"method":"GET","path":"/health","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":"stagelink doctor"},"requestId":"doctor","routeKey":"$default","stage":"$default","time":"01/Jan/2026:00:00:00 +0000","timeEpoch":1767225600000},"isBase64Encoded":false}"#;

impl Expected {
    /// The function of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        EXPECTED.iter().find(|expected| expected.name == name)
    }

    /// Whether it is invoked asynchronously, so that what fails needs a place to go.
    pub(crate) fn is_asynchronous(&self) -> bool {
        !self.rules.is_empty() || self.schedule.is_some()
    }

    /// Whether what it could not do may come into the queue. Who asks the API is answered, and keeps what came of it himself.
    pub(crate) fn leaves_dead_letters(&self) -> bool {
        self.is_asynchronous() || self.filter.is_some()
    }
}
