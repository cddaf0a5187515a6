//! The bytes of an entry, one version byte and a [`Body`] in postcard; and the [`digest`] over it.
//!
//! The digest also covers the digest of the entry before, the producer of the run, and the entry's number and time. So it
//! detects an entry that was damaged, moved, exchanged or copied from another journal, and it proves that none before it is
//! missing. Decoding accepts any bytes: it does not panic, and its allocations are bounded by their length, not by the lengths
//! they claim.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    domain::{
        article::ArticleId,
        counts::{Kind, SiteViews},
        producer::{Digest, ProducerId, Seq},
        site::SiteId,
    },
    journal::Entry,
};

const VERSION: u8 = 2;
/// The kind of a site's sum of views.
const VIEWS: u8 = 0;

/// The number of another kind.
fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Visits => 1,
        Kind::Bot => 2,
        Kind::Prefetch => 3,
        Kind::Repeat => 4,
        Kind::Foreign => 5,
        Kind::RateLimited => 6,
        Kind::ArticlePattern => 7,
        Kind::ArticleLimit => 8,
    }
}

/// The content of an entry. A change here or in [`Group`] needs a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body<'a> {
    /// A random number, which makes the entry unlike every other one.
    pub nonce: [u8; 8],
    /// The views of one batch.
    #[serde(borrow)]
    pub groups: Vec<Group<'a>>,
}

/// The views of one site on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group<'a> {
    /// The site's id.
    pub site: &'a str,
    /// The day; 0001-01-01 is 1.
    pub day: i32,
    /// Sums of the site by kind. Kind 0 is the views, including those of its articles. An older program refuses an entry with a
    /// kind that it does not know.
    pub sums: Vec<(u8, u64)>,
    /// Views of each article; each article occurs once.
    #[serde(borrow)]
    pub articles: Vec<(&'a str, u64)>,
}

/// Why bytes are not a valid entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An unknown version byte.
    #[error("has encoding {0}: it was written by a newer truycap")]
    Version(u8),
    /// A sum of an unknown kind.
    #[error("has a sum of kind {0}: it was written by a newer truycap")]
    Kind(u8),
    /// The digest does not match the entry before, the producer, number, time and bytes.
    #[error("does not match its digest")]
    Digest,
    /// The digest matches, but the content is invalid: it was written wrongly.
    #[error("does not hold valid views")]
    Malformed,
}

/// The digest of an entry: the first 8 bytes of SHA-256. `at` is in milliseconds since 1970.
#[must_use]
pub fn digest(before: Digest, producer: ProducerId, seq: Seq, at: i64, data: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(before.0.to_be_bytes());
    hasher.update(producer.0.to_be_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(at.to_be_bytes());
    hasher.update(data);
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hasher.finalize());
    Digest(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

impl<'a> Body<'a> {
    /// The body for an entry's views.
    #[must_use]
    pub fn of(entry: &'a Entry, nonce: [u8; 8]) -> Self {
        let group = |((site, day), sum): (&'a (SiteId, NaiveDate), &'a SiteViews)| Group {
            site: site.as_str(),
            day: day.num_days_from_ce(),
            sums: std::iter::once((VIEWS, sum.views)).chain(sum.kinds.iter().map(|(kind, count)| (number(*kind), *count))).collect(),
            articles: sum.articles.iter().map(|(article, &views)| (article.as_str(), views)).collect(),
        };
        Self { nonce, groups: entry.views.iter().map(group).collect() }
    }

    /// Encodes the body.
    ///
    /// # Errors
    /// None in practice: postcard fails only for types that are not used here.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_extend(self, vec![VERSION])
    }

    /// Decodes what [`Self::encode`] wrote. Compare the digest first: it shows whether the bytes are those that were written.
    ///
    /// # Errors
    /// If it did not write these bytes.
    pub fn decode(data: &'a [u8]) -> Result<Self, DecodeError> {
        match data.split_first() {
            Some((&VERSION, body)) => match postcard::take_from_bytes(body) {
                Ok((body, [])) => Ok(body),
                _ => Err(DecodeError::Malformed),
            },
            Some((&version, _)) => Err(DecodeError::Version(version)),
            None => Err(DecodeError::Malformed),
        }
    }
}

impl Group<'_> {
    /// The views of the site, those of its articles included.
    ///
    /// # Errors
    /// If a sum is of an unknown kind, or does not fit 64 bits.
    pub fn views(&self) -> Result<u64, DecodeError> {
        let mut sums = SiteViews::default();
        self.add_sums(&mut sums)?;
        Ok(sums.views)
    }

    /// Adds the sums of the site.
    fn add_sums(&self, sums: &mut SiteViews) -> Result<(), DecodeError> {
        for &(code, count) in &self.sums {
            if code == VIEWS {
                add(&mut sums.views, count)?;
                continue;
            }
            let kind = Kind::ALL.into_iter().find(|kind| number(*kind) == code).ok_or(DecodeError::Kind(code))?;
            add(sums.kinds.entry(kind).or_default(), count)?;
        }
        Ok(())
    }

    /// Adds the views to sums by day.
    ///
    /// # Errors
    /// If the day or an article's id is invalid, a sum is of an unknown kind, or does not fit 64 bits.
    pub fn add_to(&self, days: &mut BTreeMap<NaiveDate, SiteViews>) -> Result<(), DecodeError> {
        let day = NaiveDate::from_num_days_from_ce_opt(self.day).ok_or(DecodeError::Malformed)?;
        let sums = days.entry(day).or_default();
        self.add_sums(sums)?;
        for &(article, views) in &self.articles {
            if let Some(sum) = sums.articles.get_mut(article) {
                add(sum, views)?;
                continue;
            }
            // This program writes only normalized ids.
            let id = ArticleId::parse(article).ok().filter(|id| id.as_str() == article).ok_or(DecodeError::Malformed)?;
            sums.articles.insert(id, views);
        }
        Ok(())
    }
}

fn add(sum: &mut u64, views: u64) -> Result<(), DecodeError> {
    *sum = sum.checked_add(views).ok_or(DecodeError::Malformed)?;
    Ok(())
}
