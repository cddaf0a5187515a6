//! When a site's snapshot is fresh, and when the store must be asked again.

use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use tokio::time::Instant;
use truycap::recorder::freshness::{FRESH, Freshness, Moment, REFRESH, REFRESH_BEFORE_APPLY, REREAD, STORE_WAIT};

const INTERVAL: Duration = Duration::from_millis(250);

/// The smallest step of the clock.
const STEP: Duration = Duration::from_nanos(1);

fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, number).unwrap()
}

/// The moment at `elapsed` after the beginning.
fn after(begin: Instant, elapsed: Duration) -> Moment {
    Moment { instant: begin + elapsed, utc: DateTime::UNIX_EPOCH + elapsed }
}

/// A snapshot of the 23rd that the store returned at the beginning.
fn answered(begin: Instant) -> Freshness {
    let mut freshness = Freshness::new(begin);
    freshness.call_began(begin);
    freshness.answered(after(begin, Duration::ZERO), day(23));
    freshness.call_ended(true);
    freshness
}

/// The same after an apply that took `took`; `alone` says whether it showed that no other producer has counted.
fn applied(begin: Instant, at: Duration, took: Duration, of: NaiveDate, alone: bool) -> Freshness {
    let mut freshness = answered(begin);
    freshness.applied(after(begin, at), begin + at + took, of, alone, INTERVAL);
    freshness
}

#[test]
fn nothing_is_fresh_before_the_store_has_answered() {
    let begin = Instant::now();
    let mut freshness = Freshness::new(begin);
    assert!(!freshness.is_fresh(begin) && freshness.is_old(begin, false));
    assert_eq!((freshness.as_of(), freshness.last_answered(), freshness.refresh_at(begin, false)), (None, None, None));
    freshness.request();
    assert_eq!(freshness.refresh_at(begin, false), Some(begin), "after the first request the store is asked at once");
}

#[test]
fn a_snapshot_is_fresh_for_half_a_second_after_the_question() {
    let begin = Instant::now();
    let freshness = answered(begin);
    assert!(freshness.is_fresh(begin + FRESH) && !freshness.is_fresh(begin + FRESH + STEP));
    assert_eq!((freshness.as_of(), freshness.last_answered()), (Some(DateTime::UNIX_EPOCH), Some(begin)));
}

#[test]
fn a_snapshot_is_renewed_only_while_figures_are_requested() {
    let begin = Instant::now();
    let mut freshness = answered(begin);
    assert_eq!(freshness.refresh_at(begin, false), None);
    freshness.request();
    assert_eq!(freshness.refresh_at(begin, false), Some(begin + REFRESH));
    assert!(!freshness.is_old(begin + REFRESH - STEP, false) && freshness.is_old(begin + REFRESH, false));
    freshness.question(true);
    assert!(freshness.is_requested(), "some requests remain for the next question");
    freshness.question(false);
    assert!(!freshness.is_requested());
}

#[test]
fn an_apply_that_shows_that_no_other_producer_has_counted_renews_the_snapshot() {
    let (begin, at) = (Instant::now(), Duration::from_millis(300));
    let freshness = applied(begin, at, Duration::ZERO, day(23), true);
    assert!(freshness.is_fresh(begin + at + FRESH) && !freshness.is_fresh(begin + at + FRESH + STEP));
    let freshness = applied(begin, at, Duration::ZERO, day(23), false);
    assert!(!freshness.is_fresh(begin + FRESH + STEP), "another producer has counted");
}

#[test]
fn an_apply_of_another_day_does_not_renew_the_snapshot() {
    let (begin, at) = (Instant::now(), Duration::from_millis(300));
    for other in [22, 24] {
        assert!(!applied(begin, at, Duration::ZERO, day(other), true).is_fresh(begin + FRESH + STEP));
    }
}

#[test]
fn fast_applies_postpone_the_next_question_to_the_store() {
    let begin = Instant::now();
    let fast = applied(begin, Duration::ZERO, Duration::from_millis(74), day(23), true);
    assert!(!fast.is_old(begin + REFRESH, true) && fast.is_old(begin + REFRESH_BEFORE_APPLY, true));
    assert!(fast.is_old(begin + REFRESH, false), "no apply follows without views");
    // The interval and twice the apply's time are no longer less than `REFRESH_BEFORE_APPLY`.
    let slow = applied(begin, Duration::ZERO, Duration::from_millis(75), day(23), true);
    assert!(slow.is_old(begin + REFRESH, true));
}

#[test]
fn articles_are_read_again_every_minute_whatever_applies_show() {
    let begin = Instant::now();
    let mut freshness = answered(begin);
    assert!(!freshness.must_reread(begin + REREAD - STEP) && freshness.must_reread(begin + REREAD));
    freshness.applied(after(begin, REREAD), begin + REREAD, day(23), true, INTERVAL);
    assert!(!freshness.is_fresh(begin + REREAD), "someone may have edited the store by hand");
    freshness.reread(begin + REREAD);
    assert!(!freshness.must_reread(begin + REREAD + REREAD - STEP));
}

#[test]
fn requests_wait_for_a_store_call_for_at_most_a_quarter_of_a_second() {
    let begin = Instant::now();
    let mut freshness = answered(begin);
    freshness.call_began(begin);
    assert!(!freshness.is_stuck(begin + STORE_WAIT - STEP) && freshness.is_stuck(begin + STORE_WAIT));
    freshness.call_ended(false);
    assert!(!freshness.is_stuck(begin + STORE_WAIT), "a call that has failed is over");
    assert_eq!(freshness.last_answered(), Some(begin), "a failed call confirms nothing");
}
