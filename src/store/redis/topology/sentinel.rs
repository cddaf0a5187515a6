//! What a Sentinel says about a primary.

use std::collections::HashMap;

use redis::{Pipeline, from_redis_value};

use super::{
    super::{connection::Connection, errors::RequestError},
    other::other,
    table::{Address, Range, SLOTS, Table},
};

/// Asks a Sentinel for the primary of a service.
pub(super) async fn ask(sentinel: &Connection, at: &Address, service: &str) -> Result<Table, String> {
    let mut question = Pipeline::new();
    question.cmd("SENTINEL").arg("MASTER").arg(service);
    // During a fail-over, only this one names the new primary.
    question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    let values = match sentinel.run(&question).await {
        Ok(values) => values,
        Err(RequestError::Refused(error)) if error.text.contains("No such master") => return Err(unknown(sentinel, service).await),
        Err(RequestError::Refused(error)) if error.text.contains("unknown command") => {
            let single = "this is a server and not a Sentinel: write the addresses of Sentinels, or redis:// for a single server";
            return Err(other(sentinel, single).await.into());
        }
        Err(error) => return Err(with_login(error.message())),
    };
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or(redis::Value::Nil);
    let state: Option<HashMap<String, String>> = from_redis_value(next()).ok();
    let address: Option<(String, u16)> = from_redis_value(next()).ok();
    let epoch = state.and_then(|state| state.get("config-epoch")?.parse().ok());
    let (Some(epoch), Some((host, port))) = (epoch, address) else { return Err("the Sentinel sent an unexpected reply".into()) };
    let range = Range { first: 0, last: SLOTS - 1, primary: Address::named(&host, port, at) };
    Table::new(epoch, vec![range]).ok_or_else(|| "the Sentinel sent an unexpected reply".into())
}

/// The error for a login that the Sentinel refuses.
fn with_login(message: String) -> String {
    if message.contains("password") { message + "; the login of Sentinels is sentinel_user and sentinel_password" } else { message }
}

/// The error for a service that a Sentinel does not know.
async fn unknown(sentinel: &Connection, service: &str) -> String {
    let masters = sentinel.run(redis::cmd("SENTINEL").arg("MASTERS")).await.ok();
    let masters: Vec<HashMap<String, String>> = masters.and_then(|value| from_redis_value(value).ok()).unwrap_or_default();
    let names: Vec<_> = masters.iter().filter_map(|master| master.get("name")).map(String::as_str).take(10).collect();
    format!("the Sentinel watches no service {service:?}; it watches: {}", if names.is_empty() { "none".into() } else { names.join(", ") })
}
