//! A cluster of Redis servers, each on a host of its own.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use redis::FromRedisValue;

use crate::{counts::Counts, gate::own_host, load::Tally, process::wait::within, redis_server::Server};

/// Longer than an election that has to be repeated, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The port of each node. Its bus has the port 16 379.
const PORT: u16 = 6379;

/// A node. Its files stay when it is killed.
pub struct Node {
    pub server: Server,
    pub host: IpAddr,
    pub id: String,
    /// Whether it runs and is not frozen.
    pub is_up: bool,
}

pub struct Cluster {
    /// The primaries come first, and then the replica of each.
    pub nodes: Vec<Node>,
    options: Vec<String>,
}

/// A line of `CLUSTER NODES`.
struct Known {
    id: String,
    is_self: bool,
    is_primary: bool,
    epoch: u64,
    slots: Vec<(u16, u16)>,
}

impl Known {
    fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let slots = words[8..].iter().filter(|word| !word.starts_with('['));
        let number = |text: &str| text.parse().unwrap();
        let range = |word: &&str| word.split_once('-').map_or_else(|| (number(word), number(word)), |(a, b)| (number(a), number(b)));
        let flags: Vec<_> = words[2].split(',').collect();
        Self {
            id: words[0].into(),
            is_self: flags.contains(&"myself"),
            is_primary: flags.contains(&"master"),
            epoch: words[6].parse().unwrap(),
            slots: slots.map(range).collect(),
        }
    }

    fn has(&self, slot: u16) -> bool {
        self.is_primary && self.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }
}

impl Node {
    fn start(options: &[String]) -> Self {
        let host = own_host();
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let mut server = Server::new(PORT, &options);
        for option in ["--bind", "--cluster-announce-ip"] {
            server.option(option, &host.to_string());
        }
        for (name, value) in [("enabled", "yes"), ("node-timeout", "5000"), ("require-full-coverage", "no")] {
            server.option(&format!("--cluster-{name}"), value);
        }
        server.option("--repl-diskless-sync-delay", "0");
        server.run();
        let id = server.cli("CLUSTER MYID");
        Self { server, host, id, is_up: true }
    }

    /// What the node knows of itself and the others; nothing if it does not answer.
    fn known(&self) -> Vec<Known> {
        let nodes: Option<String> = self.is_up.then(|| self.server.cli("CLUSTER NODES"));
        nodes.unwrap_or_default().lines().map(Known::parse).collect()
    }

    /// Runs a command that the node refuses until others have heard of something.
    fn until_accepted(&self, line: &str) {
        within(PATIENCE, line, || {
            let mut words = line.split(' ');
            let mut command = redis::cmd(words.next().unwrap());
            command.arg(words.collect::<Vec<_>>()).exec(&mut self.server.raw()).ok()
        });
    }
}

