//! Corrections: each step is made exactly once or not at all, is kept in the audit list, and leaves counters and lists exact.

use std::{collections::HashMap, sync::Arc};

use chrono::DateTime;
use truycap::{
    domain::{
        MAX_COUNT,
        correction::{AuditEntry, BelowZero, Change, CorrectionKind, KEPT_CHANGES, Note},
        counts::{Deltas, Kind, Subject},
        period::{Bucket, BucketSet},
        producer::{Digest, Position, ProducerId, Seq},
        site::SiteId,
    },
    store::{Corrected, Done, LIST_LEAST, LIST_MOST, Row, Step, Store},
};

use super::{
    Harness, MINE, Sqlite, THEIRS, TestClock, add, apply, article, at, bucket, count, day, days, deltas, export, maintain, on_every_store,
    section, site, top,
};

on_every_store! {
    a_step_is_made_exactly_once
    a_step_that_would_go_below_zero_changes_nothing_and_names_the_counter
    the_changes_of_a_step_are_made_in_their_order
    the_audit_list_has_all_corrections_with_their_sums
    the_changes_of_the_latest_corrections_are_kept
    a_correction_that_was_undone_takes_no_more_steps
    an_undo_restores_what_was_before
    an_article_without_views_is_deleted
    earlier_periods_take_the_place_of_those_that_vanish
    buckets_past_their_retention_do_not_change
    a_corrected_counter_stays_at_the_maximum
    other_counts_of_a_site_are_corrected_alone
    a_list_is_exact_again_after_its_counts_shrink
    lists_that_shrink_and_grow_while_they_are_built_are_exact
    a_removed_section_leaves_no_list_to_be_built
    views_are_applied_between_the_steps_of_a_correction
}

/// A subject by its name: an id of an article, the name of a kind, or nothing for the site.
fn subject(id: &str) -> Subject {
    match id {
        "" => Subject::Site,
        id => id.parse().map_or_else(|_| Subject::Article(article(id)), Subject::Kind),
    }
}

pub(super) fn change(id: &str, buckets: &[&str], views: i64) -> Change {
    Change { subject: subject(id), buckets: buckets.iter().map(|name| bucket(name)).collect(), views }
}

/// The changes of the five buckets of a day.
fn of_day(id: &str, name: &str, views: i64) -> Change {
    Change { subject: subject(id), buckets: BucketSet::of_day(day(name)), views }
}

fn note(undoes: Option<u64>) -> Note {
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let kind = if undoes.is_some() { CorrectionKind::Undo } else { CorrectionKind::Adjust };
    Note { at, kind, what: "một tệp".into(), reason: "because \"it\" was wrong".into(), undoes }
}

pub(super) fn step_from(producer: ProducerId, from: Position, to: Position, changes: Vec<Change>, undoes: Option<u64>) -> Arc<Step> {
    Arc::new(Step { producer, from, to, changes, note: note(undoes) })
}

fn step(producer: ProducerId, from: Seq, changes: Vec<Change>) -> Arc<Step> {
    step_from(producer, at(from), at(from + 1), changes, None)
}

/// A step that must be made. Returns the number of the correction.
pub(super) async fn correct(store: &impl Store, site: &SiteId, producer: ProducerId, from: Seq, changes: Vec<Change>) -> (u64, Done) {
    match store.correct(site, step(producer, from, changes)).await {
        Ok(Corrected::Done { done, number }) => (number, done),
        answer => panic!("{answer:?}"),
    }
}

/// What a step returns that is not made.
async fn refused(store: &impl Store, site: &SiteId, step: Arc<Step>) -> Corrected {
    let before = state(store, site).await;
    let answer = store.correct(site, step).await.unwrap();
    assert!(!matches!(answer, Corrected::Done { .. }), "{answer:?}");
    assert_eq!(state(store, site).await, before);
    answer
}

/// Everything that a refused step must leave as it was.
async fn state(store: &impl Store, site: &SiteId) -> (Vec<Row>, Vec<AuditEntry>, String) {
    let snapshot = store.figures(site, &[MINE, THEIRS], day("2099-05-05"), &[]).await.unwrap();
    let kinds = [Subject::Site, Subject::Kind(Kind::Bot), Subject::Article(article("/a"))];
    let mut counts = Vec::new();
    for kind in kinds {
        counts.push(store.counts(site, &kind).await.unwrap());
    }
    let list = store.top(site, None, Bucket::Total, 100).await.unwrap();
    (export(store, site).await.unwrap(), store.audit(site, 0).await.unwrap(), format!("{snapshot:?} {counts:?} {list:?}"))
}

