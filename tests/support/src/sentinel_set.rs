//! A primary with two replicas and three sentinels, each on a host of its own, between which the network can be cut.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use chrono::NaiveDateTime;

use crate::{
    gate::{Gate, HERE, own_host},
    process::wait::within,
    redis_server::Server,
};

/// The name by which the sentinels know the primary.
pub const SERVICE: &str = "truycap";

/// After this time without a result, a fail-over is asked of the next sentinel.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// Longer than an election that has to be repeated.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server or a sentinel, and the way to it.
pub struct Node {
    pub server: Server,
    pub gate: Gate,
    host: IpAddr,
}

pub struct SentinelSet {
    /// The first one is the primary at the start.
    pub servers: Vec<Node>,
    pub sentinels: Vec<Node>,
    /// What the URL names besides them, as `host:port`.
    pub more_sentinels: Vec<String>,
    /// What the URL has before the addresses and after the service.
    pub login: (String, String),
}

/// The options by which a server is known by its gate.
fn announce(gate: &Gate) -> [String; 4] {
    let (host, port) = (gate.address().ip().to_string(), gate.address().port().to_string());
    ["--replica-announce-ip".into(), host, "--replica-announce-port".into(), port]
}

impl Node {
    fn server(options: &[&str]) -> Self {
        let host = own_host();
        let mut server = Server::new(0, options);
        let gate = Gate::new(host, &server);
        for option in announce(&gate).chunks(2).chain([["--bind-source-addr".into(), host.to_string()].as_slice()]) {
            server.option(&option[0], &option[1]);
        }
        server.option("--repl-diskless-sync-delay", "0");
        Self { server, gate, host }
    }

    fn sentinel(primary: SocketAddr, config: &str) -> Self {
        let host = own_host();
        let monitor = format!("sentinel monitor {SERVICE} {} {} 2\n", primary.ip(), primary.port());
        let mut server = Server::sentinel(&(monitor + TIMES + config), &["--bind-source-addr", &host.to_string()]);
        let log = server.file("log");
        server.option("--logfile", log.to_str().unwrap());
        let gate = Gate::new(host, &server);
        // The options of a sentinel can only be lines of its file.
        let file = server.file("sentinel.conf");
        let lines = fs::read_to_string(&file).unwrap();
        let own = format!("sentinel announce-ip {host}\nsentinel announce-port {}\n", gate.address().port());
        fs::write(&file, own + &lines).unwrap();
        Self { server, gate, host }
    }

    pub fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// The state of its replication, if it answers: a sentinel that changes it ends all connections.
    fn replication(&self) -> Option<String> {
        let mut connection = redis::Client::open(self.server.url()).ok()?.get_connection().ok()?;
        redis::cmd("INFO").arg("replication").query(&mut connection).ok()
    }
}

/// How fast the sentinels decide.
const TIMES: &str = "sentinel down-after-milliseconds truycap 1500\nsentinel failover-timeout truycap 6000\n";

/// How often sentinels ask servers for their state and tell each other theirs, which is ten and two seconds by default.
const ASKING: &str = "SENTINEL DEBUG INFO-PERIOD 500 PUBLISH-PERIOD 500";

impl SentinelSet {
    /// Starts servers with these options, and sentinels.
    pub fn start(options: &[&str]) -> Self {
        Self::start_with(options, "", "", "")
    }

    /// Starts servers and sentinels, with further lines of the sentinels' configuration, and with the parameters of the URLs by
    /// which a test logs in to each kind.
    pub fn start_with(options: &[&str], login: &str, config: &str, sentinel_login: &str) -> Self {
        let mut servers: Vec<_> = (0..3).map(|_| Node::server(options)).collect();
        let primary = servers[0].address();
        let mut sentinels: Vec<_> = (0..3).map(|_| Node::sentinel(primary, config)).collect();
        for (number, node) in servers.iter_mut().enumerate() {
            node.server.login = login.into();
            node.server.run();
            if number > 0 {
                let () = node.server.cli(&format!("REPLICAOF {} {}", primary.ip(), primary.port()));
            }
        }
        for node in &mut sentinels {
            node.server.login = sentinel_login.into();
            node.server.run();
            let () = node.server.cli(ASKING);
        }
        let set = Self { servers, sentinels, more_sentinels: Vec::new(), login: Default::default() };
        set.wait_until_whole();
        set
    }

