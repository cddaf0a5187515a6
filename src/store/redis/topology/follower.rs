//! Follows the primaries of a Sentinel set or of a cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use redis::ConnectionInfo;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::{info, warn};

use super::{
    super::{
        connection::{Connection, Timeouts, USUAL},
        errors::RequestError,
    },
    cluster, sentinel,
    table::{Address, Change, Table, choose},
};

/// How often the witnesses are asked. Together with [`ANSWER`], it is how late a fail-over is followed.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long one round of asking takes at most.
const ANSWER: Duration = Duration::from_millis(500);

/// The most nodes of a cluster that are asked in one round. The next round asks the next ones.
const MAX_WITNESSES: usize = 16;

/// How many rounds a witness may be silent before its connection ends: about as long as a reply may take.
const SILENT_ROUNDS: u32 = 4;

/// How long no witness names the epoch of the table before a lower one is taken: longer than Sentinels need to hear of a fail-over.
const OUTDATED: Duration = Duration::from_secs(5);

/// The most changes of one round that are logged.
const MAX_LOGGED: usize = 10;

/// Who knows the primaries.
pub(super) enum Witnesses {
    Sentinels {
        sentinels: Vec<(Address, Arc<Connection>)>,
        service: String,
    },
    /// The nodes, found by those that the URL names.
    Nodes(Vec<Address>),
}

/// The connections to all primaries, by the slots that they have.
pub(super) struct Follower {
    witnesses: Witnesses,
    /// Login, database and TLS of the servers.
    template: ConnectionInfo,
    timeouts: Timeouts,
    state: Mutex<State>,
    /// How many rounds have ended.
    rounds: watch::Sender<usize>,
    /// How often a primary has changed.
    moves: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    table: Option<Table>,
    /// The table whose changes are logged.
    logged: Option<Table>,
    /// When a witness last named the table's epoch, or a higher one.
    confirmed: Option<Instant>,
    /// How many rounds a node has not answered.
    silent: BTreeMap<Address, u32>,
    /// The primaries, and the nodes that the URL names.
    connections: BTreeMap<Address, Arc<Connection>>,
    /// Why the last round had no answer, if it had none.
    silence: Option<String>,
    closed: bool,
}

impl Follower {
    pub(super) fn new(witnesses: Witnesses, template: ConnectionInfo, timeouts: Timeouts) -> Self {
        let follower = Self {
            witnesses,
            template,
            timeouts,
            state: Mutex::default(),
            rounds: watch::Sender::default(),
            moves: watch::Sender::default(),
        };
        let table = Table::default();
        let connections = follower.needed(&table).into_iter().map(|address| (address.clone(), follower.connection(&address))).collect();
        follower.state.lock().connections = connections;
        follower
    }

    fn connection(&self, address: &Address) -> Arc<Connection> {
        Arc::new(Connection::new(&address.connection_info(&self.template), self.timeouts, !self.is_cluster()))
    }

    /// The servers to which there is a connection.
    fn needed(&self, table: &Table) -> BTreeSet<Address> {
        let mut needed = table.primaries();
        if let Witnesses::Nodes(named) = &self.witnesses {
            needed.extend(named.iter().cloned());
        }
        needed
    }

    /// Asks the witnesses again and again.
    pub(super) async fn follow(&self) {
        loop {
            self.round().await;
            // Instances that were started together do not ask together.
            let jitter = u64::from(getrandom::u32().unwrap_or_default() % 50);
            tokio::time::sleep(INTERVAL + Duration::from_millis(jitter)).await;
        }
    }

    /// The connection to the primary of a slot.
    pub(super) async fn primary(&self, slot: u16) -> Result<Arc<Connection>, RequestError> {
        self.first_round().await;
        let state = self.state.lock();
        let table = state.table.as_ref().ok_or_else(|| state.unknown())?;
        let connection = table.primary(slot).and_then(|address| state.connections.get(address));
        connection.cloned().ok_or_else(|| RequestError::Unsent("no node of the cluster has the slot of this site".into()))
    }

    /// The connections to all primaries.
    pub(super) async fn primaries(&self) -> Result<Vec<Arc<Connection>>, RequestError> {
        self.first_round().await;
        self.known_primaries()
    }

