//! The supplied Sentinel set and cluster: their commands with real servers, in which only hosts, ports, directories and time-outs
//! are replaced. Each host is an address on the loopback interface.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    counts::{Counts, shown_fit},
    file,
    gate::own_host,
    load::{Load, Tally, pages},
    on_redis::lines,
    process::{Place, child::Process, wait::within},
    sites::sites,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The servers of a file, by host.
struct Set {
    dir: TempDir,
    hosts: BTreeMap<String, IpAddr>,
    commands: BTreeMap<String, Vec<String>>,
    processes: BTreeMap<String, Process>,
    /// The ports of Redis and of sentinels.
    ports: [u16; 2],
    url: String,
}

/// The words of a list in YAML.
fn words(line: &str, key: &str) -> Option<Vec<String>> {
    let list = line.trim().strip_prefix(key)?.trim().strip_prefix('[')?.strip_suffix(']')?;
    Some(list.split(", ").map(|word| word.trim_matches('"').to_owned()).collect())
}

/// The commands of all servers of a file, by host. In a manifest, each pod of a StatefulSet has one.
fn commands(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut commands = BTreeMap::new();
    let mut replicas: Option<usize> = None;
    for line in text.lines() {
        if let Some(number) = line.trim().strip_prefix("replicas: ") {
            replicas = Some(number.parse().unwrap());
        }
        let Some(command) = words(line, "command:").filter(|command| command[0] == "sh") else { continue };
        let own = &command[2];
        if own != "$(POD)" {
            commands.insert(own.clone(), command.clone());
            continue;
        }
        let name = if command[1].contains("sentinel") { "sentinel" } else { "redis" };
        for number in 0..replicas.unwrap() {
            let own = format!("{name}-{number}");
            commands.insert(own.clone(), command.iter().map(|word| word.replace("$(POD)", &own)).collect());
        }
    }
    commands
}

/// A port below which a cluster finds its own one, 10 000 higher.
fn port(host: IpAddr) -> u16 {
    loop {
        let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
        if port < 55_000 && TcpListener::bind((host, port + 10_000)).is_ok() {
            return port;
        }
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The path of a program.
fn program(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.exists()).unwrap()
}

impl Set {
    fn start(name: &str) -> Self {
        let text = fs::read_to_string(file(name)).unwrap();
        let commands = commands(&text);
        let hosts: BTreeMap<String, IpAddr> = commands.keys().map(|name| (name.clone(), own_host())).collect();
        let any = *hosts.values().next().unwrap();
        let ports = [port(any), port(any)];
        let mut url = text.lines().find_map(|line| {
            let (_, url) = line.split_once("TRUYCAP_STORE__URL: \"").or_else(|| line.split_once("--from-literal=url="))?;
            Some(url.trim_matches('"').to_owned())
        });
        let url = url.take().unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (named, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = ports[usize::from(scheme.contains("sentinel"))];
        let named: Vec<_> = named.split(',').map(|host| format!("{}:{port}", hosts[host])).collect();
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        let url = format!("{scheme}://{}{path}", named.join(","));

        let dir = TempDir::new().unwrap();
        let server = program("redis-server");
        executable(
            &dir.path().join("redis-server"),
            &format!("#!/bin/sh\nexec {} \"$@\" --bind \"$HOST\" --repl-diskless-sync-delay 0\n", server.display()),
        );
        executable(&dir.path().join("getent"), "#!/bin/sh\necho \"$2 $2\"\n");
        let mut set = Self { dir, hosts, commands, processes: BTreeMap::new(), ports, url };
        for host in set.commands.keys().cloned().collect::<Vec<_>>() {
            set.run(&host);
        }
        set
    }

    /// Runs the command of a host.
    fn run(&mut self, host: &str) {
        let dir = self.dir.path().join(host);
        let (config, data) = (dir.join("etc"), dir.join("data"));
        fs::create_dir_all(&config).unwrap();
        fs::create_dir_all(&data).unwrap();
        for entry in fs::read_dir(file("deploy/redis")).unwrap() {
            let entry = entry.unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            let text = text
                .replace("26379", "SENTINEL")
                .replace("6379", &self.ports[0].to_string())
                .replace("SENTINEL", &self.ports[1].to_string())
                .replace("/data", data.to_str().unwrap())
                .replace("/etc/redis", config.to_str().unwrap())
                .replace("mymaster 5000", "mymaster 2000")
                .replace("node-timeout 5000", "node-timeout 2000");
            fs::write(config.join(entry.file_name()), text).unwrap();
        }
        let paths = format!("{}:{}", self.dir.path().display(), std::env::var("PATH").unwrap());
        // It makes a group of the process and its children, and ends that even if the test is killed.
        let mut command = Command::new("timeout");
        command.args(["--signal", "KILL", "150"]).env("PATH", paths).env("HOST", self.hosts[host].to_string());
        for word in &self.commands[host] {
            command.arg(self.hosts.get(word).map_or_else(|| word.replace("/etc/redis", config.to_str().unwrap()), IpAddr::to_string));
        }
        self.processes.insert(host.into(), Process::spawn(command));
    }

    /// Kills the server of a host.
    fn kill(&mut self, host: &str) {
        kill(self.processes.remove(host).unwrap());
    }

    fn cli(&self, host: &str, line: &str) -> Option<redis::Value> {
        let port = self.ports[usize::from(host.starts_with("sentinel"))];
        let url = format!("redis://{}:{port}", self.hosts[host]);
        let words: Vec<_> = line.split(' ').collect();
        let mut connection = redis::Client::open(url).unwrap().get_connection().ok()?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).ok()
    }

    fn text(&self, host: &str, line: &str) -> String {
        self.cli(host, line).map(|value| redis::from_redis_value(value).unwrap()).unwrap_or_default()
    }

    /// The servers with this text in what they say about their replication.
    fn with(&self, replication: &str) -> Vec<String> {
        let servers = self.processes.keys().filter(|host| !host.starts_with("sentinel"));
        servers.filter(|host| self.text(host, "INFO replication").contains(replication)).cloned().collect()
    }

    /// Waits until each primary has a replica that has caught up and, in a Sentinel set, each sentinel knows all others.
    fn wait_until_whole(&self) {
        within(PATIENCE, "the set is whole", || {
            let replicas = self.with("master_link_status:up").len();
            let sentinels: Vec<_> = self.processes.keys().filter(|host| host.starts_with("sentinel")).collect();
            let knows = |sentinel: &str| {
                let value = self.cli(sentinel, "SENTINEL MASTER mymaster")?;
                let seen: BTreeMap<String, String> = redis::from_redis_value(value).ok()?;
                (seen["num-slaves"] == "2" && seen["num-other-sentinels"] == "2" && seen["flags"] == "master").then_some(())
            };
            let primaries = if sentinels.is_empty() { 3 } else { 1 };
            let all_know = sentinels.iter().all(|sentinel| knows(sentinel).is_some());
            for sentinel in &sentinels {
                // By default, they ask for the state of servers every ten seconds.
                self.cli(sentinel, "SENTINEL DEBUG INFO-PERIOD 500 PUBLISH-PERIOD 500");
            }
            let up = !sentinels.is_empty() || self.with("").iter().all(|host| self.text(host, "CLUSTER INFO").contains("cluster_state:ok"));
            (up && all_know && self.with("role:master").len() == primaries && replicas == self.with("").len() - primaries).then_some(())
        });
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        std::mem::take(&mut self.processes).into_values().for_each(kill);
    }
}

/// Kills a process and its children.
fn kill(mut process: Process) {
    let group = format!("-{}", process.id());
    let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).output();
    within(PATIENCE, "the server ends", || process.has_ended().then_some(()));
}

