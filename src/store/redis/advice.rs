//! What an operator should change about a server.

use redis::{Cmd, FromRedisValue, Value};

use super::{
    connection::Connection,
    errors::RequestError,
    info::{self, field, mode},
    keys::{Keys, Prefix},
    topology::Topology,
};
use crate::store::StoreError;

/// The first version that has all commands that the store uses.
const OLDEST: (u32, u32) = (6, 2);

/// How many keys are tried to find one that a server has.
const MAX_KEYS: u32 = 100_000;

/// The first version that loads transactions with the rights of a user.
const LOADS_WITH_RIGHTS: (u32, u32) = (7, 0);

/// Fails if one of the servers cannot be a store at all.
pub(super) async fn verify_servers(topology: &Topology) -> Result<(), StoreError> {
    for primary in topology.primaries().await.map_err(|error| error.into_read_error(&[]))? {
        let info: Option<String> = query(&primary, &redis::cmd("INFO")).await?;
        if let Some(why) = refusal(&info.unwrap_or_default(), topology.is_cluster()) {
            return Err(StoreError::NotApplied(why.into()));
        }
    }
    Ok(())
}

/// Checks the settings of all primaries, whether they run scripts for this user, and whether they load what scripts write.
pub(super) async fn check_servers(topology: &Topology, prefix: &Prefix) -> Result<Vec<String>, StoreError> {
    let primaries = topology.primaries().await.map_err(|error| error.into_read_error(&[]))?;
    let mut advice = Vec::new();
    for primary in &primaries {
        // Hosted servers do not let every user read their settings.
        let info: Option<String> = query(primary, &redis::cmd("INFO")).await?;
        let info = info.unwrap_or_default();
        if let Some(why) = refusal(&info, topology.is_cluster()) {
            return Ok(vec![why.into()]);
        }
        let own = (0..MAX_KEYS).map(|number| Keys::of_no_site(prefix, number)).find(|keys| topology.has(primary, keys.slot()));
        let key = own.unwrap_or_else(|| Keys::of_no_site(prefix, 0)).site();
        let of_server = check_server(primary, topology, &info, &key).await?.into_iter();
        let address = if primaries.len() > 1 { format!("{}: ", primary.address()) } else { String::new() };
        advice.extend(of_server.map(|sentence| format!("{address}{sentence}")));
    }
    Ok(advice)
}

async fn check_server(connection: &Connection, topology: &Topology, info: &str, key: &str) -> Result<Vec<String>, StoreError> {
    let appendfsync = setting(connection, "appendfsync").await?;
    let mut advice = advice(info, appendfsync.as_deref());
    if topology.is_replicated() {
        advice.extend(check_replication(connection, topology, info).await?);
    }
    advice.extend(check_scripts(connection, key).await);
    let loads_with_rights = field(info, "redis_version").and_then(number).is_some_and(|number| number >= LOADS_WITH_RIGHTS);
    if loads_with_rights && field(info, "aof_enabled") == Some("1") {
        advice.extend(check_loading(connection, key).await?);
    }
    Ok(advice)
}

/// Checks that a set of servers survives the failure of this primary, and that the others then go on.
async fn check_replication(connection: &Connection, topology: &Topology, info: &str) -> Result<Vec<String>, StoreError> {
    let mut advice = Vec::new();
    let replicas = field(info, "connected_slaves");
    if replicas == Some("0") {
        advice.push("this primary has no replica, so its sites wait if it fails: add one".into());
    }
    let (name, wanted) = if topology.is_cluster() { ("cluster-require-full-coverage", "no") } else { ("min-replicas-to-write", "1") };
    match setting(connection, name).await?.as_deref() {
        Some("yes") => advice.push(format!("all sites wait if one node fails: set {name} to {wanted} (it is yes)")),
        Some("0") if replicas != Some("0") => {
            advice.push(format!(
                "a primary that is cut off from its replicas accepts views that are lost there: set {name} to {wanted} (it is 0)"
            ));
        }
        _ => {}
    }
    Ok(advice)
}

/// A setting of a server; `None` if the user may not read it.
async fn setting(connection: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let pair: Option<Vec<String>> = query(connection, redis::cmd("CONFIG").arg("GET").arg(name)).await?;
    Ok(pair.and_then(|pair| pair.into_iter().nth(1)))
}

/// Checks that a server runs scripts like ours. Some proxies take no script without a key.
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

/// The commands by which the append-only file holds what scripts and transactions write: counting, corrections, upkeep, backup and restore. It
/// holds each `EXPIRE` as a `PEXPIREAT`.
fn written(key: &str) -> [Vec<&str>; 10] {
    [
        vec!["HSET", key, "", ""],
        vec!["HDEL", key, ""],
        vec!["ZADD", key, "0", ""],
        vec!["ZREM", key, ""],
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
fn refusal(info: &str, in_cluster: bool) -> Option<&'static str> {
    match (mode(info), field(info, "role")) {
        (Some("cluster"), _) if !in_cluster => Some(info::NODE),
        (Some("sentinel"), _) => Some(info::SENTINEL),
        (_, Some("slave")) => Some(
            "this Redis is a replica, which does not accept writes: write redis+sentinel:// and the addresses of its Sentinels into \
                 store.url, or an address that always leads to the primary",
        ),
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

/// The major and the minor version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
