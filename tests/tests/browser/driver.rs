//! A headless Chromium, driven by chromedriver over the W3C WebDriver protocol: JSON over HTTP, of which this needs a dozen commands.
//! Half of them are Chromium's own (the console, the colour scheme), which no client library has words for.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The environment variable that names chromedriver; `cargo infra browser` sets it.
const CHROMEDRIVER: &str = "STAGELINK_CHROMEDRIVER";
/// The environment variable that names Chromium.
const CHROMIUM: &str = "STAGELINK_CHROMIUM";

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keys that are no characters (W3C WebDriver, section Keyboard actions).
pub(crate) mod key {
    pub(crate) const TAB: &str = "\u{e004}";
    pub(crate) const ENTER: &str = "\u{e007}";
    pub(crate) const ESCAPE: &str = "\u{e00c}";
    pub(crate) const HOME: &str = "\u{e011}";
    pub(crate) const LEFT: &str = "\u{e012}";
    pub(crate) const RIGHT: &str = "\u{e014}";
    pub(crate) const DOWN: &str = "\u{e015}";
}

/// A browser with one page. It ends when dropped.
pub(crate) struct Browser {
    process: Child,
    http: reqwest::Client,
    session: String,
}

impl Browser {
    /// Starts chromedriver, and Chromium through it.
    pub(crate) async fn start() -> Self {
        let named = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!("{name} is not set: `cargo infra browser` finds the browser and sets it")
            })
        };
        let mut process = Command::new(named(CHROMEDRIVER))
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver starts");
        let said = BufReader::new(process.stdout.take().unwrap());
        let port = said.lines().map_while(Result::ok).find_map(|line| port(&line));
        let port = port.expect("chromedriver says its port");
        let mut arguments = vec![
            "--headless=new",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--force-color-profile=srgb",
            "--disable-dev-shm-usage",
        ];
        // As root, Chromium has no sandbox; and it only ever sees our own page.
        if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            arguments.push("--no-sandbox");
        }
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": named(CHROMIUM), "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let http = reqwest::Client::new();
        let mut browser = Self { process, http, session: format!("http://127.0.0.1:{port}/session") };
        let answer = browser.post("", capabilities).await;
        let id = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        let url = format!("{}{command}", self.session);
        let response = self.http.post(url).json(&body).send().await.expect("chromedriver answers");
        let answer: Value = response.json().await.expect("chromedriver answers JSON");
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{command} {body}: {} {}", value["error"], value["message"]);
        value
    }

    /// Opens a page.
    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// The size of what the page sees, in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the system wishes, as the page is told, such as `prefers-color-scheme`.
    pub(crate) async fn prefer(&self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// A command of Chromium's own.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// What a script gives back. It may wait.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let script = format!("return (async () => {{ {script} }})()");
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What an expression is.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}")).await
    }

    /// The text of the first element that a selector finds; empty if there is none.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let found =
            self.eval(&format!("document.querySelector({})?.textContent ?? ''", json!(selector))).await;
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true, and says what it was waiting for if that takes too long.
    pub(crate) async fn wait_for(&self, what: &str, expression: &str) {
        let began = Instant::now();
        while self.eval(&format!("Boolean({expression})")).await != json!(true) {
            if began.elapsed() > PATIENCE {
                self.screenshot("failed").await;
                let console = self.console().await;
                panic!(
                    "{what} did not come within {} s: {expression}; console: {console:?}",
                    PATIENCE.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses keys, one after the other.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let actions = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|action| json!({ "type": action, "value": key })));
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions.collect::<Vec<_>>() });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Types a text where the focus is.
    pub(crate) async fn write(&self, text: &str) {
        let keys: Vec<String> = text.chars().map(String::from).collect();
        self.press(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    /// Clicks at a point of the page.
    pub(crate) async fn click_at(&self, x: f64, y: f64) {
        let (x, y) = (x.round() as i64, y.round() as i64);
        let actions = json!([
            { "type": "pointerMove", "x": x, "y": y },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ]);
        let parameters = json!({ "pointerType": "mouse" });
        let mouse = json!({ "type": "pointer", "id": "mouse", "parameters": parameters, "actions": actions });
        self.post("/actions", json!({ "actions": [mouse] })).await;
    }

    /// Clicks on the first element that a selector finds.
    pub(crate) async fn click(&self, selector: &str) {
        let script = format!(
            "const box = document.querySelector({}).getBoundingClientRect();
             return [box.x + box.width / 2, box.y + box.height / 2]",
            json!(selector)
        );
        let at = self.run(&script).await;
        self.click_at(at[0].as_f64().unwrap(), at[1].as_f64().unwrap()).await;
    }

    /// What the console said since it was asked last: warnings, errors, and refusals of the content security policy.
    pub(crate) async fn console(&self) -> Vec<String> {
        let lines = self.post("/se/log", json!({ "type": "browser" })).await;
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| format!("{} {}", line["level"], line["message"])).collect()
    }

    /// Keeps a picture of the page in `target/screenshots`, which git ignores.
    pub(crate) async fn screenshot(&self, name: &str) {
        let picture = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await;
        let picture = STANDARD.decode(picture["data"].as_str().unwrap_or_default()).expect("a picture");
        let folder = screenshots();
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a picture that can be written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromedriver ends Chromium when it is told to end the session, and there is no waiting for that in a drop.
        let session = self.session.clone();
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                runtime.block_on(async { drop(reqwest::Client::new().delete(session).send().await) });
            })
        });
        drop(ended.join());
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn screenshots() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("screenshots")
}

/// The port, in the line in which chromedriver says it.
fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("started successfully on port ")?;
    rest.trim_end_matches('.').trim().parse().ok()
}
