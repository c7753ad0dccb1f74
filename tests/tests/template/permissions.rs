//! What each function may do, against the calls that its code was given.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aws_adapters::{Connection, ConnectionOptions};
use controller::sweep::port::{Reads, RecordingCalls};
use controller::sweep::scout::Scout;
use serde_json::Value;

/// Every function: its logical id, and the actions on the table that its code needs. That these are all, and that none is too
/// many, is seen on the wire ([`crate::usage`]), and when it runs under its role: `cargo infra rehearse --only permissions`.
pub(crate) const FUNCTIONS: [(&str, &[&str]); 7] = [
    ("Api", &["DeleteItem", "PutItem", "Query", "Scan"]),
    ("ParticipantPublished", &["PutItem", "Query", "UpdateItem"]),
    ("ParticipantUnpublished", &["PutItem", "Query", "UpdateItem"]),
    ("ReplicationChanged", &["PutItem", "Query", "UpdateItem"]),
    ("RuleChanged", &["PutItem", "Query", "Scan", "UpdateItem"]),
    ("Dispatch", &["DeleteItem", "PutItem", "Query", "UpdateItem"]),
    ("Reconcile", &["DeleteItem", "PutItem", "Query", "Scan", "UpdateItem"]),
];

/// Tells of actions that a function's policy grants and its code does not need, and the other way round.
pub(crate) fn wrong(name: &str, statements: &[Value], wrong: &mut Vec<String>) {
    let granted = |indexes: bool| -> BTreeSet<_> {
        let on_index = |statement: &&Value| statement["Resource"].to_string().contains("/index/");
        statements.iter().filter(|statement| on_index(statement) == indexes).flat_map(actions).collect()
    };
    let query = BTreeSet::from(["dynamodb:Query".to_owned()]);
    for (on, granted, needed) in [("", granted(false), needed(name)), (" in an index", granted(true), query)]
    {
        wrong.extend(
            granted.difference(&needed).map(|action| format!("{name} may {action}{on}, and need not")),
        );
        wrong.extend(
            needed.difference(&granted).map(|action| format!("{name} may not {action}{on}, and has to")),
        );
    }
}

fn actions(statement: &Value) -> Vec<String> {
    let actions = statement["Action"].as_array().into_iter().flatten();
    actions.filter_map(|action| action.as_str().map(str::to_owned)).collect()
}

fn needed(name: &str) -> BTreeSet<String> {
    let table = FUNCTIONS.iter().find(|(id, _)| crate::kebab(id) == name).map_or(&[][..], |(_, table)| table);
    let table = table.iter().map(|action| format!("dynamodb:{action}"));
    table.chain(ivs(name).into_iter().map(str::to_owned)).collect()
}

/// The IVS actions of the calls that a function is given.
fn ivs(name: &str) -> BTreeSet<&'static str> {
    static CONNECTION: LazyLock<Connection> = LazyLock::new(|| {
        let region = Some("us-east-1".to_owned());
        let options = ConnectionOptions { region, emulated: true, ..ConnectionOptions::default() };
        futures::executor::block_on(Connection::new(options))
    });
    let ivs = CONNECTION.ivs();
    match name {
        "participant-published" => ivs.for_starting().iam_actions(),
        "participant-unpublished" => ivs.for_stopping().iam_actions(),
        "dispatch" => ivs.for_dispatch().iam_actions().into_iter().chain(Scout::IAM_ACTIONS).collect(),
        "reconcile" => Reads::IAM_ACTIONS.into_iter().chain(RecordingCalls::IAM_ACTIONS).collect(),
        _ => BTreeSet::new(),
    }
}

