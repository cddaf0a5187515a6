//! Scripts, which Redis keeps under their digest.

use redis::{Cmd, Value};

use super::{connection::Connection, errors::Failure};

/// A script.
pub(super) struct Script {
    code: &'static str,
    digest: String,
}

impl Script {
    pub(super) fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().into() }
    }

    /// Runs the script on what `fill` adds to the command: how many keys, the keys, the arguments.
    ///
    /// A Redis that does not know the script (any more) has done nothing, and is sent it.
    pub(super) async fn run(&self, connection: &Connection, fill: impl Fn(&mut Cmd) + Send) -> Result<Value, Failure> {
        let command = |name, script: &str| {
            let mut cmd = redis::cmd(name);
            fill(cmd.arg(script));
            cmd
        };
        match connection.run(&command("EVALSHA", &self.digest)).await {
            Err(Failure::Refused(refusal)) if refusal.code == "NOSCRIPT" => connection.run(&command("EVAL", self.code)).await,
            answer => answer,
        }
    }
}