async fn a_step_is_made_exactly_once<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let applied = add(store, &site, MINE, 0, 1, &[("total", "", 5), ("total", "/a", 5)]).await;
    let first = step(THEIRS, 0, vec![change("", &["total"], 3), change("/a", &["total"], -1), change("/b", &["total"], 4)]);
    let Corrected::Done { done, number } = store.correct(&site, Arc::clone(&first)).await.unwrap() else { panic!() };
    assert_eq!((number, done.before, done.saturated), (1, applied.after, false));
    assert_eq!(done.after.number, applied.after.number + 1);
    assert_eq!(refused(store, &site, first).await, Corrected::Refused(at(1)));
    // The number is right, but not the digest.
    let other = Position { seq: 1, digest: Digest(7) };
    let wrong = step_from(THEIRS, other, at(2), vec![change("", &["total"], 3)], None);
    assert_eq!(refused(store, &site, wrong).await, Corrected::Refused(at(1)));
    assert_eq!(refused(store, &site, step(MINE, 0, vec![])).await, Corrected::Refused(at(1)));
    let (number, second) = correct(store, &site, THEIRS, 1, vec![change("", &["total"], -8)]).await;
    assert_eq!((number, second.before), (1, done.after));
    for (id, views) in [("", 0), ("/a", 4), ("/b", 4)] {
        assert_eq!(count(store, &site, "total", id).await, views, "{id}");
    }
    assert_eq!(top(store, &site, "total", 9).await, [(article("/a"), 4), (article("/b"), 4)]);
    // What comes next knows that nothing happened in between.
    assert_eq!(add(store, &site, MINE, 1, 2, &[("total", "/a", 1)]).await.before, second.after);
    assert_eq!((super::offset(store, &site, MINE).await, super::offset(store, &site, THEIRS).await), (2, 2));
}

async fn a_step_that_would_go_below_zero_changes_nothing_and_names_the_counter<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let below = |id: &str, name: &str, has| Corrected::BelowZero(BelowZero { subject: subject(id), bucket: bucket(name), has });
    let none = step(THEIRS, 0, vec![change("", &["total"], -1)]);
    assert_eq!(refused(store, &site, none).await, below("", "total", 0));
    let names = ["2099-05-05", "2099-05-04", "2099-05-03", "2099-05-02"];
    let rows: Vec<_> = names.iter().map(|name| (day(name), "/a", 2)).chain([(day("2099-05-05"), "", 9)]).collect();
    apply(store, &site, MINE, 0, 1, days(&rows)).await;
    let good = [change("/a", &["2099-05-06"], 7), change("/b", &["total"], 7), change("", &["total"], -1)];
    for (id, name, views, has) in [
        ("/a", "2099-05-05", -3, 2),
        ("/a", "2099-05-02", -3, 2),
        ("/a", "total", -MAX_COUNT.cast_signed(), 8),
        ("/a", "2098", -1, 0),
        ("/c", "total", -1, 0),
        ("", "2099-05", -10, 9),
        ("bot", "2099-05", -1, 0),
    ] {
        let bad = change(id, &[name], views);
        // Also if it is the last change, or the first, or others fail later.
        for place in [0, 1, good.len()] {
            let mut changes = good.to_vec();
            changes.insert(place, bad.clone());
            assert_eq!(refused(store, &site, step(THEIRS, 0, changes.clone())).await, below(id, name, has), "{id:?} {name}");
            changes.extend([change("/zz", &["2099"], -5), change("", &["2099"], -90), change("/a", &["2097"], -1)]);
            assert_eq!(refused(store, &site, step(THEIRS, 0, changes)).await, below(id, name, has), "{id:?} {name}");
        }
    }
    // Several buckets of one change: the first one in the order of the set.
    let several = step(THEIRS, 0, vec![change("/a", &["2099-05-05", "2099", "total"], -5)]);
    assert_eq!(refused(store, &site, several).await, below("/a", "2099-05-05", 2));
    assert_eq!(super::offset(store, &site, THEIRS).await, 0);
    let (number, _) = correct(store, &site, THEIRS, 0, vec![change("/a", &["total"], -8)]).await;
    assert_eq!((number, count(store, &site, "total", "/a").await), (1, 0));
}

async fn the_changes_of_a_step_are_made_in_their_order<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    for id in ["", "/a", "bot"] {
        let down_first = vec![change(id, &["2099"], -2), change(id, &["2099"], 2)];
        assert!(matches!(refused(store, &site, step(THEIRS, 0, down_first)).await, Corrected::BelowZero(_)));
    }
    let mut changes = Vec::new();
    for id in ["", "/a", "bot", "/b"] {
        changes.extend([change(id, &["2099"], 5), change(id, &["2099"], -5), change(id, &["2098", "2099-04"], 7)]);
        changes.extend([change(id, &["2098"], -3), change(id, &["2098"], 1)]);
    }
    correct(store, &site, THEIRS, 0, changes).await;
    for id in ["", "/a", "bot"] {
        let counts = store.counts(&site, &subject(id)).await.unwrap();
        assert_eq!(counts, [(bucket("2099-04"), 7), (bucket("2098"), 5)], "{id:?}");
    }
    assert_eq!(top(store, &site, "2098", 9).await, [(article("/a"), 5), (article("/b"), 5)]);
    assert_eq!(top(store, &site, "2099", 9).await, []);
    // No changes at all are a step, too.
    let (number, done) = correct(store, &site, THEIRS, 1, vec![]).await;
    assert_eq!((number, done.after.number), (1, 2));
}

