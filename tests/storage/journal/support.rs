//! Journals, entries and damage for these tests.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tempfile::TempDir;
use truycap::{
    domain::{
        article::ArticleId,
        counts::SiteViews,
        producer::{Digest, ProducerId, Seq},
        site::SiteId,
    },
    journal::{
        Confirmed, Entry, Journal, JournalError, Usage,
        sqlite::{Config, OpenError, SqliteJournal, entry::digest},
    },
};

pub(crate) const MIB: u64 = 1 << 20;

/// A directory with one journal in it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.0.path().join("journal.db-wal")
    }

    /// Another file in the same directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn try_open(&self) -> Result<SqliteJournal, OpenError> {
        SqliteJournal::open(Config { path: self.path(), max_bytes: 64 * MIB })
    }

    pub(crate) fn open(&self) -> SqliteJournal {
        self.try_open().unwrap()
    }

    /// A closed journal with entries 1 to `last`. All of them are in the main file.
    pub(crate) async fn filled(last: Seq) -> Self {
        let place = Self::new();
        let journal = place.open();
        fill(&journal, 1..=last).await;
        journal.close().unwrap();
        place
    }

    /// Runs statements on the closed file, which no journal would run.
    pub(crate) fn sql(&self, statements: &str) {
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(statements).unwrap();
    }

    /// Replaces the content of an entry of the closed file, and gives it the digest that belongs to it.
    pub(crate) fn replace_entry(&self, seq: Seq, data: &[u8]) {
        let conn = rusqlite::Connection::open(self.path()).unwrap();
        let number = |query: &str| conn.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
        let before = Digest(number(&format!("SELECT digest FROM entries WHERE seq = {}", seq - 1)).cast_unsigned());
        let at = number(&format!("SELECT at FROM entries WHERE seq = {seq}"));
        let producer: String = conn.query_row("SELECT producer FROM runs", [], |row| row.get(0)).unwrap();
        let digest = digest(before, producer.parse().unwrap(), seq, at, data).0.cast_signed();
        let update = "UPDATE entries SET digest = ?1, data = ?2 WHERE seq = ?3";
        conn.execute(update, rusqlite::params![digest, data, seq.cast_signed()]).unwrap();
    }

    pub(crate) fn number(&self, query: &str) -> i64 {
        rusqlite::Connection::open(self.path()).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
    }
}

pub(crate) fn flip(file: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], offset).unwrap();
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

pub(crate) fn site(id: &str) -> SiteId {
    SiteId::parse(id).unwrap()
}

pub(crate) fn day(of_year: u32) -> NaiveDate {
    NaiveDate::from_yo_opt(2026, of_year).unwrap()
}

/// `seconds` after the first entry's time.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_400_000_000).unwrap() + TimeDelta::seconds(seconds)
}

/// `(site, day of the year, views without an article, views of each article)`.
pub(crate) type Group<'a> = (&'a str, u32, u64, &'a [(&'a str, u64)]);

pub(crate) fn entry(time: DateTime<Utc>, groups: &[Group<'_>]) -> Arc<Entry> {
    let mut views = BTreeMap::new();
    for &(id, of_year, plain, articles) in groups {
        views.insert((site(id), day(of_year)), sums(plain, articles));
    }
    Arc::new(Entry { at: time, views })
}

pub(crate) fn sums(plain: u64, articles: &[(&str, u64)]) -> SiteViews {
    let mut sum = SiteViews { views: plain, ..SiteViews::default() };
    for &(article, views) in articles {
        sum.views += views;
        *sum.articles.entry(ArticleId::parse(article).unwrap()).or_default() += views;
    }
    sum
}

/// Entry number `seq`: `seq` views of one article of `a`, and in every tenth entry one view of `b`.
pub(crate) fn numbered(seq: Seq) -> Arc<Entry> {
    let article = format!("/tin/{}", seq % 7);
    let a: &[(&str, u64)] = &[(&article, seq)];
    let time = at(seq.cast_signed());
    if seq.is_multiple_of(10) { entry(time, &[("a", 1, 0, a), ("b", 2, 1, &[])]) } else { entry(time, &[("a", 1, 0, a)]) }
}

/// The sum of the views of `a` in the entries with these numbers.
pub(crate) fn sum_of_a(seqs: impl IntoIterator<Item = Seq>) -> BTreeMap<NaiveDate, SiteViews> {
    let mut days = BTreeMap::<_, SiteViews>::new();
    for seq in seqs {
        days.entry(day(1)).or_default().add(&numbered(seq).views[&(site("a"), day(1))]);
    }
    days
}

pub(crate) async fn fill(journal: &SqliteJournal, seqs: impl IntoIterator<Item = Seq>) {
    for seq in seqs {
        assert_eq!(append(journal, seq).await, Ok(seq));
    }
}

/// Appends `numbered(seq)`, and returns the number that it got.
pub(crate) async fn append(journal: &SqliteJournal, seq: Seq) -> Result<Seq, JournalError> {
    journal.append(numbered(seq)).await.map(|position| position.seq)
}

/// The run of this process.
pub(crate) fn producer(journal: &SqliteJournal) -> ProducerId {
    journal.runs().last().unwrap().producer
}

/// What a store has confirmed of the run with this number.
pub(crate) fn confirmed(producer: u128, seq: Seq) -> Confirmed {
    Confirmed { producer: ProducerId(producer), seq }
}

/// Reads to the end of the journal.
pub(crate) async fn read_all(journal: &SqliteJournal, id: &str, mut after: Seq) -> Result<BTreeMap<NaiveDate, SiteViews>, JournalError> {
    let mut days = BTreeMap::<_, SiteViews>::new();
    loop {
        let replay = journal.read(&site(id), after, Seq::MAX).await?;
        for (day, sum) in &replay.days {
            days.entry(*day).or_default().add(sum);
        }
        if replay.to.seq == after {
            return Ok(days);
        }
        after = replay.to.seq;
    }
}

/// A trim with one confirmed entry, of `a`.
pub(crate) async fn trim(journal: &SqliteJournal, seq: Seq, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
    journal.trim(vec![(site("a"), confirmed(1, seq))], upto, delete).await
}
