//! Why a request failed, and what that means to the caller of the store.

use redis::RedisError;

use crate::{domain::article::ArticleId, store::StoreError};

/// What the error codes of a server mean to the operator.
const MEANINGS: [(&str, &str); 15] = [
    ("MOVED", OTHER_NODE),
    ("ASK", MOVING),
    ("CROSSSLOT", OTHER_NODE),
    ("READONLY", "this Redis is a replica, which does not accept writes"),
    ("LOADING", "Redis is still loading its data"),
    ("BUSY", "Redis is busy with a script"),
    ("OOM", "Redis has used up its memory: raise maxmemory"),
    ("MISCONF", "Redis cannot write to its disk and refuses writes"),
    ("NOREPLICAS", "Redis has fewer replicas than min-replicas-to-write requires"),
    ("MASTERDOWN", "this Redis is a replica that has lost its master"),
    ("CLUSTERDOWN", "the cluster is down, or has no node for this site"),
    ("TRYAGAIN", MOVING),
    ("NOAUTH", "Redis requires a password, and store.url has none"),
    ("WRONGPASS", "Redis does not accept the user or the password of store.url"),
    ("NOPERM", "the user of store.url may not do this"),
];
const MOVING: &str = "the site's keys are being moved to another node of the cluster";
const OTHER_NODE: &str = "this Redis is a node of a cluster, and the site's keys are on another node";

/// Why a request failed.
#[derive(Debug)]
pub(super) enum RequestError {
    /// Nothing was sent.
    Unsent(String),
    /// The request was sent, or perhaps sent, and no reply came.
    Lost(String),
    /// The server replied with an error. Our scripts check everything that can fail before they write, so nothing was
    /// changed.
    Refused(ServerError),
}

/// An error that a server replied with.
#[derive(Debug)]
pub(super) struct ServerError {
    /// The first word of the error, such as `OOM`.
    pub(super) code: String,
    /// The whole error.
    pub(super) text: String,
    /// The index of the command in a pipeline.
    index: usize,
    /// What follows the code.
    details: String,
}

/// Classifies the error of a request that was sent, or perhaps sent.
impl From<RedisError> for RequestError {
    fn from(error: RedisError) -> Self {
        let text = error.to_string();
        let code = error.code().map(String::from);
        match (error.into_server_errors(), code) {
            (Some(errors), code) => {
                let first = errors.first();
                let code = first.map(|(_, error)| error.code().to_owned()).or(code).unwrap_or_default();
                let code = code_within(&text).map_or(code, String::from);
                let details = first.and_then(|(_, error)| error.details()).unwrap_or_default().to_owned();
                Self::Refused(ServerError { code, text, index: first.map_or(0, |(index, _)| *index), details })
            }
            (None, _) => Self::Lost(text),
        }
    }
}

impl RequestError {
    /// Whether a new connection can help, because this one is broken or leads to a server that is not the right one, or no
    /// longer.
    pub(super) fn needs_new_connection(&self) -> bool {
        match self {
            Self::Unsent(_) => false,
            Self::Lost(_) => true,
            Self::Refused(error) => matches!(error.code.as_str(), "READONLY" | "MASTERDOWN" | "NOAUTH"),
        }
    }

    /// The address (`host:port`, perhaps without the host) of the server that the request must be sent to, because this one did
    /// not execute it.
    pub(super) fn moved(&self) -> Option<&str> {
        match self {
            Self::Refused(error) if error.code == "MOVED" => error.details.split_once(' ').map(|(_, address)| address),
            _ => None,
        }
    }

    /// What happened, for the operator.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Unsent(why) => why.clone(),
            Self::Lost(why) => format!("Redis did not answer: {why}"),
            Self::Refused(error) => error.message(),
        }
    }

    /// The error of an apply.
    pub(super) fn into_apply_error(self) -> StoreError {
        match self {
            Self::Lost(_) => StoreError::PerhapsApplied(self.message()),
            Self::Unsent(_) | Self::Refused(_) => StoreError::NotApplied(self.message()),
        }
    }

    /// The error of a read, which changes nothing whether or not it arrived. `keys` are the keys of its commands, one each.
    pub(super) fn into_read_error(self, keys: &[String]) -> StoreError {
        match &self {
            Self::Refused(error) if error.is_wrong_type() => unexpected_value(keys.get(error.index).map_or("a key", String::as_str)),
            _ => StoreError::NotApplied(self.message()),
        }
    }
}

impl ServerError {
    /// Redis 6 wraps the error of a script's command in an error of the script.
    fn is_wrong_type(&self) -> bool {
        self.code == "WRONGTYPE" || self.text.contains("WRONGTYPE")
    }

    /// Whether the user may not run the command.
    pub(super) fn is_no_permission(&self) -> bool {
        self.code == "NOPERM"
    }

    /// Whether the user may not run the command, or the server does not know it.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.code.as_str(), "NOPERM" | "ERR")
    }

    /// What it means to the operator of the server.
    fn message(&self) -> String {
        let known = MEANINGS.iter().find(|(code, _)| *code == self.code);
        let meaning = known.map_or("Redis refused", |(_, meaning)| meaning);
        format!("{meaning} ({})", self.text)
    }
}

/// The code of a command's error that Redis has wrapped in an error of the script.
fn code_within(text: &str) -> Option<&'static str> {
    // These have no code: the first is the text up to Redis 7.0, the second from 7.2 on.
    if text.contains("user executing the script can't") || text.contains("ACL failure in script") {
        return Some("NOPERM");
    }
    MEANINGS.iter().map(|(code, _)| *code).find(|code| text.contains(&format!(": -{code} ")))
}

/// The error for an article's text that truycap did not write.
pub(super) fn unexpected_record(article: &ArticleId, key: &str, text: &str) -> StoreError {
    StoreError::Corrupt(format!("article {:?} of {key} has the record {text:?}, which truycap did not write", article.as_str()))
}

/// The error for a key whose value truycap did not write.
pub(super) fn unexpected_value(key: &str) -> StoreError {
    StoreError::Corrupt(format!("{key} holds a value that truycap did not write"))
}
