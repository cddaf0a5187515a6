//! What could be better about a server, in words for whoever looks after it.

/// The first version with all commands that are used.
const OLDEST: (u32, u32) = (6, 2);

/// What to change about a server, a sentence each: from its answer to `INFO`, and from its `appendfsync` where it tells.
#[must_use]
pub fn advice(info: &str, appendfsync: Option<&str>) -> Vec<String> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let mut advice = Vec::new();
    if let Some(version) = field("redis_version").filter(|version| number(version).is_some_and(|number| number < OLDEST)) {
        advice.push(format!("Redis {version} is too old: install version 6.2 or later"));
    }
    if let Some(policy) = field("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        advice.push(format!("Redis may throw counters away when memory is short: set maxmemory-policy to noeviction (it is {policy})"));
    }
    if field("aof_enabled") == Some("0") {
        advice.push("Redis keeps no log of its writes, and loses counters when it stops: set appendonly to yes (it is no)".into());
    }
    if appendfsync == Some("no") {
        advice.push("Redis leaves it to the system when its log reaches the disk: set appendfsync to everysec (it is no)".into());
    }
    advice
}

fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
