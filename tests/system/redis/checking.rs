//! `truycap check` on a Redis that cannot be used.

use super::{on_redis::key, redis_server::Server, setup::place, sites::SITES};

#[test]
fn a_check_names_each_site_that_cannot_be_used() {
    let server = Server::start(&["--appendonly", "yes"]);
    let place = place(&server);
    place.ok(&["check"]);
    for (version, says) in [("1", "version 1"), ("3", "version 3"), ("abc", "holds a value that truycap did not write")] {
        for site in SITES {
            let () = server.cli(&format!("HSET {} version {version}", key(site, "site")));
        }
        let check = place.run(&["check"]);
        assert_eq!(check.code, Some(1), "{check:?}");
        for site in SITES {
            assert!(check.err.lines().any(|line| line.contains(&format!("site {site}: ")) && line.contains(says)), "{check:?}");
        }
    }
}

#[test]
fn a_check_refuses_a_replica() {
    let server = Server::start(&["--appendonly", "yes"]);
    let () = server.cli("REPLICAOF 127.0.0.1 1");
    let check = place(&server).run(&["check"]);
    assert!(check.code == Some(1) && check.err.contains("this Redis is a replica"), "{check:?}");
}
