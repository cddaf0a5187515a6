//! Firefox, controlled through Marionette, its own protocol. The driver that translates WebDriver to it, geckodriver, is in
//! no package of Debian.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
};

use serde_json::{Value, json};

use crate::process::{child::Process, eventually, wait::PATIENCE};

/// A running Firefox.
pub(crate) struct Firefox {
    connection: Mutex<BufReader<TcpStream>>,
    _process: Process,
}

impl Firefox {
    /// Starts it with a new profile in a directory.
    pub(crate) fn start(dir: &Path) -> Self {
        let profile = dir.join("profile");
        fs::create_dir(&profile).unwrap();
        fs::write(profile.join("user.js"), "user_pref('marionette.port', 0);\n").unwrap();
        let mut command = Command::new("firefox-esr");
        command.args(["--marionette", "--headless", "--profile"]).arg(&profile);
        command.env("HOME", dir).env("TMPDIR", dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::new(command.spawn().expect("firefox-esr is missing: run scripts/set-up.sh"));
        let port = || fs::read_to_string(profile.join("MarionetteActivePort")).ok()?.parse::<u16>().ok();
        let stream = eventually("Firefox starts", || TcpStream::connect(("127.0.0.1", port()?)).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut connection = BufReader::new(stream);
        receive(&mut connection);
        let firefox = Self { connection: Mutex::new(connection), _process: process };
        firefox.command("NewSession", &json!({}));
        firefox
    }

    /// Runs a command of WebDriver; returns its result.
    pub(crate) fn command(&self, name: &str, parameters: &Value) -> Value {
        let connection = &mut *self.connection.lock().unwrap();
        let message = json!([0, 1, format!("WebDriver:{name}"), parameters]).to_string();
        write!(connection.get_mut(), "{}:{message}", message.len()).unwrap();
        let answer = receive(connection);
        assert!(answer[2].is_null(), "{name} {parameters}: {answer}");
        answer[3]["value"].clone()
    }
}

/// A message: JSON behind its length.
fn receive(connection: &mut impl BufRead) -> Value {
    let mut length = Vec::new();
    connection.read_until(b':', &mut length).unwrap();
    let length = String::from_utf8(length).unwrap().trim_end_matches(':').parse().unwrap();
    let mut message = vec![0; length];
    connection.read_exact(&mut message).unwrap();
    serde_json::from_slice(&message).unwrap()
}
