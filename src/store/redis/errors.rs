//! Why a request has no answer, and what that means for whoever asked.

use redis::RedisError;

use crate::store::StoreError;

/// What the codes of a server's errors mean, in words for whoever looks after it.
const MEANINGS: [(&str, &str); 15] = [
    ("MOVED", OTHER_NODE),
    ("ASK", OTHER_NODE),
    ("CROSSSLOT", OTHER_NODE),
    ("READONLY", "this Redis is a replica, which takes no writes"),
    ("LOADING", "Redis is still loading its data"),
    ("BUSY", "Redis is busy with somebody's script"),
    ("OOM", "Redis has used up its memory: raise maxmemory"),
    ("MISCONF", "Redis cannot write to its disk, and so takes no writes"),
    ("NOREPLICAS", "Redis has fewer replicas than min-replicas-to-write asks for"),
    ("MASTERDOWN", "this Redis is a replica that has lost its master"),
    ("CLUSTERDOWN", "the cluster of this Redis is down"),
    ("TRYAGAIN", "the site's keys are being moved to another node of the cluster"),
    ("NOAUTH", "Redis asks for a password, and store.url has none"),
    ("WRONGPASS", "Redis does not accept the user or the password of store.url"),
    ("NOPERM", "the user of store.url may not do this"),
];
const OTHER_NODE: &str = "this Redis is a node of a cluster, and the site's keys are on another one";

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was sent.
    Unsent(String),
    /// It was sent, or may have been, and no answer came.
    Lost(String),
    /// The server said no. Our scripts look at all that can fail before they write, so nothing was changed.
    Refused(Refusal),
}

/// A server's no.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The first word of the error, such as `OOM`.
    pub(super) code: String,
    /// The whole error.
    pub(super) text: String,
    /// Which command of a pipeline it was.
    index: usize,
}

impl Failure {
    /// What became of a request that was sent.
    pub(super) fn of(error: RedisError) -> Self {
        let text = error.to_string();
        let code = error.code().map(String::from);
        match (error.into_server_errors(), code) {
            (Some(errors), code) => {
                let first = errors.first();
                let code = first.map(|(_, error)| error.code().to_owned()).or(code).unwrap_or_default();
                let code = code_within(&text).map_or(code, String::from);
                Self::Refused(Refusal { code, text, index: first.map_or(0, |(index, _)| *index) })
            }
            (None, _) => Self::Lost(text),
        }
    }

    /// Whether another connection may fare better: this one leads to a server that is not, or no longer, the right one.
    pub(super) fn needs_another_connection(&self) -> bool {
        match self {
            Self::Unsent(_) => false,
            Self::Lost(_) => true,
            Self::Refused(refusal) => matches!(refusal.code.as_str(), "READONLY" | "MASTERDOWN" | "NOAUTH"),
        }
    }

    /// What happened, in words.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Unsent(why) => why.clone(),
            Self::Lost(why) => format!("Redis did not answer: {why}"),
            Self::Refused(refusal) => refusal.sentence(),
        }
    }

    /// The error of an apply.
    pub(super) fn of_write(self) -> StoreError {
        match self {
            Self::Lost(_) => StoreError::PerhapsApplied(self.sentence()),
            Self::Unsent(_) | Self::Refused(_) => StoreError::NotApplied(self.sentence()),
        }
    }

    /// The error of a question, which changes nothing, whether it arrived or not. `keys` are those of its commands, one each.
    pub(super) fn of_read(self, keys: &[String]) -> StoreError {
        match &self {
            Self::Refused(refusal) if refusal.is_wrong_type() => wrong_type(keys.get(refusal.index).map_or("a key", String::as_str)),
            _ => StoreError::NotApplied(self.sentence()),
        }
    }
}

impl Refusal {
    /// Redis 6 puts an error of a script's command into an error of the script.
    fn is_wrong_type(&self) -> bool {
        self.code == "WRONGTYPE" || self.text.contains("WRONGTYPE")
    }

    /// Whether the command is not for this user, or not known to this server.
    pub(super) fn forbids(&self) -> bool {
        matches!(self.code.as_str(), "NOPERM" | "ERR")
    }

    /// What it means, in words for whoever looks after the server.
    fn sentence(&self) -> String {
        let known = MEANINGS.iter().find(|(code, _)| *code == self.code);
        let meaning = known.map_or("Redis refused", |(_, meaning)| meaning);
        format!("{meaning} ({})", self.text)
    }
}

/// The code of an error that a command got within a script, which Redis puts into an error of the script.
fn code_within(text: &str) -> Option<&'static str> {
    // No code, but these words: the first up to Redis 7.0, the second from 7.2 on.
    if text.contains("user executing the script can't") || text.contains("ACL failure in script") {
        return Some("NOPERM");
    }
    MEANINGS.iter().map(|(code, _)| *code).find(|code| text.contains(&format!(": -{code} ")))
}

/// A key that does not hold what was put there.
pub(super) fn wrong_type(key: &str) -> StoreError {
    StoreError::Corrupt(format!("{key} does not hold what was put there"))
}
