//! A backup holds everything, each site as of one moment, and is restored into either kind of store.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Days, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rusqlite::Connection;
use tempfile::TempDir;
use truycap::{
    domain::{
        article::ArticleId,
        correction::{AuditEntry, Change, CorrectionKind, KEPT_CHANGES, Note},
        counts::Subject,
        period::Bucket,
        producer::ProducerId,
        retention::Retention,
        site::SiteId,
    },
    store::{
        Applied, Corrected, Revision, Row, Step, Store, TopList,
        redis::{self, RedisStore, RedisStoreConfig},
        sqlite::{Backup, SqliteStore, Target},
    },
    transfer::spool::Unfinished,
};

use super::{
    MINE, THEIRS, add, apply, article, at, bucket,
    cluster::shared_cluster,
    corrections::{change, correct, step_from},
    days, export, maintain,
    redis_store::{self, new_prefix, shared},
    section, site,
};

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-23T12:00:00Z").unwrap().to_utc()
}

/// A store of either kind.
#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Redis(InRedis),
}

#[derive(Clone, Debug)]
struct InRedis {
    url: String,
    prefix: String,
}

impl InRedis {
    fn at(url: String) -> Self {
        Self { url, prefix: new_prefix() }
    }

    fn config(&self) -> RedisStoreConfig {
        RedisStoreConfig { url: self.url.parse().unwrap(), prefix: self.prefix.parse().unwrap() }
    }
}

fn open_file(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Retention::default(), now as fn() -> DateTime<Utc>).unwrap()
}

fn open_redis(place: &InRedis) -> RedisStore {
    redis_store::open_by(&place.url, &place.prefix, now)
}

/// Everything of a site that a store shows.
#[derive(Debug, PartialEq)]
struct Contents {
    rows: Vec<Row>,
    offsets: Vec<u64>,
    revision: Revision,
    lists: Vec<TopList>,
    audit: Vec<AuditEntry>,
    /// The changes of all steps, if they are kept.
    changes: Vec<Option<Vec<Change>>>,
}

async fn contents(store: &impl Store, site: &SiteId) -> Contents {
    let rows = export(store, site).await.unwrap();
    let snapshot = store.figures(site, &[MINE, THEIRS], now().date_naive(), &[]).await.unwrap();
    let mut lists = Vec::new();
    let buckets: BTreeSet<_> = rows.iter().map(|row| row.0).chain([bucket("2026-11-22"), bucket("total")]).collect();
    for bucket in buckets {
        for section in [None, Some(section("/a")), Some(section("/b/"))] {
            lists.push(store.top(site, section.as_ref(), bucket, 100).await.unwrap());
        }
    }
    let (audit, mut changes) = (store.audit(site, 0).await.unwrap(), Vec::new());
    for entry in &audit {
        for step in 1..=entry.steps {
            changes.push(store.changes(site, entry.number, step).await.unwrap());
        }
    }
    let offsets = snapshot.offsets.iter().map(|offset| offset.seq).collect();
    Contents { rows, offsets, revision: snapshot.revision, lists, audit, changes }
}

impl Place {
    fn both(dir: &TempDir, name: &str) -> [Self; 2] {
        [Self::File(dir.path().join(name)), Self::Redis(InRedis::at(shared().url()))]
    }

    /// Counts views of many articles over months, by two producers, with two sections.
    async fn fill(&self) {
        match self {
            Self::File(path) => fill(&open_file(path)).await,
            Self::Redis(place) => fill(&open_redis(place)).await,
        }
    }

    async fn contents(&self, site: &SiteId) -> Contents {
        match self {
            Self::File(path) => contents(&open_file(path), site).await,
            Self::Redis(place) => contents(&open_redis(place), site).await,
        }
    }

