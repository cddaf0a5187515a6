//! A journal can be looked into without changing it, making anything, or locking a process out.

use std::{collections::BTreeMap, fs};

use truycap::journal::{
    Journal,
    sqlite::{OpenError, Survey, SurveyError, survey},
};

use super::support::{Place, append, confirmed, site};

/// The names and contents of the files beside a journal.
fn files(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let directory = fs::read_dir(place.beside(".")).unwrap();
    directory.map(Result::unwrap).map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

/// Looks into a journal, and checks that its files stay as they are.
fn unchanged(place: &Place) -> Survey {
    let before = files(place);
    let survey = survey(&place.path()).unwrap();
    assert!(files(place) == before, "the files have changed");
    survey
}

#[tokio::test]
async fn a_survey_finds_what_waits_also_in_the_log_and_changes_nothing() {
    let place = Place::filled(3).await;
    let survey = unchanged(&place);
    let of_a = survey.sites.iter().find(|known| known.id == site("a")).unwrap().unapplied.unwrap();
    assert_eq!((survey.head, of_a.first, of_a.entries), (3, 1, 3));
    fs::remove_file(place.wal()).unwrap();
    assert_eq!(unchanged(&place), survey);

    // A process that is killed leaves everything in the log.
    let killed = Place::new();
    let journal = place.open();
    append(&journal, 4).await.unwrap();
    journal.trim(vec![(site("a"), confirmed(1, 3))], 0, 0).await.unwrap();
    for (from, to) in [(place.path(), killed.path()), (place.wal(), killed.wal())] {
        fs::copy(from, to).unwrap();
    }
    let survey = unchanged(&killed);
    let of_a = survey.sites.iter().find(|known| known.id == site("a")).unwrap().unapplied.unwrap();
    assert_eq!((survey.head, of_a.first, of_a.entries), (4, 4, 1));
    assert_eq!(killed.open().sites().await.unwrap(), survey.sites);
}

#[tokio::test]
async fn a_survey_refuses_what_is_not_a_journal_and_makes_none() {
    let place = Place::new();
    assert_eq!(survey(&place.path()), Err(SurveyError::Missing(place.path())));
    assert!(files(&place).is_empty());
    fs::write(place.path(), "").unwrap();
    assert_eq!(unchanged(&place), Survey::default());
    fs::write(place.path(), "not a journal at all").unwrap();
    assert!(matches!(survey(&place.path()), Err(SurveyError::Open(OpenError::Damaged(_)))));
    fs::remove_file(place.path()).unwrap();
    fs::write(place.wal(), "views").unwrap();
    assert!(matches!(survey(&place.path()), Err(SurveyError::Open(OpenError::Damaged(_)))));
}

#[tokio::test]
async fn the_path_of_a_survey_can_have_any_characters() {
    let place = Place::filled(2).await;
    for name in ["a?b#c%41&d.db", "nhật ký.db"] {
        fs::copy(place.path(), place.beside(name)).unwrap();
        assert_eq!(survey(&place.beside(name)).unwrap().head, 2, "{name}");
    }
}
