//! Whatever interrupts an import, each row counts once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::{task::yield_now, time::Instant};
use truycap::{
    domain::{
        counts::SiteViews,
        figures::Figure,
        producer::{Digest, Position, ProducerId},
        retention::Retention,
    },
    store::{Store, StoreError, VERSION, sqlite::SqliteStore},
    transfer::import,
};
use truycap_test_support::faulty::{FaultyStore, StoreCall, StoreFaults};

use super::{Files, Memory, PRODUCER, checked, counters_of, exported, import_file, memory, now, site, three_sites, today};

/// How many chunks [`three_sites`] makes.
const CHUNKS: u64 = 9;

/// The producer of a serving process.
const SERVING: ProducerId = ProducerId(7);

/// The position after some of its entries.
fn serving(seq: u64) -> Position {
    Position { seq, digest: Digest(seq) }
}

/// What happens to one apply.
enum Fault {
    None,
    /// It does not reach the store.
    Refuse,
    /// It works, but the reply is lost.
    LoseReply,
    /// The store is rewound: it is empty.
    Rewind,
    /// It fails for good.
    Fail(StoreError),
    /// A serving process counts a view of `press` just before.
    View,
}

/// The plan of what happens to each apply of a store. Applies are counted from 0.
struct Plan<F> {
    store: Arc<Memory>,
    applies: AtomicU64,
    plan: F,
    /// Whether the reply to the apply in progress is lost.
    lose: AtomicBool,
}

fn faulty<F: Fn(u64) -> Fault + Send + Sync + 'static>(store: &Arc<Memory>, plan: F) -> FaultyStore<Plan<F>> {
    let faults = Plan { store: Arc::clone(store), applies: AtomicU64::new(0), plan, lose: AtomicBool::new(false) };
    FaultyStore::new(store.clone(), faults)
}

#[async_trait]
impl<F: Fn(u64) -> Fault + Send + Sync + 'static> StoreFaults for Plan<F> {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        let StoreCall::Correct(_) = call else { return Ok(()) };
        // Lets another run of the same import continue.
        yield_now().await;
        let apply = self.applies.fetch_add(1, Ordering::Relaxed);
        match (self.plan)(apply) {
            Fault::None => {}
            Fault::Refuse => return Err(StoreError::NotApplied("connection refused".into())),
            Fault::LoseReply => self.lose.store(true, Ordering::Relaxed),
            Fault::Rewind => self.store.restore(memory().image()),
            Fault::Fail(error) => return Err(error),
            Fault::View => {
                let mut view = SiteViews::default();
                view.count(None);
                let view = Arc::new([(today(), &view)].into_iter().collect());
                self.store.apply(&site("press"), SERVING, serving(apply), serving(apply + 1), view).await.unwrap();
            }
        }
        Ok(())
    }

    async fn after(&self, _: StoreCall<'_>) -> Result<(), StoreError> {
        if self.lose.swap(false, Ordering::Relaxed) { Err(StoreError::PerhapsApplied("connection lost".into())) } else { Ok(()) }
    }
}

/// The counters after an import of [`three_sites`], summed without chunks: press has 1 + 2 + … + 2000 views.
async fn clean() -> String {
    let counters = counters_of(three_sites()).await;
    assert!(counters.contains("\npress,,2019,2001000\n") && counters.contains("\nshop,,total,1999\n"), "{counters}");
    let sum: u64 = (0..5000).map(|row| row % 11).sum();
    let articles = counters.lines().filter_map(|line| line.strip_prefix("portal,/tin/")?.split_once(",total,"));
    assert_eq!(articles.map(|(_, views)| views.parse::<u64>().unwrap()).sum::<u64>(), sum);
    counters
}

