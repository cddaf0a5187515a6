//! Imports count each file once, also while the service runs.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

use super::process::{Place, eventually, wait::PATIENCE};

const HEADER: &str = "site,article,period,views\n";

#[test]
fn a_file_that_is_imported_twice_counts_once_and_the_command_reports_it() {
    let place = Place::new();
    let file = place.write("a.csv", format!("{HEADER}portal,,2019-12-31,5\nportal,/tin/1,2019-12-31,3\n"));
    assert_eq!(
        place.ok(&["import", &file]),
        format!("{file}: imported 2 rows\n  portal: +5: 2019 +5 (2019-12 +5); articles +3\n  to take it back: truycap undo portal 1\n")
    );
    let before = place.ok(&["export"]);
    assert!(before.contains("portal,,total,5\n") && before.contains("portal,/tin/1,total,3\n"), "{before}");
    assert_eq!(place.ok(&["import", &file]), format!("{file}: was already imported, nothing was added\n"));
    // A file is recognised by its bytes, not by its name.
    let copy = place.write("b.csv", std::fs::read(&file).unwrap());
    assert_eq!(place.ok(&["import", &copy]), format!("{copy}: was already imported, nothing was added\n"));
    assert_eq!(place.ok(&["export"]), before);
}

/// A file with past views of the site and of ten articles; the sum of the site, and of each article.
fn long_file(rows: u64) -> (String, u64, [u64; 10]) {
    let (mut text, mut site, mut articles) = (HEADER.to_owned(), 0, [0; 10]);
    for row in 0..rows {
        let (day, views) = (row % 28 + 1, row % 97 + 1);
        if row % 2 == 0 {
            writeln!(text, "portal,,2019-12-{day:02},{views}").unwrap();
            site += views;
        } else {
            let article = row / 2 % 10;
            writeln!(text, "portal,/tin/{article},2019-11-{day:02},{views}").unwrap();
            articles[article as usize] += views;
        }
    }
    (text, site, articles)
}

#[test]
fn an_import_beside_a_running_service_adds_exactly_and_shows_within_seconds() {
    let place = Place::new();
    let service = place.start();
    let (text, site, articles) = long_file(8000);
    let file = place.write("long.csv", text);
    let done = AtomicBool::new(false);
    // Live views are of the articles in the file, and of the site alone.
    let send = &|thread: u64| {
        let (mut client, mut sent) = (service.client(), [0_u64; 11]);
        // If the test fails meanwhile, `done` is never set.
        let deadline = Instant::now() + 2 * PATIENCE;
        while !done.load(SeqCst) && Instant::now() < deadline {
            let article = (sent.iter().sum::<u64>() + thread) % 11;
            client.count("portal", &if article < 10 { format!("/tin/{article}") } else { String::new() });
            sent[article as usize] += 1;
        }
        sent
    };
    let sent = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || send(thread))).collect();
        let finished = place.run(&["import", &file]);
        let imported = Instant::now();
        eventually("the imported views in the site's figures", || (service.site("portal")[0] >= site).then_some(()));
        eventually("the imported views in an article's figures", || (service.article("portal", "/tin/3")[0] >= articles[3]).then_some(()));
        let shown = imported.elapsed();
        done.store(true, SeqCst);
        let sent = threads.into_iter().map(|thread| thread.join().unwrap()).reduce(|a, b| std::array::from_fn(|i| a[i] + b[i])).unwrap();
        let (sum, of_articles) = (site, articles.iter().sum::<u64>());
        let summary = format!(
            "{file}: imported 8000 rows\n  portal: +{sum}: 2019 +{sum} (2019-12 +{sum}); articles +{of_articles}\n  to take it back: truycap undo portal 1\n"
        );
        assert_eq!((finished.code, finished.out, finished.err), (Some(0), summary, String::new()));
        eprintln!("imported counts showed after {shown:?}");
        assert!(shown < Duration::from_secs(5), "imported counts showed after {shown:?}");
        sent
    });
    let live: u64 = sent.iter().sum();
    assert!(live > 0);
    let figures = service.site("portal");
    assert_eq!((figures[0], figures[1] + figures[2]), (site + live, live));
    for (article, imported) in articles.iter().enumerate() {
        assert_eq!(service.article("portal", &format!("/tin/{article}"))[0], imported + sent[article], "/tin/{article}");
    }
    eventually("all views in the store", || {
        let article = |i: usize| place.figures(&["portal", "--article", &format!("/tin/{i}")])[0] == articles[i] + sent[i];
        (place.figures(&["portal"]) == figures && (0..10).all(article)).then_some(())
    });
}
