//! The encoding of an entry.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::{collection::vec, prelude::*};
use truycap::{
    domain::{counts::DayViews, producer::ProducerId, site::SiteId},
    journal::{
        Entry,
        sqlite::entry::{Body, DecodeError},
    },
};

use super::support::{at, day, entry, site, sums};

const PRODUCER: ProducerId = ProducerId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

fn encode(seq: u64, entry: &Entry) -> Vec<u8> {
    Body::of(entry).encode(PRODUCER, seq, entry.at.timestamp_millis()).unwrap()
}

fn decode(seq: u64, at: i64, data: &[u8]) -> Result<Body<'_>, DecodeError> {
    Body::decode(PRODUCER, seq, at, data)
}

fn views(body: &Body<'_>) -> Result<BTreeMap<(SiteId, NaiveDate), DayViews>, DecodeError> {
    let Body::Views(groups) = body else { panic!("a skip marker") };
    let mut views = BTreeMap::new();
    for group in groups {
        let mut days = BTreeMap::new();
        group.add_to(&mut days)?;
        views.extend(days.into_iter().map(|(day, sum)| ((site(group.site), day), sum)));
    }
    Ok(views)
}

fn entries() -> impl Strategy<Value = Entry> {
    let articles = vec(("[a-z/à-ỹ]{1,20}", 1..1_000_000_u64), 0..20);
    let group = ("[a-c]{1,3}", 1..=365_u32, 0..1_000_000_u64, articles);
    (-1_000_000..1_000_000_i64, vec(group, 0..6)).prop_map(|(seconds, groups)| {
        let views = groups.iter().map(|(id, of_year, plain, articles)| {
            let articles: Vec<_> = articles.iter().map(|(article, views)| (article.as_str(), *views)).collect();
            ((site(id), day(*of_year)), sums(*plain, &articles))
        });
        Entry { at: at(seconds), views: views.collect() }
    })
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(entry in entries(), seq in any::<u64>()) {
        let data = encode(seq, &entry);
        prop_assert_eq!(views(&decode(seq, entry.at.timestamp_millis(), &data).unwrap()), Ok(entry.views));
    }

    #[test]
    fn random_bytes_are_refused(mut data in vec(any::<u8>(), 0..300), at in any::<i64>()) {
        prop_assert!(decode(1, at, &data).is_err());
        if let Some(version) = data.first_mut() {
            *version = 1;
            prop_assert!(decode(1, at, &data).is_err());
        }
    }

    /// Random content with a valid checksum causes no panic.
    #[test]
    fn bytes_with_a_valid_checksum_are_refused_or_read(content in vec(any::<u8>(), 0..300)) {
        let data = sealed(&content);
        if let Ok(Body::Views(groups)) = decode(1, 2, &data) {
            let mut days = BTreeMap::new();
            for group in &groups {
                let _ = group.add_to(&mut days);
            }
        }
    }

    #[test]
    fn a_changed_entry_is_refused(entry in entries(), position in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut data = encode(7, &entry);
        let at = entry.at.timestamp_millis();
        let position = position.index(data.len());
        data[position] ^= flip;
        prop_assert!(decode(7, at, &data).is_err());
        data[position] ^= flip;
        prop_assert!(decode(7, at, &data).is_ok());
        prop_assert_eq!(decode(8, at, &data), Err(DecodeError::Checksum));
        prop_assert_eq!(decode(7, at + 1, &data), Err(DecodeError::Checksum));
        prop_assert_eq!(Body::decode(ProducerId(1), 7, at, &data), Err(DecodeError::Checksum));
        prop_assert!(decode(7, at, &data[..position]).is_err());
    }
}

/// Content with the version byte before it and the checksum after it, as entry 1 at millisecond 2.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&PRODUCER.0.to_le_bytes());
    hasher.update(&1_u64.to_le_bytes());
    hasher.update(&2_i64.to_le_bytes());
    let mut data = [&[1], content].concat();
    hasher.update(&data);
    data.extend(hasher.finalize().to_le_bytes());
    data
}

#[test]
fn malformed_content_with_a_valid_checksum_is_refused() {
    let sum = |group: &[u8]| {
        let data = sealed(&[&[0, 1], group].concat());
        decode(1, 2, &data).and_then(|body| views(&body))
    };
    // Site "a", day 1, 5 views, articles: "x" with 5.
    assert!(sum(&[1, b'a', 2, 5, 1, 1, b'x', 5]).is_ok());
    let wrong: [&[u8]; 6] = [
        &[1, b'a', 2, 5, 1, 1, 7, 5],                                        // a control character
        &[1, b'a', 2, 5, 1, 0, 5],                                           // an empty article
        &[1, b'a', 2, 5, 1, 3, b'e', 0xcc, 0x81, 5],                         // an article not in NFC
        &[1, b'a', 0xff, 0xff, 0xff, 0xff, 0x0f, 5, 0],                      // a day before the calendar's first
        &[1, b'a', 2, 5, 1, 1, b'x', 5, 0],                                  // a trailing byte
        &[1, b'a', 2, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1], // a length that is far too large
    ];
    for group in wrong {
        assert_eq!(sum(group), Err(DecodeError::Malformed), "{group:?}");
    }
    // A sum that overflows 64 bits.
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let twice = [&[0, 2][..], &[1, b'a', 2], &most, &[0], &[1, b'a', 2], &most, &[0]].concat();
    let data = sealed(&twice);
    let Body::Views(groups) = decode(1, 2, &data).unwrap() else { panic!() };
    let mut days = BTreeMap::new();
    assert_eq!(groups[0].add_to(&mut days), Ok(()));
    assert_eq!(groups[1].add_to(&mut days), Err(DecodeError::Malformed));
}

/// Journals in this format exist, so these bytes must stay readable for ever.
#[test]
fn an_entry_of_version_1_is_still_read() {
    let written = entry(at(0), &[("portal", 327, 2, &[("/tin/1", 300)]), ("bao", 1, 1, &[])]);
    let fixture = "0100020362616fc2a45a010006706f7274616ccea95aae0201062f74696e2f31ac02168ae638";
    let hex: String = encode(42, &written).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, fixture);
    let data: Vec<u8> = (0..fixture.len()).step_by(2).map(|i| u8::from_str_radix(&fixture[i..i + 2], 16).unwrap()).collect();
    assert_eq!(views(&decode(42, 1_795_400_000_000, &data).unwrap()), Ok(written.views.clone()));
    let skip = Body::Skip.encode(PRODUCER, 42, 0).unwrap();
    assert_eq!(skip[..2], [1, 1]);
    assert_eq!(decode(42, 0, &skip), Ok(Body::Skip));
}