#[tokio::test]
async fn a_second_import_adds_nothing_and_says_so() {
    let (files, store) = (Files::new(), memory());
    let path = files.write("a.csv", three_sites());
    let first = import_file(&store, &path).await.unwrap();
    assert_eq!((first.report.rows, first.chunks, first.applied), (8999, CHUNKS, CHUNKS));
    let image = store.image();
    // The name of the file does not matter, its bytes do.
    let second = import_file(&store, &files.write("b.csv", three_sites())).await.unwrap();
    assert_eq!(second.to_string(), "was already imported, nothing was added");
    assert_eq!((exported(&store).await, store.image()), (clean().await, image));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_import_continues_where_it_stopped() {
    let (files, clean) = (Files::new(), clean().await);
    let path = files.write("a.csv", three_sites());
    for broken in 0..CHUNKS {
        for lose in [false, true] {
            let store = Arc::new(memory());
            let faulty = faulty(&store, move |apply| match apply {
                _ if apply < broken => Fault::None,
                _ if apply == broken && lose => Fault::LoseReply,
                _ => Fault::Refuse,
            });
            let started = Instant::now();
            let error = import_file(&faulty, &path).await.unwrap_err().to_string();
            let expected = "the store is unavailable: connection refused; run the import again: it continues where it stopped";
            assert_eq!(error, expected, "after {broken}");
            assert!((60..63).contains(&started.elapsed().as_secs()), "gave up after {:?}", started.elapsed());
            let held = broken + u64::from(lose);
            let outcome = import_file(store.as_ref(), &path).await.unwrap();
            assert_eq!(outcome.applied, CHUNKS - held, "after {held}");
            assert_eq!(exported(store.as_ref()).await, clean, "after {held}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_import_waits_up_to_a_minute_for_the_store() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let faulty = faulty(&store, |apply| match apply % 5 {
        1 | 2 => Fault::Refuse,
        3 => Fault::LoseReply,
        _ => Fault::None,
    });
    let outcome = import_file(&faulty, &files.write("a.csv", three_sites())).await.unwrap();
    assert_eq!(outcome.applied, CHUNKS);
    assert_eq!(exported(store.as_ref()).await, clean().await);
}

#[tokio::test]
async fn an_import_does_not_wait_for_a_damaged_store_or_one_of_another_version() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let started = Instant::now();
    let errors = [
        (StoreError::Corrupt("a page is torn".into()), "the store is damaged: a page is torn"),
        (StoreError::Version { found: VERSION + 1 }, "the store has version 3, and this program has version 2"),
    ];
    for (error, expected) in errors {
        let faulty = faulty(&store, move |_| Fault::Fail(error.clone()));
        let error = import_file(&faulty, &files.write("a.csv", three_sites())).await.unwrap_err().to_string();
        assert!(error.starts_with(expected) && error.ends_with("; what the import has added so far stays"), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_rewound_store_is_reported_and_completed_by_another_import() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let path = files.write("a.csv", three_sites());
    let faulty = faulty(&store, |apply| if apply == 2 { Fault::Rewind } else { Fault::None });
    let error = import_file(&faulty, &path).await.unwrap_err().to_string();
    assert!(
        error.starts_with("the store was rewound: it is at 0:0000000000000000 of this correction of site portal, but was at 1:")
            && error.ends_with("; run the import again to add what is missing"),
        "{error}"
    );
    import_file(store.as_ref(), &path).await.unwrap();
    assert_eq!(exported(store.as_ref()).await, clean().await);
}

#[tokio::test]
async fn two_concurrent_imports_of_one_file_count_once() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let path = files.write("a.csv", three_sites());
    let (one, two) = (faulty(&store, |_| Fault::None), faulty(&store, |_| Fault::None));
    let (first, second) = tokio::join!(import_file(&one, &path), import_file(&two, &path));
    assert_eq!(first.unwrap().applied + second.unwrap().applied, CHUNKS);
    assert!(two.faults.applies.into_inner() > 0, "they ran concurrently");
    assert_eq!(exported(store.as_ref()).await, clean().await);
}

#[tokio::test]
async fn two_processes_that_import_one_file_count_once() {
    let files = Files::new();
    let path = files.write("a.csv", three_sites());
    let database = files.0.path().join("store.db");
    let [one, two] = [(); 2].map(|()| SqliteStore::open(&database, Retention::default(), now).unwrap());
    let (first, second) = tokio::join!(import_file(&one, &path), import_file(&two, &path));
    assert_eq!(first.unwrap().applied + second.unwrap().applied, CHUNKS);
    assert_eq!(exported(&one).await, clean().await);
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn two_different_files_both_count() {
    let (files, store) = (Files::new(), memory());
    import_file(&store, &files.write("a.csv", "site,article,period,views\nportal,,2019,5\n")).await.unwrap();
    import_file(&store, &files.write("b.csv", "site,article,period,views\nportal,,2019,5\n\n")).await.unwrap();
    assert_eq!(exported(&store).await, "site,article,bucket,views\nportal,,2019,10\nportal,,total,10\n");
}

#[tokio::test]
async fn views_counted_between_the_chunks_are_kept() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let serving = faulty(&store, |_| Fault::View);
    import_file(&serving, &files.write("a.csv", three_sites())).await.unwrap();
    let figures = store.figures(&site("press"), &[SERVING], today(), &[]).await.unwrap();
    assert_eq!((figures.offsets[0].seq, figures.site[Figure::Today], figures.site[Figure::Total]), (CHUNKS, CHUNKS, 2_001_000 + CHUNKS));
}

#[tokio::test]
async fn a_file_that_changes_between_the_chunks_is_detected() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let path = files.write("a.csv", three_sites());
    let file = checked(&path).unwrap();
    let longer = path.clone();
    let faulty = faulty(&store, move |_| {
        std::fs::write(&longer, three_sites() + "portal,,2019,5\n").unwrap();
        Fault::None
    });
    let error = import(&faulty, &file, now(), "", |_, _| {}).await.unwrap_err().to_string();
    assert!(error.contains("changed during the import"), "{error}");
    assert_eq!(faulty.faults.applies.into_inner(), 1);
    // With its former contents, the import continues.
    files.write("a.csv", three_sites());
    assert_eq!(import_file(store.as_ref(), &path).await.unwrap().applied, CHUNKS - 1);
    assert_eq!(exported(store.as_ref()).await, clean().await);
}

#[tokio::test]
async fn a_site_is_complete_before_the_rows_of_the_next_one_are_read() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let text = "site,article,bucket,views\npress,,total,1\n".to_owned() + &"portal,,total,1\n".repeat(1001);
    // The second apply is one of portal. By then the store holds press, so that no rest of an earlier site is in memory.
    let faulty = faulty(&store, |apply| if apply == 1 { Fault::Fail(StoreError::Corrupt("stop".into())) } else { Fault::None });
    import_file(&faulty, &files.write("a.csv", text)).await.unwrap_err();
    assert_eq!(exported(store.as_ref()).await, "site,article,bucket,views\npress,,total,1\n");
}