/// The calls above are those that the functions are wired with.
#[test]
fn every_function_is_wired_with_the_calls_that_its_policy_is_for() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, wiring) in [
        ("functions/participant-published/src/main.rs", vec!["for_starting()"]),
        ("functions/participant-unpublished/src/main.rs", vec!["for_stopping()"]),
        ("functions/replication-changed/src/main.rs", vec!["Calls::default()"]),
        ("functions/api/src/main.rs", vec![]),
        ("shared/lambda-kit/src/rule_changed.rs", vec!["Calls::default()"]),
        ("shared/lambda-kit/src/dispatch.rs", vec!["for_dispatch()", "for_sweeping()"]),
        ("shared/lambda-kit/src/reconcile.rs", vec!["Calls::default()", "for_sweeping()", "for_recording()"]),
    ] {
        let code = std::fs::read_to_string(root.join(path)).unwrap();
        let all = [
            "for_starting()",
            "for_stopping()",
            "for_dispatch()",
            "for_sweeping()",
            "for_recording()",
            "Calls::default()",
        ];
        let found: BTreeSet<_> = all.into_iter().filter(|call| code.contains(call)).collect();
        assert_eq!(found, wiring.into_iter().collect(), "{path}");
    }
}

/// No step that functions are played through could find a call that is made only once in a year. So each operation that the adapters
/// name is granted to somebody; but for what only an operator's own credentials are for.
#[test]
fn the_adapters_name_no_operation_that_nobody_is_granted() {
    let granted: BTreeSet<String> =
        FUNCTIONS.iter().flat_map(|(id, _)| needed(&crate::kebab(id))).map(|action| snake(&action)).collect();
    let of_ivs = granted.iter().filter_map(|action| action.strip_prefix("ivs:")).map(str::to_owned);
    let by_operators = ["create_stage".to_owned()];
    assert_eq!(named("ivs"), of_ivs.chain(by_operators).collect());
    let of_table = ["put_item", "query", "scan", "transact_write_items"];
    assert_eq!(named("store"), of_table.map(str::to_owned).into());
    let written: BTreeSet<_> = ["delete", "put", "update"]
        .into_iter()
        .filter(|write| code("store").contains(&format!(".{write}(")))
        .collect();
    assert_eq!(written.len(), 3);
    assert!(!code("store").contains("condition_check("), "it would need dynamodb:ConditionCheckItem");
}

/// What is written can be written in the table alone, and what is changed at IVS only on the stages that the parameters name.
#[test]
fn no_grant_to_write_is_wider_than_the_stack() {
    let template = crate::template();
    for (id, _) in FUNCTIONS {
        let path = format!("/Resources/{id}/Properties/Policies/0/Statement");
        for statement in template.pointer(&path).and_then(Value::as_array).unwrap() {
            let (resource, condition) = (statement["Resource"].to_string(), &statement["Condition"]);
            assert!(!resource.contains("\"*\""), "{id}: {statement}");
            for action in actions(statement) {
                assert!(!action.contains('*'), "{id}: {action}");
                let reads = ["dynamodb:Query", "dynamodb:Scan", "ivs:Get", "ivs:List"];
                if reads.iter().any(|read| action.starts_with(read)) {
                    continue;
                }
                match action.split_once(':').unwrap().0 {
                    "dynamodb" => assert_eq!(resource, r#"{"Fn::GetAtt":["Table","Arn"]}"#, "{id}: {action}"),
                    _ => {
                        let by_parameter = resource.contains("AnyStage") && resource.contains("StageArns");
                        let by_tag = condition.to_string().contains("aws:ResourceTag/stagelink");
                        assert!(by_parameter && by_tag, "{id}: {action}");
                    }
                }
            }
        }
    }
}

/// `ivs:GetStage` as `ivs:get_stage`.
fn snake(action: &str) -> String {
    let (service, name) = action.split_once(':').unwrap();
    format!("{service}:{}", crate::kebab(name).replace('-', "_"))
}

/// The operations of the SDK that a part of the adapters names.
fn named(part: &str) -> BTreeSet<String> {
    let code: String = code(part).split_whitespace().collect();
    let names =
        code.split("client.").skip(1).map(|rest| rest.split('(').next().unwrap_or_default().to_owned());
    names.filter(|name| name != "clone").collect()
}

fn code(part: &str) -> String {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/aws-adapters/src");
    let folder = std::fs::read_dir(source.join(part)).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = folder.chain([source.join(format!("{part}.rs"))]).collect();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}
