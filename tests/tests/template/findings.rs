//! What is wrong with a template, as text, so that each check can be seen to fail.

use serde_json::{Value, json};

use crate::{functions, kebab};

/// Everything in the template that is not as it must be.
pub(crate) fn findings(template: &Value) -> Vec<String> {
    let mut check = Check { template, wrong: Vec::new() };
    check.globals();
    check.table();
    check.dead_letters();
    for (id, name) in functions(template) {
        check.function(&id, &name);
    }
    let resources = template["Resources"].as_object().expect("a template has resources");
    for (id, resource) in resources {
        match resource["Type"].as_str() {
            Some("AWS::CloudWatch::Alarm") => check.alarm(id),
            Some("AWS::Serverless::Function" | "AWS::Logs::LogGroup") => {}
            Some(_) if SINGLE.contains(&id.as_str()) => {}
            other => check.wrong.push(format!("{id} of type {other:?} is checked by nobody")),
        }
    }
    check.notification();
    check.all_there();
    check.wrong
}

/// Resources of which there is one.
const SINGLE: [&str; 6] =
    ["Table", "DeadLetters", "DeadLettersPolicy", "Alarms", "AlarmsByEmail", "OverviewDashboard"];

/// Alarms that are to be there.
const ALARMS: [&str; 6] = [
    "BrakeAlarm",
    "DeadLettersAlarm",
    "FailedOperationsAlarm",
    "OldestKnowledgeAlarm",
    "OldestPendingAlarm",
    "ThrottleShareAlarm",
];

struct Check<'a> {
    template: &'a Value,
    wrong: Vec<String>,
}

