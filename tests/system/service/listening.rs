//! Where the service listens: ports that are taken, a Unix socket, a socket that the service manager keeps, few files.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv6Addr, SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{
    counts::Counts,
    files::place,
    process::{
        Place,
        child::Process,
        client::{Answer, Client},
        eventually,
    },
    views::view,
};

/// Passes standard input as the socket of a service manager.
const ACTIVATE: &str = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\" 3<&0 0</dev/null";

/// Starts the service with a listening socket that it inherits.
fn activate(place: &Place, socket: OwnedFd) -> Process {
    let mut place = place.clone().with("LISTEN__PUBLIC", "systemd");
    place.launcher = ["sh", "-c", ACTIVATE].map(str::to_owned).into();
    let mut command = place.command(&["serve"]);
    Process::new(command.stdin(socket).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Sends a view from a client behind the proxy at the other end of a Unix socket, and returns the answer.
fn view_over(path: &Path, client: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    let (head, body) = view("portal", "/1");
    let headers = format!("\r\nconnection: close\r\nx-forwarded-for: {client}\r\n\r\n");
    stream.write_all((head.replace("\r\n\r\n", &headers) + &body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_port_in_use_is_reported_with_its_key_and_its_variable() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [("LISTEN__PUBLIC", "listen.public"), ("LISTEN__ADMIN", "listen.admin")] {
        let finished = place().with(variable, &address).run(&["serve"]);
        let expected = format!(
            "cannot listen on {address}: Address already in use (os error 98); to listen elsewhere, set {key} or TRUYCAP_{variable}"
        );
        assert!(finished.code == Some(1) && finished.err.contains(&expected), "{}", finished.err);
    }
}

#[test]
fn the_start_names_the_url_and_an_unspecified_address_is_found_by_health() {
    for (public, admin, url) in [("127.0.0.1:0", "[::]:0", "http://127.0.0.1:"), ("0.0.0.0:0", "0.0.0.0:0", "http://127.0.0.1:")] {
        let place = place().with("LISTEN__PUBLIC", public).with("LISTEN__ADMIN", admin);
        let service = place.start_unready();
        let log = service.process.log();
        assert!(log.contains(&format!("serving {url}")), "{log}");
        eventually("health finds it", || {
            (place.clone().with("LISTEN__ADMIN", &service.admin).run(&["health"]).code == Some(0)).then_some(())
        });
        service.stop();
    }
}

#[test]
fn health_asks_over_ipv4_if_nothing_answers_over_ipv6() {
    // A service on a machine without IPv6: nothing listens on [::1]. A socket there keeps other tests away, and does not listen.
    // The place is kept, because a service whose journal is deleted stops.
    let running = place().with("LISTEN__ADMIN", "127.0.0.1:0");
    let (service, port, _held) = loop {
        let service = running.start();
        let port: u16 = service.admin.rsplit(':').next().unwrap().parse().unwrap();
        let held = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        if held.bind(&SocketAddr::from((Ipv6Addr::LOCALHOST, port)).into()).is_ok() {
            break (service, port, held);
        }
    };
    // The store answers a moment after the start.
    let health = place().with("LISTEN__ADMIN", &format!("[::]:{port}"));
    eventually("the service is found", || (health.run(&["health"]).out == "ready: journal ok, store ok\n").then_some(()));
    service.stop();
}

#[test]
fn a_unix_socket_is_served_to_its_group_and_removed_at_the_stop() {
    let place = place().with("CLIENTS__HEADER", "x-forwarded-for").with("CLIENTS__TRUSTED_PROXIES", "192.0.2.9");
    // Each client has its own limit, so the service finds it behind the proxy.
    let place = place.with("CLIENTS__MAX_REQUESTS_PER_SECOND", "1");
    let path = place.path("public.sock");
    let place = place.with("LISTEN__PUBLIC", "unix:public.sock");
    let service = place.start();
    assert_eq!(service.public, "unix:public.sock");
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    let files: Vec<_> = fs::read_dir(place.path(".")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!files.iter().any(|name| name.to_string_lossy().starts_with('.')), "the temporary name is gone: {files:?}");
    let statuses = |client: &str| (0..20).map(|_| view_over(&path, client).unwrap()[9..12].to_owned()).collect::<Vec<_>>();
    let first = statuses("198.51.100.1");
    assert!(first[..10].iter().all(|status| status == "200") && first.contains(&"429".to_owned()), "{first:?}");
    assert_eq!(statuses("198.51.100.2")[0], "200");

    // A second service neither takes nor removes the socket.
    let second = place.clone().with("JOURNAL__PATH", "other.db").run(&["serve"]);
    assert!(second.code == Some(1) && second.err.contains("another process listens on it"), "{}", second.err);
    assert!(second.err.contains("set listen.public or TRUYCAP_LISTEN__PUBLIC"), "{}", second.err);
    assert!(view_over(&path, "198.51.100.3").unwrap().contains(" 200 "));

    // A service that was killed leaves its socket behind, and the next one replaces it.
    service.process.kill();
    assert!(path.exists());
    let service = place.start();
    assert!(view_over(&path, "198.51.100.4").unwrap().contains(" 200 "));
    service.stop();
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_whose_process_does_not_accept_is_in_use() {
    let place = place().with("LISTEN__PUBLIC", "unix:public.sock");
    let (address, new) = (SockAddr::unix(place.path("public.sock")).unwrap(), || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap());
    let frozen = new();
    frozen.bind(&address).unwrap();
    frozen.listen(1).unwrap();
    let mut clients = Vec::new();
    while clients.len() < 10 {
        clients.push(new());
        let client = clients.last().unwrap();
        client.set_nonblocking(true).unwrap();
        if client.connect(&address).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            break;
        }
    }
    let (serve, check) = (place.run(&["serve"]), place.run(&["check"]));
    assert!(serve.code == Some(1) && serve.err.contains("another process listens on it"), "{}", serve.err);
    assert!(check.code == Some(1) && (check.out + &check.err).contains("another process listens on it"));
}

#[test]
fn a_unix_socket_that_is_deleted_ends_the_service_which_loses_nothing() {
    let place = place().with("LISTEN__PUBLIC", "unix:public.sock");
    let service = place.start_unready();
    eventually("the socket is there", || place.path("public.sock").exists().then_some(()));
    fs::remove_file(place.path("public.sock")).unwrap();
    let finished = service.process.wait(Duration::from_secs(20));
    assert!(finished.code == Some(1) && finished.err.contains("was deleted or replaced, so nothing can connect"), "{finished:?}");
    assert!(finished.err.contains("stopping"), "it stops in order: {finished:?}");
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let place = place().with("LISTEN__PUBLIC", "unix:public.sock");
    place.write("public.sock", "a file");
    let finished = place.run(&["serve"]);
    assert!(finished.code == Some(1) && finished.err.contains("the file exists and is not a socket"), "{}", finished.err);
    assert_eq!(fs::read_to_string(place.path("public.sock")).unwrap(), "a file");
}

#[test]
fn without_a_passed_socket_the_start_says_what_is_missing() {
    let finished = place().with("LISTEN__PUBLIC", "systemd").run(&["serve"]);
    assert!(finished.code == Some(1) && finished.err.contains("passed 0 sockets in LISTEN_FDS"), "{}", finished.err);
    let mut place = place().with("LISTEN__PUBLIC", "systemd");
    place.launcher = ["sh", "-c", "export LISTEN_PID=$$ LISTEN_FDS=2000000000; exec \"$0\" \"$@\""].map(str::to_owned).into();
    let finished = place.run(&["serve"]);
    assert!(finished.code == Some(1) && finished.err.contains("passed 2000000000 sockets in LISTEN_FDS"), "{}", finished.err);
}

/// Sends views over connections that are kept alive until `stop`. No connection may be refused, and no request lost.
fn send_views(stop: &AtomicBool, acknowledged: &AtomicU64, mut connect: impl FnMut() -> io::Result<Client>) {
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let client = connection.get_or_insert_with(|| connect().expect("a connection"));
        let answer: Answer = client.view("portal", "/1").expect("an answer");
        assert!(answer.counted(), "{answer:?}");
        acknowledged.fetch_add(1, Ordering::Relaxed);
        if answer.head.contains("connection: close") {
            connection = None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_socket_that_outlives_restarts_refuses_no_connection_and_loses_no_view() {
    let place = place().with("CLIENTS__MAX_REQUESTS_PER_SECOND", "0");
    let socket = TcpListener::bind(&place.environment["TRUYCAP_LISTEN__PUBLIC"]).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| send_views(&stop, &acknowledged, || Client::connect(&address)))).collect();
        for _ in 0..super::stopping::restarts() {
            let service = activate(&place, socket.try_clone().unwrap().into());
            let before = acknowledged.load(Ordering::Relaxed);
            eventually("views are counted", || (acknowledged.load(Ordering::Relaxed) > before + 20).then_some(()));
            service.signal("TERM");
            let finished = service.wait(Duration::from_secs(10));
            assert_eq!(finished.code, Some(0), "{}", finished.err);
        }
        let service = activate(&place, socket.try_clone().unwrap().into());
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        service.signal("TERM");
        assert_eq!(service.wait(Duration::from_secs(10)).code, Some(0));
    });
    assert_eq!(Counts::exported(&place).total("portal", "/1"), acknowledged.into_inner());
}

#[test]
fn an_inherited_unix_socket_is_served_and_its_file_stays() {
    let place = place();
    let path = place.path("inherited.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let service = activate(&place, socket.try_clone().unwrap().into());
    assert!(view_over(&path, "198.51.100.1").unwrap().contains("\"counted\":true"));
    service.signal("TERM");
    assert_eq!(service.wait(Duration::from_secs(10)).code, Some(0));
    assert!(path.exists());
}

#[test]
fn with_few_files_fewer_connections_are_open_and_the_rest_goes_on() {
    let mut place = place().with("CLIENTS__MAX_CONNECTIONS", "0");
    place.launcher = ["sh", "-c", "ulimit -n 150; exec \"$0\" \"$@\""].map(str::to_owned).into();
    let service = place.start();
    let log = service.process.log();
    assert!(log.contains("at most 50 connections are open at once") && log.contains("needed=4196"), "{log}");
    // More than fit; the rest waits in the backlog.
    let mut clients: Vec<_> = (0..200).map(|_| service.client()).collect();
    assert!(clients[0].view("portal", "/1").unwrap().counted());
    assert_eq!(service.ready().unwrap().status, 200);
    let mut metrics = Client::connect(&service.admin).unwrap();
    let open = || metrics.get("/metrics").unwrap().body.contains("truycap_http_connections{listener=\"public\"} 50\n").then_some(());
    eventually("all connections that fit are open", open);
    service.process.signal("HUP");
    eventually("the reload works", || service.process.log().contains("the configuration was reloaded").then_some(()));
    drop(clients);
    service.stop();
}