async fn the_audit_list_has_all_corrections_with_their_sums<H: Harness>() {
    let (mut harness, site) = (H::start().await, site("portal"));
    assert_eq!(harness.store().audit(&site, 0).await.unwrap(), []);
    assert_eq!(harness.store().changes(&site, 1, 1).await.unwrap(), None);
    let steps = [
        (ProducerId(7), 0, vec![of_day("", "2099-01-01", 10), of_day("/a", "2099-01-01", 4)]),
        (ProducerId(u128::MAX), 0, vec![of_day("/a", "2099-01-01", -1), change("/ế", &["2099"], 50)]),
        (ProducerId(7), 1, vec![of_day("", "2099-01-02", -3), of_day("", "2099-01-01", 5), of_day("/b", "2099-01-02", 2)]),
        (ProducerId(7), 2, vec![of_day("bot", "2099-01-02", 1000)]),
    ];
    // The first one fails for a missing view, so it is no correction.
    refused(harness.store(), &site, step(ProducerId(9), 0, vec![change("", &["total"], -1)])).await;
    for (producer, from, changes) in steps.clone() {
        let mut changes = changes;
        if (producer, from) == (ProducerId(7), 1) {
            changes.swap(0, 1);
            changes[1] = of_day("", "2099-01-01", -3);
        }
        correct(harness.store(), &site, producer, from, changes).await;
    }
    harness = harness.restart().await;
    let store = harness.store();
    let entry = |number, producer, steps, site_views, article_views| AuditEntry {
        number,
        producer: ProducerId(producer),
        note: note(None),
        steps,
        site_views,
        article_views,
        undone_by: None,
    };
    let all = [entry(1, 7, 3, 12, 6), entry(2, u128::MAX, 1, 0, -1)];
    assert_eq!(store.audit(&site, 0).await.unwrap(), all);
    assert_eq!(store.audit(&site, 1).await.unwrap(), all[1..]);
    assert_eq!(store.audit(&site, u64::MAX).await.unwrap(), []);
    assert_eq!(store.audit(&super::site("other"), 0).await.unwrap(), []);
    assert_eq!(store.changes(&site, 1, 1).await.unwrap(), Some(steps[0].2.clone()));
    assert_eq!(store.changes(&site, 2, 1).await.unwrap(), Some(steps[1].2.clone()));
    assert_eq!(store.changes(&site, 1, 3).await.unwrap(), Some(steps[3].2.clone()));
    for (number, step) in [(1, 0), (1, 4), (2, 2), (3, 1), (0, 1), (u64::MAX, 1), (1, u64::MAX)] {
        assert_eq!(store.changes(&site, number, step).await.unwrap(), None, "{number} {step}");
    }
}

async fn the_changes_of_the_latest_corrections_are_kept<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let changes = |number: u64| vec![change("/a", &["total"], number.cast_signed())];
    for number in 1..=KEPT_CHANGES + 3 {
        for step in 0..2 {
            assert_eq!(correct(store, &site, ProducerId(number.into()), step, changes(number)).await.0, number);
        }
        let oldest = number.saturating_sub(KEPT_CHANGES) + 1;
        if !(3..KEPT_CHANGES).contains(&number) {
            for kept in oldest.saturating_sub(2)..=number {
                let expected = (kept >= oldest).then(|| changes(kept));
                assert_eq!(store.changes(&site, kept, 2).await.unwrap(), expected, "{kept} of {number}");
            }
        }
    }
    // A further step of one that is too old is made, and not kept.
    assert_eq!(correct(store, &site, ProducerId(2), 2, changes(5)).await.0, 2);
    assert_eq!(store.changes(&site, 2, 3).await.unwrap(), None);
    maintain(store, &site, &[]).await;
    assert_eq!(store.changes(&site, 3, 1).await.unwrap(), None);
    assert_eq!(store.changes(&site, 4, 1).await.unwrap(), Some(changes(4)));
    let audit = store.audit(&site, 0).await.unwrap();
    assert_eq!(audit.len() as u64, KEPT_CHANGES + 3);
    assert_eq!((audit[1].steps, audit[1].article_views), (3, 9));
    store.verify(true).await.unwrap();
}

