//! A proxy between a store and Redis that breaks connections at a given byte.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

use super::redis_server::Server;

/// The direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToRedis,
    FromRedis,
}

/// What happens at a cut to the connection and to the bytes that are not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends and the bytes are lost.
    Lost,
    /// The connection stays open, but nothing more is forwarded in this direction.
    Stalled,
    /// The client's connection ends, and Redis gets the bytes at [`Proxy::release`].
    Held,
}

/// A proxy to one Redis. It ends with the test.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    cut: Mutex<Option<Cut>>,
    /// All bytes from Redis.
    replies: Mutex<Vec<u8>>,
    /// How many bytes went to Redis.
    sent: AtomicUsize,
    /// How many connections were made, and how many are open.
    made: AtomicUsize,
    connections: AtomicUsize,
    reset: Notify,
    release: Notify,
}

/// Breaks one connection after this many more bytes; later connections are not affected.
struct Cut {
    way: Way,
    after: usize,
    fault: Fault,
}

impl Proxy {
    pub(crate) async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, redis) = (listener.local_addr().unwrap().port(), server.tcp_url().replace("redis://", ""));
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(accept(listener, redis, Arc::clone(&shared)));
        Self { port, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Breaks a connection after this many more bytes in this direction.
    pub(crate) fn cut(&self, way: Way, after: usize, fault: Fault) {
        *self.shared.cut.lock().unwrap() = Some(Cut { way, after, fault });
    }

    /// Cancels a cut that has not happened yet.
    pub(crate) fn cancel_cut(&self) {
        *self.shared.cut.lock().unwrap() = None;
    }

    /// How many connections have been opened.
    pub(crate) fn made(&self) -> usize {
        self.shared.made.load(Ordering::Relaxed)
    }

    /// Forwards the held bytes to Redis.
    pub(crate) fn release(&self) {
        self.shared.release.notify_one();
    }

    /// Resets all connections, both sides of them.
    pub(crate) fn reset(&self) {
        self.shared.reset.notify_waiters();
    }

    /// How many bytes were forwarded to Redis, or received from it.
    pub(crate) fn passed(&self, way: Way) -> usize {
        match way {
            Way::ToRedis => self.shared.sent.load(Ordering::Relaxed),
            Way::FromRedis => self.replies().len(),
        }
    }

    /// All bytes from Redis.
    pub(crate) fn replies(&self) -> Vec<u8> {
        self.shared.replies.lock().unwrap().clone()
    }

    /// Waits until at most this many connections are open.
    pub(crate) async fn connections_fall_to(&self, most: usize) {
        let fallen = async {
            while self.shared.connections.load(Ordering::Relaxed) > most {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(30), fallen).await.expect("connections end");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.reset();
    }
}

async fn accept(listener: TcpListener, redis: String, shared: Arc<Shared>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (redis, shared) = (redis.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            shared.made.fetch_add(1, Ordering::Relaxed);
            shared.connections.fetch_add(1, Ordering::Relaxed);
            // If Redis is unreachable, the client's connection ends.
            if let Ok(server) = TcpStream::connect(redis).await {
                let _ = shared.connect(client, server).await;
            }
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

impl Shared {
    async fn connect(&self, mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let held = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            tokio::select! {
                held = self.forward_requests(from_client, to_server) => held?,
                () = self.forward_replies(from_server, to_client) => return Ok(()),
                () = self.reset.notified() => {
                    client.set_zero_linger()?;
                    return server.set_zero_linger();
                }
            }
        };
        drop(client);
        self.release.notified().await;
        server.write_all(&held).await?;
        server.shutdown().await?;
        let mut replies = Vec::new();
        server.read_to_end(&mut replies).await?;
        self.replies.lock().unwrap().extend(replies);
        Ok(())
    }

    /// Forwards the client's bytes, and returns those that are held.
    async fn forward_requests(&self, mut client: ReadHalf<'_>, mut server: WriteHalf<'_>) -> io::Result<Vec<u8>> {
        let mut part = [0; 4096];
        loop {
            // A reset is treated like the end of the stream.
            let length = client.read(&mut part).await.unwrap_or(0);
            let broken = self.broken(Way::ToRedis, length);
            let passed = broken.as_ref().map_or(length, |cut| cut.after);
            self.sent.fetch_add(passed, Ordering::Relaxed);
            server.write_all(&part[..passed]).await?;
            match broken.map(|cut| cut.fault) {
                None if length > 0 => continue,
                // Redis executes the commands that it received completely, and then closes the connection.
                None | Some(Fault::Lost) => server.shutdown().await?,
                Some(Fault::Stalled) => {}
                Some(Fault::Held) => return Ok(part[passed..length].to_vec()),
            }
            std::future::pending::<()>().await;
        }
    }

    /// Forwards the bytes of Redis.
    async fn forward_replies(&self, mut server: ReadHalf<'_>, mut client: WriteHalf<'_>) {
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = server.read(&mut part).await {
            self.replies.lock().unwrap().extend(&part[..length]);
            let broken = self.broken(Way::FromRedis, length);
            // Redis is read to the end even if the client is gone.
            let _ = client.write_all(&part[..broken.as_ref().map_or(length, |cut| cut.after)]).await;
            match broken.map(|cut| cut.fault) {
                None => {}
                Some(Fault::Lost) => return,
                Some(Fault::Stalled | Fault::Held) => std::future::pending().await,
            }
        }
    }

    /// The cut, if it is within the next `length` bytes.
    fn broken(&self, way: Way, length: usize) -> Option<Cut> {
        let mut cut = self.cut.lock().unwrap();
        let current = cut.as_mut().filter(|cut| cut.way == way && length > 0)?;
        if current.after <= length {
            return cut.take();
        }
        current.after -= length;
        None
    }
}
