//! The audit list as a table.

use chrono_tz::Asia::Ho_Chi_Minh;
use truycap::{
    domain::{
        correction::{AuditEntry, CorrectionKind, Note},
        producer::ProducerId,
    },
    transfer::corrections::audit_table,
};

use super::now;

fn entry(number: u64, kind: CorrectionKind, what: &str, reason: &str, views: (i64, i64), undone_by: Option<u64>) -> AuditEntry {
    let note = Note { at: now(), kind, what: what.into(), reason: reason.into(), undoes: None };
    AuditEntry { number, producer: ProducerId(number.into()), note, steps: 1, site_views: views.0, article_views: views.1, undone_by }
}

#[test]
fn the_table_has_the_times_of_the_site() {
    let entries = [
        entry(1, CorrectionKind::Import, "past.csv", "", (8_307_145, 0), None),
        entry(2, CorrectionKind::Rename, "portal /tin/cũ '/tin/mới hơn'", "đổi địa chỉ", (0, 0), Some(3)),
    ];
    let expected = "no.  time              kind        site  articles  what\n  \
                      1  2020-01-17 10:00  import  +8307145         0  past.csv\n  \
                      2  2020-01-17 10:00  rename         0         0  portal /tin/cũ '/tin/mới hơn'\n     \
                         undone by 3\n     \
                         reason: đổi địa chỉ\n";
    assert_eq!(audit_table(&entries, Ho_Chi_Minh), expected);
}

#[test]
fn the_table_fits_100_columns() {
    let long = "ă".repeat(300);
    let entries = [entry(12_345, CorrectionKind::Delete, &long, &long, (-9_007_199_254_740_991, i64::MIN), Some(12_346))];
    let table = audit_table(&entries, Ho_Chi_Minh);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(table.contains("-9007199254740991") && table.contains("undone by 12346"), "{table}");
}