async fn a_correction_that_was_undone_takes_no_more_steps<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let [first, undo, other, again] = [11, 12, 13, 14].map(ProducerId);
    correct(store, &site, first, 0, vec![change("", &["total"], 5)]).await;
    correct(store, &site, first, 1, vec![change("/a", &["total"], 5)]).await;
    let undo_step = |producer, from, undoes, changes| step_from(producer, at(from), at(from + 1), changes, Some(undoes));
    let begins = undo_step(undo, 0, 1, vec![change("/a", &["total"], -5)]);
    let Corrected::Done { number: 2, .. } = store.correct(&site, begins).await.unwrap() else { panic!() };
    // Neither more of it, nor another undo, which is given at the same time.
    assert_eq!(refused(store, &site, step(first, 2, vec![change("", &["total"], 1)])).await, Corrected::Undone(2));
    assert_eq!(refused(store, &site, undo_step(other, 0, 1, vec![])).await, Corrected::Undone(2));
    // A step that was made already is refused by its offset.
    assert_eq!(refused(store, &site, step(first, 0, vec![])).await, Corrected::Refused(at(2)));
    // The undo itself goes on, also if it cannot at first.
    let too_many = undo_step(undo, 1, 1, vec![change("", &["total"], -6)]);
    assert!(matches!(refused(store, &site, too_many).await, Corrected::BelowZero(_)));
    let ends = undo_step(undo, 1, 1, vec![change("", &["total"], -5)]);
    let Corrected::Done { number: 2, .. } = store.correct(&site, ends).await.unwrap() else { panic!() };
    let undone: Vec<_> = store.audit(&site, 0).await.unwrap().iter().map(|entry| (entry.steps, entry.undone_by)).collect();
    assert_eq!(undone, [(2, Some(2)), (2, None)]);
    // An undo is a correction, so it can be taken back.
    let back = undo_step(again, 0, 2, vec![change("", &["total"], 5), change("/a", &["total"], 5)]);
    let Corrected::Done { number: 3, .. } = store.correct(&site, back).await.unwrap() else { panic!() };
    assert_eq!(refused(store, &site, undo_step(undo, 2, 1, vec![])).await, Corrected::Undone(3));
    assert_eq!(refused(store, &site, step(first, 2, vec![])).await, Corrected::Undone(2));
    assert_eq!((count(store, &site, "total", "").await, count(store, &site, "total", "/a").await), (5, 5));
    // There is no such correction: nothing is marked.
    let Corrected::Done { number: 4, .. } = store.correct(&site, undo_step(other, 0, 99, vec![])).await.unwrap() else { panic!() };
    assert_eq!(store.audit(&site, 3).await.unwrap()[0].note.undoes, Some(99));
}

async fn an_undo_restores_what_was_before<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let first = day("2099-01-01");
    let rows: Vec<_> = first.iter_days().take(60).flat_map(|day| [(day, "/a", 2), (day, "/b", 1), (day, "", 3)]).collect();
    apply(store, &site, MINE, 0, 1, days(&rows)).await;
    let before = export(store, &site).await.unwrap();
    let up = |id: &'static str| first.iter_days().step_by(7).take(20).map(move |day| of_day(id, &day.to_string(), 5));
    let down = |day: &chrono::NaiveDate| Change { subject: subject("/b"), buckets: BucketSet::of_day(*day), views: -1 };
    let days_of_b: Vec<_> = first.iter_days().take(60).collect();
    let steps: [Vec<Change>; 3] = [up("/a").chain(up("")).collect(), days_of_b.iter().map(down).collect(), up("/new").collect()];
    for (from, changes) in (0..).zip(&steps) {
        correct(store, &site, THEIRS, from, changes.clone()).await;
    }
    assert!(export(store, &site).await.unwrap().iter().all(|row| row.1 != Subject::Article(article("/b"))));
    for step in (1..=3).rev() {
        let kept = store.changes(&site, 1, step).await.unwrap().unwrap();
        assert_eq!(kept, steps[usize::try_from(step).unwrap() - 1]);
        correct(store, &site, ProducerId(5), 3 - step, kept.iter().rev().map(Change::inverse).collect()).await;
    }
    assert_eq!(export(store, &site).await.unwrap(), before);
    maintain(store, &site, &[]).await;
    for name in ["2099-01-01", "2099-01-15", "2099-W03", "2099-02", "2099", "total"] {
        let (a, b) = (count(store, &site, name, "/a").await, count(store, &site, name, "/b").await);
        assert_eq!(top(store, &site, name, 9).await, [(article("/a"), a), (article("/b"), b)], "{name}");
    }
    store.verify(true).await.unwrap();
}