    /// The URL of the store.
    pub fn url(&self) -> String {
        let sentinels = self.sentinels.iter().map(|node| node.address().to_string());
        let sentinels: Vec<_> = self.more_sentinels.iter().cloned().chain(sentinels).collect();
        let (login, parameters) = &self.login;
        format!("redis+sentinel://{login}{}/{SERVICE}{parameters}", sentinels.join(","))
    }

    /// What a sentinel knows of the primary.
    pub fn seen_by(&self, sentinel: usize) -> BTreeMap<String, String> {
        self.sentinels[sentinel].server.cli(&format!("SENTINEL MASTER {SERVICE}"))
    }

    /// The address that a sentinel names, if it answers.
    pub fn named_by(&self, sentinel: usize) -> Option<SocketAddr> {
        let sentinel = &self.sentinels[sentinel].server;
        sentinel.pid()?;
        let (host, port): (String, u16) = sentinel.cli(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}"));
        Some(SocketAddr::new(host.parse().ok()?, port))
    }

    /// The number of the server that most of the sentinels name.
    pub fn primary(&self) -> Option<usize> {
        let named: Vec<_> = (0..self.sentinels.len()).filter_map(|sentinel| self.named_by(sentinel)).collect();
        self.servers.iter().position(|node| named.iter().filter(|named| **named == node.address()).count() >= 2)
    }

    /// Waits until most sentinels name another primary than `old`, and it has taken over.
    pub fn wait_for_another(&self, old: usize) -> usize {
        within(PATIENCE, "another primary is elected", || self.next_after(old))
    }

    /// Waits until every sentinel names the same primary and knows the other sentinels, and every other server replicates it.
    pub fn wait_until_whole(&self) {
        within(PATIENCE, "the set is whole", || {
            let primary = self.primary()?;
            let knows = |sentinel: usize| {
                let seen = self.seen_by(sentinel);
                let others = seen["num-other-sentinels"] == "2";
                let replicas = format!("SENTINEL REPLICAS {SERVICE}");
                let replicas: Vec<BTreeMap<String, String>> = self.sentinels[sentinel].server.cli(&replicas);
                // One that it has last seen as a primary would be made a replica right after its promotion.
                let ready = |replica: &BTreeMap<String, String>| replica["flags"] == "slave" && replica["role-reported"] == "slave";
                let ready = replicas.len() == 2 && replicas.iter().all(ready);
                others && ready && seen["flags"] == "master" && seen["port"] == self.servers[primary].address().port().to_string()
            };
            let replicates = |info: String| info.contains("master_link_status:up") && info.contains(&self.upstream(primary));
            let others = self.servers.iter().enumerate().filter(|(number, _)| *number != primary);
            let mut replicas = others.map(|(_, node)| node.replication().unwrap_or_default());
            ((0..self.sentinels.len()).all(knows) && replicas.all(replicates)).then_some(())
        });
    }

    fn upstream(&self, primary: usize) -> String {
        format!("master_port:{}\r\n", self.servers[primary].address().port())
    }

    /// Asks for a fail-over of a primary that works, and returns the next one.
    pub fn failover(&self) -> usize {
        self.failover_by((0..self.sentinels.len()).cycle())
    }

    /// The same, asked of these sentinels, one after the other until one succeeds.
    pub fn failover_by(&self, sentinels: impl IntoIterator<Item = usize>) -> usize {
        let old = self.primary().unwrap();
        let (mut sentinels, mut asked) = (sentinels.into_iter(), None);
        // It is refused while the last one is under way or no replica is ready, and can be given up after it has begun.
        within(PATIENCE, "another primary after a fail-over", || {
            if asked.is_none_or(|asked: Instant| asked.elapsed() > GIVEN_UP) {
                let mut sentinel = self.sentinels[sentinels.next()?].server.raw();
                asked = redis::cmd("SENTINEL").arg("FAILOVER").arg(SERVICE).exec(&mut sentinel).ok().map(|()| Instant::now());
            }
            self.next_after(old)
        })
    }