impl Check<'_> {
    /// Wants exactly this value at this place.
    fn is(&mut self, path: &str, wanted: Value) {
        let found = self.template.pointer(path).unwrap_or(&Value::Null);
        if *found != wanted {
            self.wrong.push(format!("{path} is {found}, and has to be {wanted}"));
        }
    }

    /// Wants a value there for which `holds`.
    fn has(&mut self, path: &str, what: &str, holds: impl Fn(&Value) -> bool) {
        if !self.template.pointer(path).is_some_and(holds) {
            self.wrong.push(format!("{path} has to be {what}"));
        }
    }

    fn globals(&mut self) {
        self.is(
            "/Globals/Function",
            json!({
                "Runtime": "provided.al2023",
                "Architectures": [{ "Ref": "Architecture" }],
                "Handler": "bootstrap",
                "Timeout": 15,
                "MemorySize": 256,
                "Tracing": "Active",
                "LoggingConfig": { "LogFormat": "JSON" },
                "Environment": { "Variables": {
                    "TABLE_NAME": { "Ref": "Table" },
                    "LOG_LEVEL": { "Ref": "LogLevel" },
                    "QUOTA_SHARE_PERCENT": { "Ref": "QuotaSharePercent" },
                    "MODE": { "Ref": "Mode" },
                    "BRAKE_PERCENT": { "Ref": "BrakePercent" },
                    "METRICS_BY_RULE": { "Ref": "RuleMetrics" },
                    "EVENT_SOURCES": { "Fn::Join": [",", { "Ref": "EventSources" }] },
                } },
            }),
        );
    }

    fn table(&mut self) {
        let key = |hash: &str, range: &str| {
            json!([
                { "AttributeName": hash, "KeyType": "HASH" },
                { "AttributeName": range, "KeyType": "RANGE" },
            ])
        };
        let index = |name: &str, hash: &str, range: &str| {
            json!({
                "IndexName": name,
                "KeySchema": key(hash, range),
                "Projection": { "ProjectionType": "ALL" },
            })
        };
        let attributes = ["pk", "sk", "destination", "phase", "due_class", "due_at"];
        let attributes = attributes.map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
        self.is(
            "/Resources/Table",
            json!({
                "Type": "AWS::DynamoDB::Table",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    "TableName": { "Ref": "TableName" },
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": attributes,
                    "KeySchema": key("pk", "sk"),
                    "GlobalSecondaryIndexes": [
                        index("by_destination", "destination", "phase"),
                        index("due_work", "due_class", "due_at"),
                    ],
                    "TimeToLiveSpecification": { "AttributeName": "expires_at", "Enabled": true },
                    "StreamSpecification": { "StreamViewType": "NEW_AND_OLD_IMAGES" },
                    "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
                    "SSESpecification": { "SSEEnabled": true },
                    "DeletionProtectionEnabled": true,
                },
            }),
        );
    }

    fn dead_letters(&mut self) {
        self.is(
            "/Resources/DeadLetters",
            json!({
                "Type": "AWS::SQS::Queue",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": { "MessageRetentionPeriod": 1_209_600, "SqsManagedSseEnabled": true },
            }),
        );
        let rules = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${AWS::StackName}-*";
        self.is(
            "/Resources/DeadLettersPolicy",
            json!({
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{ "Ref": "DeadLetters" }],
                    "PolicyDocument": { "Version": "2012-10-17", "Statement": [{
                        "Effect": "Allow",
                        "Principal": { "Service": "events.amazonaws.com" },
                        "Action": "sqs:SendMessage",
                        "Resource": { "Fn::GetAtt": ["DeadLetters", "Arn"] },
                        "Condition": { "ArnLike": { "aws:SourceArn": { "Fn::Sub": rules } } },
                    }] },
                },
            }),
        );
    }

    fn function(&mut self, id: &str, name: &str) {
        let at = format!("/Resources/{id}/Properties");
        self.is(&format!("{at}/FunctionName"), json!({ "Fn::Sub": format!("${{AWS::StackName}}-{name}") }));
        self.is(&format!("{at}/CodeUri"), json!(format!("../target/lambda/{name}/")));
        self.has(&format!("{at}/Description"), "a sentence", |text| {
            text.as_str().is_some_and(|text| text.ends_with('.'))
        });
        self.is(&format!("{at}/LoggingConfig"), json!({ "LogGroup": { "Ref": format!("{id}Logs") } }));
        self.is(
            &format!("/Resources/{id}Logs"),
            json!({
                "Type": "AWS::Logs::LogGroup",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {
                    "LogGroupName": { "Fn::Sub": format!("/aws/lambda/${{AWS::StackName}}-{name}") },
                    "RetentionInDays": { "Ref": "LogRetentionDays" },
                },
            }),
        );
        self.own_settings(&at, name);
        self.triggers(&at, name);
        self.policies(&at, name);
    }

    /// What a function has other than the globals say.
    fn own_settings(&mut self, at: &str, name: &str) {
        let reserved =
            |number| json!({ "Fn::If": ["ReservesConcurrency", number, { "Ref": "AWS::NoValue" }] });
        let (timeout, concurrency) = match name {
            // A minute, and until the next run is there.
            "dispatch" => (json!(75), reserved(3)),
            "reconcile" => (json!(60), reserved(1)),
            "rule-changed" => (json!(60), Value::Null),
            _ => (Value::Null, Value::Null),
        };
        self.is(&format!("{at}/Timeout"), timeout);
        self.is(&format!("{at}/ReservedConcurrentExecutions"), concurrency);
        let url = if name == "api" { json!({ "AuthType": "AWS_IAM" }) } else { Value::Null };
        self.is(&format!("{at}/FunctionUrlConfig"), url);
    }

    /// Whatever calls a function says how often it tries, and where it leaves what it could not deliver.
    fn triggers(&mut self, at: &str, name: &str) {
        let none = serde_json::Map::new();
        let events = self.template.pointer(&format!("{at}/Events")).and_then(Value::as_object);
        let events: Vec<_> = events.unwrap_or(&none).iter().collect();
        let kinds: Vec<_> =
            events.iter().map(|(_, event)| event["Type"].as_str().unwrap_or_default()).collect();
        let (wanted, retries): (&[&str], _) = match name {
            "api" => (&[], None),
            "dispatch" => (&["Schedule", "DynamoDB"], Some(0)),
            "reconcile" => (&["Schedule"], Some(0)),
            "rule-changed" => (&["DynamoDB"], None),
            _ => (&["EventBridgeRule", "EventBridgeRule"], Some(2)),
        };
        if kinds != wanted {
            self.wrong.push(format!("{at}/Events are of types {kinds:?}, and have to be {wanted:?}"));
        }
        for (event, kind) in events.iter().map(|(event, _)| event.as_str()).zip(kinds.clone()) {
            let at = format!("{at}/Events/{event}/Properties");
            match kind {
                "EventBridgeRule" => self.event_rule(&at, name),
                "Schedule" => self.schedule(&at),
                _ => self.stream(&at, name),
            }
        }
        let invoke = retries.map(|retries| {
            json!({
                "MaximumRetryAttempts": retries,
                "MaximumEventAgeInSeconds": 3_600,
                "DestinationConfig": { "OnFailure": on_failure("SQS") },
            })
        });
        self.is(&format!("{at}/EventInvokeConfig"), json!(invoke));
    }

    fn event_rule(&mut self, at: &str, name: &str) {
        self.is(&format!("{at}/Pattern/source"), json!({ "Ref": "EventSources" }));
        self.is(&format!("{at}/Pattern/detail-type"), json!(["IVS Stage Update"]));
        let names = self.template.pointer(&format!("{at}/Pattern/detail/event_name")).unwrap_or(&Value::Null);
        let replica = self.template.pointer(&format!("{at}/Pattern/detail/replica")).unwrap_or(&Value::Null);
        let original = |event| json!([event]) == *names;
        let known = match name {
            "participant-published" => original("Participant Published"),
            "participant-unpublished" => original("Participant Unpublished"),
            _ => false,
        };
        let replications = json!([
            "Participant Replication Start",
            "Participant Replication End",
            "Participant Publish Error"
        ]);
        let replicas = json!(["Participant Published", "Participant Unpublished"]);
        let right = match at.rsplit('/').nth(1).unwrap_or_default() {
            "OriginalByAbsence" => known && *replica == json!([{ "exists": false }]),
            "OriginalByValue" => known && *replica == json!([false]),
            "Replication" => *names == replications && replica.is_null(),
            "Replica" => *names == replicas && *replica == json!([true]),
            _ => false,
        };
        if !right {
            self.wrong.push(format!("{at}/Pattern/detail is not what {name} reacts to"));
        }
        let policy = json!({ "MaximumRetryAttempts": 30, "MaximumEventAgeInSeconds": 3_600 });
        self.is(&format!("{at}/RetryPolicy"), policy);
        self.is(&format!("{at}/DeadLetterConfig"), json!({ "Arn": dead_letters() }));
    }

    fn schedule(&mut self, at: &str) {
        let policy = json!({ "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60 });
        let dead_letters = json!({ "Arn": dead_letters() });
        let schedule = "rate(1 minute)";
        self.is(at, json!({ "Schedule": schedule, "RetryPolicy": policy, "DeadLetterConfig": dead_letters }));
    }

    fn stream(&mut self, at: &str, name: &str) {
        self.is(&format!("{at}/Stream"), json!({ "Fn::GetAtt": ["Table", "StreamArn"] }));
        self.is(&format!("{at}/StartingPosition"), json!("TRIM_HORIZON"));
        self.is(&format!("{at}/MaximumBatchingWindowInSeconds"), json!(1));
        self.is(&format!("{at}/MaximumRecordAgeInSeconds"), json!(86_400));
        self.is(&format!("{at}/DestinationConfig"), json!({ "OnFailure": on_failure("SQS") }));
        let (batch, retries, bisect, responses) = match name {
            "rule-changed" => (100, 5, true, json!(["ReportBatchItemFailures"])),
            _ => (1_000, 2, false, Value::Null),
        };
        self.is(&format!("{at}/BatchSize"), json!(batch));
        self.is(&format!("{at}/MaximumRetryAttempts"), json!(retries));
        self.is(&format!("{at}/BisectBatchOnFunctionError"), json!(bisect));
        self.is(&format!("{at}/FunctionResponseTypes"), responses);
        self.has(&format!("{at}/FilterCriteria/Filters"), "one pattern", |filters| {
            filters.as_array().is_some_and(|filters| filters.len() == 1 && filters[0]["Pattern"].is_string())
        });
    }

    /// Every statement allows named actions on what is in scope; what it allows is judged beside the code.
    fn policies(&mut self, at: &str, name: &str) {
        self.has(&format!("{at}/Policies"), "one policy", |policies| {
            policies.as_array().is_some_and(|policies| policies.len() == 1)
        });
        self.is(&format!("{at}/Policies/0/Version"), json!("2012-10-17"));
        let statements = self.template.pointer(&format!("{at}/Policies/0/Statement"));
        let statements = statements.and_then(Value::as_array).cloned().unwrap_or_default();
        let (sids, wanted): (Vec<_>, _) = (
            statements.iter().map(|statement| statement["Sid"].as_str().unwrap_or_default()).collect(),
            sids(name),
        );
        if sids != wanted {
            self.wrong.push(format!("{at}/Policies have statements {sids:?}, and have to have {wanted:?}"));
        }
        for (i, statement) in statements.iter().enumerate() {
            let at = format!("{at}/Policies/0/Statement/{i}");
            self.is(&format!("{at}/Effect"), json!("Allow"));
            self.has(&format!("{at}/Action"), "a list of actions, each with its full name", |actions| {
                let named = |action: &Value| action.as_str().is_some_and(|action| !action.contains('*'));
                actions.as_array().is_some_and(|actions| !actions.is_empty() && actions.iter().all(named))
            });
            let (resource, condition) = scope(statement["Sid"].as_str().unwrap_or_default());
            self.is(&format!("{at}/Resource"), resource);
            self.is(&format!("{at}/Condition"), condition);
        }
        crate::permissions::wrong(name, &statements, &mut self.wrong);
    }

    fn alarm(&mut self, id: &str) {
        let at = format!("/Resources/{id}/Properties");
        let name = kebab(id.trim_end_matches("Alarm"));
        self.is(&format!("{at}/AlarmName"), json!({ "Fn::Sub": format!("${{AWS::StackName}}-{name}") }));
        let tells = json!({ "Fn::If": ["SendsAlarms", [{ "Ref": "Alarms" }], { "Ref": "AWS::NoValue" }] });
        self.is(&format!("{at}/AlarmActions"), tells.clone());
        self.is(&format!("{at}/OKActions"), tells);
        let table = json!([{ "Name": "Table", "Value": { "Ref": "Table" } }]);
        let of = |metric: &str, statistic: &str| json!({ "Namespace": "Stagelink", "MetricName": metric, "Statistic": statistic, "Dimensions": table });
        let queue = json!([{ "Name": "QueueName", "Value": { "Fn::GetAtt": ["DeadLetters", "QueueName"] } }]);
        let (what, period, times, operator, threshold, missing) = match name.as_str() {
            "dead-letters" => (
                json!({
                    "Namespace": "AWS/SQS",
                    "MetricName": "ApproximateNumberOfMessagesVisible",
                    "Statistic": "Maximum",
                    "Dimensions": queue,
                }),
                60,
                1,
                "GreaterThanThreshold",
                0,
                "notBreaching",
            ),
            "failed-operations" => {
                let what = of("OperationsFailedReplication", "Sum");
                (what, 300, 1, "GreaterThanOrEqualToThreshold", 10, "notBreaching")
            }
            "oldest-pending" => {
                (of("OldestPendingSeconds", "Maximum"), 60, 5, "GreaterThanThreshold", 180, "missing")
            }
            "oldest-knowledge" => {
                (of("OldestKnowledgeSeconds", "Maximum"), 60, 5, "GreaterThanThreshold", 900, "breaching")
            }
            "brake" => (of("BrakedReplicas", "Maximum"), 60, 5, "GreaterThanThreshold", 0, "missing"),
            _ => (
                json!({ "Metrics": throttle_share(&table) }),
                0,
                2,
                "GreaterThanThreshold",
                5,
                "notBreaching",
            ),
        };
        for (key, value) in what.as_object().expect("an object") {
            self.is(&format!("{at}/{key}"), value.clone());
        }
        if period > 0 {
            self.is(&format!("{at}/Period"), json!(period));
        }
        self.is(&format!("{at}/EvaluationPeriods"), json!(times));
        self.is(&format!("{at}/ComparisonOperator"), json!(operator));
        self.is(&format!("{at}/Threshold"), json!(threshold));
        self.is(&format!("{at}/TreatMissingData"), json!(missing));
    }

    fn notification(&mut self) {
        for (id, kind) in [("Alarms", "AWS::SNS::Topic"), ("AlarmsByEmail", "AWS::SNS::Subscription")] {
            self.is(&format!("/Resources/{id}/Type"), json!(kind));
            self.is(&format!("/Resources/{id}/Condition"), json!("SendsAlarms"));
        }
        self.has("/Resources/Alarms/Properties/DisplayName", "told", Value::is_object);
        self.is(
            "/Resources/AlarmsByEmail/Properties",
            json!({ "TopicArn": { "Ref": "Alarms" }, "Protocol": "email", "Endpoint": { "Ref": "AlarmEmail" } }),
        );
        self.is("/Resources/OverviewDashboard/Condition", json!("HasDashboard"));
        let name = json!({ "Fn::Sub": "${AWS::StackName}-${AWS::Region}" });
        self.is("/Resources/OverviewDashboard/Properties/DashboardName", name);
        self.has("/Resources/OverviewDashboard/Properties/DashboardBody", "a text", Value::is_object);
    }

    fn all_there(&mut self) {
        for id in ALARMS.iter().chain(&SINGLE) {
            self.has(&format!("/Resources/{id}"), "there", Value::is_object);
        }
        let functions = functions(self.template);
        for (id, _) in crate::permissions::FUNCTIONS {
            if !functions.iter().any(|(function, _)| function == id) {
                self.wrong.push(format!("the function {id} is missing"));
            }
        }
    }
}

fn dead_letters() -> Value {
    json!({ "Fn::GetAtt": ["DeadLetters", "Arn"] })
}

fn on_failure(kind: &str) -> Value {
    json!({ "Type": kind, "Destination": dead_letters() })
}

fn throttle_share(table: &Value) -> Value {
    let sum = |id: &str, metric: &str| {
        let metric = json!({ "Namespace": "Stagelink", "MetricName": metric, "Dimensions": table });
        json!({ "Id": id, "ReturnData": false, "MetricStat": { "Metric": metric, "Stat": "Sum", "Period": 300 } })
    };
    let share = json!({
        "Id": "share",
        "Label": "Throttled calls in percent of all",
        "Expression": "IF(FILL(calls, 0) > 0, 100 * FILL(throttled, 0) / calls, 0)",
    });
    json!([share, sum("calls", "Calls"), sum("throttled", "ThrottledCalls")])
}

/// The statements of a function's policy.
fn sids(name: &str) -> Vec<&'static str> {
    match name {
        "participant-published" | "participant-unpublished" => vec!["State", "Places", "Replication"],
        "replication-changed" | "rule-changed" => vec!["State", "Places"],
        "api" => vec!["State", "DueWorkAndPlaces"],
        "dispatch" => vec!["State", "DueWorkAndPlaces", "Replication"],
        "reconcile" => vec!["State", "Places", "Sweep", "Roster", "RecordReplicas"],
        _ => Vec::new(),
    }
}

/// On what a statement allows its actions, and under which condition.
fn scope(sid: &str) -> (Value, Value) {
    let index = |name: &str| json!({ "Fn::Sub": format!("${{Table.Arn}}/index/{name}") });
    let any_stage =
        json!({ "Fn::Sub": "arn:${AWS::Partition}:ivs:${AWS::Region}:${AWS::AccountId}:stage/*" });
    match sid {
        "State" => (json!({ "Fn::GetAtt": ["Table", "Arn"] }), Value::Null),
        "Places" => (index("by_destination"), Value::Null),
        "DueWorkAndPlaces" => (json!([index("by_destination"), index("due_work")]), Value::Null),
        "Roster" => (any_stage, Value::Null),
        _ => {
            let stages = json!({ "Fn::If": ["AnyStage", any_stage, { "Ref": "StageArns" }] });
            let tag = json!({ "StringEquals": { "aws:ResourceTag/stagelink": { "Ref": "StageTag" } } });
            (stages, json!({ "Fn::If": ["ByStageTag", tag, { "Ref": "AWS::NoValue" }] }))
        }
    }
}
