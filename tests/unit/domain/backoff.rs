//! How long to wait between attempts.

use std::time::Duration;

use truycap::domain::backoff::Backoff;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

fn pauses(backoff: &mut Backoff, count: usize) -> Vec<u128> {
    (0..count).map(|_| backoff.next_pause().as_millis()).collect()
}

#[test]
fn pauses_double_up_to_the_longest() {
    assert_eq!(pauses(&mut Backoff::new(FIRST, LONGEST), 6), [100, 200, 400, 800, 1000, 1000]);
}

#[test]
fn a_reset_starts_with_the_first_pause_again() {
    let mut backoff = Backoff::new(FIRST, LONGEST);
    pauses(&mut backoff, 4);
    backoff.reset();
    assert_eq!(pauses(&mut backoff, 2), [100, 200]);
}

#[test]
fn no_pause_is_longer_than_the_longest() {
    assert_eq!(pauses(&mut Backoff::new(LONGEST * 3, LONGEST), 2), [1000, 1000]);
    let mut unbounded = Backoff::new(Duration::MAX / 2, Duration::MAX);
    unbounded.next_pause();
    assert!(unbounded.next_pause() >= Duration::MAX - Duration::from_nanos(1));
    assert_eq!(unbounded.next_pause(), Duration::MAX);
}

#[test]
fn jitter_is_within_the_second_half_of_the_pause() {
    let jittered = |random| Backoff::new(FIRST, LONGEST).next_jittered_pause(random).as_millis();
    assert_eq!(jittered(0), 50);
    assert_eq!(jittered(u32::MAX / 2), 75);
    assert_eq!(jittered(u32::MAX), 100);
    let mut backoff = Backoff::new(FIRST, LONGEST);
    let pauses: Vec<_> = (0..5).map(|_| backoff.next_jittered_pause(0).as_millis()).collect();
    assert_eq!(pauses, [50, 100, 200, 400, 500], "jitter does not slow the doubling");
}
