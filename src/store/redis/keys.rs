//! The names of all keys.
//!
//! They are in one file because others depend on them: instances of other versions that share the server, and the access
//! rules of its users. With the prefix `truycap`, a site `portal` has these keys:
//!
//! ```text
//! truycap:{portal}:site                      hash        version (2); revision; latest: the time that is trusted (Unix time in
//!                                                        seconds); ahead: since and last a clock was ahead of it, if one is
//! truycap:{portal}:offsets                   hash        producer → seq:digest; kept forever
//! truycap:{portal}:views                     hash        bucket → views of the site; kind:bucket → other counts of it
//! truycap:{portal}:articles                  hash        article → record: the total and the latest periods
//! truycap:{portal}:past                      hash        article → the earlier periods, of articles that have some
//! truycap:{portal}:lists                     hash        what follows top: in the names of the lists → empty, or how far the list
//!                                                        is filled if a correction made it lack articles
//! truycap:{portal}:top:2026-11-23            sorted set  article → −views: the most-read list of a bucket
//! truycap:{portal}:top:2026-11-23:/tin/      sorted set  the same of a section
//! truycap:{portal}:sections                  hash        section → `whole`, or how far its lists are built
//! truycap:{portal}:audit                     hash        last → the number of the last correction; number → its producer, its
//!                                                        steps, its sums, and the number of the one that takes it back or 0;
//!                                                        number:note → JSON; producer → number; kept → the first number:step
//!                                                        whose changes can be there
//! truycap:{portal}:changes                   hash        number:step → the changes of a step of the latest corrections, compressed
//! truycap:{portal}:visitors:key:2026-11-23   text        the random key that hashes a day's visitors, for 26 hours
//! truycap:{portal}:visitors:2026-11-23       text        HyperLogLog of a day's visitors, for 26 hours
//! truycap:{portal}:visitors:online:29732580  text        the same for a minute (since 1970), for 10 minutes
//! truycap:{portal}:aside:1f3a…:site          hash        and others: what a backup or a restore is working on, for an hour
//! ```
//!
//! The braces are for Redis Cluster, which chooses the slot of a key by the text in them. So all keys of a site are in one
//! slot, where one script can use them together, and the sites spread over the nodes.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;
use crc::{CRC_16_XMODEM, Crc};

use super::topology::SLOTS;
use crate::domain::{
    article::Section,
    counts::{Kind, Subject},
    period::Bucket,
    site::SiteId,
};

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

/// A cluster derives the slot of a key from this checksum of the text in its braces.
const SLOT: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The keys of one site.
#[derive(Debug)]
pub(super) struct Keys(String);

impl Keys {
    pub(super) fn new(prefix: &Prefix, site: &SiteId) -> Self {
        Self(format!("{prefix}:{{{site}}}:"))
    }

    /// The slot of all of them in a cluster.
    pub(super) fn slot(&self) -> u16 {
        let tag = self.0.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or(self.0.as_str(), |(tag, _)| tag);
        SLOT.checksum(tag.as_bytes()) % SLOTS
    }

    /// Keys of one of many sites that need not exist, for questions about what a user may do.
    pub(super) fn of_no_site(prefix: &Prefix, number: u32) -> Self {
        Self(format!("{prefix}:{{none-{number}}}:"))
    }

    /// Keys of the same site, in the same slot, for a copy of it.
    pub(super) fn aside(&self, id: &str) -> Self {
        Self(format!("{}aside:{id}:", self.0))
    }

    /// A pattern of Redis for the keys of all sites.
    pub(super) fn pattern(prefix: &Prefix) -> String {
        format!("{prefix}:{{*}}:*")
    }

    /// The site of a key if it is one that each site with counts has.
    pub(super) fn site_of<'a>(prefix: &Prefix, key: &'a str) -> Option<&'a str> {
        let (site, name) = key.strip_prefix(&prefix.0)?.strip_prefix(":{")?.split_once("}:")?;
        matches!(name, "site" | "views").then_some(site)
    }

    pub(super) fn offsets(&self) -> String {
        format!("{}offsets", self.0)
    }

    pub(super) fn views(&self) -> String {
        format!("{}views", self.0)
    }

    pub(super) fn site(&self) -> String {
        format!("{}site", self.0)
    }

    pub(super) fn articles(&self) -> String {
        format!("{}articles", self.0)
    }

    pub(super) fn past(&self) -> String {
        format!("{}past", self.0)
    }

    pub(super) fn sections(&self) -> String {
        format!("{}sections", self.0)
    }

    pub(super) fn lists(&self) -> String {
        format!("{}lists", self.0)
    }

    pub(super) fn audit(&self) -> String {
        format!("{}audit", self.0)
    }

    pub(super) fn changes(&self) -> String {
        format!("{}changes", self.0)
    }

    /// A list, by its name; without a name, what the keys of all lists begin with.
    pub(super) fn top(&self, name: &str) -> String {
        format!("{}top:{name}", self.0)
    }

    /// The keys of the scripts, in their order.
    pub(super) fn of_scripts(&self) -> [String; 8] {
        [self.site(), self.offsets(), self.views(), self.articles(), self.past(), self.sections(), self.lists(), self.top("")]
    }

    /// Those of corrections, which follow them.
    pub(super) fn of_corrections(&self) -> [String; 2] {
        [self.audit(), self.changes()]
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
}

/// The name of a list, which follows `top:` in its key.
pub(super) fn list_name(section: Option<&Section>, bucket: Bucket) -> String {
    section.map_or_else(|| bucket.to_string(), |section| format!("{bucket}:{section}"))
}

/// The field of a site's own count in the hash of its views.
pub(super) fn views_field(kind: Option<Kind>, bucket: Bucket) -> String {
    kind.map_or_else(|| bucket.to_string(), |kind| format!("{kind}:{bucket}"))
}

/// What such a field counts; `None` if it is not one.
pub(super) fn parse_views_field(field: &str) -> Option<(Subject, Bucket)> {
    match field.split_once(':') {
        Some((kind, bucket)) => Some((Subject::Kind(kind.parse().ok()?), bucket.parse().ok()?)),
        None => Some((Subject::Site, field.parse().ok()?)),
    }
}

/// The bucket and the section of a list's name; `None` if it is not one.
pub(super) fn parse_list_name(name: &str) -> Option<(Bucket, Option<&str>)> {
    let (bucket, section) = name.split_once(':').map_or((name, None), |(bucket, section)| (bucket, Some(section)));
    Some((bucket.parse().ok()?, section))
}
