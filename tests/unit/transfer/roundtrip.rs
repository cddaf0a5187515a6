//! What an export writes, an import reads.

use std::{
    io::{self, ErrorKind, Write},
    sync::Arc,
};

use async_trait::async_trait;
use proptest::{
    collection::vec,
    prop_oneof,
    strategy::{Just, Strategy},
    test_runner::{Config, TestCaseError, TestRunner},
};
use truycap::{
    domain::{
        article::ArticleId,
        counts::{Deltas, Kind, Subject},
        period::{Bucket, BucketSet},
        producer::{Digest, Position, ProducerId},
    },
    store::{Store, StoreError},
    transfer::{Dialect, export},
};
use truycap_test_support::faulty::{FaultyStore, StoreCall, StoreFaults};

use super::{Files, Memory, article, exported, exported_as, import_file, memory, site, sites};

type Counter = (&'static str, Bucket, Subject, u64);

async fn filled(counters: Vec<Counter>) -> Memory {
    let store = memory();
    for (seq, (id, bucket, subject, views)) in (0..).zip(counters) {
        let mut deltas = Deltas::default();
        deltas.add(BucketSet::from_iter([bucket]), subject, views);
        // One producer for each counter, because one sequence number must not be used for two sites.
        store.apply(&site(id), ProducerId(seq), Position::START, Position { seq: 1, digest: Digest(1) }, Arc::new(deltas)).await.unwrap();
    }
    store
}

/// Ids with characters that are special in CSV, in spreadsheets or in shells.
fn articles() -> impl Strategy<Value = ArticleId> {
    let awkward = [
        ",",
        "\"",
        "\"\"",
        "a,\"b\"",
        "=1+1",
        " /tin ",
        "#",
        "-",
        "'",
        ";",
        "\u{feff}x",
        "/tin/chào-buổi-sáng",
        "🇻🇳",
        "\\",
        "\\n",
        "total",
    ];
    let awkward: Vec<_> = awkward.into_iter().map(article).collect();
    let any = "[^\\p{Cc}]{1,20}".prop_filter_map("too long when normalised", |text| ArticleId::parse(&text).ok());
    prop_oneof![proptest::sample::select(awkward), any]
}

fn buckets() -> impl Strategy<Value = Bucket> {
    let texts = ["2020-01-17", "2020-01-01", "2019-W52", "2020-W03", "2019-12", "2020-01", "2019", "2020", "total", "0001", "9999-12-31"];
    proptest::sample::select(texts.map(|text| text.parse().unwrap()).to_vec())
}

fn counters() -> impl Strategy<Value = Vec<Counter>> {
    let id = prop_oneof![Just("portal"), Just("press"), Just("shop")];
    let subject = prop_oneof![
        2 => Just(Subject::Site),
        1 => proptest::sample::select(Kind::ALL.to_vec()).prop_map(Subject::Kind),
        7 => articles().prop_map(Subject::Article),
    ];
    vec((id, buckets(), subject, 0..1_u64 << 40), 0..60)
}

#[test]
fn an_export_imported_into_an_empty_store_is_exported_again_byte_for_byte() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let done = runner.run(&counters(), |counters| {
        runtime.block_on(async {
            let wanted: Vec<_> = counters.iter().filter(|(.., views)| *views > 0).cloned().collect();
            let (files, store) = (Files::new(), filled(counters).await);
            let first = exported(&store).await;
            for (id, bucket, subject, _) in wanted {
                let [count] = store.history(&site(id), &subject, &[bucket]).await.unwrap()[..] else { panic!("one count") };
                let kind = if let Subject::Kind(kind) = subject { format!("{kind}:") } else { String::new() };
                let row = format!(",{kind}{bucket},{count}\n");
                // Old buckets of an article expire; those of a site never do.
                assert!(first.contains(&row) || count == 0 && subject.article().is_some(), "{first:?} lacks {row:?}");
            }
            for export in [&first, &exported_as(&store, Dialect::Excel).await] {
                let copy = memory();
                import_file(&copy, &files.write("export.csv", export)).await.unwrap();
                assert_eq!(exported(&copy).await, first);
            }
        });
        Ok::<_, TestCaseError>(())
    });
    done.unwrap();
}