impl Cluster {
    /// Starts a primary for each range of slots, each with a replica if `replicas`, and further options.
    pub fn start(ranges: &[(u16, u16)], replicas: bool, options: &[&str]) -> Self {
        let mut cluster = Self { nodes: Vec::new(), options: options.iter().map(|option| String::from(*option)).collect() };
        for epoch in 1..=ranges.len() * (1 + usize::from(replicas)) {
            let node = Node::start(&cluster.options);
            let () = node.server.cli(&format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
            cluster.nodes.push(node);
        }
        for ((first, last), node) in ranges.iter().zip(&cluster.nodes) {
            let slots: Vec<_> = (*first..=*last).map(|slot| slot.to_string()).collect();
            let () = node.server.cli(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
        }
        for node in &cluster.nodes[1..] {
            cluster.meet(node);
        }
        cluster.wait_until_known();
        if replicas {
            let (primaries, replicas) = cluster.nodes.split_at(ranges.len());
            for (primary, replica) in primaries.iter().zip(replicas) {
                replica.until_accepted(&format!("CLUSTER REPLICATE {}", primary.id));
            }
        }
        cluster.wait_until_whole();
        cluster
    }

    fn meet(&self, node: &Node) {
        let () = self.nodes[0].server.cli(&format!("CLUSTER MEET {} {PORT}", node.host));
    }

    /// Waits until all nodes know each other.
    fn wait_until_known(&self) {
        within(PATIENCE, "the nodes know each other", || {
            let all = |node: &Node| self.nodes.iter().all(|other| node.known().iter().any(|known| known.id == other.id));
            self.nodes.iter().all(all).then_some(())
        });
    }

    /// Waits until all nodes are in the cluster, it has all slots, and all replicas replicate.
    pub fn wait_until_whole(&self) {
        within(PATIENCE, "the cluster is whole", || {
            self.nodes
                .iter()
                .all(|node| {
                    let info: String = node.server.cli("CLUSTER INFO");
                    let replication: String = node.server.cli("INFO replication");
                    info.contains("cluster_state:ok")
                        && info.contains("cluster_slots_ok:16384")
                        && (replication.contains("role:master") || replication.contains("master_link_status:up"))
                })
                .then_some(())
        });
    }

    /// The URL of the store, with the first node alone.
    pub fn url(&self) -> String {
        format!("redis+cluster://{}:{PORT}", self.nodes[0].host)
    }

    /// The URL of the store, with all nodes.
    pub fn url_of_all(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.host.to_string()).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    pub fn slot(&self, site: &str) -> u16 {
        let node = self.nodes.iter().find(|node| node.is_up).unwrap();
        node.server.cli(&format!("CLUSTER KEYSLOT {site}"))
    }

    /// The node that claims the slot of a site, with the highest epoch if there are several.
    pub fn owner(&self, site: &str) -> Option<usize> {
        let slot = self.slot(site);
        let claim = |node: &Node| node.known().into_iter().find(|known| known.is_self && known.has(slot)).map(|known| known.epoch);
        let claims = self.nodes.iter().enumerate().filter_map(|(number, node)| Some((claim(node)?, number)));
        claims.max().map(|(_, number)| number)
    }

    /// Waits until another node than `old` has the slot of a site. Returns it, and when it was first seen.
    pub fn wait_for_another(&self, site: &str, old: usize) -> (usize, Instant) {
        within(PATIENCE, "another primary is elected", || {
            self.owner(site).filter(|owner| *owner != old).map(|owner| (owner, Instant::now()))
        })
    }

    pub fn crash(&mut self, node: usize) {
        self.nodes[node].is_up = false;
        self.nodes[node].server.crash();
    }

    pub fn restart(&mut self, node: usize) {
        self.nodes[node].server.restart();
        self.nodes[node].is_up = true;
    }

    pub fn freeze(&mut self, node: usize) {
        self.nodes[node].is_up = false;
        self.nodes[node].server.signal("STOP");
    }

    pub fn unfreeze(&mut self, node: usize) {
        self.nodes[node].server.signal("CONT");
        self.nodes[node].is_up = true;
    }

    /// Restarts a node at another address.
    pub fn readdress(&mut self, node: usize) {
        self.crash(node);
        let host = own_host();
        self.nodes[node].host = host;
        for option in ["--bind", "--cluster-announce-ip"] {
            self.nodes[node].server.option(option, &host.to_string());
        }
        self.restart(node);
    }

    /// Makes a replica of a site's primary the primary.
    pub fn failover(&self, site: &str) -> (usize, Instant) {
        let old = self.owner(site).unwrap();
        let replica = self.nodes.iter().find(|node| {
            let known: Option<String> = node.is_up.then(|| node.server.cli("INFO replication"));
            known.is_some_and(|info| info.contains("role:slave") && info.contains(&format!("master_host:{}\r\n", self.nodes[old].host)))
        });
        let replica = replica.expect("the primary has a replica");
        // A fail-over that is not done after 5 seconds is given up.
        let mut asked: Option<Instant> = None;
        within(PATIENCE, "a replica takes over", || {
            if asked.is_none_or(|asked| asked.elapsed() > Duration::from_secs(6)) {
                asked = redis::cmd("CLUSTER").arg("FAILOVER").exec(&mut replica.server.raw()).ok().map(|()| Instant::now());
            }
            self.owner(site).filter(|owner| *owner != old).map(|owner| (owner, Instant::now()))
        })
    }

    /// Begins to move the slot of a site: until [`Self::end_move`], its keys can be on both nodes.
    pub fn begin_move(&self, site: &str, to: usize) {
        let (slot, from, to) = (self.slot(site), &self.nodes[self.owner(site).unwrap()], &self.nodes[to]);
        let () = to.server.cli(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", from.id));
        let () = from.server.cli(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", to.id));
    }

    /// Moves one key of the slot of a site. Returns whether there was one.
    pub fn move_key(&self, site: &str, to: usize) -> bool {
        let (slot, from, to) = (self.slot(site), &self.nodes[self.owner(site).unwrap()], &self.nodes[to]);
        let keys: Vec<String> = from.server.cli(&format!("CLUSTER GETKEYSINSLOT {slot} 1"));
        let Some(key) = keys.first() else { return false };
        let moved: String = from.server.cli(&format!("MIGRATE {} {PORT} {key} 0 60000", to.host));
        assert!(moved == "OK" || moved == "NOKEY", "{moved}");
        true
    }

    /// Moves what is left, and makes the other node the owner.
    pub fn end_move(&self, site: &str, to: usize) {
        let slot = self.slot(site);
        let from = self.owner(site).unwrap();
        while self.move_key(site, to) {}
        for node in [&self.nodes[to], &self.nodes[from]].into_iter().chain(&self.nodes) {
            // Replicas refuse it and learn it from their primary.
            let command = format!("CLUSTER SETSLOT {slot} NODE {}", self.nodes[to].id);
            let mut words = command.split(' ');
            let _ = redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).exec(&mut node.server.raw());
        }
        within(PATIENCE, "the slot is on the other node", || (self.owner(site) == Some(to)).then_some(()));
    }

    pub fn move_site(&self, site: &str, to: usize) {
        self.begin_move(site, to);
        self.end_move(site, to);
    }

    /// Adds a primary without slots.
    pub fn add_node(&mut self) -> usize {
        let node = Node::start(&self.options);
        self.meet(&node);
        self.nodes.push(node);
        self.wait_until_known();
        self.wait_until_whole();
        self.nodes.len() - 1
    }

    /// Removes the last node, which has no slots.
    pub fn remove_node(&mut self) {
        let mut node = self.nodes.pop().unwrap();
        for other in &self.nodes {
            let () = other.server.cli(&format!("CLUSTER FORGET {}", node.id));
        }
        node.server.kill();
    }

    /// Runs a command on the primary of a site.
    pub fn cli_of<T: FromRedisValue>(&self, site: &str, line: &str) -> T {
        self.nodes[self.owner(site).unwrap()].server.cli(line)
    }

    /// The counters on all primaries. A primary that was replaced learns it a moment later.
    pub fn counts(&self) -> Counts {
        let primaries = within(PATIENCE, "no slot has two primaries", || {
            let claims = self.nodes.iter().filter_map(|node| {
                let claim = node.known().into_iter().find(|known| known.is_self && known.is_primary)?;
                Some((node, claim.slots.iter().map(|(first, last)| u32::from(last - first) + 1).sum::<u32>()))
            });
            let claims: Vec<_> = claims.collect();
            let slots: u32 = claims.iter().map(|(_, slots)| slots).sum();
            (slots <= 16384).then(|| claims.into_iter().map(|(node, _)| node).collect::<Vec<_>>())
        });
        primaries.into_iter().map(|node| node.server.counts()).fold(Counts::default(), Counts::and)
    }

    /// Waits until the primaries have every acknowledged view, and prints how long that took.
    pub fn wait_for(&self, what: &str, tally: &Tally) {
        let start = Instant::now();
        within(PATIENCE, what, || {
            let counts = self.counts();
            tally.sent.iter().all(|((site, article), sent)| counts.total(site, article) >= sent.acknowledged).then_some(())
        });
        println!("{what}: after {:?}", start.elapsed());
    }
}
