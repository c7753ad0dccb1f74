//! The host with real processes: the test binary itself, which acts as a function when it is called as one.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command, sync::LazyLock, time::Duration};

use serde_json::json;

use super::*;

/// Not a test: the function. It does what the event says.
#[tokio::test]
#[ignore = "is run as a function by the other tests"]
async fn acts_as_a_function() {
    let Ok(api) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let (client, invocation) =
        (reqwest::Client::new(), format!("http://{api}/2018-06-01/runtime/invocation"));
    println!("ready");
    loop {
        let next = client.get(format!("{invocation}/next")).send().await.unwrap();
        let id = next.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned();
        let event: Value = next.json().await.unwrap();
        let (path, body) = match event["do"].as_str().unwrap() {
            "answer" => {
                ("response", json!({ "pid": std::process::id(), "table": std::env::var("TABLE_NAME").ok() }))
            }
            "fail" => ("error", json!({ "errorType": "Throttled", "errorMessage": "later" })),
            "exit" => std::process::exit(7),
            _ => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                ("response", json!("slept"))
            }
        };
        client.post(format!("{invocation}/{id}/{path}")).body(body.to_string()).send().await.unwrap();
    }
}

/// Scripts that stand for function binaries.
struct Scripts {
    /// Starts the function above.
    acting: PathBuf,
    /// Ends at once.
    ending: PathBuf,
}

/// Written once, before any process is started: a file that another process inherits while it is written cannot be run.
static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("stagelink-host-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, command: &str| {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{command}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let this = std::env::current_exe().unwrap();
    let arguments = "--exact lambda::tests::acts_as_a_function --ignored --nocapture";
    Scripts {
        acting: write("acting", &format!("exec {} {arguments}", this.display())),
        ending: write("ending", "exit 3"),
    }
});

async fn start(binary: &Path, timeout: Duration) -> Result<Functions, (String, Failure)> {
    start_with(binary, timeout, None).await
}

async fn start_with(
    binary: &Path,
    timeout: Duration,
    reserved_concurrency: Option<u32>,
) -> Result<Functions, (String, Failure)> {
    let mut function = template::tests::our("participant-published");
    function.timeout = timeout;
    function.reserved_concurrency = reserved_concurrency;
    let options = HostOptions {
        concurrency: 2,
        environment: BTreeMap::new(),
        region: "us-east-1".to_owned(),
        print_logs: false,
    };
    let binaries = BTreeMap::from([(function.name.clone(), binary.to_owned())]);
    Functions::start(&[function], &binaries, &options).await
}

async fn invoke(functions: &Functions, action: &str) -> Answer {
    functions.invoke("participant-published", &json!({ "do": action })).await.unwrap()
}

const LONG: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_function_answers_and_fails_with_its_own_words() {
    let functions = start(&SCRIPTS.acting, LONG).await.unwrap();
    let answer = invoke(&functions, "answer").await.unwrap();
    assert_eq!(answer["table"], "stagelink");
    let failure = invoke(&functions, "fail").await.unwrap_err();
    assert_eq!(failure.to_string(), "Throttled: later");
    let report = functions.reports().remove(0);
    assert_eq!(report.pids, [u32::try_from(answer["pid"].as_u64().unwrap()).unwrap()]);
    assert_eq!((report.invocations, report.errors, report.restarts), (2, 1, 0));
    assert!(functions.logs("participant-published").unwrap().contains(&"ready".to_owned()));
}

#[tokio::test]
async fn a_process_that_ends_in_an_invocation_has_failed_and_is_replaced() {
    let functions = start(&SCRIPTS.acting, LONG).await.unwrap();
    let failure = invoke(&functions, "exit").await.unwrap_err();
    assert_eq!(failure.error_type, "Runtime.ExitError");
    assert!(invoke(&functions, "answer").await.is_ok());
    assert_eq!(functions.reports()[0].restarts, 1);
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_waits_is_replaced() {
    let functions = start(&SCRIPTS.acting, LONG).await.unwrap();
    let pid = functions.reports()[0].pids[0];
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    while functions.reports()[0].pids.iter().all(|other| *other == pid) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(invoke(&functions, "answer").await.is_ok());
    let report = functions.reports().remove(0);
    assert_eq!((report.errors, report.restarts), (0, 1));
}

#[tokio::test]
async fn an_invocation_that_takes_too_long_is_cut_off() {
    let functions = start(&SCRIPTS.acting, Duration::from_millis(100)).await.unwrap();
    let failure = invoke(&functions, "sleep").await.unwrap_err();
    assert_eq!(failure.error_type, "Sandbox.Timedout");
    assert!(failure.error_message.ends_with("Task timed out after 0.10 seconds"), "{failure}");
    assert_eq!(functions.reports()[0].restarts, 1);
}

#[tokio::test]
async fn invocations_run_beside_each_other_up_to_the_limit() {
    let functions = start(&SCRIPTS.acting, LONG).await.unwrap();
    let all = join_all((0..4).map(|_| invoke(&functions, "sleep"))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(functions.reports()[0].pids.len(), 2);
}

#[tokio::test]
async fn what_is_reserved_is_all_there_is_and_further_invocations_are_throttled() {
    let functions = start_with(&SCRIPTS.acting, LONG, Some(1)).await.unwrap();
    let event = json!({ "do": "sleep" });
    let all = join_all((0..4).map(|_| functions.invoke("participant-published", &event))).await;
    assert_eq!(all.iter().filter(|outcome| **outcome == Err(Throttled)).count(), 3, "{all:?}");
    let report = functions.reports().remove(0);
    assert_eq!((report.invocations, report.throttles, report.pids.len()), (1, 3, 1));
    assert!(invoke(&functions, "answer").await.is_ok());
}

#[tokio::test]
async fn a_binary_that_does_not_start_is_named() {
    let (name, failure) = start(&SCRIPTS.ending, LONG).await.err().unwrap();
    assert_eq!(name, "participant-published");
    assert!(failure.error_message.contains("exit status: 3"), "{failure}");

    let (_, failure) = start(Path::new("/nowhere"), LONG).await.err().unwrap();
    assert_eq!(failure.error_type, "Runtime.InvalidEntrypoint");
}

#[tokio::test]
async fn shutdown_ends_the_processes() {
    let functions = start(&SCRIPTS.acting, LONG).await.unwrap();
    functions.shutdown().await;
    assert_eq!(functions.reports()[0].pids, [] as [u32; 0]);
}