#[tokio::test]
async fn an_export_is_plain_csv_in_the_order_of_the_store() {
    let total = Bucket::Total;
    let store = filled(vec![
        ("press", total, Subject::Site, 3),
        ("portal", total, Subject::Article(article("/b")), 2),
        ("portal", total, Subject::Article(article("a \"b\", c")), 1),
        ("portal", total, Subject::Kind(Kind::Visits), 6),
        ("portal", total, Subject::Site, 9),
        ("portal", Bucket::Year(2020), Subject::Site, 4),
    ])
    .await;
    let expected = "site,article,bucket,views
portal,,2020,4
portal,,total,9
portal,,visits:total,6
portal,/b,total,2
portal,\"a \"\"b\"\", c\",total,1
press,,total,3
";
    assert_eq!(exported(&store).await, expected);
    let (mut out, mut written) = (Vec::new(), 0);
    export(&store, &[site("press")], Dialect::Plain, &mut out, |rows| written = rows).await.unwrap();
    assert_eq!((String::from_utf8(out).unwrap().as_str(), written), ("site,article,bucket,views\npress,,total,3\n", 1));
}

#[tokio::test]
async fn an_export_for_excel_is_one_table_without_formulas() {
    let ids = ["/tin/bài-1", "=HYPERLINK(\"https://example.com\")", "+1", "-1", "@SUM(1)", "＝1", "'=1", "''", "'a", "a;b", "a,b", "1=1"];
    let counters = ids.map(|id| ("portal", Bucket::Total, Subject::Article(article(id)), 1));
    let store = filled(counters.into()).await;
    let excel = exported_as(&store, Dialect::Excel).await;
    let rows: Vec<_> = excel.strip_prefix('\u{feff}').unwrap().lines().collect();
    let expected = [
        "site;article;bucket;views",
        "portal;''';total;1",
        "portal;''=1;total;1",
        "portal;''a;total;1",
        "portal;'+1;total;1",
        "portal;'-1;total;1",
        "portal;/tin/bài-1;total;1",
        "portal;1=1;total;1",
        "portal;\"'=HYPERLINK(\"\"https://example.com\"\")\";total;1",
        "portal;'@SUM(1);total;1",
        "portal;a,b;total;1",
        "portal;\"a;b\";total;1",
        "portal;'＝1;total;1",
    ];
    assert_eq!(rows.len(), expected.len());
    assert!(expected.iter().all(|row| rows.contains(row)), "{excel}");
    let (files, copy) = (Files::new(), memory());
    import_file(&copy, &files.write("excel.csv", &excel)).await.unwrap();
    assert_eq!(exported(&copy).await, exported(&store).await);
}

#[tokio::test]
async fn an_empty_store_exports_only_a_header() {
    assert_eq!(exported(&memory()).await, "site,article,bucket,views\n");
}

/// A writer that takes this many bytes and then fails.
struct Full(usize, ErrorKind);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(self.1.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_ends_the_export_and_a_full_disk_fails_it() {
    let counters = (0..5000).map(|n| ("portal", Bucket::Total, Subject::Article(article(&format!("/tin/{n}"))), 1)).collect();
    let (store, sites): (_, Vec<_>) = (filled(counters).await, sites().into_iter().collect());
    // At once, in the middle, and in the last bytes, which only the flush writes.
    for room in [0, 20_000, exported(&store).await.len() - 1] {
        let run = async |kind| export(&store, &sites, Dialect::Plain, Full(room, kind), |_| {}).await;
        run(ErrorKind::BrokenPipe).await.unwrap();
        let error = run(ErrorKind::StorageFull).await.unwrap_err().to_string();
        assert_eq!(error, "the export is not complete, so do not import it: no storage space", "{room}");
    }
}

/// An export ends too early with this error.
struct Damaged(StoreError);

#[async_trait]
impl StoreFaults for Damaged {
    async fn after(&self, _: StoreCall<'_>) -> Result<(), StoreError> {
        Err(self.0.clone())
    }
}

#[tokio::test]
async fn an_export_that_lacks_rows_fails_and_says_what_to_do() {
    let store = Arc::new(filled(vec![("portal", Bucket::Total, Subject::Site, 9)]).await);
    let errors = [
        (
            StoreError::Corrupt("1 article is missing".into()),
            "the store is damaged: 1 article is missing; truycap check --full shows what is damaged",
        ),
        (StoreError::NotApplied("no route".into()), "the store is unavailable: no route; export again when the store can be used"),
    ];
    for (error, expected) in errors {
        let store = FaultyStore::new(store.clone(), Damaged(error));
        let error = export(&store, &[site("portal")], Dialect::Plain, &mut Vec::new(), |_| {}).await.unwrap_err().to_string();
        assert_eq!(error, format!("the export is not complete, so do not import it: {expected}"));
    }
}
