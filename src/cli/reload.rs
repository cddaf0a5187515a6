//! `truycap reload`: makes the running service load its configuration again.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

use super::{
    health::request,
    output::{Message, print},
};

/// The time limit for the whole request; the service answers earlier.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The answer of `POST /-/reload`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reload {
    Taken { sites: usize, added: Names, changed: Names, removed: Names, restart: Vec<String> },
    Refused { mistakes: Vec<String>, more: usize },
    Problem { detail: String },
}

#[derive(Deserialize)]
struct Names {
    count: usize,
    first: Vec<String>,
}

/// Asks the configured admin listener, and prints what changed.
pub(super) fn reload(listener: SocketAddr, json: bool) -> Result<(), Message> {
    let (status, body) = request(listener, "POST /-/reload", TIMEOUT)?;
    let answer = serde_json::from_str(&body).map_err(|_| format!("{listener} is not truycap: it answered with status {status}"))?;
    if json {
        print(&format!("{body}\n"))?;
    }
    match answer {
        Reload::Taken { .. } if json => Ok(()),
        Reload::Taken { sites, added, changed, removed, restart } => {
            let mut text = format!("the configuration was reloaded; sites: {sites}\n");
            for (what, names) in [("added", added), ("changed", changed), ("removed", removed)] {
                text += &names.line(what);
            }
            text.extend(restart.iter().map(|key| format!("{key} was changed; the change takes effect at the next start\n")));
            print(&text)
        }
        Reload::Refused { mistakes, more } => {
            let more = if more > 0 { format!("\nand {more} more mistakes") } else { String::new() };
            Err(format!("the configuration is invalid, and the previous one stays in effect:\n{}{more}", mistakes.join("\n")))
        }
        Reload::Problem { detail } => Err(format!("the configuration was not reloaded: {detail}")),
    }
}

impl Names {
    fn line(&self, what: &str) -> String {
        let more = self.count.saturating_sub(self.first.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if self.count == 0 { String::new() } else { format!("{what}: {}{more}\n", self.first.join(", ")) }
    }
}
