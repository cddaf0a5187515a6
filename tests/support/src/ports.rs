//! Ports for servers that are started with a port of their own.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// A free port below those that the system gives to clients. A port that the system has given and got back can be the port of the next
/// client before the server binds it.
pub fn free_port() -> u16 {
    loop {
        // A new hasher has a random key.
        let port = 10_240 + (RandomState::new().build_hasher().finish() % 22_528) as u16;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

/// A free port of 127.0.0.1, as an address.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
