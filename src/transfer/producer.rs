//! The producer id of a file, and the positions in it: the store counts an import's chunks as it counts a journal's entries.

use sha2::{Digest as _, Sha256};

use crate::domain::{
    correction::MAX_CHANGES,
    producer::{Digest, Position, ProducerId, Seq},
};

/// How many rows of a site are applied together. An apply of so many rows occupies Redis for some ten milliseconds.
///
/// The file's producer id depends on it, because the store's offset counts chunks. With another size, every file is another
/// producer: a file that was imported with the old size would be added again.
pub(super) const CHUNK_ROWS: u64 = 1000;

// Each row of a chunk is at most one change of a step.
const _: () = assert!(CHUNK_ROWS <= MAX_CHANGES as u64);

/// The position after a number of a file's chunks. All chunks have the same digest, because the producer id already identifies the
/// file's whole content.
pub(super) fn position(digest: Digest, chunks: Seq) -> Position {
    if chunks == 0 { Position::START } else { Position { seq: chunks, digest } }
}

/// The digest of a file's chunks: the file's own if `options` is empty. Other options make other chunks of a file, which must not
/// follow each other.
pub(super) fn options_digest(file: ProducerId, options: &str) -> Digest {
    let id = if options.is_empty() { file } else { first_bits(Sha256::new_with_prefix(format!("{options} of {file}\n"))) };
    Digest((id.0 >> 64) as u64)
}

/// The digest of a file and of the way it is cut into chunks.
pub(super) struct FileDigest(Sha256);

impl FileDigest {
    pub(super) fn new() -> Self {
        Self(Sha256::new_with_prefix(format!("chunks of {CHUNK_ROWS} rows\n")))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The first 128 bits of the SHA-256 of a line with the chunk size, followed by the file's bytes.
    pub(super) fn producer(self) -> ProducerId {
        first_bits(self.0)
    }
}

/// The producer of a later generation of a file; see [`live`](super::generation::live).
pub(super) fn generation(first: ProducerId, number: u64) -> ProducerId {
    if number == 0 {
        return first;
    }
    first_bits(Sha256::new_with_prefix(format!("generation {number} of {first}\n")))
}

/// The first 128 bits of a SHA-256.
pub(super) fn first_bits(digest: Sha256) -> ProducerId {
    ProducerId(digest.finalize().iter().take(16).fold(0, |id, &byte| id << 8 | u128::from(byte)))
}
