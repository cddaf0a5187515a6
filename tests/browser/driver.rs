//! A browser, controlled through chromedriver with a few WebDriver commands. A client library would save little: most of
//! this file ends the driver with the test, makes a profile, and reads the console, which libraries leave to their users.
//! They also need an async runtime.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{child::Process, eventually, wait::PATIENCE};

/// A browser with its own profile. It ends with the test.
pub(crate) struct Browser {
    /// The address of the WebDriver session.
    session: String,
    agent: ureq::Agent,
    _driver: Process,
    _dir: TempDir,
}

/// Whether pages can run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

impl Browser {
    pub(crate) fn start() -> Self {
        Self::with(Scripts::On)
    }

    pub(crate) fn with(scripts: Scripts) -> Self {
        let dir = TempDir::new().unwrap();
        let (log, profile) = (dir.path().join("log"), dir.path().join("profile"));
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", dir.path()).stdin(Stdio::null()).stderr(Stdio::null()).stdout(File::create(&log).unwrap());
        let driver = Process::new(command.spawn().expect("chromedriver is missing: run scripts/set-up.sh"));
        let port = eventually("chromedriver starts", || {
            let text = fs::read_to_string(&log).unwrap();
            Some(text.split_once("successfully on port ")?.1.split_once('.')?.0.to_owned())
        });
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let mut browser = Self { session: format!("http://127.0.0.1:{port}"), agent: config.new_agent(), _driver: driver, _dir: dir };
        let mut arguments = vec![format!("--user-data-dir={}", profile.display())];
        arguments.extend(ARGUMENTS.map(str::to_owned));
        let allowed = if scripts == Scripts::On { 1 } else { 2 };
        let options = json!({ "args": arguments, "prefs": { "profile.managed_default_content_settings.javascript": allowed } });
        let wanted = json!({ "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": options });
        let session = browser.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = format!("{}/session/{}", browser.session, session["sessionId"].as_str().unwrap());
        browser
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let mut response = self.agent.post(format!("{}{command}", self.session)).send_json(body).unwrap();
        let answer: Value = response.body_mut().read_json().unwrap();
        assert_eq!(response.status(), 200, "{command} {body}: {answer}");
        answer["value"].clone()
    }

    /// Opens a page; returns when it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// Runs a script in the page; returns its result. If that is a promise, it waits for its value.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element that matches a selector.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("return document.querySelector({selector:?}).textContent"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an element has a text.
    pub(crate) fn shows(&self, selector: &str, text: &str) {
        let mut seen = String::new();
        let deadline = std::time::Instant::now() + PATIENCE;
        while seen != text {
            assert!(std::time::Instant::now() < deadline, "{selector} shows {seen:?}, not {text:?}; {:?}", self.messages());
            seen = self.text(selector);
        }
    }

    /// The console messages since the last call: level and text.
    pub(crate) fn messages(&self) -> Vec<(String, String)> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        entries.as_array().unwrap().iter().map(|entry| (text(entry, "level"), text(entry, "message"))).collect()
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

impl Drop for Browser {
    fn drop(&mut self) {
        // A killed driver leaves its browser running, so the browser is closed first.
        let _ = self.agent.delete(&self.session).call();
    }
}

/// No window, no sandbox (it does not work in containers), and no network requests except those of the pages.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
];
