//! The encoding of an entry, and its digest.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::{collection::vec, prelude::*};
use truycap::{
    domain::{
        counts::{Kind, SiteViews},
        producer::{Digest, ProducerId},
        site::SiteId,
    },
    journal::{
        Entry,
        sqlite::entry::{Body, DecodeError, digest},
    },
};

use super::support::{at, day, entry, site, sums};

const PRODUCER: ProducerId = ProducerId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
const BEFORE: Digest = Digest(0x0123_4567_89ab_cdef);
const NONCE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn views(body: &Body<'_>) -> Result<BTreeMap<(SiteId, NaiveDate), SiteViews>, DecodeError> {
    let mut views = BTreeMap::new();
    for group in &body.groups {
        let mut days = BTreeMap::new();
        group.add_to(&mut days)?;
        views.extend(days.into_iter().map(|(day, sum)| ((site(group.site), day), sum)));
    }
    Ok(views)
}

fn entries() -> impl Strategy<Value = Entry> {
    let articles = vec(("[a-z/à-ỹ]{1,20}", 1..1_000_000_u64), 0..20);
    let kinds = vec((0..Kind::ALL.len(), 1..1_000_000_u64), 0..3);
    let group = ("[a-c]{1,3}", 1..=365_u32, 0..1_000_000_u64, articles, kinds);
    (-1_000_000..1_000_000_i64, vec(group, 0..6)).prop_map(|(seconds, groups)| {
        let views = groups.iter().map(|(id, of_year, plain, articles, kinds)| {
            let articles: Vec<_> = articles.iter().map(|(article, views)| (article.as_str(), *views)).collect();
            let kinds = kinds.iter().map(|(kind, count)| (Kind::ALL[*kind], *count)).collect();
            ((site(id), day(*of_year)), SiteViews { kinds, ..sums(*plain, &articles) })
        });
        Entry { at: at(seconds), views: views.collect() }
    })
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(entry in entries(), nonce in any::<[u8; 8]>()) {
        let data = Body::of(&entry, nonce).encode().unwrap();
        let body = Body::decode(&data).unwrap();
        prop_assert_eq!(body.nonce, nonce);
        prop_assert_eq!(views(&body), Ok(entry.views));
    }

    #[test]
    fn any_bytes_are_refused_or_read(content in vec(any::<u8>(), 0..300)) {
        for data in [content.clone(), [&[2], &content[..]].concat(), [&[2], &NONCE[..], &content].concat()] {
            if let Ok(body) = Body::decode(&data) {
                let mut days = BTreeMap::new();
                for group in &body.groups {
                    let _ = group.add_to(&mut days);
                }
            }
        }
    }

    #[test]
    fn any_change_changes_the_digest(entry in entries(), position in any::<prop::sample::Index>(), flip in 1..=255_u8, seq in 1..u64::MAX) {
        let mut data = Body::of(&entry, NONCE).encode().unwrap();
        let at = entry.at.timestamp_millis();
        let written = digest(BEFORE, PRODUCER, seq, at, &data);
        prop_assert_ne!(digest(Digest(BEFORE.0 ^ u64::from(flip)), PRODUCER, seq, at, &data), written);
        prop_assert_ne!(digest(BEFORE, ProducerId(PRODUCER.0 ^ u128::from(flip)), seq, at, &data), written);
        prop_assert_ne!(digest(BEFORE, PRODUCER, seq - 1, at, &data), written);
        prop_assert_ne!(digest(BEFORE, PRODUCER, seq, at + 1, &data), written);
        let position = position.index(data.len());
        prop_assert_ne!(digest(BEFORE, PRODUCER, seq, at, &data[..position]), written);
        data[position] ^= flip;
        prop_assert_ne!(digest(BEFORE, PRODUCER, seq, at, &data), written);
        data[position] ^= flip;
        prop_assert_eq!(digest(BEFORE, PRODUCER, seq, at, &data), written);
        // Two processes that write the same views under the same number write different entries.
        let other = Body::of(&entry, [8, 7, 6, 5, 4, 3, 2, 1]).encode().unwrap();
        prop_assert_ne!(digest(BEFORE, PRODUCER, seq, at, &other), written);
    }
}

