//! A wire between a store and a Redis that breaks where it is told to.

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

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToRedis,
    FromRedis,
}

/// What becomes of what is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is lost with the connection.
    Lost,
    /// Nothing more happens that way, and the connection stays.
    Stalled,
    /// The client's connection ends, but to Redis it arrives: when [`Proxy::release`] says so.
    Held,
}

/// A wire to one Redis. It ends with the test.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    cut: Mutex<Option<Cut>>,
    /// All that Redis said.
    said: Mutex<Vec<u8>>,
    /// How many bytes went to Redis.
    asked: AtomicUsize,
    /// How many connections were made, and how many are open.
    made: AtomicUsize,
    connections: AtomicUsize,
    reset: Notify,
    release: Notify,
}

/// Where the wire breaks: after so many more bytes. Once; what comes then is passed on.
struct Cut {
    way: Way,
    after: usize,
    fate: Fate,
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

    /// Breaks the wire after so many more bytes that way.
    pub(crate) fn cut(&self, way: Way, after: usize, fate: Fate) {
        *self.shared.cut.lock().unwrap() = Some(Cut { way, after, fate });
    }

    /// Breaks it nowhere.
    pub(crate) fn mend(&self) {
        *self.shared.cut.lock().unwrap() = None;
    }

    /// How many connections were made.
    pub(crate) fn made(&self) -> usize {
        self.shared.made.load(Ordering::Relaxed)
    }

    /// Lets what was held arrive.
    pub(crate) fn release(&self) {
        self.shared.release.notify_one();
    }

    /// Resets all connections, both sides of them.
    pub(crate) fn reset(&self) {
        self.shared.reset.notify_waiters();
    }

    /// How many bytes went that way.
    pub(crate) fn passed(&self, way: Way) -> usize {
        match way {
            Way::ToRedis => self.shared.asked.load(Ordering::Relaxed),
            Way::FromRedis => self.said().len(),
        }
    }

    /// All that Redis said.
    pub(crate) fn said(&self) -> Vec<u8> {
        self.shared.said.lock().unwrap().clone()
    }

    /// Waits until no more than so many connections are open.
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
            // Redis may be away; the client sees that its connection ends.
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
                held = self.ask(from_client, to_server) => held?,
                () = self.answer(from_server, to_client) => return Ok(()),
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
        let mut said = Vec::new();
        server.read_to_end(&mut said).await?;
        self.said.lock().unwrap().extend(said);
        Ok(())
    }

    /// Passes on what the client says, and ends with what is held of it.
    async fn ask(&self, mut client: ReadHalf<'_>, mut server: WriteHalf<'_>) -> io::Result<Vec<u8>> {
        let mut part = [0; 4096];
        loop {
            // A client that was reset has ended too.
            let length = client.read(&mut part).await.unwrap_or(0);
            let broken = self.broken(Way::ToRedis, length);
            let passed = broken.as_ref().map_or(length, |cut| cut.after);
            self.asked.fetch_add(passed, Ordering::Relaxed);
            server.write_all(&part[..passed]).await?;
            match broken.map(|cut| cut.fate) {
                None if length > 0 => continue,
                // Redis carries out what it has heard whole, and then is the one to end it.
                None | Some(Fate::Lost) => server.shutdown().await?,
                Some(Fate::Stalled) => {}
                Some(Fate::Held) => return Ok(part[passed..length].to_vec()),
            }
            std::future::pending::<()>().await;
        }
    }

    async fn answer(&self, mut server: ReadHalf<'_>, mut client: WriteHalf<'_>) {
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = server.read(&mut part).await {
            self.said.lock().unwrap().extend(&part[..length]);
            let broken = self.broken(Way::FromRedis, length);
            // The client may be gone, and Redis is heard to its end.
            let _ = client.write_all(&part[..broken.as_ref().map_or(length, |cut| cut.after)]).await;
            match broken.map(|cut| cut.fate) {
                None => {}
                Some(Fate::Lost) => return,
                Some(Fate::Stalled | Fate::Held) => std::future::pending().await,
            }
        }
    }

    /// Where the wire breaks within a part of this length, if it does.
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
