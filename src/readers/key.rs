//! The key of a day, and what it makes of a reader.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// A random key. It is never logged.
#[derive(Clone, Copy)]
pub struct Key([u8; 16]);

/// One reader for the length of a day: 128 bits that mean nothing without the day's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader(pub [u64; 2]);

impl Key {
    /// A new key; `None` where the system has no randomness to give.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok().map(|()| Self(bytes))
    }

    /// Its bytes, for the one place where several instances find it.
    pub(super) fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// The reader behind an address and an agent, or whatever else the parts are.
    #[must_use]
    pub fn reader(&self, parts: &[&[u8]]) -> Reader {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        for part in parts {
            // With its length, so that no part can pass for the end of the one before.
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        let hash = hasher.finish128();
        Reader([hash.h1, hash.h2])
    }
}

impl From<[u8; 16]> for Key {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl Reader {
    /// The hash as bytes.
    pub(super) fn bytes(self) -> [u8; 16] {
        let [high, low] = self.0;
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}