#[tokio::test]
async fn an_offset_of_other_chunks_is_refused() {
    let (files, store) = (Files::new(), memory());
    let path = files.write("a.csv", "site,article,period,views\nportal,,,5\n");
    let producer = PRODUCER.parse().unwrap();
    store.apply(&site("portal"), producer, Position::START, serving(1), Arc::default()).await.unwrap();
    let error = import_file(&store, &path).await.unwrap_err().to_string();
    assert!(error.starts_with("the file was imported into site portal with another --until"), "{error}");
    assert_eq!(exported(&store).await, "site,article,bucket,views\n");
}

#[tokio::test]
async fn a_counter_that_reaches_the_largest_count_stays_there_and_the_import_says_so() {
    let (files, store) = (Files::new(), memory());
    import_file(&store, &files.write("a.csv", "site,article,bucket,views\nportal,,total,9007199254740991\n")).await.unwrap();
    let text = "site,article,bucket,views\nportal,,total,5\nportal,,2019,5\n";
    let outcome = import_file(&store, &files.write("b.csv", text)).await.unwrap();
    assert!(outcome.saturated);
    assert_eq!(
        outcome.to_string(),
        "imported 2 rows\n  portal: +5: 2019 +5\n  warning: a counter has reached 9007199254740991 and stays there; some views are \
         missing from it\n  to take it back: truycap undo portal 2"
    );
    assert_eq!(exported(&store).await, "site,article,bucket,views\nportal,,2019,5\nportal,,total,9007199254740991\n");
}

#[tokio::test]
async fn a_clock_that_is_far_ahead_of_the_store_is_reported() {
    let (files, store) = (Files::new(), memory());
    let first = import_file(&store, &files.write("a.csv", "site,article,period,views\nportal,,2019,5\n")).await.unwrap();
    let ahead = Memory::new(Retention::default(), || now() + TimeDelta::days(45));
    ahead.restore(store.image());
    let second = import_file(&ahead, &files.write("b.csv", "site,article,period,views\nportal,,2018,5\n")).await.unwrap();
    assert_eq!((first.clock_jumped, second.clock_jumped), (false, true));
    assert!(second.to_string().contains("warning: this machine's clock is more than a day away"), "{second}");
}
