//! The key of a day, and what it makes of a reader.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// A random key. It is never shown.
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

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}