async fn an_article_without_views_is_deleted<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let rows: Vec<_> = day("2099-01-01").iter_days().take(40).flat_map(|day| [(day, "/a", 1), (day, "/b", 1)]).collect();
    apply(store, &site, MINE, 0, 1, days(&rows)).await;
    let counts = store.counts(&site, &subject("/a")).await.unwrap();
    assert_eq!(counts.len(), 40 + 7 + 2 + 1 + 1);
    let all = |counts: &[(Bucket, u64)], sign: i64| -> Vec<_> {
        let change = |(bucket, views): &(Bucket, u64)| Change {
            subject: subject("/a"),
            buckets: [*bucket].into_iter().collect(),
            views: sign * views.cast_signed(),
        };
        counts.iter().map(change).collect()
    };
    correct(store, &site, THEIRS, 0, all(&counts, -1)).await;
    assert_eq!(store.counts(&site, &subject("/a")).await.unwrap(), []);
    // An export compares the number of articles.
    assert!(export(store, &site).await.unwrap().iter().all(|row| row.1 == Subject::Article(article("/b"))));
    assert_eq!(top(store, &site, "total", 9).await, [(article("/b"), 40)]);
    correct(store, &site, THEIRS, 1, all(&counts, 1)).await;
    assert_eq!(store.counts(&site, &subject("/a")).await.unwrap(), counts);
    assert_eq!(export(store, &site).await.unwrap().len(), 2 * counts.len());
    // A change of nothing makes no article.
    correct(store, &site, THEIRS, 2, vec![change("/c", &["total"], 0), change("/d", &["2099"], 3), change("/d", &["2099"], -3)]).await;
    assert_eq!(export(store, &site).await.unwrap().len(), 2 * counts.len());
    store.verify(true).await.unwrap();
}

/// A store keeps the latest periods apart from the others.
async fn earlier_periods_take_the_place_of_those_that_vanish<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let names = ["2099-03-05", "2099-03-04", "2099-03-03", "2099-03-02", "2099-03-01"];
    let mut expected: HashMap<&str, u64> = HashMap::new();
    let [mut applied, mut corrected] = [0; 2];
    // Each round vanishes another set of days, and they come back by applies and by corrections.
    for round in 0_u32..32 {
        for (name, views) in names.iter().zip(1..) {
            let missing = views - expected.get(name).copied().unwrap_or_default();
            if round % 2 == 0 {
                add(store, &site, MINE, applied, applied + 1, &[(name, "/a", missing)]).await;
                applied += 1;
            } else {
                correct(store, &site, THEIRS, corrected, vec![change("/a", &[name], missing.cast_signed())]).await;
                corrected += 1;
            }
            expected.insert(name, views);
        }
        let gone = names.iter().enumerate().filter(|(at, _)| round & 1 << at != 0).map(|(_, name)| *name);
        let changes: Vec<_> = gone.map(|name| change("/a", &[name], -expected.remove(name).unwrap().cast_signed())).collect();
        correct(store, &site, THEIRS, corrected, changes).await;
        corrected += 1;
        for name in names {
            assert_eq!(count(store, &site, name, "/a").await, expected.get(name).copied().unwrap_or_default(), "{name} {round:b}");
        }
        let today = day(names[0]);
        let figures = store.figures(&site, &[], today, &[article("/a")]).await.unwrap().articles[0];
        let of = |name: &str| expected.get(name).copied().unwrap_or_default();
        assert_eq!(figures[truycap::domain::figures::Figure::Today], of(names[0]), "{round:b}");
        assert_eq!(figures[truycap::domain::figures::Figure::Yesterday], of(names[1]), "{round:b}");
    }
    store.verify(true).await.unwrap();
}

async fn buckets_past_their_retention_do_not_change<H: Harness>() {
    let clock = TestClock::at("2030-01-20T12:00:00Z");
    let (harness, site) = (H::start_by(clock.clock()).await, site("portal"));
    let store = harness.store();
    let [old, today] = ["2029-11-01", "2030-01-20"];
    // Days are kept for 40 days, weeks for 10, and months for 14.
    for (from, views) in [(0, 5), (1, -2)] {
        correct(store, &site, THEIRS, from, ["", "/a"].map(|id| of_day(id, old, views)).into()).await;
    }
    correct(store, &site, THEIRS, 2, vec![change("/a", &[old], -50), change("/a", &["2029-11"], 1)]).await;
    for (name, of_site, of_article) in [(old, 3, 0), ("2029-W44", 3, 0), ("2029-11", 3, 4), ("2029", 3, 3), ("total", 3, 3)] {
        assert_eq!((count(store, &site, name, "").await, count(store, &site, name, "/a").await), (of_site, of_article), "{name}");
    }
    // The audit list has what was asked for.
    assert_eq!(store.changes(&site, 1, 1).await.unwrap().unwrap(), ["", "/a"].map(|id| of_day(id, old, 5)));
    // One that was counted and has expired since.
    correct(store, &site, THEIRS, 3, vec![of_day("/a", today, 7), of_day("/b", today, 7)]).await;
    for seq in 0..45 {
        clock.pass(24);
        apply(store, &site, MINE, seq, seq + 1, deltas(&[])).await;
    }
    correct(store, &site, THEIRS, 4, vec![of_day("/a", today, -2), of_day("/b", today, -7)]).await;
    for (name, a) in [(today, 0), ("2030-W03", 5), ("2030-01", 5), ("2030", 5), ("total", 8)] {
        assert_eq!((count(store, &site, name, "/a").await, count(store, &site, name, "/b").await), (a, 0), "{name}");
    }
    let counts = store.counts(&site, &subject("/a")).await.unwrap();
    assert!(counts.iter().all(|(bucket, _)| bucket.to_string() != today), "{counts:?}");
    assert_eq!(export(store, &site).await.unwrap().iter().filter(|row| row.1 == Subject::Article(article("/b"))).count(), 0);
    maintain(store, &site, &[]).await;
    assert_eq!(top(store, &site, "2030-W03", 9).await, [(article("/a"), 5)]);
    store.verify(true).await.unwrap();
}

