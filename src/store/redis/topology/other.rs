//! What a server is that is not what the URL says.

use redis::from_redis_value;

use super::super::{
    connection::Connection,
    info::{NODE, SENTINEL, mode},
};

/// What to write instead, by what the server says about itself. `single` is for a single server.
pub(super) async fn other(server: &Connection, single: &'static str) -> &'static str {
    let info = server.run(redis::cmd("INFO").arg("server")).await.ok();
    let info: String = info.and_then(|info| from_redis_value(info).ok()).unwrap_or_default();
    match mode(&info) {
        Some("cluster") => NODE,
        Some("sentinel") => SENTINEL,
        _ => single,
    }
}
