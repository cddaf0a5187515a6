//! What an operator should change about a server.

use redis::{Cmd, FromRedisValue, Value};

use super::{connection::Connection, errors::RequestError};
use crate::store::StoreError;

/// The first version that has all commands that the store uses.
const OLDEST: (u32, u32) = (6, 2);

/// The first version that loads transactions with the rights of a user.
const LOADS_WITH_RIGHTS: (u32, u32) = (7, 0);

/// Fails if the server cannot be a store at all.
pub(super) async fn verify_server(connection: &Connection) -> Result<(), StoreError> {
    let info: Option<String> = query(connection, &redis::cmd("INFO")).await?;
    refusal(&info.unwrap_or_default()).map_or(Ok(()), |why| Err(StoreError::NotApplied(why.into())))
}

/// Checks the settings of a server, whether it runs scripts for this user, and whether it loads what they write. `key` is one that
/// this user may use.
pub(super) async fn check_server(connection: &Connection, key: &str) -> Result<Vec<String>, StoreError> {
    // Hosted servers do not let every user read their settings.
    let info: Option<String> = query(connection, &redis::cmd("INFO")).await?;
    let info = info.unwrap_or_default();
    if let Some(why) = refusal(&info) {
        return Ok(vec![why.into()]);
    }
    let appendfsync: Option<Vec<String>> = query(connection, redis::cmd("CONFIG").arg("GET").arg("appendfsync")).await?;
    let mut advice = advice(&info, appendfsync.as_ref().and_then(|pair| pair.get(1)).map(String::as_str));
    advice.extend(check_scripts(connection, key).await);
    let loads_with_rights = field(&info, "redis_version").and_then(number).is_some_and(|number| number >= LOADS_WITH_RIGHTS);
    if loads_with_rights && field(&info, "aof_enabled") == Some("1") {
        advice.extend(check_loading(connection, key).await?);
    }
    Ok(advice)
}

/// Checks that the server runs scripts like ours. Some proxies take no script without a key.
async fn check_scripts(connection: &Connection, key: &str) -> Vec<String> {
    let mut advice = Vec::new();
    // No script has the digest of zeros, so EVALSHA always fails; only the error of a forbidden command matters.
    for (name, script) in [("EVALSHA", "0000000000000000000000000000000000000000"), ("EVAL", "return 1")] {
        match connection.run(redis::cmd(name).arg(script).arg(1).arg(key)).await {
            Err(RequestError::Refused(error)) if error.is_forbidden() => advice.push(format!(
                "Redis runs no scripts for the user of store.url, and truycap needs scripts to count: allow {name} ({})",
                error.text
            )),
            _ => {}
        }
    }
    // The keys of lists are not among those that are passed.
    let script = "return redis.call('EXISTS', KEYS[1] .. ':list')";
    match connection.run(redis::cmd("EVAL").arg(script).arg(1).arg(key)).await {
        Err(RequestError::Refused(error)) if advice.is_empty() && error.code == "ERR" => advice.push(format!(
            "this server lets scripts use only the keys that are passed to them, and truycap's also use others: allow undeclared keys, or \
             use another server ({})",
            error.text
        )),
        _ => {}
    }
    advice
}

/// The commands by which the append-only file holds what scripts and transactions write: counting, upkeep, backup and restore. It
/// holds each `EXPIRE` as a `PEXPIREAT`.
fn written(key: &str) -> [Vec<&str>; 9] {
    [
        vec!["HSET", key, "", ""],
        vec!["HDEL", key, ""],
        vec!["ZADD", key, "0", ""],
        vec!["ZREMRANGEBYRANK", key, "0", "0"],
        vec!["UNLINK", key],
        vec!["COPY", key, key],
        vec!["PEXPIREAT", key, "1"],
        vec!["RENAME", key, key],
        vec!["PERSIST", key],
    ]
}

/// Checks that the server loads what was written. It does so with the rights of the user `default`, also if that is off,
/// and drops what that user may not write.
async fn check_loading(connection: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    for command in written(key) {
        match connection.run(redis::cmd("ACL").arg("DRYRUN").arg("default").arg(command)).await {
            Ok(Value::Okay) => {}
            Ok(refused) => {
                let why: String = redis::from_redis_value(refused).unwrap_or_default();
                return Ok(Some(format!(
                    "Redis drops the counters when it next starts, because it loads its append-only file with the rights of the user \
                     default, which lacks some: run ACL SETUSER default '~*' +@all and save it with ACL SAVE or CONFIG REWRITE; \
                     default can stay off, or needs a password ({why})"
                )));
            }
            Err(RequestError::Refused(error)) if error.is_no_permission() => {
                return Ok(Some(
                    "Redis drops the counters when it next starts if its user default lacks rights, and truycap may not look: allow \
                     acl|dryrun"
                        .into(),
                ));
            }
            Err(RequestError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error.into_read_error(&[])),
        }
    }
    Ok(None)
}

/// Queries the server about itself. Returns `None` if the user may not run the command.
async fn query<T: FromRedisValue>(connection: &Connection, cmd: &Cmd) -> Result<Option<T>, StoreError> {
    match connection.run(cmd).await {
        Ok(value) => Ok(redis::from_redis_value(value).ok()),
        Err(RequestError::Refused(error)) if error.is_forbidden() => Ok(None),
        Err(error) => Err(error.into_read_error(&[])),
    }
}

/// Why a server cannot be a store, and what to write instead, by its reply to `INFO`.
fn refusal(info: &str) -> Option<&'static str> {
    match (mode(info), field(info, "role")) {
        (Some("sentinel"), _) => {
            Some("this is a Sentinel, which stores nothing: write an address into store.url that always leads to the primary")
        }
        (_, Some("slave")) => {
            Some("this Redis is a replica, which does not accept writes: write an address into store.url that always leads to the primary")
        }
        (_, Some("active-replica")) => {
            Some("this KeyDB is an active replica, which loses counters: set active-replica to no, and use one server")
        }
        _ => None,
    }
}

/// What to change about a server, one sentence each, by its reply to `INFO` and, if it is known, its `appendfsync`.
#[must_use]
pub fn advice(info: &str, appendfsync: Option<&str>) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(version) = field(info, "redis_version").filter(|version| number(version).is_some_and(|number| number < OLDEST)) {
        advice.push(format!("Redis {version} is too old: install version 6.2 or later"));
    }
    if mode(info) == Some("cluster") {
        advice.push(
            "this Redis is a node of a cluster, and truycap does not follow keys to other nodes: use a server outside a cluster, or one \
             address that leads to all nodes"
                .into(),
        );
    }
    if let Some(policy) = field(info, "maxmemory_policy").filter(|policy| *policy != "noeviction") {
        advice.push(format!("Redis can evict counters when memory is short: set maxmemory-policy to noeviction (it is {policy})"));
    }
    if field(info, "aof_enabled") == Some("0") {
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

/// A field of a reply to `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// Whether a server is `standalone`, a `sentinel` or in a `cluster`. Valkey has another name for it.
fn mode(info: &str) -> Option<&str> {
    field(info, "redis_mode").or_else(|| field(info, "server_mode"))
}

/// The major and the minor version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