async fn a_corrected_counter_stays_at_the_maximum<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let most = MAX_COUNT.cast_signed();
    let mut seq = 0;
    for id in ["", "/a", "bot"] {
        let (_, done) = correct(store, &site, THEIRS, seq, vec![change(id, &["total", "2099"], most - 1)]).await;
        assert!(!done.saturated);
        let (_, done) = correct(store, &site, THEIRS, seq + 1, vec![change(id, &["total"], 1)]).await;
        assert!(!done.saturated);
        let (_, done) = correct(store, &site, THEIRS, seq + 2, vec![change(id, &["total"], most), change(id, &["2099"], -1)]).await;
        assert!(done.saturated);
        assert_eq!(store.counts(&site, &subject(id)).await.unwrap(), [(bucket("2099"), MAX_COUNT - 2), (bucket("total"), MAX_COUNT)]);
        let (_, done) = correct(store, &site, THEIRS, seq + 3, vec![change(id, &["total"], -most)]).await;
        assert!(!done.saturated);
        assert_eq!(store.counts(&site, &subject(id)).await.unwrap(), [(bucket("2099"), MAX_COUNT - 2)]);
        seq += 4;
    }
    assert_eq!(top(store, &site, "2099", 9).await, [(article("/a"), MAX_COUNT - 2)]);
    assert_eq!(top(store, &site, "total", 9).await, []);
}

async fn other_counts_of_a_site_are_corrected_alone<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let changes: Vec<_> = Kind::ALL.iter().zip(1..).map(|(kind, views)| of_day(kind.name(), "2099-05-05", views)).collect();
    correct(store, &site, THEIRS, 0, changes).await;
    correct(store, &site, THEIRS, 1, vec![change("repeat", &["total"], -4), change("", &["total"], 9)]).await;
    for (kind, views) in Kind::ALL.iter().zip(1..) {
        let mut buckets: Vec<_> = Bucket::of_day(day("2099-05-05")).map(|bucket| (bucket, views)).into();
        buckets.retain(|(bucket, _)| *kind != Kind::Repeat || *bucket != Bucket::Total);
        assert_eq!(store.counts(&site, &Subject::Kind(*kind)).await.unwrap(), buckets, "{kind}");
    }
    assert_eq!(store.counts(&site, &Subject::Site).await.unwrap(), [(Bucket::Total, 9)]);
    assert_eq!(count(store, &site, "total", "").await, 9);
    assert_eq!(count(store, &site, "2099", "").await, 0);
}

/// The counts of articles in one bucket, and the lists that they must make.
#[derive(Default)]
struct Counts(HashMap<String, u64>);

const LISTED: &str = "2099";
const SECTIONS: [&str; 2] = ["/tin/", "/ế/"];

impl Counts {
    /// Applies or corrects, and takes the same into the counts.
    async fn change(&mut self, store: &impl Store, site: &SiteId, seq: &mut Seq, views: &[(String, i64)]) {
        let changes: Vec<_> = views.iter().map(|(id, views)| change(id, &[LISTED], *views)).collect();
        if changes.iter().all(|change| change.views > 0) && seq.is_multiple_of(2) {
            let rows: Vec<_> = views.iter().map(|(id, views)| (LISTED, id.as_str(), views.unsigned_abs())).collect();
            add(store, site, MINE, *seq, *seq + 1, &rows).await;
            correct(store, site, THEIRS, *seq, vec![]).await;
        } else {
            add(store, site, MINE, *seq, *seq + 1, &[]).await;
            correct(store, site, THEIRS, *seq, changes).await;
        }
        *seq += 1;
        for (id, views) in views {
            let count = self.0.entry(id.clone()).or_default();
            *count = count.checked_add_signed(*views).unwrap();
        }
        self.0.retain(|_, views| *views > 0);
    }

