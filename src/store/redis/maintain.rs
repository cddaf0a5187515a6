//! Makes the sections of a site those of the configuration, builds their lists, deletes lists past their retention, and fills those
//! that lack articles since a correction. Each step is one call of `maintain.lua`, so that no client waits for long and a crash can come between any two.

use std::collections::BTreeMap;

use redis::{Cmd, Value};

use super::{
    apply::{decode_failure, oldest},
    keys::{Keys, parse_list_name},
    read::{View, lists},
    script::Script,
    topology::Link,
};
use crate::{domain::article::Section, store::StoreError};

/// The most lists that one step deletes.
const LISTS: usize = 100;

/// One step. Returns whether there is more to do. See [`Store::maintain`](crate::store::Store::maintain).
pub(super) async fn step(link: Link<'_>, script: &Script, keys: &Keys, wanted: &[Section], view: View) -> Result<bool, StoreError> {
    let (site, sections, names) = lists(link, keys).await?;
    let run = |arguments| run(link, script, keys, arguments);
    if site.time.is_some_and(|time| time.pass(view.now).is_some()) {
        run(vec!["pass".into(), view.now.timestamp().to_string()]).await?;
    }
    if let Some(gone) = sections.keys().find(|name| !wanted.iter().any(|section| section.as_str() == name.as_str())) {
        return run(vec!["unregister".into(), gone.clone()]).await.map(|()| true);
    }
    let some = |is: &dyn Fn(&str) -> bool| names.keys().filter(|name| is(name)).take(LISTS).cloned().collect::<Vec<_>>();
    let delete = |what: &str, names: Vec<String>| run([what.into()].into_iter().chain(names).collect());
    // Before a section can come back: nothing has kept its lists exact.
    let garbage = some(&|name| parse_list_name(name).is_none_or(|(_, section)| section.is_some_and(|name| !sections.contains_key(name))));
    if !garbage.is_empty() {
        return delete("clean", garbage).await.map(|()| true);
    }
    if let Some(new) = wanted.iter().find(|section| !sections.contains_key(section.as_str())) {
        return run(vec!["register".into(), new.as_str().into()]).await.map(|()| true);
    }
    if let Some((section, _)) = sections.iter().find(|(_, state)| *state != "whole") {
        let oldest = oldest(view.retention, site.day(view)).map(|number| number.to_string());
        let arguments = ["build".into(), section.clone()].into_iter().chain(oldest).chain([pattern(section)]);
        return run(arguments.collect()).await.map(|()| true);
    }
    let expired = some(&|name| parse_list_name(name).is_some_and(|(bucket, _)| site.is_expired(view, bucket)));
    if !expired.is_empty() {
        return delete("delete", expired).await.map(|()| true);
    }
    match fill(&names) {
        Some(arguments) => run(arguments).await.map(|()| true),
        None => Ok(false),
    }
}

/// The arguments that fill lists of one section whose scans are at the same place; `None` if all lists are whole.
fn fill(lists: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let lacking = lists.iter().filter(|(_, state)| !state.is_empty());
    let mut lacking = lacking.filter_map(|(name, state)| parse_list_name(name).map(|(bucket, section)| (name, state, bucket, section)));
    let (_, state, _, section) = lacking.clone().next()?;
    let mut arguments = vec!["fill".into(), state.clone(), pattern(section.unwrap_or_default())];
    for (name, _, bucket, _) in lacking.by_ref().filter(|(_, of, _, name)| (*of, *name) == (state, section)).take(LISTS) {
        let (kind, number) = bucket.period().map_or((5, String::new()), |period| (period as usize + 1, bucket.number().to_string()));
        arguments.extend([name.clone(), kind.to_string(), number]);
    }
    Some(arguments)
}

/// Runs the script.
async fn run(link: Link<'_>, script: &Script, keys: &Keys, arguments: Vec<String>) -> Result<(), StoreError> {
    let keys = keys.of_scripts();
    let fill = |cmd: &mut Cmd| {
        cmd.arg(keys.len()).arg(&keys).arg(&arguments);
    };
    let value = script.run(link, fill).await.map_err(|error| error.into_read_error(&keys))?;
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
