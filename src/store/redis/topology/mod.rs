//! Which server a request goes to: a single one, the primary of a Sentinel set, or the primary of the site's slot in a cluster.
//!
//! The engine elects, shards and replicates; truycap follows. One task asks all Sentinels, or some nodes of the cluster, four
//! times a second for the primaries ([`follower`]); each answer has an epoch, and the highest one holds ([`table`]). So no
//! notification can be missed, and a Sentinel or a node that is cut off is outvoted.
//!
//! - When a server is no longer a primary, its requests in progress end at once as lost, even if it never answers.
//! - While no Sentinel or node answers, the last known primaries are used. If one is outdated, the offset shows what it lost.
//! - A request that a node answers with `MOVED` was not executed, so it is sent to the node that the answer names.
//! - `ASK` and `TRYAGAIN` are errors: while a slot is moving, neither node has all keys of a script. The site waits.
//!
//! The clients of the `redis` crate are not used. Its Sentinel client does not notice a fail-over. Its cluster client repeats lost
//! requests; without retries, it keeps using a node that does not answer.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    connection::{Connection, Request, Timeouts},
    errors::RequestError,
    url::{Place, Url},
};
use follower::{Follower, Witnesses};
use table::Address;

mod cluster;
mod follower;
mod other;
mod sentinel;
mod table;

pub(super) use table::SLOTS;

/// How often a request follows `MOVED`.
const MAX_REDIRECTIONS: usize = 3;

/// How long a Sentinel may take to connect and to reply: less than a round, so that the connection to one that is silent is
/// dropped.
const SENTINEL: Timeouts = Timeouts { connect: Duration::from_millis(400), reply: Duration::from_millis(400) };

/// The servers of a store.
pub(super) struct Topology {
    servers: Servers,
    /// Asks for the primaries, from the first request on.
    task: Mutex<Option<JoinHandle<()>>>,
}

enum Servers {
    Single(Arc<Connection>),
    Followed(Arc<Follower>),
}

/// The server that has the keys of a site.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    topology: &'a Topology,
    slot: u16,
}

impl Topology {
    pub(super) fn new(url: &Url, timeouts: Timeouts) -> Self {
        let named = |infos: &[redis::ConnectionInfo]| infos.iter().filter_map(Address::of).collect::<Vec<_>>();
        let servers = match url.place() {
            Place::Single(info) => Servers::Single(Arc::new(Connection::new(info, timeouts, false))),
            Place::Sentinel { sentinels, service, server } => {
                let connections = sentinels.iter().map(|info| Arc::new(Connection::new(info, SENTINEL, false)));
                let sentinels = named(sentinels).into_iter().zip(connections).collect();
                let witnesses = Witnesses::Sentinels { sentinels, service: service.clone() };
                Servers::Followed(Arc::new(Follower::new(witnesses, server.clone(), timeouts)))
            }
            Place::Cluster { nodes, server } => {
                Servers::Followed(Arc::new(Follower::new(Witnesses::Nodes(named(nodes)), server.clone(), timeouts)))
            }
        };
        Self { servers, task: Mutex::default() }
    }

    pub(super) fn link(&self, slot: u16) -> Link<'_> {
        Link { topology: self, slot }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(&self.servers, Servers::Followed(follower) if follower.is_cluster())
    }

    /// Whether a connection leads to the primary of a slot.
    pub(super) fn has(&self, connection: &Arc<Connection>, slot: u16) -> bool {
        match &self.servers {
            Servers::Single(_) => true,
            Servers::Followed(follower) => follower.has(connection, slot),
        }
    }

    /// Whether replicas can take over.
    pub(super) fn is_replicated(&self) -> bool {
        matches!(self.servers, Servers::Followed(_))
    }

    /// The connections to all primaries.
    pub(super) async fn primaries(&self) -> Result<Vec<Arc<Connection>>, RequestError> {
        match &self.servers {
            Servers::Single(connection) => Ok(vec![connection.clone()]),
            Servers::Followed(follower) => {
                self.start(follower);
                follower.primaries().await
            }
        }
    }

    /// The address of each primary, and whether it is connected.
    pub(super) fn nodes(&self) -> Vec<(String, bool)> {
        let primaries = match &self.servers {
            Servers::Single(connection) => vec![connection.clone()],
            Servers::Followed(follower) => follower.known_primaries().unwrap_or_default(),
        };
        primaries.iter().map(|connection| (connection.address(), connection.is_open())).collect()
    }

    /// Changes when a primary changes, if it can.
    pub(super) fn moves(&self) -> Option<watch::Receiver<u64>> {
        match &self.servers {
            Servers::Single(_) => None,
            Servers::Followed(follower) => Some(follower.moves()),
        }
    }

    /// Refuses all later requests. Requests in progress continue until they are answered.
    pub(super) async fn close(&self) {
        match &self.servers {
            Servers::Single(connection) => connection.close(),
            Servers::Followed(follower) => follower.close(),
        }
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            let _aborted = task.await;
        }
    }

    /// Starts the task that follows the primaries, if it does not run.
    fn start(&self, follower: &Arc<Follower>) {
        let mut task = self.task.lock();
        if task.as_ref().is_none_or(JoinHandle::is_finished) && !follower.is_closed() {
            let follower = follower.clone();
            *task = Some(tokio::spawn(async move { follower.follow().await }));
        }
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut() {
            task.abort();
        }
    }
}

/// A session with the server of a slot.
pub(super) struct Session {
    connection: Arc<Connection>,
    number: u64,
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connection, &other.connection) && self.number == other.number
    }
}

impl Link<'_> {
    /// The present session. While it is the same, one process has answered all requests.
    pub(super) async fn session(&self) -> Result<Session, RequestError> {
        let connection = match &self.topology.servers {
            Servers::Single(connection) => connection.clone(),
            Servers::Followed(follower) => follower.primary(self.slot).await?,
        };
        Ok(Session { number: connection.sessions(), connection })
    }

    /// Sends a request and waits for its reply. See [`Connection::run`].
    pub(super) async fn run<R: Request>(&self, request: &R) -> Result<R::Reply, RequestError> {
        let follower = match &self.topology.servers {
            Servers::Single(connection) => return connection.run(request).await,
            Servers::Followed(follower) => follower,
        };
        self.topology.start(follower);
        let mut redirections = 0;
        loop {
            let primary = follower.primary(self.slot).await?;
            let reply = primary.run(request).await;
            let to = reply.as_ref().err().and_then(RequestError::moved);
            let Some(to) = to.filter(|_| redirections < MAX_REDIRECTIONS) else { return reply };
            follower.moved(self.slot, to, &primary);
            redirections += 1;
        }
    }
}
