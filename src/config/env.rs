//! Environment variables as keys of the configuration.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use super::mistakes::Mistakes;

const PREFIX: &str = "TRUYCAP_";

/// The variable that names the file of defaults of an image or a package. It is not a key of the configuration.
pub(super) const DEFAULTS: &str = "TRUYCAP_DEFAULTS";

/// A variable that sets a key.
pub(super) struct Variable {
    /// The name as it was given.
    pub(super) name: String,
    /// The key it sets: `TRUYCAP_STORE__URL` sets `store.url`.
    pub(super) key: String,
    /// Its value.
    pub(super) text: String,
}

/// What the environment says about the configuration.
pub(super) struct Environment {
    /// The file of defaults.
    pub(super) defaults: Option<PathBuf>,
    /// The variables that set keys, in the order of these.
    pub(super) variables: Vec<Variable>,
}

/// The name of the variable that sets a key.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// Reads the variables that begin with the prefix. All others are ignored, whatever bytes they hold.
pub(super) fn environment(
    env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    mistakes: &mut Mistakes,
) -> Environment {
    let mut variables = BTreeMap::<String, Variable>::new();
    let (mut defaults, mut service_links) = (None, Vec::new());
    for (name, value) in env {
        // A name that is not UTF-8 becomes an unknown key, and is reported as one.
        let name = name.into().to_string_lossy().into_owned();
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if name == DEFAULTS {
            defaults = Some(PathBuf::from(value.into())).filter(|path| !path.as_os_str().is_empty());
            continue;
        }
        let Ok(text) = value.into().into_string() else {
            mistakes.add(|| format!("{name}: found bytes that are not UTF-8; expected text"));
            continue;
        };
        if is_service_link(key, &text) {
            service_links.push(name);
            continue;
        }
        let key = key.to_ascii_lowercase().replace("__", ".");
        if let Some(other) = variables.get(&key) {
            mistakes.add(|| format!("{name}: found a second variable for {key}; expected either this one or {}", other.name));
            continue;
        }
        variables.insert(key.clone(), Variable { name, key, text });
    }
    service_links.sort_unstable();
    if let [first, others @ ..] = &*service_links {
        mistakes.add(|| {
            let more = if others.is_empty() { String::new() } else { format!(", and {} more of this kind", others.len()) };
            format!("{first}: found a variable that Kubernetes sets for a service{more}; write \"enableServiceLinks: false\" into the pod's spec")
        });
    }
    Environment { defaults, variables: variables.into_values().collect() }
}

/// Whether Kubernetes sets this variable for each service whose name begins with `truycap`: for the service `truycap`,
/// `TRUYCAP_SERVICE_HOST`, `TRUYCAP_SERVICE_PORT_HTTP`, `TRUYCAP_PORT=tcp://…`, `TRUYCAP_PORT_8080_TCP_ADDR`.
fn is_service_link(key: &str, value: &str) -> bool {
    let port =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit()) && ["_TCP", "_UDP", "_SCTP"].iter().any(|kind| rest.contains(kind));
    let host = key.ends_with("SERVICE_HOST") || key.contains("SERVICE_PORT");
    let url = key.ends_with("PORT") && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    host || url || key.split("PORT_").skip(1).any(port)
}
