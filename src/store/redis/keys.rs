//! The names of all keys.
//!
//! They are in one file because others depend on them: instances of other versions that share the server, and the access
//! rules of its users. With the prefix `truycap`, a site `portal` has these keys:
//!
//! ```text
//! truycap:{portal}:offsets                   hash        producer → offset
//! truycap:{portal}:offsets:idle              hash        the same, for producers that are no longer in use
//! truycap:{portal}:offsets:seen              sorted set  producer → when it was last seen in use
//! truycap:{portal}:barrier                   text        empty, for a minute; written if an apply waits for replicas or disks
//! truycap:{portal}:views                     hash        bucket → views of the site
//! truycap:{portal}:articles:2026-11-23       sorted set  article → views, one set per bucket; `total` is kept forever
//! truycap:{portal}:visitors:key:2026-11-23   text        the random key that hashes a day's visitors, for 26 hours
//! truycap:{portal}:visitors:2026-11-23       text        HyperLogLog of a day's visitors, for 26 hours
//! truycap:{portal}:visitors:online:29732580  text        the same for a minute (since 1970), for 10 minutes
//! ```
//!
//! The braces are for Redis Cluster, which chooses the slot of a key by the text in them. So all keys of a site are in one
//! slot, where one script can use them together, and the sites spread over the nodes.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;

use crate::domain::{period::Bucket, site::SiteId};

/// What all keys begin with: 1 to 64 letters, digits, `.`, `_`, `:` or `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

/// A text that is not a [`Prefix`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a prefix: 1 to 64 letters, digits, '.', '_', ':' or '-'")]
pub struct PrefixError(pub String);

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'));
        if plain && (1..=64).contains(&text.len()) { Ok(Self(text.into())) } else { Err(PrefixError(text.into())) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The keys of one site.
#[derive(Debug)]
pub(super) struct Keys(String);

impl Keys {
    pub(super) fn new(prefix: &Prefix, site: &SiteId) -> Self {
        Self(format!("{prefix}:{{{site}}}:"))
    }

    pub(super) fn offsets(&self) -> String {
        format!("{}offsets", self.0)
    }

    pub(super) fn idle(&self) -> String {
        format!("{}offsets:idle", self.0)
    }

    pub(super) fn seen(&self) -> String {
        format!("{}offsets:seen", self.0)
    }

    /// Written if an apply waits for replicas or disks, and expires a minute later.
    pub(super) fn barrier(&self) -> String {
        format!("{}barrier", self.0)
    }

    pub(super) fn views(&self) -> String {
        format!("{}views", self.0)
    }

    pub(super) fn articles(&self, bucket: Bucket) -> String {
        format!("{}articles:{bucket}", self.0)
    }

    pub(super) fn visitors_key(&self, day: NaiveDate) -> String {
        format!("{}visitors:key:{day}", self.0)
    }

    pub(super) fn visitors(&self, day: NaiveDate) -> String {
        format!("{}visitors:{day}", self.0)
    }

    /// `minute` counts from 1970.
    pub(super) fn visitors_online(&self, minute: i64) -> String {
        format!("{}visitors:online:{minute}", self.0)
    }

    /// The pattern of all article keys. No character of a prefix or a site id has a meaning in a pattern.
    pub(super) fn all_articles(&self) -> String {
        format!("{}articles:*", self.0)
    }

    /// The bucket of an article key; `None` for any other key.
    pub(super) fn bucket(&self, key: &str) -> Option<Bucket> {
        key.strip_prefix(&self.0)?.strip_prefix("articles:")?.parse().ok()
    }
}
