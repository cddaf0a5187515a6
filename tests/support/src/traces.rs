//! What is left of something in files.

use std::{fs, path::Path};

/// The files of a directory, and of those within it, that have some bytes in them.
pub fn files_with(dir: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        // Sockets are no files.
        } else if path.is_file() && fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Who comes to the service in a test of what is left of visitors: a proxy's entry, and its bytes as they may be written.
pub const VISITORS: [(&str, &[&[u8]]); 2] = [
    // As text, and within an address of IPv6; four bytes alone would be found by chance.
    ("203.0.113.77", &[b"203.0.113", &[0xff, 0xff, 203, 0, 113, 77]]),
    ("2001:db8:77:88::99", &[b"2001:db8", b"2001:0db8", &[0x20, 0x01, 0x0d, 0xb8, 0, 0x77, 0, 0x88]]),
];

/// What their browsers call themselves.
pub const AGENT: &str = "Mozilla/5.0 (Khach-Doc-Bao)";
