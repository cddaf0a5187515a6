//! The producer id of a file, and the positions in it: the store counts an import's chunks as it counts a journal's entries.

use sha2::{Digest as _, Sha256};

use crate::domain::producer::{Digest, Position, ProducerId, Seq};

/// How many rows of a site are applied together. An apply of so many rows occupies Redis for some ten milliseconds.
///
/// The file's producer id depends on it, because the store's offset counts chunks. With another size, every file is another
/// producer: a file that was imported with the old size would be added again.
pub(super) const CHUNK_ROWS: u64 = 1000;

/// The position after a number of a file's chunks. All chunks have the same digest: the file's own, because the producer id
/// already identifies the file's whole content.
pub(super) fn position(file: ProducerId, chunks: Seq) -> Position {
    if chunks == 0 {
        return Position::START;
    }
    Position { seq: chunks, digest: Digest((file.0 >> 64) as u64) }
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
        ProducerId(self.0.finalize().iter().take(16).fold(0, |id, &byte| id << 8 | u128::from(byte)))
    }
}
