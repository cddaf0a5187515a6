//! Every mistake in a file is reported with its line.

use std::fmt::Write as _;

use truycap::transfer::{CheckError, Mistakes};

use super::{Files, checked};

fn mistakes(text: impl AsRef<[u8]>) -> Mistakes {
    let files = Files::new();
    match checked(&files.write("bad.csv", text)) {
        Err(CheckError::Mistakes { mistakes, .. }) => mistakes,
        other => panic!("no mistakes: {other:?}"),
    }
}

fn lines(text: impl AsRef<[u8]>) -> Vec<String> {
    mistakes(text).named.iter().map(|mistake| format!("{}: {}", mistake.line, mistake.what)).collect()
}

#[test]
fn a_wrong_header_is_a_mistake() {
    let table: [(&str, &[&str]); 9] = [
        ("", &["1: the file is empty; its first line must be site,article,period,views"]),
        ("\n\n", &["1: the file is empty; its first line must be site,article,period,views"]),
        ("\nsite,article,period\n", &["2: missing columns: views"]),
        ("site,views\nportal,5\n", &["1: missing columns: article, period"]),
        ("site,article,period,views,site\n", &["1: column \"site\" occurs twice"]),
        ("site,article,period,bucket,views\n", &["1: there are both a column \"period\" and a column \"bucket\"; use one of them"]),
        (
            "site,article,period,views,note,who\n",
            &["1: unknown columns \"note\", \"who\"; the columns are site,article,period,views, and visits if they are known"],
        ),
        (
            "portal,,2019,5\nportal,,2018,5\n",
            &["1: \"portal,,2019,5\" are not the names of columns; the first line must be site,article,period,views"],
        ),
        ("site,article,period,\"views\n", &["1: a quoted field is not closed on its line"]),
    ];
    for (text, expected) in table {
        assert_eq!(lines(text), expected, "{text:?}");
    }
}

#[test]
fn a_wrong_period_is_a_mistake() {
    let no_period = |text| format!("2: period {text:?} is not a day (2026-11-22), month (2026-11), year (2026) or empty");
    for text in
        ["2020-13", "2019-02-29", "20200101", "0000", "13/2020", "31/4/2020", "2020-1-", "1/2/3/2020", " 2020", "last year", "2020-W54"]
    {
        assert_eq!(lines(format!("site,article,period,views\nportal,,{text},5\n")), [no_period(text)]);
    }
    let week = lines("site,article,period,views\nportal,,2020-W03,5\n");
    assert_eq!(week, ["2: period \"2020-W03\": a week can belong to two months or years; give its days instead"]);
    let total = lines("site,article,period,views\nportal,,total,5\n");
    assert_eq!(total, ["2: period \"total\": leave it empty for views older than any day, month or year"]);
}

#[test]
fn a_wrong_bucket_is_a_mistake() {
    let no_bucket = "is not a day (2026-11-22), week (2026-W47), month (2026-11), year (2026) or total";
    let found = lines("site,article,bucket,views\nportal,,2020-W54,5\nportal,,,5\n");
    assert_eq!(
        found,
        [format!("2: bucket \"2020-W54\" {no_bucket}"), format!("3: bucket \"\" {no_bucket}; for views that are older, write total")]
    );
}

#[test]
fn wrong_views_are_a_mistake() {
    for views in ["", "-5", "+5", "5.0", "8.307.145", "8 307 145", "8_307_145", "1e3", "five", " 5", "٥"] {
        let expected = format!("2: views {views:?}: write a whole number in plain digits, without separators, such as 8307145");
        assert_eq!(lines(format!("site,article,period,views\nportal,,2020,{views}\n")), [expected]);
    }
    assert_eq!(lines("site,article,period,views\nportal,,2020,\"8,307,145\"\n").len(), 1);
    for views in ["9007199254740992", "18446744073709551616"] {
        let expected = format!("2: views {views}: more than 9007199254740991");
        assert_eq!(lines(format!("site,article,period,views\nportal,,2020,{views}\n")), [expected]);
    }
}

#[test]
fn wrong_visits_are_a_mistake() {
    let of = |row: &str| lines(format!("site,article,period,views,visits\n{row}\n"));
    assert_eq!(
        of("portal,,2020,5,many"),
        ["2: visits \"many\": write a whole number in plain digits, without separators, such as 8307145"]
    );
    assert_eq!(of("portal,,2020,5,9007199254740992"), ["2: visits 9007199254740992: more than 9007199254740991"]);
    assert_eq!(of("portal,,2020,x,y").len(), 2);
    let of_article =
        "2: visits are counted for the site and not for articles: leave them empty here, and write them in a row without an article";
    assert_eq!(of("portal,/tin/1,2020,5,3"), [of_article]);
    assert_eq!(of("portal,,2021,5,3"), ["2: period \"2021\" is in the future"]);
    let sum = "with this row the site's counts of visits sum up to more than 9007199254740991";
    assert_eq!(of("portal,,2020,1,9007199254740991\nportal,,2020,1,1"), [format!("3: {sum}")]);
}

#[test]
fn a_file_has_visits_in_a_column_or_in_rows_of_an_export() {
    let both = lines("site,article,bucket,views,visits\nportal,,total,5,3\n");
    assert_eq!(
        both,
        [
            "1: an export has its visits in rows of their own, such as portal,,visits:2026-11-22,97: omit the column \"visits\", or name the \
          times in a column \"period\""
        ]
    );
    let row = lines("site,article,period,views\nportal,,visits:2019,5\n");
    assert!(row[0].ends_with(" or empty; write visits in a column \"visits\""), "{row:?}");
    let of_article = lines("site,article,bucket,views\nportal,/tin/1,visits:2019,5\n");
    assert_eq!(of_article, ["2: bucket of visits: it is counted for the site and not for articles; leave the article empty"]);
}