    /// One more view of an article, if the offset is where it was.
    async fn count(&self, site: &SiteId, from: u64) -> Applied {
        let (day, to) = (days(&[(now().date_naive(), "/a/new", 1)]), from + 1);
        match self {
            Self::File(path) => open_file(path).apply(site, MINE, at(from), at(to), day).await.unwrap(),
            Self::Redis(place) => open_redis(place).apply(site, MINE, at(from), at(to), day).await.unwrap(),
        }
    }

    async fn back_up(&self, file: &Path) {
        fs::write(file, "").unwrap();
        match self {
            Self::File(path) => open_file(path).backup(file).await.unwrap(),
            Self::Redis(place) => redis::backup(&place.config(), Retention::default(), now as fn() -> _, file).await.unwrap(),
        }
    }

    async fn restore(&self, file: &Path, replace: bool) -> Result<(), String> {
        let copy = file.with_extension("copy");
        fs::copy(file, &copy).unwrap();
        let backup = Backup::open(&copy).map_err(|error| error.to_string())?;
        match self {
            Self::File(path) => {
                drop(backup);
                let target = Target::open(path, replace).map_err(|error| error.to_string())?;
                target.replace(|path, _| fs::rename(&copy, path)).map_err(|error| error.to_string())
            }
            Self::Redis(place) => redis::restore(&place.config(), &backup, replace).await.map_err(|error| error.to_string()),
        }
    }
}

async fn counts(store: &impl Store, site: &SiteId, id: &ArticleId) -> Vec<(Bucket, u64)> {
    store.counts(site, &Subject::Article(id.clone())).await.unwrap()
}

async fn fill(store: &impl Store) {
    let mut rng = StdRng::seed_from_u64(7);
    for site in [site("portal"), site("xa.cu-m")] {
        maintain(store, &site, &[section("/a"), section("/b/")]).await;
        for seq in 0..40 {
            for producer in [MINE, THEIRS] {
                let day = now().date_naive() - Days::new(rng.random_range(0..70));
                let ids: Vec<_> =
                    (0..60).map(|_| format!("/{}/{}", ["a", "b", "ế"][rng.random_range(0..3)], rng.random_range(0..300))).collect();
                let mut rows: Vec<_> = ids.iter().map(|id| (day, id.as_str(), rng.random_range(1..9))).collect();
                rows.push((day, "", rng.random_range(1..999)));
                apply(store, &site, producer, seq, seq + 1, days(&rows)).await;
            }
        }
        // More than keep their changes; the last ones take the views of some articles away.
        for number in 0..KEPT_CHANGES + 5 {
            let id = article(&format!("/a/{}", number % 300));
            let counts = if number < KEPT_CHANGES { vec![(bucket("total"), 2)] } else { counts(store, &site, &id).await };
            let sign = if number < KEPT_CHANGES { 1 } else { -1 };
            let change = |(bucket, views): (Bucket, u64)| Change {
                subject: Subject::Article(id.clone()),
                buckets: [bucket].into_iter().collect(),
                views: sign * views.cast_signed(),
            };
            let undoes = (number == KEPT_CHANGES).then_some(3);
            let note = Note { at: now(), kind: CorrectionKind::Import, what: "tệp.csv".into(), reason: "\"x\"".into(), undoes };
            let changes: Vec<_> = counts.into_iter().map(change).collect();
            for seq in 0..3 {
                let changes = if seq == 0 { changes.clone() } else { vec![] };
                let step =
                    Step { producer: ProducerId(100 + u128::from(number)), from: at(seq), to: at(seq + 1), changes, note: note.clone() };
                assert!(matches!(store.correct(&site, Arc::new(step)).await, Ok(Corrected::Done { .. })));
            }
        }
        maintain(store, &site, &[section("/a"), section("/b/")]).await;
    }
}

#[tokio::test]
async fn a_backup_of_either_kind_of_store_restores_the_same_into_either_kind() {
    let dir = TempDir::new().unwrap();
    restores_the_same(&dir, |name| Place::both(&dir, name)).await;
    let aside: Vec<String> = ::redis::cmd("KEYS").arg("*aside*").query(&mut shared().raw()).unwrap();
    assert_eq!(aside, [""; 0]);
}

