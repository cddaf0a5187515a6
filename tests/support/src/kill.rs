//! Killing a service again and again.

use std::{thread, time::Duration};

use crate::{
    counts::shown_fit,
    load::Load,
    process::{Place, Service},
};

/// Starts a service and kills it, so many times, while views are sent; then starts it for good.
///
/// Every fifth time it is killed somewhere in its start. `compare` says after which starts it is asked what it shows.
pub fn kill(place: &Place, load: &Load, kills: u64, compare: impl Fn(u64) -> bool) -> Service {
    for kill in 0..kills {
        if kill % 5 == 4 {
            let process = place.spawn();
            thread::sleep(Duration::from_millis(kill * 7 % 60));
            process.kill();
            continue;
        }
        let before = load.tally();
        let service = place.start();
        load.aim(Some(&service.public));
        if compare(kill) {
            // What is shown lies between what was acknowledged before the question and what was sent by its end.
            shown_fit(&service, &before, || load.most());
        }
        load.wait_for(kill * 53 % 200);
        thread::sleep(Duration::from_millis(kill * 11 % 20));
        service.process.kill();
        load.aim(None);
    }
    place.start()
}