    /// Another primary than `old`, once most sentinels name it and it has taken over.
    fn next_after(&self, old: usize) -> Option<usize> {
        let takes_writes = |number: usize| self.servers[number].replication().is_some_and(|info| info.contains("role:master"));
        self.primary().filter(|primary| *primary != old && takes_writes(*primary))
    }

    /// Cuts a server from all others and from the sentinels; the service still reaches it.
    pub fn isolate(&self, server: usize) {
        let host = self.servers[server].host;
        for node in self.servers.iter().chain(&self.sentinels) {
            if node.host == host {
                node.gate.block(self.servers.iter().chain(&self.sentinels).map(|node| node.host).filter(|other| *other != host));
            } else {
                node.gate.block([host]);
            }
        }
    }

    /// Cuts a sentinel from all servers and other sentinels; the service still reaches it.
    pub fn isolate_sentinel(&self, sentinel: usize) {
        let host = self.sentinels[sentinel].host;
        self.sentinels[sentinel].gate.block(self.sentinels.iter().map(|node| node.host));
        for node in self.servers.iter().chain(&self.sentinels).filter(|node| node.host != host) {
            node.gate.block([host]);
        }
    }

    /// Takes a host with a server and a sentinel off the network, for the service too.
    pub fn lose_host(&self, number: usize) {
        self.isolate(number);
        self.isolate_sentinel(number);
        for node in [&self.servers[number], &self.sentinels[number]] {
            node.gate.block([HERE]);
        }
    }

    /// Cuts the replicas from a primary; the sentinels still reach it.
    pub fn stop_replication(&self, primary: usize) {
        self.servers[primary].gate.block(self.servers.iter().map(|node| node.host));
    }

    /// Makes the network whole.
    pub fn heal(&self) {
        self.servers.iter().chain(&self.sentinels).for_each(|node| node.gate.unblock());
    }

    /// Ends the connections of the service to a server.
    pub fn disconnect(&self, server: usize) {
        self.servers[server].gate.reset(HERE);
    }

    /// Restarts all servers with their files at other addresses, and configures the sentinels for them.
    pub fn move_away(&mut self) {
        let primary = self.primary().unwrap();
        for sentinel in &self.sentinels {
            let () = sentinel.server.cli(&format!("SENTINEL REMOVE {SERVICE}"));
        }
        for node in &mut self.servers {
            node.server.crash();
            node.gate = Gate::new(node.host, &node.server);
            for option in announce(&node.gate).chunks(2) {
                node.server.option(&option[0], &option[1]);
            }
        }
        let address = self.servers[primary].address();
        for (number, node) in self.servers.iter_mut().enumerate() {
            node.server.restart();
            if number != primary {
                let () = node.server.cli(&format!("REPLICAOF {} {}", address.ip(), address.port()));
            }
        }
        for sentinel in &self.sentinels {
            for line in [format!("MONITOR {SERVICE} {} {} 2", address.ip(), address.port())]
                .iter()
                .map(String::as_str)
                .chain(["SET truycap down-after-milliseconds 1500 failover-timeout 6000"])
            {
                let () = sentinel.server.cli(&format!("SENTINEL {line}"));
            }
        }
        self.wait_until_whole();
    }

    /// When a sentinel first logged the event after a moment.
    pub fn logged(&self, event: &str, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let logs = self.sentinels.iter().map(|node| fs::read_to_string(node.server.file("log")).unwrap_or_default());
        let times = logs.flat_map(|log| log.lines().filter(|line| line.contains(event)).filter_map(time).collect::<Vec<_>>());
        times.filter(|time| *time >= after).min()
    }
}

/// The time of a line in a log of Redis: `1234:X 28 Nov 2026 12:36:10.898 # …`.
fn time(line: &str) -> Option<NaiveDateTime> {
    let text = line.split_once(' ')?.1;
    NaiveDateTime::parse_from_str(text.get(..24)?, "%d %b %Y %H:%M:%S%.3f").ok()
}
