//! Journal entries.

use std::collections::BTreeMap;

use bolero::check;
use truycap::{
    domain::producer::{Digest, ProducerId},
    journal::sqlite::entry::{Body, DecodeError, digest},
};

const BEFORE: Digest = Digest(0x0123_4567_89ab_cdef);
const PRODUCER: ProducerId = ProducerId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
const SEQ: u64 = 7;
const AT: i64 = 1_795_400_000_000;

/// An input is used as a whole entry, and as the content of one after the version byte.
#[test]
fn an_entry_is_refused_or_encodes_to_itself_and_a_changed_one_has_another_digest() {
    check!(name = "journal").with_iterations(2000).for_each(|bytes: &[u8]| {
        if let Ok(body) = Body::decode(bytes) {
            assert_eq!(Body::decode(&body.encode().unwrap()), Ok(body.clone()));
        }
        let data = [&[2], bytes].concat();
        let body = match Body::decode(&data) {
            Ok(body) => body,
            Err(error) => return assert_eq!(error, DecodeError::Malformed),
        };
        let written = body.encode().unwrap();
        // The input can encode numbers in more bytes than necessary, never in fewer.
        assert!(written.len() <= data.len());
        assert_eq!(Body::decode(&written), Ok(body.clone()));
        let mut days = BTreeMap::new();
        for group in &body.groups {
            let _ = group.add_to(&mut days);
        }
        let known = digest(BEFORE, PRODUCER, SEQ, AT, &data);
        let mut changed = data.clone();
        let at = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % data.len();
        changed[at] ^= bytes.last().copied().unwrap_or_default() | 1;
        assert_ne!(digest(BEFORE, PRODUCER, SEQ, AT, &changed), known);
        assert_ne!(digest(BEFORE, PRODUCER, SEQ, AT, &data[..at]), known);
        assert_ne!(digest(BEFORE, PRODUCER, SEQ + 1, AT, &data), known);
    });
}
