//! Tells the service manager how far the service is, by systemd's protocol (sd_notify(3)). Without one, all of this does nothing.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::recorder::Handle;

/// The service accepts views, for the first time or again after a reload.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is being reloaded; [`ready`] must follow.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => warn!(event = "service_manager_not_notified", %error, "the service manager was not notified of the reload"),
    }
}

/// The service stops.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Feeds the watchdog at half of its time, if there is one, as long as the recorder makes progress: if the journal's disk hangs,
/// the service manager ends the service.
pub(super) async fn feed_watchdog(handle: Handle) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else { return };
    let mut ticks = interval(limit / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !handle.makes_progress().await {
            return;
        }
        send(&[NotifyState::Watchdog]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = try_send(states) {
        warn!(event = "service_manager_not_notified", %error, ?states, "the service manager was not notified");
    }
}

/// `sd_notify::notify` waits for a service manager that does not read, and holds up signals and the stop.
fn try_send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(()) };
    // A name that begins with @ is not a path.
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    socket.send_to_addr(message.as_bytes(), &address).map(drop)
}
