//! The key of a day, and the hashes that it makes of visitors.
//!
//! A visitor is a keyed hash of what its requests have in common. The key is random and valid for one day of one site;
//! once it is dropped, a hash reveals nothing.

use std::hash::Hasher;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use siphasher::sip128::{Hasher128, SipHasher24};

/// A random key. It is never logged.
#[derive(Clone, Copy)]
pub(super) struct VisitorKey([u8; 16]);

/// A visitor for one day: 128 bits that mean nothing without the day's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct VisitorHash([u64; 2]);

impl VisitorKey {
    /// A new key; `None` if the system provides no randomness.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok().map(|()| Self(bytes))
    }

    /// Its bytes, for the store that instances share.
    pub(super) fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// The hash of these parts, such as an address and an agent.
    pub(super) fn hash(&self, parts: &[&[u8]]) -> VisitorHash {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        for part in parts {
            // The length keeps two parts from being mistaken for two others with the same concatenation.
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        let hash = hasher.finish128();
        VisitorHash([hash.h1, hash.h2])
    }
}

impl From<[u8; 16]> for VisitorKey {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl VisitorHash {
    /// The hash as bytes.
    pub(super) fn bytes(self) -> [u8; 16] {
        let [high, low] = self.0;
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }
}

impl std::fmt::Debug for VisitorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VisitorKey(…)")
    }
}

/// Whether a site's day has ended. Everything known about its visitors is then dropped with the key.
pub(super) fn is_over(day: NaiveDate, timezone: Tz, now: DateTime<Utc>) -> bool {
    day < now.with_timezone(&timezone).date_naive()
}
