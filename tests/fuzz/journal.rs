//! Journal entries.

use std::collections::BTreeMap;

use bolero::check;
use truycap::{
    domain::producer::ProducerId,
    journal::sqlite::entry::{Body, DecodeError},
};

const PRODUCER: ProducerId = ProducerId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
const SEQ: u64 = 7;
const AT: i64 = 1_795_400_000_000;

fn decode(data: &[u8]) -> Result<Body<'_>, DecodeError> {
    Body::decode(PRODUCER, SEQ, AT, data)
}

/// Adds the version byte and a matching checksum to the content of an entry.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    for part in [&PRODUCER.0.to_le_bytes()[..], &SEQ.to_le_bytes(), &AT.to_le_bytes(), &[1], content] {
        hasher.update(part);
    }
    [&[1], content, &hasher.finalize().to_le_bytes()].concat()
}

/// An input is used as a whole entry, and as the content of one, between version and checksum.
#[test]
fn an_entry_is_refused_or_encodes_to_itself_and_a_changed_one_is_refused() {
    check!(name = "journal").with_iterations(2000).for_each(|bytes: &[u8]| {
        // A checksum matches by chance once in four billion times.
        if let Ok(body) = decode(bytes) {
            assert_eq!(decode(&body.encode(PRODUCER, SEQ, AT).unwrap()), Ok(body));
        }
        let data = sealed(bytes);
        let body = match decode(&data) {
            Ok(body) => body,
            Err(error) => return assert_eq!(error, DecodeError::Malformed),
        };
        let written = body.encode(PRODUCER, SEQ, AT).unwrap();
        // The input can encode numbers in more bytes than necessary, never in fewer.
        assert!(written.len() <= data.len());
        assert_eq!(decode(&written), Ok(body.clone()));
        if let Body::Views(groups) = body {
            let mut days = BTreeMap::new();
            for group in &groups {
                let _ = group.add_to(&mut days);
            }
        }
        let mut changed = data.clone();
        let at = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % data.len();
        changed[at] ^= bytes.last().copied().unwrap_or_default() | 1;
        assert!(decode(&changed).is_err());
        assert!(decode(&data[..at]).is_err());
        assert_eq!(Body::decode(PRODUCER, SEQ + 1, AT, &data), Err(DecodeError::Checksum));
    });
}
