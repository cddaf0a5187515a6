//! Producers (runs of a journal, and imports), and the positions in their entries.

use std::{fmt, str::FromStr};

/// The number of a committed batch in a journal: 1, 2, 3 …; 0 is before the first.
pub type Seq = u64;

/// The id of one run of a journal (or of an imported file): 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub u128);

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that is not a [`ProducerId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a producer id: 32 hexadecimal digits")]
pub struct ProducerIdError(pub String);

impl FromStr for ProducerId {
    type Err = ProducerIdError;

    fn from_str(text: &str) -> Result<Self, ProducerIdError> {
        let digits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        id.map(Self).ok_or_else(|| ProducerIdError(text.into()))
    }
}

/// A digest over an entry and the digest of the entry before it, so over the whole history: 64 bits, written as 16
/// hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A position in a producer's entries: the number of an entry, and the digest of the history up to it. Written as
/// `1234:89abcdef01234567`.
///
/// Two journals that are at the same number with different histories are at different positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The number of the entry.
    pub seq: Seq,
    /// The digest of the history up to it.
    pub digest: Digest,
}

impl Position {
    /// Before the first entry of every producer: the position of one that never applied.
    pub const START: Self = Self { seq: 0, digest: Digest(0) };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.digest)
    }
}

/// A text that is not a [`Position`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a position: a number, a colon and 16 hexadecimal digits")]
pub struct PositionError(pub String);

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let parse = || {
            let (seq, digest) = text.split_once(':')?;
            let plain = !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit());
            let digits = digest.len() == 16 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            (plain && digits).then_some(())?;
            Some(Self { seq: seq.parse().ok()?, digest: Digest(u64::from_str_radix(digest, 16).ok()?) })
        };
        parse().ok_or_else(|| PositionError(text.into()))
    }
}