#[tokio::test]
async fn a_backup_of_a_cluster_restores_the_same_into_a_file_and_the_other_way_round() {
    let dir = TempDir::new().unwrap();
    let cluster = shared_cluster();
    restores_the_same(&dir, |name| [Place::File(dir.path().join(name)), Place::Redis(InRedis::at(cluster.url()))]).await;
    let keys = cluster.nodes.iter().map(|node| node.server.cli("KEYS *")).collect::<Vec<Vec<String>>>();
    assert!(keys.iter().filter(|keys| !keys.is_empty()).count() >= 2, "the sites are on one node");
    assert!(!keys.iter().flatten().any(|key| key.contains("aside")), "{keys:?}");
}

async fn restores_the_same(dir: &TempDir, places: impl Fn(&str) -> [Place; 2]) {
    for from in places("from.db") {
        from.fill().await;
        let file = dir.path().join("backup.db");
        from.back_up(&file).await;
        // What comes later is not in it.
        let sites = [site("portal"), site("xa.cu-m")];
        let before = [from.contents(&sites[0]).await, from.contents(&sites[1]).await];
        assert!(before[0].audit.len() as u64 == KEPT_CHANGES + 5 && before[0].audit[2].undone_by == Some(KEPT_CHANGES + 1));
        assert_eq!(before[0].changes.iter().flatten().count() as u64, 3 * KEPT_CHANGES);
        assert!(before[0].rows.len() > 1000 && before[0].lists.iter().any(|list| list.articles.len() == 100));
        assert!(matches!(from.count(&sites[0], 40).await, Applied::Done(_)));
        for (number, to) in places("to.db").into_iter().enumerate() {
            to.restore(&file, false).await.unwrap();
            for (site, before) in sites.iter().zip(&before) {
                assert_eq!(to.contents(site).await, *before, "{from:?} into {to:?}");
            }
            assert_eq!(to.count(&sites[0], 39).await, Applied::Refused(at(40)));
            assert!(matches!(to.count(&sites[0], 40).await, Applied::Done(_)));
            // A store with counts is only replaced if that is asked for.
            let error = to.restore(&file, false).await.unwrap_err();
            assert!(error.contains("has counts") && error.contains("--replace"), "{error}");
            assert_eq!(to.contents(&sites[0]).await.offsets[0], 41);
            to.restore(&file, true).await.unwrap();
            assert_eq!(to.contents(&sites[0]).await, before[0], "{number}");
            if let Place::File(path) = to {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// Corrections, one that is undone, and lists that lack articles. Returns the number of the last correction before.
async fn fill_with_corrections(store: &impl Store, site: &SiteId) -> u64 {
    let last = store.audit(site, 0).await.unwrap().last().map_or(0, |entry| entry.number);
    let ids: Vec<_> = (0..400).map(|id| format!("/a/{id}")).collect();
    let more = |views: i64| ids.iter().zip(1..).map(move |(id, number)| change(id, &["2026-11-22"], number * views)).collect();
    correct(store, site, ProducerId(7), 0, more(2)).await;
    correct(store, site, ProducerId(7), 1, vec![change("", &["total", "2026"], 5000), change("bot", &["total"], 9)]).await;
    correct(store, site, ProducerId(8), 0, ids.iter().skip(200).map(|id| change(id, &["2026-11-22"], -300)).collect()).await;
    let undo = step_from(ProducerId(9), at(0), at(1), vec![change("", &["total"], -5)], Some(last + 1));
    assert!(matches!(store.correct(site, undo).await, Ok(Corrected::Done { number, .. }) if number == last + 3));
    last
}

#[tokio::test]
async fn a_backup_has_the_corrections_and_the_lists_that_are_to_be_built_again() {
    let (dir, portal) = (TempDir::new().unwrap(), site("portal"));
    let [from, to, file] = ["from.db", "to.db", "backup.db"].map(|name| dir.path().join(name));
    let (from, to) = (Place::File(from), Place::File(to));
    from.fill().await;
    let Place::File(path) = &from else { unreachable!() };
    let last = fill_with_corrections(&open_file(path), &portal).await;
    let before = from.contents(&portal).await;
    assert!(before.lists.iter().any(|list| !list.whole), "no list lacks articles");
    // Of the first fill, each correction has three steps.
    assert_eq!(before.changes.iter().flatten().count() as u64, 3 * (KEPT_CHANGES - 3) + 4);
    from.back_up(&file).await;
    to.restore(&file, false).await.unwrap();
    assert_eq!(to.contents(&portal).await, before);
    let Place::File(path) = &to else { unreachable!() };
    let store = open_file(path);
    let undone = step_from(ProducerId(7), at(2), at(3), vec![], None);
    assert_eq!(store.correct(&portal, undone).await, Ok(Corrected::Undone(last + 3)));
    assert_eq!(correct(&store, &portal, ProducerId(8), 1, vec![change("/a/1", &["total"], 5)]).await.0, last + 2);
    maintain(&store, &portal, &[section("/a"), section("/b/")]).await;
    assert!(contents(&store, &portal).await.lists.iter().all(|list| list.whole));
}

/// A program of the same version of the file that knows no corrections made it.
#[tokio::test]
async fn a_file_without_tables_for_corrections_is_a_whole_store_and_a_whole_backup() {
    let (dir, portal) = (TempDir::new().unwrap(), site("portal"));
    let [from, to, file] = ["from.db", "to.db", "backup.db"].map(|name| dir.path().join(name));
    let from = Place::File(from);
    from.fill().await;
    let mut before = from.contents(&portal).await;
    before.audit.clear();
    before.changes.clear();
    from.back_up(&file).await;
    let drop = |path: &Path| {
        Connection::open(path).unwrap().execute_batch("DROP TABLE corrections; DROP TABLE changes; DROP TABLE lacking").unwrap();
    };
    drop(&file);
    for to in [Place::File(to), Place::Redis(InRedis::at(shared().url()))] {
        to.restore(&file, false).await.unwrap();
        assert_eq!(to.contents(&portal).await, before, "{to:?}");
    }
    let Place::File(path) = &from else { unreachable!() };
    drop(path);
    let store = open_file(path);
    store.verify(true).await.unwrap();
    assert_eq!(contents(&store, &portal).await, before);
    fill_with_corrections(&store, &portal).await;
    store.verify(true).await.unwrap();
}

/// What a store replaced has, also in a list that the backup does not have.
#[tokio::test]
async fn nothing_of_a_replaced_store_remains() {
    let dir = TempDir::new().unwrap();
    for place in Place::both(&dir, "truycap.db") {
        let portal = site("portal");
        let empty = dir.path().join("empty.db");
        place.back_up(&empty).await;
        place.restore(&empty, false).await.unwrap();
        place.count(&portal, 0).await;
        let one = dir.path().join("one.db");
        place.back_up(&one).await;
        let before = place.contents(&portal).await;
        if let Place::Redis(place) = &place {
            add(&open_redis(place), &portal, THEIRS, 0, 1, &[("2026-11-22", "/b/1", 5), ("total", "/a/new", 5)]).await;
        }
        place.restore(&one, true).await.unwrap();
        assert_eq!(place.contents(&portal).await, before, "{place:?}");
    }
}

/// Each apply adds one view to the site and to each article, so in a state of one moment all are equal to the offset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_of_one_moment_while_views_are_applied() {
    let dir = TempDir::new().unwrap();
    let ids: Vec<_> = (0..2500).map(|id| format!("/{id}")).collect();
    for place in Place::both(&dir, "truycap.db") {
        let portal = site("portal");
        let views: Vec<_> = ids.iter().map(String::as_str).chain([""]).map(|id| (now().date_naive(), id, 1)).collect();
        let views = days(&views);
        let write = async |store: Box<dyn Store>| {
            for seq in 0..40 {
                assert!(matches!(store.apply(&portal, MINE, at(seq), at(seq + 1), views.clone()).await, Ok(Applied::Done(_))));
            }
        };
        let store: Box<dyn Store> = match &place {
            Place::File(path) => Box::new(open_file(path)),
            Place::Redis(place) => Box::new(open_redis(place)),
        };
        let file = dir.path().join("backup.db");
        let backups = async {
            let mut moments = Vec::new();
            for _ in 0..4 {
                place.back_up(&file).await;
                let backup = contents(&open_file(&file), &portal).await;
                let seq = backup.offsets[0];
                assert_eq!(backup.rows.len(), if seq == 0 { 0 } else { 5 * 2501 });
                assert!(backup.rows.iter().all(|row| row.2 == seq), "{place:?} at {seq}");
                moments.push(seq);
                for suffix in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(format!("{}{suffix}", file.display()));
                }
            }
            moments
        };
        let ((), moments) = tokio::join!(write(store), backups);
        assert!(moments.iter().any(|seq| (1..40).contains(seq)), "no backup was made between applies: {moments:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_whole_backup_of_this_version_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let [good, bad] = ["good.db", "bad.db"].map(|name| dir.path().join(name));
    let from = Place::File(dir.path().join("from.db"));
    from.fill().await;
    let Place::File(path) = &from else { unreachable!() };
    let last = fill_with_corrections(&open_file(path), &site("portal")).await;
    let [first, second, third] = [last + 1, last + 2, last + 3];
    from.back_up(&good).await;
    let bytes = fs::read(&good).unwrap();
    let sql = |sql: &str| {
        fs::write(&bad, &bytes).unwrap();
        Connection::open(&bad).unwrap().execute_batch(sql).unwrap();
        fs::read(&bad).unwrap()
    };
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2..][..4096].fill(0xa5);
    let files = [
        (vec![], "it is empty"),
        (b"site,article,bucket,views\nportal,,total,5\n".repeat(200), "it is not an SQLite file"),
        (bytes[..bytes.len() / 2].to_vec(), "malformed"),
        (flipped, ""),
        (sql("PRAGMA user_version = 3"), "it has version 3"),
        (sql("PRAGMA application_id = 7"), "another program"),
        (sql("DELETE FROM articles WHERE article > '/b'"), "articles, but"),
        (sql("DROP TABLE offsets"), "it has no table offsets"),
        (sql("UPDATE offsets SET producer = substr(producer, 2)"), "damaged"),
        (sql("UPDATE sections SET name = '' WHERE name = '/a'"), "damaged"),
        (sql(&format!("UPDATE corrections SET note = '{{}}' WHERE number = {first}")), "damaged"),
        (sql(&format!("DELETE FROM corrections WHERE number = {first}")), &format!("has no correction {first}")),
        (sql(&format!("UPDATE corrections SET site_views = 7 WHERE number = {first}")), &format!("has other sums of correction {first}")),
        (sql(&format!("DELETE FROM changes WHERE number = {first} AND step = 2")), &format!("has other sums of correction {first}")),
        (
            sql(&format!("UPDATE changes SET changes = x'07' WHERE number = {second}")),
            &format!("step 1 of correction {second} of site portal"),
        ),
        (sql(&format!("DELETE FROM offsets WHERE producer = (SELECT producer FROM corrections WHERE number = {third})")), "has no offset"),
    ];
    for to in Place::both(&dir, "to.db") {
        to.fill().await;
        let before = to.contents(&site("portal")).await;
        for (bytes, reason) in &files {
            fs::write(&bad, bytes).unwrap();
            let error = to.restore(&bad, true).await.unwrap_err();
            assert!(error.contains(reason), "{reason}: {error}");
            assert_eq!(to.contents(&site("portal")).await, before);
        }
    }
}

/// What a restore has written to other names is deleted if it fails.
#[tokio::test]
async fn a_failed_restore_leaves_nothing_in_redis() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("backup.db");
    let redis = InRedis::at(shared().url());
    let place = Place::Redis(redis.clone());
    place.fill().await;
    place.back_up(&file).await;
    let () =
        ::redis::cmd("HSET").arg(format!("{}:{{portal}}:site", redis.prefix)).arg("version").arg(9).query(&mut shared().raw()).unwrap();
    let keys = || -> usize { ::redis::cmd("DBSIZE").query(&mut shared().raw()).unwrap() };
    let before = keys();
    let error = place.restore(&file, true).await.unwrap_err();
    assert!(error.contains("version 9"), "{error}");
    assert_eq!(keys(), before);
}

/// A service or an import can begin while a backup is copied and verified.
#[tokio::test]
async fn a_store_that_was_made_during_a_restore_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let [path, backup] = ["truycap.db", "backup.db"].map(|name| dir.path().join(name));
    fs::write(&backup, "").unwrap();
    let target = Target::open(&path, true).unwrap();
    let store = open_file(&path);
    apply(&store, &site("portal"), MINE, 0, 1, days(&[(now().date_naive(), "", 1)])).await;
    let error = target.replace(|path, _| fs::rename(&backup, path)).unwrap_err().to_string();
    assert!(error.contains("another process made"), "{error}");
    assert_eq!(store.ping().await, Ok(()));
    apply(&store, &site("portal"), MINE, 1, 2, days(&[(now().date_naive(), "", 1)])).await;

    // In the last moment.
    fs::remove_file(&path).unwrap();
    let target = Target::open(&path, false).unwrap();
    let error = target.replace(|_, overwrite| if overwrite { Ok(()) } else { Err(std::io::ErrorKind::AlreadyExists.into()) });
    assert!(error.unwrap_err().to_string().contains("another process made"));
}

#[tokio::test]
async fn a_store_stays_locked_until_it_is_replaced() {
    let dir = TempDir::new().unwrap();
    let [path, backup] = ["truycap.db", "backup.db"].map(|name| dir.path().join(name));
    let (place, portal) = (Place::File(path.clone()), site("portal"));
    place.count(&portal, 0).await;
    place.back_up(&backup).await;
    place.count(&portal, 1).await;
    let read = || {
        let conn = Connection::open(&path).unwrap();
        conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        conn.query_row("SELECT count(*) FROM sites", (), |row| row.get::<_, i64>(0))
    };
    let renamed = Target::open(&path, true).unwrap().replace(|path, overwrite| {
        assert!(overwrite);
        assert_eq!(read().unwrap_err().sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        fs::rename(&backup, path)
    });
    renamed.unwrap();
    assert_eq!(read(), Ok(1));
    assert_eq!(place.contents(&portal).await.offsets[0], 1);
}

/// Backups of two services can begin at once.
#[test]
fn commands_at_once_in_one_directory_do_not_disturb_each_other() {
    let dir = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let dir = dir.path();
            scope.spawn(move || {
                for number in 0..50 {
                    let file = Unfinished::make_in(dir).unwrap();
                    file.finish(&dir.join(format!("{thread}-{number}")), false).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 400);
}

#[test]
fn what_is_no_file_is_not_deleted_as_an_abandoned_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(".truycap-1.tmp");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let made = std::thread::spawn({
        let dir = dir.path().to_owned();
        move || Unfinished::make_in(&dir).is_ok()
    });
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !made.is_finished() && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(made.is_finished() && made.join().unwrap());
    assert!(path.exists());
}
