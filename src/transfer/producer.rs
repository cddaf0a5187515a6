//! The producer id of a file: the store counts an import's chunks as it counts a journal's entries.

use sha2::{Digest, Sha256};

use crate::domain::producer::ProducerId;

/// How many rows of a site are applied together: up to five increments each, which occupy Redis for about five
/// milliseconds.
///
/// The file's producer id depends on it, because the store's offset counts chunks. With another size, every file is another
/// producer: a file that was imported with the old size would be added again.
pub(super) const CHUNK_ROWS: u64 = 500;

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