#[test]
fn a_separator_for_thousands_is_distinguished_from_a_column() {
    let found = lines("site,article,period,views\nportal,,2020,8,307,145\nportal,,2020\n");
    assert_eq!(
        found,
        [
            "2: 6 fields, but the header has 4; an id with the separator needs quotes, and views have no separators",
            "3: 3 fields, but the header has 4"
        ]
    );
}

#[test]
fn a_wrong_site_or_article_is_a_mistake() {
    let long = "x".repeat(257);
    let text = format!("site,article,period,views\nportal2,,2020,5\n,,2020,5\nportal,{long},,5\nportal,a\tb,,5\nPortal,,,5\n");
    assert_eq!(
        lines(text),
        [
            "2: site \"portal2\" is not one of the configured sites",
            "3: site \"\" is not one of the configured sites",
            "4: an article id is longer than 256 bytes of UTF-8",
            "5: an article id contains a control character",
            "6: site \"Portal\" is not one of the configured sites"
        ]
    );
}

#[test]
fn every_mistake_in_a_row_is_reported() {
    let found = mistakes("site,article,period,views\nx,a\tb,yesterday,many\n");
    let lines: Vec<_> = found.named.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 2, 2, 2]);
}

#[test]
fn an_unreadable_line_does_not_affect_the_others() {
    let mut text = b"site,article,period,views\nportal,\"/a,,5\nportal,\xff,,5\nportal,".to_vec();
    text.extend([b'x'; 10_000]);
    text.extend(b",,5\nportal,,,5\nportal,\xfe,,5\n");
    text.extend([b','; 256]);
    text.extend(b"x\n,,,x\n");
    assert_eq!(
        lines(text),
        [
            "2: a quoted field is not closed on its line",
            "3: not UTF-8, perhaps Windows-1258: save the file as UTF-8 (in Excel: Save As, CSV UTF-8); further such lines are not named",
            "4: longer than 4096 bytes",
            "7: more than 256 fields",
            "8: site \"\" is not one of the configured sites",
            "8: views \"x\": write a whole number in plain digits, without separators, such as 8307145"
        ]
    );
}

#[test]
fn lines_are_numbered_as_in_an_editor() {
    for end in ["\n", "\r\n"] {
        let text = ["site,article,period,views", "", "portal,,,5", "", "", "portal,,,x", "portal,,,y"].join(end);
        let numbers: Vec<_> = mistakes(text).named.iter().map(|mistake| mistake.line).collect();
        assert_eq!(numbers, [6, 7], "{end:?}");
    }
}

#[test]
fn the_first_hundred_mistakes_are_reported_and_the_others_counted() {
    let mut text = "site,article,period,views\n".to_owned();
    for row in 0..137 {
        writeln!(text, "portal,,,{}", if row % 2 == 0 { "x" } else { "-1" }).unwrap();
    }
    let found = mistakes(&text);
    assert_eq!((found.named.len(), found.named[99].line, found.more), (100, 101, 37));
    let shown = found.to_string();
    assert!(shown.starts_with("137 mistakes\n  line 2: views \"x\""), "{shown}");
    assert!(shown.ends_with("\n  and 37 more"), "{shown}");
}

#[test]
fn the_message_says_that_nothing_was_imported() {
    let files = Files::new();
    let path = files.write("bad.csv", "site,article,period,views\nportal,,2020-W03,5\n");
    let expected = "nothing was imported because of 1 mistake\n  line 2: period \"2020-W03\": a week";
    let shown = checked(&path).unwrap_err().to_string();
    assert!(shown.starts_with(&format!("{}: {expected}", path.display())), "{shown}");
}

#[test]
fn a_sum_that_is_too_large_is_a_mistake_of_the_row_that_exceeds_it() {
    let most = 9_007_199_254_740_990_u64;
    let sum = "with this row the site's views sum up to more than 9007199254740991";
    let text = format!("site,article,period,views\nportal,,,{most}\npress,,,5\nportal,,2020,1\nportal,,2019,1\nportal,,2019,1\n");
    assert_eq!(lines(text), [format!("5: {sum}")]);
    // What an export wrote can be imported, however large the counts of articles are.
    let files = Files::new();
    let articles = format!("site,article,bucket,views\nportal,a,total,{most}\nportal,b,total,{most}\n");
    checked(&files.write("articles.csv", articles)).unwrap();
    let buckets = format!("site,article,bucket,views\nportal,,2019,{most}\nportal,,total,{most}\nportal,,2019,2\n");
    assert_eq!(lines(buckets), [format!("4: {sum}")]);
}

#[test]
fn a_period_that_begins_later_than_tomorrow_is_a_mistake() {
    let rows = |column: &str| {
        let periods = ["2020-01-17", "2020-01-18", "2020-01-19", "2020-01", "2020-02", "2020", "2021", "2019-12-31"];
        periods.iter().fold(format!("site,article,{column},views\n"), |text, period| format!("{text}portal,,{period},5\n"))
    };
    let expected =
        [(4, "2020-01-19"), (6, "2020-02"), (8, "2021")].map(|(line, period)| format!("{line}: period {period:?} is in the future"));
    assert_eq!(lines(rows("period")), expected);
    // The buckets of an export are accepted whatever their dates.
    let files = Files::new();
    checked(&files.write("export.csv", rows("bucket"))).unwrap();
}
