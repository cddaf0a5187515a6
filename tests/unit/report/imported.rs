//! How many views were imported.

use chrono::DateTime;
use truycap::{
    domain::{
        correction::{AuditEntry, CorrectionKind, Note},
        producer::ProducerId,
    },
    report::imported,
};

/// An audit list of corrections: each with its views, and the number of the one that it takes back.
fn audit(corrections: &[(CorrectionKind, i64, Option<u64>)]) -> Vec<AuditEntry> {
    let entries = corrections.iter().zip(1..).map(|(&(kind, site_views, undoes), number)| AuditEntry {
        number,
        producer: ProducerId(number.into()),
        note: Note { at: DateTime::UNIX_EPOCH, kind, what: String::new(), reason: String::new(), undoes },
        steps: 1,
        site_views,
        article_views: 0,
        undone_by: None,
    });
    entries.collect()
}

#[test]
fn imports_add_up_without_those_that_were_taken_back() {
    use CorrectionKind::{Adjust, Import, Rename, Undo};
    assert_eq!(imported(&[]), Some(0));
    let list = [(Import, 100, None), (Import, 30, None), (Undo, -30, Some(2)), (Adjust, 7, None), (Rename, 0, None)];
    assert_eq!(imported(&audit(&list)), Some(100));
    // An undo that is not complete, and one that was itself taken back.
    assert_eq!(imported(&audit(&[(Import, 100, None), (Undo, -40, Some(1))])), Some(60));
    assert_eq!(imported(&audit(&[(Import, 100, None), (Undo, -100, Some(1)), (Undo, 100, Some(2))])), Some(100));
}

#[test]
fn nothing_is_said_if_the_total_can_lack_imported_views() {
    use CorrectionKind::{Adjust, Delete, Import, Merge, Undo};
    for other in [(Delete, -5, None), (Merge, 5, None), (Merge, -5, None), (Adjust, -5, None)] {
        assert_eq!(imported(&audit(&[(Import, 100, None), other])), None, "{other:?}");
    }
    // A correction that was taken back does not matter.
    assert_eq!(imported(&audit(&[(Import, 100, None), (Adjust, -5, None), (Undo, 5, Some(2))])), Some(100));
    assert_eq!(imported(&audit(&[(Import, 100, None), (Delete, -5, None), (Undo, 5, Some(2))])), Some(100));
}
