//! The shapes of valid files.

use std::{fmt::Write as _, fs::File, sync::Arc, time::Duration};

use truycap::{
    domain::{
        figures::Figure,
        producer::{Digest, Position, ProducerId},
    },
    store::Store,
    transfer::{check, import},
};

use super::{Files, PRODUCER, checked, counters_of, exported, import_file, memory, now, reading, site, today};

#[tokio::test]
async fn the_shape_of_a_file_does_not_matter() {
    let plain = counters_of("site,article,period,views\nportal,/tin/1,2019,5\npress,,2018,7\n").await;
    assert_eq!(plain.lines().count(), 5);
    let shapes = [
        ("no line end after the last row", "site,article,period,views\nportal,/tin/1,2019,5\npress,,2018,7"),
        ("line ends of Windows", "site,article,period,views\r\nportal,/tin/1,2019,5\r\npress,,2018,7\r\n"),
        ("the same without the last line feed", "site,article,period,views\r\nportal,/tin/1,2019,5\r\npress,,2018,7\r"),
        ("a byte order mark", "\u{feff}site,article,period,views\nportal,/tin/1,2019,5\npress,,2018,7\n"),
        ("a byte order mark and quotes", "\u{feff}\"site\",article,period,views\nportal,/tin/1,2019,5\npress,,2018,7\n"),
        (
            "quotes",
            "\"site\",\"article\",\"period\",\"views\"\r\n\"portal\",\"/tin/1\",\"2019\",\"5\"\r\n\"press\",\"\",\"2018\",\"7\"\r\n",
        ),
        ("another order", "views,period,site,article\n5,2019,portal,/tin/1\n7,2018,press,\n"),
        ("blank lines", "\n\r\nsite,article,period,views\n\nportal,/tin/1,2019,5\n\n\r\npress,,2018,7\n\n"),
        ("zeros before a number", "site,article,period,views\nportal,/tin/1,2019,005\npress,,2018,07\n"),
    ];
    for (shape, text) in shapes {
        assert_eq!(counters_of(text).await, plain, "{shape}");
    }
}

#[tokio::test]
async fn an_id_is_counted_under_its_normal_form() {
    let exported = counters_of("site,article,period,views\nportal,/tie\u{302}\u{301}ng,,5\nportal,/ti\u{1ebf}ng,,6\n").await;
    assert_eq!(exported, "site,article,bucket,views\nportal,/ti\u{1ebf}ng,total,11\n");
}

#[tokio::test]
async fn a_file_without_rows_imports_nothing() {
    let (files, store) = (Files::new(), memory());
    let outcome = import_file(&store, &files.write("a.csv", "site,article,bucket,views\n")).await.unwrap();
    assert_eq!(outcome.to_string(), "nothing to import");
    assert_eq!(store.image(), memory().image());
}

#[tokio::test]
async fn the_producer_and_the_positions_are_the_start_of_the_digest() {
    let (files, store) = (Files::new(), memory());
    import_file(&store, &files.write("a.csv", "site,article,period,views\nportal,,,5\n")).await.unwrap();
    let producer: ProducerId = PRODUCER.parse().unwrap();
    let digest = Digest(u64::from_str_radix(&PRODUCER[..16], 16).unwrap());
    assert_eq!(store.offset(&site("portal"), producer).await.unwrap(), Position { seq: 1, digest });
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_checked_is_not_imported() {
    let (files, store) = (Files::new(), memory());
    let text = "site,article,period,views\nportal,,,5\n";
    let path = files.write("a.csv", text);
    let modified = path.metadata().unwrap().modified().unwrap();
    let before = checked(&path).unwrap();
    for (change, moved) in [("9", false), ("x", false), ("5\n", true), ("5\npress,,,5", false)] {
        files.write("a.csv", text.replace('5', change));
        let file = File::options().write(true).open(&path).unwrap();
        // If the time is the same, only the length or the digest differs.
        file.set_modified(if moved { modified + Duration::from_secs(1) } else { modified }).unwrap();
        let error = import(&store, &before, now(), "", |_, _| {}).await.unwrap_err().to_string();
        assert!(error.contains("a.csv: changed during the import"), "{change:?}: {error}");
        assert_eq!(store.image(), memory().image(), "{change:?}");
    }
}

#[tokio::test]
async fn a_large_file_is_imported_quickly() {
    let (files, store) = (Files::new(), Arc::new(memory()));
    let mut text = "site,article,period,views\n".to_owned();
    for row in 0..100_000 {
        writeln!(text, "portal,,2019-{:02}-{:02},3", row % 12 + 1, row % 28 + 1).unwrap();
    }
    let path = files.write("a.csv", text);
    let mut shown = (0, 0);
    let large = check(&path, File::open(&path).unwrap(), &reading(), |bytes, length| shown = (bytes, length)).unwrap();
    assert_eq!(shown, (path.metadata().unwrap().len(), path.metadata().unwrap().len()));
    let outcome =
        tokio::time::timeout(Duration::from_secs(20), import(store.as_ref(), &large, now(), "", |_, _| {})).await.unwrap().unwrap();
    assert_eq!((outcome.report.rows, outcome.chunks, outcome.applied), (100_000, 100, 100));
    let snapshot = store.figures(&site("portal"), &[ProducerId(0)], today(), &[]).await.unwrap();
    assert_eq!((snapshot.site[Figure::Total], snapshot.site[Figure::LastYear]), (300_000, 300_000));
    assert!(exported(store.as_ref()).await.lines().count() > 12);
}
