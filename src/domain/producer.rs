//! Producers (journals and imports), and the numbers of their batches.

use std::{fmt, str::FromStr};

/// The number of a committed batch in a journal: 1, 2, 3 …; 0 is before the first.
pub type Seq = u64;

/// The id of one journal (or imported file): 128 bits, written as 32 hexadecimal digits.
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