    /// A list that is whole is exact; the rows of another one are right. Returns how many are whole.
    async fn check(&self, store: &impl Store, site: &SiteId) -> usize {
        let mut whole = 0;
        for name in [""].into_iter().chain(SECTIONS) {
            let of = (!name.is_empty()).then(|| section(name));
            let list = store.top(site, of.as_ref(), bucket(LISTED), LIST_LEAST).await.unwrap();
            let mut all: Vec<_> = self.0.iter().filter(|(id, _)| id.starts_with(name)).map(|(id, views)| (article(id), *views)).collect();
            all.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
            if list.whole {
                all.truncate(LIST_LEAST);
                assert_eq!(list.articles, all, "{name:?}");
                whole += 1;
            } else {
                assert!(list.articles.iter().all(|row| all.contains(row)), "{name:?}: {:?}", list.articles);
                assert!(list.articles.is_sorted_by_key(|(id, views)| (std::cmp::Reverse(*views), id.clone())));
            }
        }
        whole
    }

    /// The ids from the most read one.
    fn sorted(&self) -> Vec<(String, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(id, views)| (id.clone(), *views)).collect();
        all.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
        all
    }
}

fn ids(count: i64) -> Vec<(String, i64)> {
    let shapes = ["/tin/", "/ế/", "/", "/tin/ă"];
    (0..count).zip(shapes.iter().cycle()).map(|(number, shape)| (format!("{shape}{number}"), number + 1)).collect()
}

async fn a_list_is_exact_again_after_its_counts_shrink<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let (store, mut counts, mut seq) = (harness.store(), Counts::default(), 0);
    let sections = SECTIONS.map(section);
    maintain(store, &site, &sections).await;
    // Lists of all articles, of more than they hold, and in between.
    let most = i64::try_from(LIST_MOST).unwrap();
    for number in [60, most - 8, most + 1, 3 * most] {
        let all: Vec<_> = ids(number).into_iter().filter(|(id, _)| !counts.0.contains_key(id)).collect();
        counts.change(store, &site, &mut seq, &all).await;
        for round in 0..12 {
            let sorted = counts.sorted();
            // The first ones, the last ones, and some between them lose some or all of their views.
            let chosen: Vec<_> = match round % 4 {
                0 => sorted.iter().take(round).cloned().collect(),
                1 => sorted.iter().rev().take(30).cloned().collect(),
                2 => sorted.iter().skip(80).take(40).cloned().collect(),
                _ => sorted.iter().step_by(9).cloned().collect(),
            };
            let part = |views: u64| if round % 3 == 0 { views } else { views.div_ceil(2) };
            let less: Vec<_> = chosen.iter().map(|(id, views)| (id.clone(), -part(*views).cast_signed())).collect();
            counts.change(store, &site, &mut seq, &less).await;
            counts.check(store, &site).await;
            let more: Vec<_> = chosen.iter().take(3).map(|(id, _)| (id.clone(), 40)).collect();
            counts.change(store, &site, &mut seq, &more).await;
            counts.check(store, &site).await;
            if round % 2 == 0 {
                maintain(store, &site, &sections).await;
                assert_eq!(counts.check(store, &site).await, 3);
            }
        }
    }
    store.verify(true).await.unwrap();
}

/// So many articles that a build takes several steps.
async fn lists_that_shrink_and_grow_while_they_are_built_are_exact<H: Harness>() {
    let (mut harness, site) = (H::start().await, site("portal"));
    let (mut counts, mut seq) = (Counts::default(), 0);
    let sections = SECTIONS.map(section);
    for chunk in ids(4300).chunks(1000) {
        counts.change(harness.store(), &site, &mut seq, chunk).await;
    }
    maintain(harness.store(), &site, &sections).await;
    for round in 0..12_usize {
        // So many that no list knows the next ones.
        let less: Vec<_> = counts.sorted().iter().take(300).map(|(id, views)| (id.clone(), -views.div_ceil(2).cast_signed())).collect();
        counts.change(harness.store(), &site, &mut seq, &less).await;
        counts.check(harness.store(), &site).await;
        for step in 0..=round {
            let more = harness.store().maintain(&site, &sections).await.unwrap();
            let sorted = counts.sorted();
            let few: Vec<_> = sorted.iter().skip(round * 20).step_by(97).take(9).map(|(id, _)| (id.clone(), 300)).collect();
            counts.change(harness.store(), &site, &mut seq, &few).await;
            if step % 3 == 1 {
                let few: Vec<_> = sorted.iter().rev().step_by(400).map(|(id, views)| (id.clone(), -views.cast_signed())).collect();
                counts.change(harness.store(), &site, &mut seq, &few).await;
            }
            counts.check(harness.store(), &site).await;
            if !more {
                break;
            }
        }
        harness = harness.restart().await;
    }
    maintain(harness.store(), &site, &sections).await;
    assert_eq!(counts.check(harness.store(), &site).await, 3);
    harness.store().verify(true).await.unwrap();
}

