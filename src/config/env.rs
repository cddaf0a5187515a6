//! Environment variables as keys of the configuration.

use std::{collections::BTreeMap, ffi::OsString};

const PREFIX: &str = "TRUYCAP_";

/// A variable that sets a key.
pub(super) struct Variable {
    /// The name as it was given.
    pub(super) name: String,
    /// The key it sets: `TRUYCAP_STORE__URL` sets `store.url`.
    pub(super) key: String,
    /// Its value.
    pub(super) text: String,
}

/// The variables that begin with the prefix, in the order of their keys. All others are ignored, whatever bytes they hold.
pub(super) fn variables(
    env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    mistakes: &mut Vec<String>,
) -> Vec<Variable> {
    let mut variables = BTreeMap::<String, Variable>::new();
    for (name, value) in env {
        // A name that is not UTF-8 becomes an unknown key, and is reported as one.
        let name = name.into().to_string_lossy().into_owned();
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        let key = key.to_ascii_lowercase().replace("__", ".");
        let Ok(text) = value.into().into_string() else {
            mistakes.push(format!("{name}: found bytes that are not UTF-8; expected text"));
            continue;
        };
        if let Some(other) = variables.get(&key) {
            mistakes.push(format!("{name}: found a second variable for {key}; expected either this one or {}", other.name));
            continue;
        }
        variables.insert(key.clone(), Variable { name, key, text });
    }
    variables.into_values().collect()
}