/// Counts on a set, of which a primary ends and comes back.
fn counts_through_a_failover(name: &str) {
    let begun = Instant::now();
    let mut set = Set::start(name);
    set.wait_until_whole();
    println!("whole after {:?}", begun.elapsed());
    let place: Place = sites().with("STORE__URL", &set.url);
    let checked = place.run(&["check"]);
    assert_eq!((checked.code, &*checked.err), (Some(0), ""), "{checked:?}");
    let service = place.start();
    let load = Load::start(2, pages(4, ""), Duration::from_millis(5));
    load.aim(Some(&service.public));
    load.wait_for(100);

    // In a cluster, the site `portal` is on this one.
    let primary = within(PATIENCE, "a primary has the site", || {
        set.with("role:master")
            .into_iter()
            .find(|host| set.cli(host, "EXISTS truycap:{portal}:views").is_some_and(|value| value == redis::Value::Int(1)))
    });
    set.kill(&primary);
    let another = within(PATIENCE, "another server is the primary", || {
        service.logged(&["store_primary_changed"]).pop().or_else(|| service.logged(&["another primary"]).pop())
    });
    println!("after {:?}: {another}", begun.elapsed());
    load.wait_for(100);
    set.run(&primary);
    set.wait_until_whole();
    assert!(set.with("role:slave").contains(&primary));
    println!("whole again after {:?}", begun.elapsed());
    load.wait_for(100);
    let tally: Tally = load.finish();
    within(PATIENCE, "the service is in sync", || (!service.is_stale()).then_some(()));
    shown_fit(&service, &tally, || tally.clone());
    let log = service.stop().err;
    assert_eq!(lines(&log, &["lacks the last views"]), [""; 0]);
    Counts::exported(&place).fit(&tally);
}

#[test]
fn the_sentinel_set_of_the_compose_file_counts_through_a_failover() {
    counts_through_a_failover("deploy/compose.sentinel.yaml");
}

#[test]
fn the_cluster_of_the_compose_file_counts_through_a_failover() {
    counts_through_a_failover("deploy/compose.cluster.yaml");
}

/// Their commands differ from those of the Compose files only in the hosts.
#[test]
fn the_manifests_run_what_the_compose_files_run() {
    for kind in ["sentinel", "cluster"] {
        let shape = |name: String| {
            let commands = commands(&fs::read_to_string(file(&name)).unwrap());
            let first = |script: &str| commands.iter().find(|(_, words)| words[1].contains(script)).map(|(host, _)| host.clone());
            let first = first("server").or_else(|| first("node")).unwrap();
            let mut shapes: Vec<_> =
                commands.iter().map(|(host, words)| (words[1].clone(), words[2] == *host, words[3] == first, words.len())).collect();
            shapes.sort();
            shapes
        };
        assert_eq!(shape(format!("deploy/compose.{kind}.yaml")), shape(format!("deploy/kubernetes/{kind}.yaml")));
    }
}
