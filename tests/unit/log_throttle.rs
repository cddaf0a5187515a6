//! Lines of the log that repeat: which are allowed, and that each one left out is accounted for.

use std::time::Duration;

use truycap::telemetry::log_throttle::{GroupedLogThrottle, LeftOut, LogThrottle, Sweep};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_was_left_out_is_reported_once_also_if_the_line_never_comes_again() {
    let throttle = LogThrottle::new(MINUTE, 1);
    let allowed: Vec<_> = ["a", "a", "a", "b"].into_iter().map(|key| throttle.allow(key)).collect();
    assert_eq!(allowed, [Some(0), None, None, None]);
    let nothing = LeftOut { lines: vec![], others: 0 };
    assert_eq!(throttle.sweep(Sweep::Due), nothing, "its next line can still account for them");
    assert_eq!(throttle.sweep(Sweep::All), LeftOut { lines: vec![("a", 2)], others: 1 });
    assert_eq!(throttle.sweep(Sweep::All), nothing);
}

#[test]
fn the_keys_of_one_group_take_no_room_from_another() {
    let throttle = GroupedLogThrottle::new(MINUTE, 10);
    let shown = (0..1000).filter(|key| throttle.allow("attacked", *key).is_some()).count();
    assert_eq!((shown, throttle.allow("other", 0)), (10, Some(0)));
    assert_eq!(throttle.sweep(Sweep::All), [("attacked", LeftOut { lines: vec![], others: 990 })]);
}
