//! TLS: the program with trusted and untrusted certificates.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use truycap_test_support::ports::free_port;

use super::{
    process::{Place, child::Finished, eventually},
    redis_server::Server,
};

/// A certificate authority, and the files that it has signed.
struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let (dir, key) = (TempDir::new().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().into()
    }

    /// The options of a server with a certificate for `name`, and its TLS port.
    fn options(&self, name: &str) -> (Vec<String>, u16) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let (certificate_file, key_file) = (self.file("server.pem"), self.file("server.key"));
        fs::write(&certificate_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        let port = free_port();
        let (text, ca_file) = (port.to_string(), self.file("ca.pem"));
        let tls = ["--tls-port", &text, "--tls-cert-file", &certificate_file, "--tls-key-file", &key_file, "--tls-ca-cert-file", &ca_file];
        let options = [&tls[..], &["--tls-auth-clients", "no"]].concat();
        (options.into_iter().map(String::from).collect(), port)
    }

    /// A server with a certificate for `name` and these options, and its TLS port. It has no other port.
    fn server_with(&self, name: &str, more: &[&str]) -> (Server, u16) {
        let (options, port) = self.options(name);
        let mut all: Vec<&str> = options.iter().map(String::as_str).collect();
        all.extend(["--appendonly", "yes"].iter().chain(more));
        (Server::start(&all), port)
    }

    fn server(&self, name: &str) -> (Server, u16) {
        self.server_with(name, &[])
    }

    /// A place that trusts only this authority.
    fn place(&self, url: &str) -> Place {
        let mut place = Place::new().with("STORE__URL", url);
        place.environment.insert("SSL_CERT_FILE".into(), self.file("ca.pem"));
        place
    }
}

/// Waits until Redis has this many views in database 3.
fn has_views(server: &Server, views: u64) {
    let mut raw = server.raw();
    let () = redis::cmd("SELECT").arg(3).query(&mut raw).unwrap();
    eventually("the views are in the database", || {
        let has: Option<u64> = redis::cmd("HGET").arg("truycap:{portal}:views").arg("total").query(&mut raw).unwrap();
        (has == Some(views)).then_some(())
    });
}

fn check(place: &Place) -> Finished {
    place.run(&["check"])
}

#[track_caller]
fn is_refused(finished: &Finished, because: &str) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.err.contains(because), "{finished:?}");
}

#[test]
fn views_are_counted_over_tls_and_the_login_is_not_shown() {
    let authority = Authority::new("ours");
    let (server, port) = authority.server("localhost");
    let mut raw = server.raw();
    redis::cmd("ACL").arg(&["SETUSER", "joe", "on", ">hunter2", "~*", "+@all"]).exec(&mut raw).unwrap();
    let place = authority.place(&format!("rediss://joe:hunter2@localhost:{port}/3"));
    let checked = place.ok(&["check"]);
    assert!(checked.contains(&format!("store: rediss://localhost:{port}/3 can be used\n")), "{checked}");

    let service = place.start();
    for _ in 0..3 {
        service.count("portal", "");
    }
    let () = redis::cmd("SELECT").arg(3).query(&mut raw).unwrap();
    eventually("the views are in the database", || {
        let views: Option<u64> = redis::cmd("HGET").arg("truycap:{portal}:views").arg("total").query(&mut raw).unwrap();
        (views == Some(3)).then_some(())
    });
    // The login is not shown if it fails while the service runs either.
    redis::cmd("ACL").arg(&["DELUSER", "joe"]).exec(&mut raw).unwrap();
    service.count("portal", "");
    eventually("the failure is logged", || service.process.log().contains("the store is unreachable").then_some(()));
    let log = service.stop().err;
    assert!(!log.contains("hunter2") && !log.contains("joe"), "{log}");
    let failed = check(&place);
    is_refused(&failed, "it does not accept the user or the password of store.url");
    assert!(!failed.err.contains("hunter2") && !failed.err.contains("joe"), "{failed:?}");
}

#[test]
fn an_untrusted_certificate_or_one_for_another_name_is_refused() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another authority"));
    let (_server, port) = authority.server("localhost");
    let url = format!("rediss://localhost:{port}");
    is_refused(&check(&other.place(&url)), "this system does not trust its certificate (invalid peer certificate: UnknownIssuer)");
    // The certificate is valid for the name only, not for the address.
    is_refused(
        &check(&authority.place(&format!("rediss://127.0.0.1:{port}"))),
        "this system does not trust its certificate (invalid peer certificate: certificate not valid for name",
    );
    assert_eq!(check(&authority.place(&url)).code, Some(0));
}

#[test]
fn tls_and_plain_connections_do_not_mix() {
    let authority = Authority::new("ours");
    let (_server, port) = authority.server("localhost");
    is_refused(&check(&authority.place(&format!("redis://localhost:{port}"))), "cannot connect to redis://localhost:");
    let plain = Server::start_on_port(&[]);
    let url = plain.tcp_url().replace("redis://", "rediss://");
    is_refused(&check(&authority.place(&url)), &format!("cannot connect to {url}/0: "));
}