#[tokio::test]
async fn a_list_in_sqlite_is_not_whole_while_it_lacks_articles() {
    let (harness, site) = (Sqlite::start().await, site("portal"));
    let (store, mut counts, mut seq) = (harness.store(), Counts::default(), 0);
    for chunk in ids(2500).chunks(1000) {
        counts.change(store, &site, &mut seq, chunk).await;
    }
    let whole = async || store.top(&site, None, bucket(LISTED), LIST_LEAST).await.unwrap().whole;
    // One that is not listed, and one that others replace.
    let sorted = counts.sorted();
    let at = |place: usize| (sorted[place].0.clone(), -sorted[place].1.cast_signed());
    counts.change(store, &site, &mut seq, &[at(2000), at(3)]).await;
    assert!(whole().await);
    let many: Vec<_> = (4..60).map(at).collect();
    counts.change(store, &site, &mut seq, &many).await;
    for more in [true, true, true] {
        assert!(!whole().await);
        assert_eq!(store.maintain(&site, &[]).await, Ok(more));
        counts.check(store, &site).await;
    }
    assert!(whole().await);
    assert_eq!(store.maintain(&site, &[]).await, Ok(false));
}

async fn a_removed_section_leaves_no_list_to_be_built<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let (store, mut counts, mut seq) = (harness.store(), Counts::default(), 0);
    let sections = SECTIONS.map(section);
    maintain(store, &site, &sections).await;
    counts.change(store, &site, &mut seq, &ids(900)).await;
    let less: Vec<_> = counts.sorted().iter().take(300).map(|(id, views)| (id.clone(), -views.cast_signed())).collect();
    counts.change(store, &site, &mut seq, &less).await;
    maintain(store, &site, &[]).await;
    assert_eq!(counts.check(store, &site).await, 1);
    maintain(store, &site, &sections).await;
    assert_eq!(counts.check(store, &site).await, 3);
    assert!(!store.maintain(&site, &sections).await.unwrap());
}

async fn views_are_applied_between_the_steps_of_a_correction<H: Harness>() {
    let (harness, site) = (H::start().await, site("portal"));
    let store = harness.store();
    let views = async {
        for seq in 0..40 {
            apply(store, &site, MINE, seq, seq + 1, days(&[(day("2099-05-05"), "/a", 1), (day("2099-05-05"), "", 1)])).await;
        }
    };
    let steps = async |producer: ProducerId| {
        for seq in 0..40 {
            let views = if seq % 2 == 0 { 3 } else { -2 };
            correct(store, &site, producer, seq, ["/a", "/b", ""].map(|id| of_day(id, "2099-05-05", views)).into()).await;
        }
    };
    tokio::join!(views, steps(THEIRS), steps(ProducerId(3)));
    for name in ["2099-05-05", "2099-W19", "2099-05", "2099", "total"] {
        for (id, views) in [("", 80), ("/a", 80), ("/b", 40)] {
            assert_eq!(count(store, &site, name, id).await, views, "{name} of {id:?}");
        }
        assert_eq!(top(store, &site, name, 9).await, [(article("/a"), 80), (article("/b"), 40)]);
    }
    let sums: Vec<_> = store.audit(&site, 0).await.unwrap().iter().map(|entry| (entry.steps, entry.site_views)).collect();
    assert_eq!(sums, [(40, 20), (40, 20)]);
}

/// Prints how long it takes to add views of many articles by applies, and by corrections.
#[tokio::test]
#[ignore = "it measures, and takes a minute"]
async fn the_time_of_a_million_changes_in_sqlite() {
    let count: u64 = std::env::var("CHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let month = bucket("2099-05").and_larger().unwrap().into_iter().collect::<BucketSet>();
    for round in 0..2 {
        for corrects in [false, true] {
            let (harness, site) = (Sqlite::start().await, site("portal"));
            let (store, begin) = (harness.store(), std::time::Instant::now());
            for seq in 0..count / 1000 {
                let ids = (seq * 1000..).take(1000).map(|id| article(&format!("/tin-tuc/{}-bai-viet.html", id * 7919 % count)));
                if corrects {
                    let change = |id| Change { subject: Subject::Article(id), buckets: month, views: 3 };
                    correct(store, &site, MINE, seq, ids.map(change).collect()).await;
                } else {
                    let mut deltas = Deltas::default();
                    ids.for_each(|id| deltas.add(month, Some(id), 3));
                    apply(store, &site, MINE, seq, seq + 1, Arc::new(deltas)).await;
                }
            }
            eprintln!("round {round}: {count} changes by {}: {:?}", if corrects { "correct" } else { "apply" }, begin.elapsed());
        }
    }
}
