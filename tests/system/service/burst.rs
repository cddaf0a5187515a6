//! Many connections at once.

use std::{fs, net::TcpStream, time::Duration};

use super::files::place;

#[test]
fn connections_to_a_busy_service_wait_and_are_not_refused() {
    let most: usize = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    let place = place();
    let service = place.start();
    let address = service.public.parse().unwrap();
    // A stopped process accepts nothing, like one that is very busy.
    service.process.signal("STOP");
    // If the accept queue is full, the kernel drops the SYN, and the client repeats it after a second: too late here.
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
    let crowd: Vec<_> = (0..most.min(1000)).map(connect).collect();
    service.process.signal("CONT");
    assert_eq!(service.get("/v1/sites/portal/figures").status, 200);
    drop(crowd);
    service.stop();
}
