//! A browser, controlled with a few WebDriver commands: Chromium through chromedriver, or Firefox. A client library would save little: most of
//! this file ends the driver with the test, makes a profile, and reads the console, which libraries leave to their users.
//! They also need an async runtime.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    firefox::Firefox,
    process::{child::Process, eventually, wait::PATIENCE},
};

/// A browser with its own profile. It ends with the test.
pub(crate) struct Browser {
    program: Program,
    _dir: TempDir,
}

enum Program {
    Chromium(Chromium),
    Firefox(Firefox),
}

struct Chromium {
    /// The address of the WebDriver session.
    session: String,
    agent: ureq::Agent,
    _driver: Process,
}

/// Whether pages can run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

impl Chromium {
    /// Keeps these logs. Each setting of `options` is one of chromedriver; `strategy` is what commands wait for.
    fn start(dir: &Path, logs: &Value, mut options: Value, strategy: &str) -> Self {
        let (log, profile) = (dir.join("log"), dir.join("profile"));
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", dir).stdin(Stdio::null()).stderr(Stdio::null()).stdout(File::create(&log).unwrap());
        let driver = Process::new(command.spawn().expect("chromedriver is missing: run scripts/set-up.sh"));
        let port = eventually("chromedriver starts", || {
            let text = fs::read_to_string(&log).unwrap();
            Some(text.split_once("successfully on port ")?.1.split_once('.')?.0.to_owned())
        });
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let mut chromium = Self { session: format!("http://127.0.0.1:{port}"), agent: config.new_agent(), _driver: driver };
        let mut arguments = vec![format!("--user-data-dir={}", profile.display())];
        arguments.extend(ARGUMENTS.map(str::to_owned));
        options["args"] = json!(arguments);
        let wanted = json!({ "pageLoadStrategy": strategy, "goog:loggingPrefs": logs, "goog:chromeOptions": options });
        let session = chromium.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        chromium.session = format!("{}/session/{}", chromium.session, session["sessionId"].as_str().unwrap());
        chromium
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let mut response = self.agent.post(format!("{}{command}", self.session)).send_json(body).unwrap();
        let answer: Value = response.body_mut().with_config().limit(1 << 28).read_json().unwrap();
        assert_eq!(response.status(), 200, "{command} {body}: {answer}");
        answer["value"].clone()
    }
}

impl Browser {
    /// Starts Chromium.
    pub(crate) fn start() -> Self {
        Self::with(Scripts::On)
    }

    pub(crate) fn with(scripts: Scripts) -> Self {
        let allowed = if scripts == Scripts::On { 1 } else { 2 };
        let prefs = json!({ "profile.managed_default_content_settings.javascript": allowed });
        Self::chromium(&json!({ "browser": "ALL" }), json!({ "prefs": prefs }), "normal")
    }

    /// Starts Chromium. Its commands do not wait until the page is loaded.
    pub(crate) fn without_waiting() -> Self {
        Self::chromium(&json!({ "browser": "ALL" }), json!({}), "none")
    }

    /// Starts Chromium, which records what its threads do until `trace` is called.
    pub(crate) fn traced() -> Self {
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        let categories = "devtools.timeline,disabled-by-default-devtools.timeline";
        Self::chromium(&logs, json!({ "perfLoggingPrefs": { "traceCategories": categories } }), "normal")
    }

    fn chromium(logs: &Value, options: Value, strategy: &str) -> Self {
        let dir = TempDir::new().unwrap();
        Self { program: Program::Chromium(Chromium::start(dir.path(), logs, options, strategy)), _dir: dir }
    }

    /// Starts Firefox, which runs the common commands only.
    pub(crate) fn firefox() -> Self {
        let dir = TempDir::new().unwrap();
        Self { program: Program::Firefox(Firefox::start(dir.path())), _dir: dir }
    }

