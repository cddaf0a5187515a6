//! Traces of visitors in files.

use std::{fs, path::Path};

/// The files in a directory and its subdirectories that contain these bytes.
pub fn files_with(dir: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        // `is_file` skips sockets.
        } else if path.is_file() && fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// The visitors in these tests: an address as a proxy sends it, and the byte sequences in which it could be stored.
pub const VISITORS: [(&str, &[&[u8]]); 2] = [
    // As text, and as an IPv4-mapped IPv6 address; the four bytes alone would be found by chance.
    ("203.0.113.77", &[b"203.0.113", &[0xff, 0xff, 203, 0, 113, 77]]),
    ("2001:db8:77:88::99", &[b"2001:db8", b"2001:0db8", &[0x20, 0x01, 0x0d, 0xb8, 0, 0x77, 0, 0x88]]),
];

/// The `User-Agent` of their browsers.
pub const AGENT: &str = "Mozilla/5.0 (Khach-Doc-Bao)";
