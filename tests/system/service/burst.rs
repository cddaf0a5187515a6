//! Many who come at once.

use std::{fs, net::TcpStream, time::Duration};

use super::files::place;

#[test]
fn a_crowd_that_comes_while_the_service_is_busy_is_kept_waiting_and_not_sent_away() {
    let most: usize = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    let service = place().start();
    let address = service.public.parse().unwrap();
    // As busy as can be.
    service.process.signal("STOP");
    // One that finds no room is told nothing, and tries again after a second.
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
    let crowd: Vec<_> = (0..most.min(1000)).map(connect).collect();
    service.process.signal("CONT");
    assert_eq!(service.get("/v1/sites/portal/figures").status, 200);
    drop(crowd);
    service.stop();
}