    /// Runs a command that both browsers have: its path in WebDriver and its name in Firefox.
    fn common(&self, path: &str, name: &str, parameters: &Value) -> Value {
        match &self.program {
            Program::Chromium(chromium) => chromium.post(path, parameters),
            Program::Firefox(firefox) => firefox.command(name, parameters),
        }
    }

    /// Runs a command that Chromium has only.
    fn post(&self, command: &str, body: &Value) -> Value {
        match &self.program {
            Program::Chromium(chromium) => chromium.post(command, body),
            Program::Firefox(_) => panic!("Firefox has no {command}"),
        }
    }

    /// Opens a page; returns when it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.common("/url", "Navigate", &json!({ "url": url }));
    }

    /// Makes the page's first frame the target of further commands, whatever its origin is.
    pub(crate) fn enter_frame(&self) {
        self.post("/frame", &json!({ "id": 0 }));
    }

    pub(crate) fn reload(&self) {
        self.common("/refresh", "Refresh", &json!({}));
    }

    pub(crate) fn back(&self) {
        self.common("/back", "Back", &json!({}));
    }

    /// Runs a script in the page; returns its result. If that is a promise, it waits for its value.
    pub(crate) fn run(&self, script: &str) -> Value {
        // In Firefox, `sandbox` lets the script see the variables of the page, as in Chromium.
        self.common("/execute/sync", "ExecuteScript", &json!({ "script": script, "args": [], "sandbox": null }))
    }

    /// Runs a command of the Chrome DevTools Protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Shows the next pages in a window of this width, to a reader who prefers this colour scheme and no animations.
    pub(crate) fn look(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")];
        let features = features.map(|(name, value)| json!({ "name": name, "value": value }));
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Clicks on the first element that matches a selector, as a reader does.
    pub(crate) fn click(&self, selector: &str) {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// The text of the first element that matches a selector; empty if there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("const found = document.querySelector({selector:?}); return found ? found.textContent : ''"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until there is an element, and it has a text.
    pub(crate) fn shows(&self, selector: &str, text: &str) {
        let mut seen = String::new();
        let deadline = std::time::Instant::now() + PATIENCE;
        while seen != text {
            assert!(std::time::Instant::now() < deadline, "{selector} shows {seen:?}, not {text:?}; {:?}", self.messages());
            let text = format!("return document.querySelector({selector:?})?.textContent ?? 'no element'");
            seen = self.run(&text).as_str().unwrap().to_owned();
        }
    }

    /// Waits until the page has an element.
    pub(crate) fn has(&self, selector: &str) {
        let found = format!("return !!document.querySelector({selector:?})");
        eventually(selector, || (self.run(&found) == true).then_some(()));
    }

    /// The console messages since the last call: level and text. Firefox does not tell them.
    pub(crate) fn messages(&self) -> Vec<(String, String)> {
        if matches!(self.program, Program::Firefox(_)) {
            return Vec::new();
        }
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        entries.as_array().unwrap().iter().map(|entry| (text(entry, "level"), text(entry, "message"))).collect()
    }

    /// The events of the trace.
    pub(crate) fn trace(&self) -> Vec<Value> {
        let entries = self.post("/se/log", &json!({ "type": "performance" }));
        let event = |entry: &Value| serde_json::from_str::<Value>(entry["message"].as_str()?).ok()?.pointer("/message/params").cloned();
        entries.as_array().unwrap().iter().filter_map(event).collect()
    }

    /// Waits for a console message that contains these words.
    pub(crate) fn wait_for_message(&self, words: &str) {
        let mut all = Vec::new();
        let deadline = std::time::Instant::now() + PATIENCE;
        while !all.iter().any(|(_, message): &(String, String)| message.contains(words)) {
            assert!(std::time::Instant::now() < deadline, "no message has {words:?}: {all:?}");
            all.extend(self.messages());
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // A killed driver leaves its browser running, so the browser is closed first.
        let _ = self.agent.delete(&self.session).call();
    }
}

/// No window, no sandbox (it does not work in containers), and no network requests except those of the pages.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP *.invalid ~NOTFOUND",
];