/// Sentinels and servers have users, passwords and TLS of their own. The certificates name hosts, so sentinels do too.
#[test]
fn views_are_counted_over_tls_through_a_failover_and_sentinels_have_a_login_of_their_own() {
    let authority = Authority::new("ours");
    let options =
        ["--tls-replication", "yes", "--replica-announce-ip", "localhost", "--masteruser", "replica", "--masterauth", "replicates"];
    let servers: Vec<(Server, u16)> = [(); 2].map(|()| authority.server_with("localhost", &options)).into();
    for (server, port) in &servers {
        for user in ["joe on >hunter2 ~* +@all", "replica on >replicates +psync +replconf +ping", "sentinel on >asks ~* &* +@all"] {
            let () = server.cli(&format!("ACL SETUSER {user}"));
        }
        let () = server.cli(&format!("CONFIG SET replica-announce-port {port}"));
    }
    let () = servers[1].0.cli(&format!("REPLICAOF localhost {}", servers[0].1));

    let (mut options, tls_port) = authority.options("localhost");
    let plain_port = free_port();
    options.extend(["--tls-replication".into(), "yes".into(), "--port".into(), plain_port.to_string()]);
    let config = format!(
        "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\nsentinel monitor mymaster localhost {} 1\n\
         sentinel auth-user mymaster sentinel\nsentinel auth-pass mymaster asks\nsentinel failover-timeout mymaster 6000\n\
         user watcher on >hunter3 +@all\n",
        servers[0].1
    );
    let mut sentinel = Server::sentinel(&config, &options.iter().map(String::as_str).collect::<Vec<_>>());
    sentinel.run();
    let () = sentinel.cli("SENTINEL DEBUG INFO-PERIOD 500 PUBLISH-PERIOD 500");

    let place = authority.place(&format!("rediss+sentinel://joe@localhost:{tls_port}/mymaster/3?sentinel_user=watcher"));
    let place = place.clone().with("STORE__PASSWORD_FILE", &place.write("redis", "hunter2"));
    let place = place.clone().with("STORE__SENTINEL_PASSWORD_FILE", &place.write("sentinel", "hunter3\n"));
    let checked = place.ok(&["check"]);
    assert!(checked.contains(&format!("store: rediss+sentinel://localhost:{tls_port}/mymaster/3 can be used\n")), "{checked}");
    let service = place.start();
    service.count("portal", "");
    has_views(&servers[0].0, 1);
    has_views(&servers[1].0, 1);
    eventually("the fail-over begins", || redis::cmd("SENTINEL").arg("FAILOVER").arg("mymaster").exec(&mut sentinel.raw()).ok());
    eventually("the service follows", || service.process.log().contains("store_primary_changed").then_some(()));
    service.count("portal", "");
    has_views(&servers[1].0, 2);
    let log = service.stop().err;
    for secret in ["hunter", "joe", "watcher"] {
        assert!(!log.contains(secret), "{log}");
    }

    let plain = format!("rediss+sentinel://joe@localhost:{plain_port}/mymaster/3?sentinel_user=watcher");
    is_refused(&check(&place.clone().with("STORE__URL", &plain)), &format!("localhost:{plain_port}"));
    place.clone().with("STORE__URL", &format!("{plain}&sentinel_tls=false")).ok(&["check"]);
    let wrong = place.clone().with("STORE__SENTINEL_PASSWORD_FILE", &place.write("wrong", "hunter2"));
    is_refused(&check(&wrong), "the login of Sentinels is sentinel_user and sentinel_password");
    let wrong = place.clone().with("STORE__PASSWORD_FILE", &place.write("wrong", "hunter3"));
    is_refused(&check(&wrong), &format!("cannot connect to rediss://localhost:{}/3: it does not accept", servers[1].1));
}

#[test]
fn views_are_counted_in_a_cluster_over_tls() {
    let authority = Authority::new("ours");
    let bus = free_port().to_string();
    let options = ["--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-port", &bus, "--cluster-announce-hostname", "localhost"];
    let options = [&options[..], &["--cluster-preferred-endpoint-type", "hostname", "--cluster-announce-ip", "127.0.0.1"]].concat();
    let (server, port) = authority.server_with("localhost", &options);
    let () = server.cli("CLUSTER ADDSLOTSRANGE 0 16383");
    eventually("the cluster is up", || server.cli::<String>("CLUSTER INFO").contains("cluster_state:ok").then_some(()));
    let () = server.cli("ACL SETUSER joe on >hunter2 ~* +@all");
    let place = authority.place(&format!("rediss+cluster://joe:hunter2@localhost:{port}"));
    // A check asks for the primaries once, and a node has half a second to answer.
    let checked = eventually("a check on a busy machine", || Some(place.run(&["check"])).filter(|checked| checked.code == Some(0))).out;
    assert!(checked.contains(&format!("store: rediss+cluster://localhost:{port} can be used\n")), "{checked}");
    let service = place.start();
    service.count("portal", "");
    eventually("the view is there", || (server.cli::<Option<u64>>("HGET truycap:{portal}:views total") == Some(1)).then_some(()));
    service.stop();
}
