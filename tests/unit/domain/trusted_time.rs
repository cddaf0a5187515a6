//! Which time is believed before anything is dropped.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{collection::vec, prelude::*};
use truycap::domain::retention::{HOLD, MAX_STEP, Observed, STEP, TrustedTime};

use super::cases;

fn noon() -> DateTime<Utc> {
    "2030-03-20T12:00:00Z".parse().unwrap()
}

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

fn seen(now: DateTime<Utc>) -> TrustedTime {
    TrustedTime::observe(None, now).time
}

/// What the times after noon mean, by a store that saw noon first: trusted, jumped.
fn story(times: &[TimeDelta]) -> Vec<(bool, bool)> {
    let mut known = seen(noon());
    let mut observe = |after: &TimeDelta| {
        let Observed { time, trusted, jumped } = TrustedTime::observe(Some(known), noon() + *after);
        known = time;
        (trusted, jumped)
    };
    times.iter().map(&mut observe).collect()
}

#[test]
fn the_first_time_is_trusted() {
    let observed = TrustedTime::observe(None, noon());
    assert_eq!(observed, Observed { time: TrustedTime { latest: noon(), ahead: None }, trusted: true, jumped: false });
}

#[test]
fn a_clock_may_advance_by_a_day_and_go_back_by_a_day() {
    assert_eq!(story(&[MAX_STEP, MAX_STEP * 2, MAX_STEP, MAX_STEP * 2]), [(true, false); 4]);
    assert_eq!(story(&[MAX_STEP + seconds(1)]), [(false, true)]);
    assert_eq!(story(&[-MAX_STEP - seconds(1)]), [(false, true)]);
}

#[test]
fn a_clock_that_is_far_behind_must_hold_for_six_hours_too_and_lowers_the_latest_time() {
    let behind = TimeDelta::days(-26_000);
    let back = [behind, behind + HOLD, behind + HOLD + TimeDelta::days(400)];
    // The jump to another wrong time is noticed again.
    assert_eq!(story(&back), [(false, true), (true, false), (false, true)]);
    assert_eq!(story(&[behind, seconds(0), behind]), [(false, true), (true, false), (false, true)]);
}

#[test]
fn a_clock_that_goes_on_without_applies_is_followed_but_no_jump_is_taken_in() {
    let mut known = seen(noon());
    assert_eq!(known.pass(noon() + STEP - seconds(1)), None, "too little has passed to write it");
    for hour in 1..100 {
        known = known.pass(noon() + STEP * hour).unwrap();
    }
    assert_eq!(known, TrustedTime { latest: noon() + STEP * 99, ahead: None });
    assert_eq!(known.pass(noon() + TimeDelta::days(45)), None);
    let jumped = TrustedTime::observe(Some(known), noon() + TimeDelta::days(45)).time;
    let later = |hours| noon() + TimeDelta::days(45) + STEP * hours;
    let waited = (1..=5).fold(jumped, |known, hour| known.pass(later(hour)).unwrap());
    assert_eq!(waited.latest, known.latest);
    assert_eq!(waited.pass(later(6)), Some(TrustedTime { latest: later(6), ahead: None }));
}

#[test]
fn the_latest_time_is_written_once_an_hour_and_does_not_go_back_with_a_clock_that_is_near() {
    let latest = |after| TrustedTime::observe(Some(seen(noon())), noon() + after).time.latest - noon();
    assert_eq!(latest(STEP - seconds(1)), TimeDelta::zero());
    assert_eq!(latest(STEP), STEP);
    assert_eq!(latest(STEP * -3), TimeDelta::zero());
}

#[test]
fn a_clock_that_has_jumped_must_hold_for_six_hours() {
    let ahead = TimeDelta::days(45);
    let story = story(&[ahead, ahead + HOLD - seconds(1), ahead + HOLD, ahead + HOLD + seconds(1)]);
    assert_eq!(story, [(false, true), (false, false), (true, false), (true, false)]);
}

#[test]
fn a_second_jump_a_silence_or_a_way_back_begins_the_wait_anew() {
    let ahead = TimeDelta::days(45);
    let (far, silent) = (TimeDelta::days(400), ahead + MAX_STEP + seconds(1));
    assert_eq!(story(&[ahead, far, far + HOLD - seconds(1), far + HOLD]), [(false, true), (false, true), (false, false), (true, false)]);
    assert_eq!(story(&[ahead, silent, silent + HOLD]), [(false, true), (false, true), (true, false)]);
    assert_eq!(story(&[ahead, ahead - seconds(1), ahead + HOLD - seconds(1)]), [(false, true), (false, true), (true, false)]);
    assert_eq!(story(&[ahead, seconds(0), ahead + HOLD]), [(false, true), (true, false), (false, true)]);
}

#[test]
fn readers_use_the_latest_time_while_the_clock_is_not_trusted() {
    let day = |known, after| TrustedTime::day(known, noon() + after).to_string();
    assert_eq!(day(None, TimeDelta::days(45)), "2030-05-04");
    assert_eq!(day(Some(seen(noon())), TimeDelta::days(1)), "2030-03-21");
    assert_eq!(day(Some(seen(noon())), TimeDelta::days(45)), "2030-03-20");
    assert_eq!(day(Some(seen(noon())), TimeDelta::days(-45)), "2030-02-03");
    let jumped = TrustedTime::observe(Some(seen(noon())), noon() + TimeDelta::days(45)).time;
    assert_eq!(day(Some(jumped), TimeDelta::days(45) + HOLD - seconds(1)), "2030-03-20");
    assert_eq!(day(Some(jumped), TimeDelta::days(45) + HOLD), "2030-05-04");
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn no_time_is_trusted_that_is_far_from_the_latest_trusted_one_before_it_has_held(steps in vec(-200_000..200_000_i64, 1..40)) {
        let (mut known, mut now) = (seen(noon()), noon());
        let mut untrusted_since: Option<DateTime<Utc>> = None;
        for step in steps {
            now += seconds(step);
            let before = known.latest;
            let observed = TrustedTime::observe(Some(known), now);
            known = observed.time;
            let near = (now - before).abs() <= MAX_STEP;
            if observed.trusted {
                prop_assert!(near || untrusted_since.is_some_and(|since| now - since >= HOLD));
                prop_assert_eq!(known.ahead, None);
                let expected = if near && now - before < STEP { before } else { now };
                prop_assert_eq!(known.latest, expected);
                untrusted_since = None;
            } else {
                prop_assert!(!near);
                prop_assert_eq!(known.latest, before, "an untrusted time does not change the latest one");
                if observed.jumped || untrusted_since.is_none() {
                    prop_assert!(observed.jumped);
                    untrusted_since = Some(now);
                }
            }
        }
    }
}
