//! A journal that the first program with this format wrote. It must stay readable for ever.

use std::{collections::BTreeMap, fs};

use truycap::{
    domain::producer::{Digest, ProducerId},
    journal::{Confirmed, Journal, Replay, Run},
};

use super::support::{Place, append, day, producer, site, sums};

/// Two runs: entries 1 to 3, and 4 to 6. Entries 1 and 2 are deleted, and `bao` has parted from the first run.
const FILE: &[u8] = include_bytes!("../fixtures/journal-2.db");

const RUNS: [&str; 2] = ["181260bc4db0d25bee6d10f998bca300", "6a673ac69dfc9a81a251cdcf26a8645c"];
const HEIR: &str = "830904eb943ab4c0950c9388b04d01ba";
const DIGESTS: [&str; 5] = ["5130f9d442445345", "270b65e442220f9f", "dd16f47142de59ef", "36ceb1fc57668ac6", "0bb8eff10e6b980a"];

fn id(text: &str) -> ProducerId {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_journal_of_format_2_is_still_read() {
    let place = Place::new();
    fs::write(place.path(), FILE).unwrap();
    let journal = place.open();
    let runs = [(RUNS[0], 0), (RUNS[1], 3)].map(|(producer, after)| Run { producer: id(producer), after });
    assert_eq!(journal.runs()[..2], runs);
    for (seq, digest) in (2..).zip(DIGESTS) {
        let digest = Digest(u64::from_str_radix(digest, 16).unwrap());
        assert_eq!(journal.digest(seq).await, Ok(Some(digest)), "entry {seq}");
    }
    let known = |site_id, last, producer| {
        let confirmed = Some(Confirmed { producer: id(producer), seq: 3 });
        (site(site_id), last, confirmed)
    };
    let sites = journal.sites().await.unwrap();
    let unapplied = sites.iter().filter_map(|site| site.unapplied).map(|unapplied| (unapplied.first, unapplied.entries, unapplied.views));
    assert_eq!(unapplied.collect::<Vec<_>>(), [(4, 3, 36)]);
    let sites: Vec<_> = sites.into_iter().map(|site| (site.id, site.last, site.confirmed)).collect();
    assert_eq!(sites, [known("bao", 3, HEIR), known("portal", 6, RUNS[0])]);

    let bao = BTreeMap::from([(day(331), sums(1, &[]))]);
    let portal =
        BTreeMap::from([(day(332), sums(2, &[("/tin-tuc/1", 3), ("/văn-bản/2", 1)])), (day(333), sums(15, &[("/tin-tuc/1", 21)]))]);
    let to = journal.head_at_open();
    let missing = Some((1, 2));
    assert_eq!(journal.read(&site("bao"), 0, 6).await, Ok(Replay { to, days: bao, entries: 1, missing }));
    assert_eq!(journal.read(&site("portal"), 0, 6).await, Ok(Replay { to, days: portal, entries: 4, missing }));

    assert_eq!(journal.part(&site("bao"), id(RUNS[0]), 3).await, Ok(Confirmed { producer: id(HEIR), seq: 1 }));
    assert_eq!(append(&journal, 7).await, Ok(7));
    assert_eq!(journal.runs()[2], Run { producer: producer(&journal), after: 6 });
}