#[test]
fn malformed_content_is_refused() {
    let sum = |groups: &[u8]| {
        let data = [&[2], &NONCE[..], groups].concat();
        Body::decode(&data).and_then(|body| views(&body))
    };
    // One group: site "a", day 1, one sum of kind 0 with 5 views, articles: "x" with 5.
    assert!(sum(&[1, 1, b'a', 2, 1, 0, 5, 1, 1, b'x', 5]).is_ok());
    let wrong: [&[u8]; 6] = [
        &[1, 1, b'a', 2, 1, 0, 5, 1, 1, 7, 5],                                        // a control character
        &[1, 1, b'a', 2, 1, 0, 5, 1, 0, 5],                                           // an empty article
        &[1, 1, b'a', 2, 1, 0, 5, 1, 3, b'e', 0xcc, 0x81, 5],                         // an article not in NFC
        &[1, 1, b'a', 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 5, 0],                      // a day before the calendar's first
        &[1, 1, b'a', 2, 1, 0, 5, 1, 1, b'x', 5, 0],                                  // a trailing byte
        &[1, 1, b'a', 2, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1], // a length that is far too large
    ];
    for groups in wrong {
        assert_eq!(sum(groups), Err(DecodeError::Malformed), "{groups:?}");
    }
    assert_eq!(Body::decode(&[]), Err(DecodeError::Malformed));
    // A sum that overflows 64 bits.
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let group = [&[1, b'a', 2, 1, 0][..], &most, &[0]].concat();
    let data = [&[2], &NONCE[..], &[2], &group, &group].concat();
    let body = Body::decode(&data).unwrap();
    let mut days = BTreeMap::new();
    assert_eq!(body.groups[0].add_to(&mut days), Ok(()));
    assert_eq!(body.groups[1].add_to(&mut days), Err(DecodeError::Malformed));
}

#[test]
fn what_a_newer_truycap_wrote_is_reported_as_such() {
    assert_eq!(Body::decode(&[3, 0]), Err(DecodeError::Version(3)));
    // Sums of kind 0 and of kind 9.
    let data = [&[2], &NONCE[..], &[1, 1, b'a', 2, 2, 0, 5, 9, 4, 0]].concat();
    let error = views(&Body::decode(&data).unwrap()).unwrap_err();
    assert_eq!(error, DecodeError::Kind(9));
    for error in [error, DecodeError::Version(3)] {
        assert!(error.to_string().contains("written by a newer truycap"), "{error}");
    }
}

#[test]
fn visits_and_what_was_not_counted_keep_their_numbers() {
    let kinds = Kind::ALL.map(|kind| (kind, 9)).into();
    let views = [((site("a"), day(1)), SiteViews { kinds, ..SiteViews::default() })].into();
    let data = Body::of(&Entry { at: at(0), views }, NONCE).encode().unwrap();
    let sums = [0, 0, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6, 9, 7, 9, 8, 9];
    assert_eq!(data, [&[2], &NONCE[..], &[1, 1, b'a', 0xc2, 0xa4, 0x5a, 9], &sums, &[0]].concat());
}

/// Journals in this format exist, so these bytes and this digest must stay readable for ever.
#[test]
fn an_entry_of_version_2_is_still_read() {
    let written = entry(at(0), &[("portal", 327, 2, &[("/tin/1", 300)]), ("bao", 1, 1, &[])]);
    let fixture = "020102030405060708020362616fc2a45a0100010006706f7274616ccea95a0100ae0201062f74696e2f31ac02";
    let data = Body::of(&written, NONCE).encode().unwrap();
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, fixture);
    assert_eq!(views(&Body::decode(&data).unwrap()), Ok(written.views.clone()));
    assert_eq!(digest(BEFORE, PRODUCER, 42, 1_795_400_000_000, &data).to_string(), "a4afb8bcf9f6959e");
}
