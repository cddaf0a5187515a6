//! Two instances that share one store.

use std::time::{Duration, Instant};

use crate::{
    counts::{shown_fit, total},
    load::{Load, Tally, pages},
    process::{Service, wait::within},
};

/// Sends views to both, and checks that each shows the views of the other. Returns the tally of all views.
pub fn count_together(services: &[Service; 2]) -> Tally {
    let loads = services.each_ref().map(|service| {
        let load = Load::start(3, pages(8, ""), Duration::from_millis(2));
        load.aim(Some(&service.public));
        load
    });
    loads.iter().for_each(|load| load.wait_for(300));
    let mut tally = loads.into_iter().map(Load::finish).fold(Tally::default(), |sum, tally| sum.and(&tally));

    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let (here, there) = (&services[round % 2], &services[(round + 1) % 2]);
        let before = total(there, "portal", "/seen-by-the-other");
        here.count("portal", "/seen-by-the-other");
        let acknowledged = Instant::now();
        tally.acknowledge(&("portal".into(), "/seen-by-the-other".into()));
        within(Duration::from_secs(5), "the other instance shows the view", || {
            (total(there, "portal", "/seen-by-the-other") > before).then_some(())
        });
        slowest = slowest.max(acknowledged.elapsed());
    }
    println!("a view shows at the other instance after at most {slowest:?}");
    for service in services {
        // Each must now show all views of the other.
        within(Duration::from_secs(5), "all views are shown", || {
            (total(service, "portal", "") >= tally.of("portal", "").acknowledged).then_some(())
        });
        shown_fit(service, &tally, || tally.clone());
    }
    tally
}
