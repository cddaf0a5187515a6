//! nginx and HAProxy with the supplied files, in which only addresses, paths and the certificate are replaced.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use truycap_test_support::ports::free_address;

use super::{
    file,
    process::{child::Process, client::Client, eventually},
};

/// An instance: the addresses of its listeners.
pub(crate) struct Instance<'a> {
    pub(crate) public: &'a str,
    pub(crate) admin: &'a str,
}

/// A running proxy, with a listener without TLS in addition to those of the file.
pub(crate) struct Proxy {
    process: Process,
    pub(crate) address: String,
    dir: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if !self.process.has_ended() {
            // nginx's workers outlive a master that is killed.
            self.process.signal("TERM");
            eventually("the proxy ends", || self.process.has_ended().then_some(()));
        }
    }
}

impl Proxy {
    fn start(command: Command, address: String, dir: TempDir) -> Self {
        let mut proxy = Self { process: Process::spawn(command), address, dir };
        eventually("the proxy listens", || {
            assert!(!proxy.process.has_ended(), "{}", proxy.process.log());
            Client::connect(&proxy.address).ok()
        });
        proxy
    }

    /// Starts nginx in front of instances.
    pub(crate) fn nginx(instances: &[Instance<'_>]) -> Self {
        let dir = TempDir::new().unwrap();
        let [address, redirect, tls] = free_addresses();
        let (pem, key) = certificate(dir.path());
        let path = |name: &str| dir.path().join(name).display().to_string();
        let servers: Vec<_> = instances.iter().map(|instance| instance.public.to_owned()).collect();
        let text = replaced(
            "deploy/nginx/truycap.conf",
            ("127.0.0.1:8080", &servers),
            &[
                ("/var/cache/nginx-truycap", &path("cache")),
                ("/var/log/nginx/truycap.log", &path("access.log")),
                ("listen 80;", &format!("listen {redirect};")),
                ("listen [::]:80;", ""),
                ("listen 443 ssl http2;", &format!("listen {tls} ssl http2; listen {address};")),
                ("listen [::]:443 ssl http2;", ""),
                ("/etc/nginx/tls/count.example.vn.pem", &pem),
                ("/etc/nginx/tls/count.example.vn.key", &key),
            ],
        );
        let bodies: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|name| format!("{name}_temp_path {};\n", path(name))).collect();
        let user = if truycap_test_support::disk::as_root() { "user root;" } else { "" };
        let main = format!(
            "{user} daemon off; worker_processes 2; pid {}; error_log stderr;\n\
             events {{ worker_connections 1024; }}\nhttp {{ {bodies} {text} }}\n",
            path("pid")
        );
        fs::write(dir.path().join("nginx.conf"), main).unwrap();
        let mut command = Command::new(program("nginx"));
        command.args(["-e", "stderr", "-p"]).arg(dir.path()).args(["-c", &path("nginx.conf")]);
        Self::start(command, address, dir)
    }

    /// Starts HAProxy in front of instances.
    pub(crate) fn haproxy(instances: &[Instance<'_>]) -> Self {
        let dir = TempDir::new().unwrap();
        let [address, redirect, tls] = free_addresses();
        certificate(dir.path());
        let crt = dir.path().join("both.pem").display().to_string();
        let server = |(number, instance): (usize, &Instance<'_>)| {
            let (host, port) = instance.admin.rsplit_once(':').unwrap();
            format!("i{number} {} addr {host} port {port}", instance.public)
        };
        let servers: Vec<_> = instances.iter().enumerate().map(server).collect();
        let text = replaced(
            "deploy/haproxy/truycap.cfg",
            ("a 127.0.0.1:8080", &servers),
            &[
                ("bind :::80 v4v6", &format!("bind {redirect}")),
                ("bind :::443 v4v6 ssl", &format!("bind {address}\n    bind {tls} ssl")),
                ("/etc/haproxy/tls/count.example.vn.pem", &crt),
                ("maxconn 20000", "maxconn 1000"),
            ],
        );
        Self::start_haproxy(&text, address, dir)
    }

    /// Starts HAProxy between truycap and Redis servers, which are named by address and port.
    pub(crate) fn haproxy_to_redis(servers: &[String]) -> Self {
        let [address] = free_addresses();
        let servers: Vec<_> = servers.iter().enumerate().map(|(number, server)| format!("r{number} {server}")).collect();
        let text = replaced("deploy/haproxy/redis.cfg", ("a 10.0.0.11:6379", &servers), &[("127.0.0.1:6380", &address)]);
        Self::start_haproxy(&text, address, TempDir::new().unwrap())
    }

    /// Checks a configuration of HAProxy, and starts it.
    fn start_haproxy(text: &str, address: String, dir: TempDir) -> Self {
        let config = dir.path().join("haproxy.cfg");
        fs::write(&config, text).unwrap();
        let checked = Command::new(program("haproxy")).args(["-c", "-V", "-f"]).arg(&config).output().unwrap();
        let printed = [checked.stdout, checked.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(checked.status.success() && !printed.contains("WARNING"), "{printed}");
        let mut command = Command::new(program("haproxy"));
        command.args(["-db", "-f"]).arg(&config);
        Self::start(command, address, dir)
    }

    /// The proxy's errors.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// The requests that the proxy logged: nginx into a file, HAProxy to standard output.
    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_else(|_| self.process.printed())
    }
}

/// A server, which Debian installs where only root looks for programs.
fn program(name: &str) -> String {
    let path = format!("/usr/sbin/{name}");
    if Path::new(&path).exists() { path } else { name.to_owned() }
}

/// A file of the repository with these texts replaced, each of which it must have. The line with the server is repeated, once
/// for each instance.
fn replaced(name: &str, (server, instances): (&str, &[String]), replacements: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(file(name)).unwrap();
    // Comments have examples of further instances.
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut text = String::new();
    for line in lines {
        let count = if line.contains(server) { instances.len() } else { 1 };
        let copies = (0..count).map(|copy| line.replace(server, &instances[copy]) + "\n");
        text.extend(copies);
    }
    for (from, to) in replacements {
        assert!(text.contains(from), "{name} has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

/// Writes a certificate and its key, alone and in one file.
fn certificate(dir: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["count.example.vn".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap();
        dir.join(name).display().to_string()
    };
    write("both.pem", &format!("{pem}{key}"));
    (write("cert.pem", &pem), write("key.pem", &key))
}

fn free_addresses<const N: usize>() -> [String; N] {
    std::array::from_fn(|_| free_address().to_string())
}
