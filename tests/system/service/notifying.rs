//! Notifications to the service manager.

use std::{os::unix::net::UnixDatagram, time::Duration};

use super::{
    files::place,
    process::{eventually, wait::PATIENCE},
};

/// The next message, but none of the watchdog.
fn next(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).unwrap();
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message != "WATCHDOG=1\n" {
            return message;
        }
    }
}

#[test]
fn the_service_manager_is_notified_of_the_start_of_reloads_and_of_the_stop() {
    let place = place().with("LISTEN__DRAIN", "30s");
    let path = place.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut launched = place.clone();
    launched.launcher = ["env", "WATCHDOG_USEC=200000", &format!("NOTIFY_SOCKET={}", path.display())].map(str::to_owned).into();
    let service = launched.start_unready();
    assert_eq!(next(&socket), "READY=1\n");
    assert_eq!(service.ready().unwrap().status, 200);
    let mut buffer = [0; 64];
    assert_eq!(socket.recv(&mut buffer).map(|length| buffer[..length].to_vec()).unwrap(), b"WATCHDOG=1\n");
    service.process.signal("HUP");
    let reloading = next(&socket);
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|time| time.trim_end().parse::<u64>().ok());
    assert!(time.is_some_and(|time| time > 0), "{reloading}");
    assert_eq!(next(&socket), "READY=1\n");
    service.process.signal("TERM");
    assert_eq!(next(&socket), "STOPPING=1\n");
    let ready = service.ready().unwrap();
    assert_eq!((ready.status, &ready.json()["reason"]), (503, &"stopping".into()));
    assert!(service.client().view("portal", "/1").unwrap().counted());
    // A second signal ends the drain.
    service.process.signal("TERM");
    assert_eq!(service.process.wait(Duration::from_secs(10)).code, Some(0));
}

#[test]
fn a_service_manager_that_does_not_read_holds_up_neither_a_reload_nor_the_stop() {
    let place = place();
    let path = place.path("notify.sock");
    let _never_read = UnixDatagram::bind(&path).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"full", &path).is_ok() {}
    let mut launched = place.clone();
    launched.launcher = ["env", &format!("NOTIFY_SOCKET={}", path.display())].map(str::to_owned).into();
    let service = launched.start_unready();
    service.count("portal", "/1");
    service.process.signal("HUP");
    eventually("the reload ends", || service.process.log().contains("was reloaded").then_some(()));
    service.process.signal("TERM");
    let finished = service.process.wait(Duration::from_secs(10));
    assert!(finished.code == Some(0) && finished.err.contains("the service manager was not notified"), "{finished:?}");
}
