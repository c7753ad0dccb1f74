//! The command as a process: what it says when there is nothing to work on, and whose credentials it signs with.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// The command in an environment that holds nothing else.
fn stagelink(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagelink"));
    command.env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied()).args(arguments).output().unwrap()
}

fn told(environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let output = stagelink(environment, arguments);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).unwrap()
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "b")];

/// A DynamoDB that answers every request with this error, and keeps what it was asked.
struct Refusing {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Refusing {
    fn with(code: &str, message: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let body = serde_json::json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message });
        let body = body.to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut reader = BufReader::new(connection.unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push_str(&line);
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                seen.lock().unwrap().push(head);
                let answer = format!(
                    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { url, requests }
    }

    fn told(&self, arguments: &[&str]) -> String {
        let mut environment = KEYS.to_vec();
        environment.extend([("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_DYNAMODB", self.url.as_str())]);
        told(&environment, arguments)
    }
}

/// Compares with `tests/golden/<name>.txt`; with `BLESS=1` in the environment, writes it.
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}; BLESS=1 accepts it");
}

/// What an operator sees who has a wrong environment: the field, its value, what is allowed, and what to do.
#[test]
fn every_refusal_says_what_to_do_next() {
    let mut text = String::new();
    for (code, message) in [
        ("ResourceNotFoundException", "Requested resource not found"),
        (
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/kim is not authorized to perform: dynamodb:Scan on resource: \
             arn:aws:dynamodb:eu-west-1:123456789012:table/mine",
        ),
        ("ExpiredTokenException", "The security token included in the request is expired"),
        ("UnrecognizedClientException", "The security token included in the request is invalid."),
    ] {
        let said = Refusing::with(code, message).told(&["get", "replicas", "--table", "mine"]);
        text.push_str(&format!("# {code}\n{said}\n"));
    }
    text.push_str(&format!("# no Region\n{}\n", told(&KEYS, &["get", "replicas"])));
    assert_golden("refusals", &text);
}

#[test]
fn without_credentials_it_says_where_they_could_come_from() {
    let said = told(&[("AWS_REGION", "eu-west-1")], &["get", "rules"]);
    assert!(said.starts_with("error: there are no AWS credentials: "), "{said}");
    assert!(said.contains("next: sign in (`aws sso login`) or name other credentials"), "{said}");
}

#[test]
fn a_region_that_is_not_there_cannot_be_reached() {
    let nowhere = [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")];
    let said = told(&nowhere, &["get", "replicas", "--region", "mars-1"]);
    assert!(said.starts_with("error: DynamoDB does not answer in Region mars-1: "), "{said}");
    assert!(said.contains("next: look at the Region's name"), "{said}");
}

#[test]
fn a_local_stand_that_is_not_there_is_named() {
    let nowhere = [("STAGELINK_LOCAL_STAND", "/nowhere/stand.json")];
    let said = told(&nowhere, &["get", "replicas", "--local"]);
    assert!(said.contains("/nowhere/stand.json cannot be read") && said.contains("cargo local up"), "{said}");
    let gone = std::env::temp_dir().join(format!("stagelink-{}-gone.json", std::process::id()));
    let nobody = "http://127.0.0.1:1".to_owned();
    let stand = stagelink::LocalStand {
        pid: 1,
        table: "stagelink".to_owned(),
        region: "us-east-1".to_owned(),
        dynamodb: nobody.clone(),
        ivs: nobody.clone(),
        control: nobody.clone(),
        aws: nobody,
    };
    stand.write(&gone).unwrap();
    let said = told(&[("STAGELINK_LOCAL_STAND", gone.to_str().unwrap())], &["get", "replicas", "--local"]);
    assert!(said.starts_with("error: --local: the local stand does not answer: "), "{said}");
    assert!(said.contains("next: start one with `cargo local up`"), "{said}");
}

#[test]
fn it_completes_itself_and_has_a_manual() {
    for (arguments, expected) in [
        (&["completions", "bash"][..], "_stagelink"),
        (&["completions", "zsh"], "#compdef stagelink"),
        (&["man"], ".TH stagelink 1"),
    ] {
        let output = stagelink(&[], arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected), "{arguments:?}");
    }
}

/// AWS configuration files with one profile.
fn profile() -> (PathBuf, PathBuf) {
    let path = |name: &str| std::env::temp_dir().join(format!("stagelink-{}-{name}", std::process::id()));
    let (config, credentials) = (path("config"), path("credentials"));
    std::fs::write(&config, "[profile prod]\nregion = eu-west-1\n").unwrap();
    std::fs::write(&credentials, "[prod]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = b\n")
        .unwrap();
    (config, credentials)
}

/// Whoever names a profile means its account, also where the environment holds the keys of another one.
#[test]
fn a_profile_that_is_named_goes_before_the_environment() {
    let dynamodb = Refusing::with("ResourceNotFoundException", "none");
    let (config, credentials) = profile();
    let environment = [
        KEYS[0],
        KEYS[1],
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.url),
    ];
    let said = told(&environment, &["get", "replicas", "--profile", "prod"]);
    assert!(said.contains("Region eu-west-1"), "the profile's Region: {said}");
    let said = told(&environment, &["get", "replicas", "--region", "us-east-1"]);
    assert!(said.contains("Region us-east-1"), "{said}");
    let requests = dynamodb.requests.lock().unwrap();
    let signed_with = |request: &String| {
        let start = request.find("Credential=").unwrap() + "Credential=".len();
        request[start..].split('/').next().unwrap().to_owned()
    };
    assert_eq!(requests.iter().map(signed_with).collect::<Vec<_>>(), ["FROMPROFILE", "FROMENVIRONMENT"]);
    let said = told(&environment, &["get", "replicas", "--region", "us-east-1", "--profile", "other"]);
    assert!(said.starts_with("error: --profile \"other\" gives no AWS credentials"), "{said}");
}

#[test]
fn a_command_line_that_is_not_valid_is_a_failure() {
    assert_eq!(stagelink(&[], &["drain", "--timeout", "soon"]).status.code(), Some(1));
    assert_eq!(stagelink(&[], &["--help"]).status.code(), Some(0));
}

/// The name of the table may come from the environment.
#[test]
fn the_table_may_be_named_in_the_environment() {
    let dynamodb = Refusing::with("ResourceNotFoundException", "none");
    let environment = [
        KEYS[0],
        KEYS[1],
        ("AWS_REGION", "eu-west-1"),
        ("STAGELINK_TABLE", "from-environment"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.url),
    ];
    let said = told(&environment, &["get", "replicas"]);
    assert!(said.contains("--table \"from-environment\" is not valid"), "{said}");
}
