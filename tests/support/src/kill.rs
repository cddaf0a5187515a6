//! Killing a service repeatedly.

use std::{thread, time::Duration};

use crate::{
    counts::shown_fit,
    load::Load,
    process::{Place, Service},
};

/// Starts a service and kills it `kills` times while views are sent, then starts it once more and returns it.
///
/// Every fifth time, it is killed during its start. `compare` selects the starts after which its figures are checked.
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
            // The figures lie between the views acknowledged before the request and those sent by its end.
            shown_fit(&service, &before, || load.most());
        }
        load.wait_for(kill * 53 % 200);
        thread::sleep(Duration::from_millis(kill * 11 % 20));
        service.process.kill();
        load.aim(None);
    }
    place.start()
}
