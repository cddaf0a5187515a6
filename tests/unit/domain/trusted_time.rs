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
fn a_clock_may_advance_by_a_day_and_go_back() {
    assert_eq!(story(&[MAX_STEP, MAX_STEP * 2, TimeDelta::days(-400), MAX_STEP * 2]), [(true, false); 4]);
    assert_eq!(story(&[MAX_STEP + seconds(1)]), [(false, true)]);
}

#[test]
fn the_latest_time_is_written_once_an_hour_and_never_goes_back() {
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
    fn no_time_is_trusted_that_is_far_ahead_of_all_trusted_ones_before_it_has_held(steps in vec(-100_000..200_000_i64, 1..40)) {
        let (mut known, mut now, mut latest) = (seen(noon()), noon(), noon());
        let mut untrusted_since: Option<DateTime<Utc>> = None;
        for step in steps {
            now += seconds(step);
            let observed = TrustedTime::observe(Some(known), now);
            known = observed.time;
            if observed.trusted {
                let near = now - latest <= MAX_STEP;
                let held = untrusted_since.is_some_and(|since| now - since >= HOLD);
                prop_assert!(near || held);
                prop_assert_eq!(known.ahead, None);
                latest = latest.max(now);
                untrusted_since = None;
            } else {
                prop_assert!(now - latest > MAX_STEP - STEP);
                prop_assert!(known.latest <= latest, "an untrusted time does not change the latest one");
                if observed.jumped || untrusted_since.is_none() {
                    prop_assert!(observed.jumped);
                    untrusted_since = Some(now);
                }
            }
            prop_assert!(latest - known.latest < STEP);
        }
    }
}
