//! Rows of a query on Umami's database, and its own export.

use truycap::transfer::Format;

use super::{as_format, imported, mistakes, of, of_portal};

#[tokio::test]
async fn the_rows_of_the_query_count() {
    let rows = "article,period,views\n,2020-01-02,12\n/tin/1,2020-01-02,5\n/tin/1/,2020-01-02,2\n/ti%E1%BA%BFng,2020-01-02,3\n";
    for reading in [of_portal(), as_format(Format::Umami)] {
        let (_, counters) = imported(rows, &reading).await;
        assert_eq!(of(&counters, &["total"]), ["portal,,total,12", "portal,/tin/1,total,7", "portal,/tiếng,total,3"]);
    }
}

#[test]
fn its_own_export_is_refused() {
    for reading in [of_portal(), as_format(Format::Umami), as_format(Format::Csv)] {
        let found = mistakes("x,y\n/tin/1,5\n", &reading);
        assert!(
            found.len() == 1 && found[0].starts_with("1: this is an export of Umami's pages: it counts visitors and not views"),
            "{found:?}"
        );
    }
    let found = mistakes(b"PK\x03\x04\x14\0\0\0events.csv", &of_portal());
    assert!(found[0].starts_with("1: this seems to be Umami's export: it counts visitors and not views"), "{found:?}");
}
