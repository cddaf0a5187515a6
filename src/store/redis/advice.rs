//! What an operator should change about a server.

use redis::{Cmd, FromRedisValue};

use super::{connection::Connection, errors::RequestError};
use crate::store::StoreError;

/// The first version that has all commands that the store uses.
const OLDEST: (u32, u32) = (6, 2);

/// Checks the settings of a server, and whether it runs scripts for this user.
pub(super) async fn check_server(connection: &Connection) -> Result<Vec<String>, StoreError> {
    // Hosted servers do not let every user read their settings.
    let info: Option<String> = query(connection, &redis::cmd("INFO")).await?;
    let appendfsync: Option<Vec<String>> = query(connection, redis::cmd("CONFIG").arg("GET").arg("appendfsync")).await?;
    let mut advice = advice(&info.unwrap_or_default(), appendfsync.as_ref().and_then(|pair| pair.get(1)).map(String::as_str));
    // No script has the digest of zeros, so EVALSHA always fails; only the error of a forbidden command matters.
    for (name, script) in [("EVALSHA", "0000000000000000000000000000000000000000"), ("EVAL", "return 1")] {
        match connection.run(redis::cmd(name).arg(script).arg(0)).await {
            Err(RequestError::Refused(error)) if error.is_forbidden() => advice.push(format!(
                "Redis runs no scripts for the user of store.url, and truycap needs scripts to count: allow {name} ({})",
                error.text
            )),
            _ => {}
        }
    }
    Ok(advice)
}

/// Queries the server about itself. Returns `None` if the user may not run the command.
async fn query<T: FromRedisValue>(connection: &Connection, cmd: &Cmd) -> Result<Option<T>, StoreError> {
    match connection.run(cmd).await {
        Ok(value) => Ok(redis::from_redis_value(value).ok()),
        Err(RequestError::Refused(error)) if error.is_forbidden() => Ok(None),
        Err(error) => Err(error.into_read_error(&[])),
    }
}

/// What to change about a server, one sentence each, by its reply to `INFO` and, if it is known, its `appendfsync`.
#[must_use]
pub fn advice(info: &str, appendfsync: Option<&str>) -> Vec<String> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let mut advice = Vec::new();
    if let Some(version) = field("redis_version").filter(|version| number(version).is_some_and(|number| number < OLDEST)) {
        advice.push(format!("Redis {version} is too old: install version 6.2 or later"));
    }
    if let Some(policy) = field("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        advice.push(format!("Redis can evict counters when memory is short: set maxmemory-policy to noeviction (it is {policy})"));
    }
    if field("aof_enabled") == Some("0") {
        advice.push("Redis has no append-only file and loses counters when it stops: set appendonly to yes (it is no)".into());
    }
    if appendfsync == Some("no") {
        advice.push(
            "Redis leaves it to the operating system when its append-only file is written to disk: set appendfsync to everysec (it is no)"
                .into(),
        );
    }
    advice
}

/// The major and the minor version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