    /// The same, without waiting.
    pub(super) fn known_primaries(&self) -> Result<Vec<Arc<Connection>>, RequestError> {
        let state = self.state.lock();
        let table = state.table.as_ref().ok_or_else(|| state.unknown())?;
        Ok(table.primaries().iter().filter_map(|address| state.connections.get(address).cloned()).collect())
    }

    /// Takes in that the primary of a slot named another one. What any other server says is older than the table.
    pub(super) fn moved(&self, slot: u16, to: &str, said_by: &Connection) {
        let mut state = self.state.lock();
        let Some(table) = state.table.as_ref().filter(|_| self.is_cluster()) else { return };
        let Some(primary) = table.primary(slot) else { return };
        let is_primary = state.connections.get(primary).is_some_and(|connection| std::ptr::eq(&raw const **connection, said_by));
        let to = Address::parse(to, primary).filter(|to| is_primary && to != primary);
        if let Some(table) = to.and_then(|to| table.with(slot, to)) {
            self.adopt(&mut state, table);
        }
    }

    /// Whether a connection leads to the primary of a slot.
    pub(super) fn has(&self, connection: &Arc<Connection>, slot: u16) -> bool {
        let state = self.state.lock();
        let primary = state.table.as_ref().and_then(|table| table.primary(slot));
        primary.and_then(|address| state.connections.get(address)).is_some_and(|known| Arc::ptr_eq(known, connection))
    }

