//! TLS: the program with trusted and untrusted certificates.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

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

    /// A server with a certificate for `name`, and its TLS port. It has no other port.
    fn server(&self, name: &str) -> (Server, u16) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let (certificate_file, key_file) = (self.file("server.pem"), self.file("server.key"));
        fs::write(&certificate_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (text, ca_file) = (port.to_string(), self.file("ca.pem"));
        let tls = ["--tls-port", &text, "--tls-cert-file", &certificate_file, "--tls-key-file", &key_file, "--tls-ca-cert-file", &ca_file];
        let options = [&tls[..], &["--tls-auth-clients", "no", "--appendonly", "yes"]].concat();
        (Server::start(&options), port)
    }

    /// A place that trusts only this authority.
    fn place(&self, url: &str) -> Place {
        let mut place = Place::new().with("STORE__URL", url);
        place.environment.insert("SSL_CERT_FILE".into(), self.file("ca.pem"));
        place
    }
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
