//! A network in front of a Redis server, which can be cut between two hosts.
//!
//! Every host has an address of its own on the loopback interface: a server sends from it (`bind-source-addr`) and is reached
//! at it. A gate forwards the connections to one server and knows who opened each, so it can hold back the bytes of some hosts
//! only. As with lost packets, the bytes arrive when the network is whole again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::redis_server::Server;

/// The host of everything that chooses no address of its own, such as the service.
pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A loopback address that no other server has.
pub fn own_host() -> IpAddr {
    static HOSTS: AtomicU8 = AtomicU8::new(2);
    let [low, high, ..] = std::process::id().to_le_bytes();
    Ipv4Addr::new(127, high & 127, low, HOSTS.fetch_add(1, Ordering::Relaxed)).into()
}

/// The way to one server. Connections end with it.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// The server's socket.
    target: PathBuf,
    /// The hosts that are cut off.
    blocked: Mutex<BTreeSet<IpAddr>>,
    open: Mutex<BTreeMap<u64, Open>>,
    made: AtomicU64,
    closed: AtomicBool,
}

/// A connection: who opened it, and both of its sides.
struct Open {
    from: IpAddr,
    client: TcpStream,
    server: UnixStream,
}

impl Open {
    fn end(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Gate {
    /// A gate to a server, at a free port of a host.
    pub fn new(host: IpAddr, server: &Server) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (blocked, open, made, closed) = Default::default();
        let shared = Arc::new(Shared { target: server.socket(), blocked, open, made, closed });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                while let Ok((client, from)) = listener.accept() {
                    if shared.closed.load(Ordering::Relaxed) {
                        return;
                    }
                    // The connection to a server that is down ends at once.
                    if let Ok(server) = UnixStream::connect(&shared.target) {
                        shared.forward(from.ip(), client, server);
                    }
                }
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds back everything between the server and these hosts.
    pub fn block(&self, hosts: impl IntoIterator<Item = IpAddr>) {
        self.shared.blocked.lock().unwrap().extend(hosts);
    }

    /// Lets everything pass, also what was held back.
    pub fn unblock(&self) {
        self.shared.blocked.lock().unwrap().clear();
    }

    /// Ends all connections that this host has opened.
    pub fn reset(&self, from: IpAddr) {
        self.shared.open.lock().unwrap().values().filter(|open| open.from == from).for_each(Open::end);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        self.shared.open.lock().unwrap().values().for_each(Open::end);
    }
}

impl Shared {
    fn forward(self: &Arc<Self>, from: IpAddr, client: TcpStream, server: UnixStream) {
        client.set_nodelay(true).unwrap();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let open = Open { from, client: client.try_clone().unwrap(), server: server.try_clone().unwrap() };
        self.open.lock().unwrap().insert(number, open);
        let (requests, replies) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || requests.pass(number, from, client, server));
        thread::spawn(move || replies.pass(number, from, server_too, client_too));
    }

    /// Forwards one direction of a connection until that ends, and then ends both.
    fn pass(&self, number: u64, from: IpAddr, mut source: impl Read, mut sink: impl Write) {
        let mut part = [0; 16384];
        loop {
            let length = source.read(&mut part).unwrap_or(0);
            while self.blocked.lock().unwrap().contains(&from) && !self.closed.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
            if length == 0 || sink.write_all(&part[..length]).is_err() {
                break;
            }
        }
        if let Some(open) = self.open.lock().unwrap().remove(&number) {
            open.end();
        }
    }
}