    /// Refuses all later requests. Requests in progress continue until they are answered.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.connections.values().for_each(|connection| connection.close());
        if let Witnesses::Sentinels { sentinels, .. } = &self.witnesses {
            sentinels.iter().for_each(|(_, sentinel)| sentinel.close());
        }
    }

    pub(super) fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.witnesses, Witnesses::Nodes(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Waits until the witnesses were asked once. After [`Self::close`], nothing asks them.
    async fn first_round(&self) {
        if self.is_closed() {
            return;
        }
        let mut rounds = self.rounds.subscribe();
        let _in_time = timeout(USUAL.connect, rounds.wait_for(|rounds| *rounds > 0)).await;
    }

    async fn round(&self) {
        let mut asked = JoinSet::new();
        let witnesses = self.asked();
        let count = witnesses.len();
        for (address, connection) in witnesses {
            let service = match &self.witnesses {
                Witnesses::Sentinels { service, .. } => Some(service.clone()),
                Witnesses::Nodes(_) => None,
            };
            asked.spawn(async move {
                let answer = async {
                    match &service {
                        Some(service) => sentinel::ask(&connection, &address, service).await,
                        None => cluster::ask(&connection, &address).await,
                    }
                };
                let answer = timeout(ANSWER, answer).await;
                (address, connection, answer)
            });
        }
        let (mut tables, mut failures) = (Vec::new(), Vec::new());
        while let Some(answered) = asked.join_next().await {
            let Ok((address, connection, answer)) = answered else { continue };
            self.heard(&address, &connection, answer.is_ok());
            match answer {
                Ok(Ok(table)) => {
                    self.take_newer(&table);
                    tables.push(table);
                }
                Ok(Err(why)) => failures.push(format!("{address}: {why}")),
                Err(_) => failures.push(format!("{address}: it did not answer within {ANSWER:?}")),
            }
        }
        failures.sort();
        self.take_in(&tables, &failures, count);
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    /// Ends the connection to a witness that has not answered for some rounds: no request may be in progress whose time-out does it.
    fn heard(&self, address: &Address, connection: &Connection, answered: bool) {
        let mut state = self.state.lock();
        if answered {
            state.silent.remove(address);
            return;
        }
        let rounds = state.silent.entry(address.clone()).or_default();
        *rounds += 1;
        if *rounds >= SILENT_ROUNDS {
            state.silent.remove(address);
            connection.interrupt();
        }
    }

    /// The witnesses of the next round.
    fn asked(&self) -> Vec<(Address, Arc<Connection>)> {
        match &self.witnesses {
            Witnesses::Sentinels { sentinels, .. } => sentinels.clone(),
            Witnesses::Nodes(_) => {
                let state = self.state.lock();
                let nodes = state.connections.len();
                let first = self.rounds.borrow().wrapping_mul(MAX_WITNESSES) % nodes.max(1);
                let all = state.connections.iter().cycle().skip(first).take(nodes.min(MAX_WITNESSES));
                all.map(|(address, connection)| (address.clone(), connection.clone())).collect()
            }
        }
    }

    /// Takes in a Sentinel's newer answer before the others have come: one of them may be down with the earlier primary. Nodes of a
    /// cluster learn of an epoch before they learn of its primary, so theirs are compared.
    fn take_newer(&self, table: &Table) {
        let mut state = self.state.lock();
        if !self.is_cluster() && state.table.as_ref().is_some_and(|current| table.epoch > current.epoch) {
            self.adopt(&mut state, table.clone());
        }
    }

    fn take_in(&self, tables: &[Table], failures: &[String], count: usize) {
        let mut state = self.state.lock();
        let silence = tables.is_empty().then(|| failures.join("; "));
        match (&state.silence, &silence) {
            // Without a table, the caller reports the error.
            (None, Some(error)) if state.table.is_some() => {
                warn!(event = "store_topology_unknown", %error, "no {self} answers: the last known primaries are used");
            }
            (Some(_), None) if state.table.is_some() => info!(event = "store_topology_known", "a {self} answers again"),
            _ => {}
        }
        state.silence = silence;
        let epoch = state.table.as_ref().map_or(0, |table| table.epoch);
        if state.table.is_none() || tables.iter().any(|table| table.epoch >= epoch) {
            state.confirmed = Some(Instant::now());
        }
        let outdated = state.confirmed.is_some_and(|confirmed| confirmed.elapsed() >= OUTDATED);
        // A cluster that was made anew can have fewer nodes, and the old ones are among those that were asked.
        let count = if self.is_cluster() { tables.len() } else { count };
        if let Some(table) = choose(state.table.as_ref(), tables, count, outdated) {
            self.adopt(&mut state, table);
            state.confirmed = Some(Instant::now());
        }
        if let (Some(logged), Some(table)) = (&state.logged, &state.table) {
            self.log(&logged.changes(table));
        }
        state.logged = state.table.clone();
    }

    fn adopt(&self, state: &mut State, table: Table) {
        let old = state.table.take();
        let needed = self.needed(&table);
        for address in &needed {
            if !state.connections.contains_key(address) {
                let connection = self.connection(address);
                if state.closed {
                    connection.close();
                }
                state.connections.insert(address.clone(), connection);
            }
        }
        if let Some(old) = old {
            let primaries = table.primaries();
            for address in old.primaries().difference(&primaries) {
                match state.connections.get(address) {
                    Some(connection) if needed.contains(address) => connection.interrupt(),
                    Some(connection) => connection.retire(),
                    None => {}
                }
            }
        }
        state.connections.retain(|address, _| needed.contains(address));
        state.silent.retain(|address, _| needed.contains(address));
        state.table = Some(table);
        self.moves.send_modify(|moves| *moves += 1);
    }

    fn log(&self, changes: &[Change]) {
        let name = |address: &Option<Address>| address.as_ref().map_or_else(|| "none".into(), Address::to_string);
        for Change { from, to, slots } in changes.iter().take(MAX_LOGGED) {
            let (from, to) = (name(from), name(to));
            if self.is_cluster() {
                info!(event = "store_primary_changed", from, to, slots, "slots of the store have another primary");
            } else {
                info!(event = "store_primary_changed", from, to, "the store has another primary");
            }
        }
    }
}

impl std::fmt::Display for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.witnesses {
            Witnesses::Sentinels { .. } => "Sentinel",
            Witnesses::Nodes(_) => "node of the cluster",
        })
    }
}

impl State {
    /// The error of a request while no primary is known.
    fn unknown(&self) -> RequestError {
        let why = self.silence.as_deref().unwrap_or("nothing has answered yet");
        RequestError::Unsent(if self.closed { "it is closed".into() } else { format!("the primary is not known: {why}") })
    }
}
