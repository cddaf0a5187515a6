//! The bytes of an entry: one version byte, a [`Body`] in postcard, and a CRC-32 (little endian).
//!
//! The checksum also covers the journal's producer id and the entry's number and time. So it detects an entry that was
//! damaged, moved to another number or copied into another journal. Decoding accepts any bytes: it does not panic, and its
//! allocations are bounded by their length, not by the lengths they claim.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        article::ArticleId,
        counts::DayViews,
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::Entry,
};

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// The content of an entry. A change here or in [`Group`] needs a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body<'a> {
    /// The views of one batch.
    #[serde(borrow)]
    Views(Vec<Group<'a>>),
    /// No views: the numbers between the previous entry and this one were never used.
    Skip,
}

/// The views of one site on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group<'a> {
    /// The site's id.
    pub site: &'a str,
    /// The day; 0001-01-01 is 1.
    pub day: i32,
    /// Views of the site, including those of its articles.
    pub views: u64,
    /// Views of each article; each article occurs once.
    #[serde(borrow)]
    pub articles: Vec<(&'a str, u64)>,
}

/// Why bytes are not a valid entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An unknown version byte.
    #[error("has encoding {0}: it was written by a newer truycap, or it is damaged")]
    Version(u8),
    /// The checksum does not match the producer, number, time and bytes.
    #[error("does not match its checksum")]
    Checksum,
    /// The checksum matches, but the content is invalid: it was written wrongly.
    #[error("does not hold valid views")]
    Malformed,
}

impl<'a> Body<'a> {
    /// The body for an entry's views.
    #[must_use]
    pub fn of(entry: &'a Entry) -> Self {
        let group = |((site, day), sum): (&'a (SiteId, NaiveDate), &'a DayViews)| Group {
            site: site.as_str(),
            day: day.num_days_from_ce(),
            views: sum.views,
            articles: sum.articles.iter().map(|(article, &views)| (article.as_str(), views)).collect(),
        };
        Self::Views(entry.views.iter().map(group).collect())
    }

    /// Encodes the body as entry `seq` of a journal; `at` is in milliseconds since 1970.
    ///
    /// # Errors
    /// None in practice: postcard fails only for types that are not used here.
    pub fn encode(&self, producer: ProducerId, seq: Seq, at: i64) -> Result<Vec<u8>, postcard::Error> {
        let mut data = postcard::to_extend(self, vec![VERSION])?;
        let checksum = checksum(producer, seq, at, &data);
        data.extend_from_slice(&checksum.to_le_bytes());
        Ok(data)
    }

    /// Decodes what [`Self::encode`] wrote with the same producer, number and time.
    ///
    /// # Errors
    /// If it did not write these bytes.
    pub fn decode(producer: ProducerId, seq: Seq, at: i64, data: &'a [u8]) -> Result<Self, DecodeError> {
        match data.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(DecodeError::Version(version)),
            None => return Err(DecodeError::Checksum),
        }
        let (content, stored) = data.split_last_chunk::<CHECKSUM_BYTES>().ok_or(DecodeError::Checksum)?;
        if checksum(producer, seq, at, content) != u32::from_le_bytes(*stored) {
            return Err(DecodeError::Checksum);
        }
        let body = content.get(1..).ok_or(DecodeError::Checksum)?;
        match postcard::take_from_bytes(body) {
            Ok((body, [])) => Ok(body),
            _ => Err(DecodeError::Malformed),
        }
    }
}

impl Group<'_> {
    /// Adds the views to sums by day.
    ///
    /// # Errors
    /// If the day or an article's id is invalid, or a sum does not fit 64 bits.
    pub fn add_to(&self, days: &mut BTreeMap<NaiveDate, DayViews>) -> Result<(), DecodeError> {
        let day = NaiveDate::from_num_days_from_ce_opt(self.day).ok_or(DecodeError::Malformed)?;
        let sums = days.entry(day).or_default();
        add(&mut sums.views, self.views)?;
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

fn checksum(producer: ProducerId, seq: Seq, at: i64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&producer.0.to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}
