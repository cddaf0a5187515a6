//! Scripts, which Redis caches by their SHA-1 digest.

use redis::{Cmd, Value};

use super::{errors::RequestError, topology::Link};

/// A script.
pub(super) struct Script {
    code: &'static str,
    digest: String,
}

impl Script {
    pub(super) fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().into() }
    }

    /// Runs the script. `fill` adds the number of keys, the keys and the arguments to the command.
    ///
    /// If Redis does not have the script in its cache, it has done nothing, and the script itself is sent.
    pub(super) async fn run(&self, link: Link<'_>, fill: impl Fn(&mut Cmd) + Send) -> Result<Value, RequestError> {
        let command = |name, script: &str| {
            let mut cmd = redis::cmd(name);
            fill(cmd.arg(script));
            cmd
        };
        match link.run(&command("EVALSHA", &self.digest)).await {
            Err(RequestError::Refused(error)) if error.code == "NOSCRIPT" => link.run(&command("EVAL", self.code)).await,
            reply => reply,
        }
    }
}
