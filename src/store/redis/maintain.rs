//! Makes the sections of a site those of the configuration, builds their lists, and deletes lists past their retention. Each step
//! is one call of `maintain.lua`, so that no client waits for long and a crash can come between any two.

use redis::{Cmd, Value};

use super::{
    apply::{decode_failure, oldest},
    connection::Connection,
    keys::{Keys, parse_list_name},
    read::{View, lists},
    script::Script,
};
use crate::{domain::article::Section, store::StoreError};

/// The most lists that one step deletes.
const LISTS: usize = 100;

/// One step. Returns whether there is more to do. See [`Store::maintain`](crate::store::Store::maintain).
pub(super) async fn step(
    connection: &Connection,
    script: &Script,
    keys: &Keys,
    wanted: &[Section],
    view: View,
) -> Result<bool, StoreError> {
    let (site, sections, names) = lists(connection, keys).await?;
    let run = |arguments| run(connection, script, keys, arguments);
    if site.time.is_some_and(|time| time.pass(view.now).is_some()) {
        run(vec!["pass".into(), view.now.timestamp().to_string()]).await?;
    }
    if let Some(gone) = sections.keys().find(|name| !wanted.iter().any(|section| section.as_str() == name.as_str())) {
        return run(vec!["unregister".into(), gone.clone()]).await.map(|()| true);
    }
    if let Some(new) = wanted.iter().find(|section| !sections.contains_key(section.as_str())) {
        return run(vec!["register".into(), new.as_str().into()]).await.map(|()| true);
    }
    if let Some((section, _)) = sections.iter().find(|(_, state)| *state != "whole") {
        let oldest = oldest(view.retention, site.day(view)).map(|number| number.to_string());
        let arguments = ["build".into(), section.clone()].into_iter().chain(oldest).chain([pattern(section)]);
        return run(arguments.collect()).await.map(|()| true);
    }
    let of_no_section =
        |name: &String| parse_list_name(name).is_none_or(|(_, section)| section.is_some_and(|name| !sections.contains_key(name)));
    let is_expired = |name: &String| parse_list_name(name).is_some_and(|(bucket, _)| site.is_expired(view, bucket));
    let some = |is: &dyn Fn(&String) -> bool| names.iter().filter(|name| is(name)).take(LISTS).cloned().collect::<Vec<_>>();
    for (what, names) in [("clean", some(&of_no_section)), ("delete", some(&is_expired))] {
        if !names.is_empty() {
            return run([what.into()].into_iter().chain(names).collect()).await.map(|()| true);
        }
    }
    Ok(false)
}

/// Runs the script.
async fn run(connection: &Connection, script: &Script, keys: &Keys, arguments: Vec<String>) -> Result<(), StoreError> {
    let keys = keys.of_scripts();
    let fill = |cmd: &mut Cmd| {
        cmd.arg(keys.len()).arg(&keys).arg(&arguments);
    };
    let value = script.run(connection, fill).await.map_err(|error| error.into_read_error(&keys))?;
    match &value {
        Value::Array(parts) if matches!(parts.first(), Some(Value::Int(1))) => Ok(()),
        Value::Array(parts) => Err(decode_failure(parts).unwrap_or_else(|| unexpected(&value))),
        _ => Err(unexpected(&value)),
    }
}

fn unexpected(value: &Value) -> StoreError {
    StoreError::NotApplied(format!("Redis sent an unexpected reply: {value:?}"))
}

/// The pattern of the articles of a section.
fn pattern(section: &str) -> String {
    let mut pattern = String::with_capacity(section.len() + 1);
    for c in section.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}
