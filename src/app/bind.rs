//! Binds the configured listeners.

use std::{
    env, fs,
    io::{self, ErrorKind},
    net::{Ipv6Addr, SocketAddr},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use listenfd::ListenFd;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{
    net::{TcpListener, UnixListener, UnixSocket},
    time::sleep,
};

use crate::{config::PublicAddress, http::Acceptor};

/// How many connections the system queues for a listener that has not accepted them yet; the system's own limit can be
/// lower. If the queue is full, a client gets no answer and retries after a second. The usual 128 fill up before a busy
/// processor returns to this process.
const BACKLOG: u32 = 4096;

/// How often it is verified that a Unix socket can be found.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The mode of a Unix socket: the service's group can connect. Not every local user, because a client is trusted as a proxy.
const SOCKET_MODE: u32 = 0o660;

/// Binds the public listener, and returns what removes its file, if it has one.
pub(super) fn public(address: &PublicAddress) -> io::Result<(Acceptor, Option<SocketFile>)> {
    match address {
        PublicAddress::Ip(address) => Ok((tcp(*address)?.into(), None)),
        PublicAddress::Unix(path) => {
            let (listener, file) = unix(path)?;
            Ok((listener.into(), Some(file)))
        }
        PublicAddress::Systemd => Ok((inherited()?, None)),
    }
}

pub(super) fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // Every interface is meant, with IPv4 too, whatever the system's own setting is.
        socket.set_only_v6(false)?;
    }
    // After a restart, connections of the previous process can still be closing.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG.cast_signed())?;
    TcpListener::from_std(socket.into())
}

/// The file of a Unix socket. Dropping it removes the file, unless another process has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// Waits until the file is deleted or replaced, and returns its path: nothing can connect to the socket any more.
    pub(super) async fn lost(&self) -> PathBuf {
        while identity(&self.path) == self.identity {
            sleep(WATCH_INTERVAL).await;
        }
        self.path.clone()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "the file exists and is not a socket"));
        }
        Ok(_) if is_served(path)? => return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens on it")),
        // A process that was killed leaves its socket behind.
        Ok(_) | Err(_) => {}
    }
    let temporary = path.with_file_name(format!(".{:08x}", getrandom::u32().map_err(io::Error::other)?));
    let socket = UnixSocket::new_stream()?;
    socket.bind(&temporary)?;
    let mut file = SocketFile { identity: identity(&temporary), path: temporary };
    fs::set_permissions(&file.path, fs::Permissions::from_mode(SOCKET_MODE))?;
    let listener = socket.listen(BACKLOG)?;
    // Last, because a second process that starts would take a socket without a listener for one that was left behind.
    fs::rename(&file.path, path)?;
    file.path = path.into();
    Ok((listener, file))
}

/// Whether a process listens on a Unix socket. Never waits: a process that does not accept can have a full queue.
pub(crate) fn is_served(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(false),
        // The queue is full.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        connected => connected.map(|()| true),
    }
}

/// The first socket that the service manager passes.
fn inherited() -> io::Result<Acceptor> {
    let wrong = |passed: usize| {
        let found = format!("the service manager passed {passed} sockets in LISTEN_FDS; it must pass one, by a .socket unit");
        Err(io::Error::new(ErrorKind::InvalidInput, found))
    };
    // Before they are looked at one by one, because the number can be nonsense.
    if let Some(passed) = env::var("LISTEN_FDS").ok().and_then(|passed| passed.parse().ok()).filter(|passed| *passed > 1) {
        return wrong(passed);
    }
    let mut sockets = ListenFd::from_env();
    if sockets.len() != 1 {
        return wrong(sockets.len());
    }
    if let Ok(Some(listener)) = sockets.take_unix_listener(0) {
        listener.set_nonblocking(true)?;
        return Ok(Acceptor::from(UnixListener::from_std(listener)?).kept());
    }
    let listener = sockets.take_tcp_listener(0)?.ok_or(ErrorKind::InvalidInput)?;
    listener.set_nonblocking(true)?;
    Ok(Acceptor::from(TcpListener::from_std(listener)?).kept())
}
