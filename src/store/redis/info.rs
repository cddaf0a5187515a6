//! What a server says about itself: the reply to `INFO`.

/// What to write into `store.url` for a node of a cluster.
pub(super) const NODE: &str = "this Redis is a node of a cluster: write redis+cluster:// and its address into store.url";

/// The same for a Sentinel.
pub(super) const SENTINEL: &str =
    "this is a Sentinel, which stores nothing: write redis+sentinel://, its address and the name of the service into store.url";

/// A field of a reply.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// Whether a server is `standalone`, a `sentinel` or in a `cluster`. Valkey has another name for it.
pub(super) fn mode(info: &str) -> Option<&str> {
    field(info, "redis_mode").or_else(|| field(info, "server_mode"))
}
