//! Servers that answer with an error.

use std::{fs, thread::JoinHandle, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use truycap::{
    domain::figures::Figure,
    store::{Store, StoreError},
};

use super::{
    RedisStore, Step, answered, apply, figures,
    process::{child::Process, wait::eventually},
    redis_server::Server,
    redis_store::open,
    steps,
};

/// A server with a connection of its own, by which the test makes it refuse.
struct Operator {
    server: Server,
    raw: redis::Connection,
    /// Another client, whose command is still running.
    busy: Option<JoinHandle<()>>,
}

/// A cause for refusals, and the message that the operator reads.
struct Cause {
    name: &'static str,
    begin: fn(&mut Operator),
    says: &'static str,
    /// Whether reads still work; `None` if that depends on the version.
    reads: Option<bool>,
    end: fn(&mut Operator),
}

/// The command of a `redis-cli` line.
fn words(line: &str) -> redis::Cmd {
    let mut words = line.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap());
    cmd.arg(words.collect::<Vec<_>>());
    cmd
}

impl Operator {
    fn cli(&mut self, line: &str) {
        words(line).exec(&mut self.raw).unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    /// Runs a long command on another connection, and waits until other clients get this error code because of it.
    fn keep_busy(&mut self, cmd: redis::Cmd, others_get: &str) {
        let mut other = self.server.raw();
        // The end of the cause kills the command, or makes it finish.
        self.busy = Some(std::thread::spawn(move || drop(cmd.exec(&mut other))));
        eventually(others_get, || redis::cmd("GET").arg("x").exec(&mut self.raw).err().filter(|error| error.code() == Some(others_get)));
    }

    fn join_busy(&mut self) {
        self.busy.take().unwrap().join().unwrap();
    }
}

const CAUSES: &[Cause] = &[
    Cause {
        name: "READONLY: it became a replica",
        begin: |operator| operator.cli("REPLICAOF 127.0.0.1 1"),
        says: "this Redis is a replica, which does not accept writes",
        reads: Some(true),
        end: |operator| operator.cli("REPLICAOF NO ONE"),
    },
    Cause {
        name: "MASTERDOWN: a replica without its master",
        begin: |operator| {
            operator.cli("CONFIG SET replica-serve-stale-data no");
            operator.cli("REPLICAOF 127.0.0.1 1");
        },
        says: "this Redis is a replica that has lost its master",
        reads: Some(false),
        end: |operator| operator.cli("REPLICAOF NO ONE"),
    },
    Cause {
        name: "NOREPLICAS",
        begin: |operator| operator.cli("CONFIG SET min-replicas-to-write 1"),
        says: "Redis has fewer replicas than min-replicas-to-write requires",
        reads: Some(true),
        end: |operator| operator.cli("CONFIG SET min-replicas-to-write 0"),
    },
    Cause {
        name: "OOM",
        begin: |operator| operator.cli("CONFIG SET maxmemory 1"),
        says: "Redis has used up its memory: raise maxmemory",
        // Redis 7.0 then refuses all transactions, even of reads.
        reads: None,
        end: |operator| operator.cli("CONFIG SET maxmemory 0"),
    },
    Cause {
        name: "MISCONF: its directory is gone",
        begin: |operator| {
            let dir = operator.server.file("data");
            fs::create_dir(&dir).unwrap();
            operator.cli(&format!("CONFIG SET dir {}", dir.display()));
            words("CONFIG SET save").arg("3600 1000000").exec(&mut operator.raw).unwrap();
            fs::remove_dir(&dir).unwrap();
            operator.cli("BGSAVE");
            eventually("the save fails", || {
                let info: String = words("INFO persistence").query(&mut operator.raw).unwrap();
                info.contains("rdb_last_bgsave_status:err").then_some(())
            });
        },
        says: "Redis cannot write to its disk and refuses writes",
        reads: Some(true),
        end: |operator| operator.cli("CONFIG SET stop-writes-on-bgsave-error no"),
    },
    Cause {
        name: "BUSY: a script that does not end",
        begin: |operator| {
            operator.cli("CONFIG SET lua-time-limit 1");
            let mut endless = redis::cmd("EVAL");
            endless.arg("while true do end").arg(0);
            operator.keep_busy(endless, "BUSY");
        },
        says: "Redis is busy with a script",
        reads: Some(false),
        end: |operator| {
            operator.cli("SCRIPT KILL");
            operator.join_busy();
        },
    },
    Cause {
        name: "LOADING",
        begin: |operator| {
            let mut fill = redis::cmd("DEBUG");
            fill.arg("POPULATE").arg(2000).exec(&mut operator.raw).unwrap();
            operator.cli("CONFIG SET loading-process-events-interval-bytes 1024");
            operator.cli("CONFIG SET key-load-delay 20000");
            operator.keep_busy(words("DEBUG RELOAD"), "LOADING");
        },
        says: "Redis is still loading its data",
        reads: Some(false),
        end: |operator| {
            operator.cli("CONFIG SET key-load-delay 0");
            operator.join_busy();
        },
    },
    Cause {
        name: "NOPERM: no scripts",
        begin: |operator| operator.cli("ACL SETUSER counter -evalsha"),
        says: "the user of store.url may not do this",
        reads: Some(true),
        end: |operator| operator.cli("ACL SETUSER counter +evalsha"),
    },
    Cause {
        name: "NOPERM: no reads",
        begin: |operator| operator.cli("ACL SETUSER counter -hmget"),
        says: "the user of store.url may not do this",
        reads: Some(false),
        end: |operator| operator.cli("ACL SETUSER counter +hmget"),
    },
    Cause {
        name: "WRONGPASS: the user is deleted and logged out",
        begin: |operator| operator.cli("ACL DELUSER counter"),
        says: "it does not accept the user or the password of store.url",
        reads: Some(false),
        end: |operator| operator.cli("ACL SETUSER counter on >hunter2 ~* &* +@all"),
    },
    Cause {
        name: "too many clients",
        begin: |operator| {
            operator.cli("CONFIG SET maxclients 1");
            operator.cli("CLIENT KILL TYPE normal SKIPME yes");
        },
        // Redis sends the reason and closes the connection before it reads the request, so the reason can be lost.
        says: "cannot connect to redis://127.0.0.1:",
        reads: Some(false),
        end: |operator| operator.cli("CONFIG SET maxclients 1000"),
    },
];

/// Retries until the call fails with the expected reason. If the connection was closed, the first error is about that, and
/// the next attempt to connect waits for its back-off.
async fn refused(name: &str, says: &str, mut ask: impl AsyncFnMut() -> Result<(), StoreError>) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let error = ask().await.expect_err(name);
        match &error {
            StoreError::NotApplied(why) if why.contains(says) => return,
            StoreError::NotApplied(_) | StoreError::PerhapsApplied(_) => {}
            error => panic!("{name}: {error}"),
        }
        assert!(tokio::time::Instant::now() < patience, "{name}: {error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Each cause runs in its own thread, because operators block while they wait.
#[test]
fn a_refused_apply_changes_nothing_and_succeeds_once_when_the_cause_is_gone() {
    let run = |cause| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(refuses(cause));
    std::thread::scope(|scope| {
        for cause in CAUSES {
            scope.spawn(move || run(cause));
        }
    });
}

async fn refuses(Cause { name, begin, says, reads, end }: &Cause) {
    let server = Server::start_on_port(&["--enable-debug-command", "yes", "--enable-protected-configs", "yes"]);
    let mut operator = Operator { raw: server.raw(), server, busy: None };
    operator.cli("ACL SETUSER counter on >hunter2 ~* &* +@all");
    let store = open(&operator.server.tcp_url().replace("redis://", "redis://counter:hunter2@"), "p");
    assert_eq!(apply(&store, 0).await, Ok(Step::Done), "{name}");

    begin(&mut operator);
    refused(name, says, async || apply(&store, 1).await.map(drop)).await;
    match reads {
        Some(true) => {
            let figures = answered(name, async || figures(&store).await).await;
            assert_eq!((figures.offsets[0].seq, figures.site[Figure::Total]), (1, 3), "{name}");
        }
        Some(false) => refused(name, says, async || figures(&store).await.map(drop)).await,
        None => {}
    }
    end(&mut operator);

    answered(name, async || store.ping().await).await;
    assert_eq!(steps(&store).await, 1, "{name}");
    assert_eq!(answered(name, async || apply(&store, 1).await).await, Step::Done, "{name}");
    assert_eq!(apply(&store, 1).await, Ok(Step::Refused(2)), "{name}");
    assert_eq!(steps(&store).await, 2, "{name}");
}

/// A paused server keeps the commands that it receives as long as the client stays connected.
#[tokio::test]
async fn a_delayed_apply_is_in_doubt_and_counted_once() {
    let server = Server::start(&[]);
    let (store, mut raw): (RedisStore, _) = (server.store("p"), server.raw());
    assert_eq!(apply(&store, 0).await, Ok(Step::Done));
    words("CLIENT PAUSE 60000 WRITE").exec(&mut raw).unwrap();
    let answer = apply(&store, 1).await;
    assert!(crate::connection::is_in_doubt(&answer), "{answer:?}");
    words("CLIENT UNPAUSE").exec(&mut raw).unwrap();
    answered("the store connects again", async || store.ping().await).await;
    let at = steps(&store).await;
    assert!((1..=2).contains(&at), "{at}");
    let again = apply(&store, 1).await;
    assert_eq!(again, Ok(if at == 1 { Step::Done } else { Step::Refused(2) }));
    assert_eq!(steps(&store).await, 2);
}

/// A fake server: `answer` gets each command as it was sent, without its first character.
async fn fake(answer: impl Fn(&str) -> String + Copy + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = client.read(&mut part).await {
                let asked = String::from_utf8_lossy(&part[..length]).into_owned();
                let answers: String = asked.split('*').skip(1).map(answer).collect();
                client.write_all(answers.as_bytes()).await.unwrap();
            }
        }
    });
    url
}

/// A fake server that answers every script with `refusal`, because other versions put the code of a script's error at another
/// place in the message.
async fn another_version(refusal: &'static str) -> String {
    fake(move |asked| if asked.contains("EVALSHA") { format!("-{refusal}\r\n") } else { "+OK\r\n".into() }).await
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Proxies in front of several servers choose one by the keys.
#[tokio::test]
async fn a_proxy_that_takes_no_script_without_a_key_is_not_said_to_run_none() {
    let url = fake(|asked| match asked {
        asked if asked.contains("INFO") => bulk("redis_version:7.2.0\r\n"),
        asked if asked.contains("EVAL") && asked.contains("$1\r\n0\r\n") => {
            "-ERR eval/evalsha numkeys must be bigger than zero in redis cluster mode\r\n".into()
        }
        asked if asked.contains("EVALSHA") => "-NOSCRIPT No matching script. Please use EVAL.\r\n".into(),
        _ => "+OK\r\n".into(),
    });
    let store = open(&url.await, "p");
    assert_eq!(store.advice().await, Ok(vec![]));
    assert_eq!(store.verify(false).await, Ok(()));
}

/// As Dragonfly and some hosted servers do.
#[tokio::test]
async fn a_server_whose_scripts_use_only_declared_keys_gets_advice() {
    let url = fake(|asked| match asked {
        asked if asked.contains("INFO") => bulk("redis_version:7.2.0\r\n"),
        asked if asked.contains("redis.call('EXISTS'") => "-ERR script tried accessing undeclared key\r\n".into(),
        asked if asked.contains("EVALSHA") => "-NOSCRIPT No matching script. Please use EVAL.\r\n".into(),
        _ => "+OK\r\n".into(),
    });
    let advice = open(&url.await, "p").advice().await.unwrap();
    assert!(advice.len() == 1 && advice[0].contains("allow undeclared keys"), "{advice:?}");
}

#[tokio::test]
async fn a_keydb_that_is_an_active_replica_cannot_be_used() {
    let url = fake(|asked| match asked {
        asked if asked.contains("INFO") => bulk("redis_version:6.3.4\r\nrole:active-replica\r\n"),
        _ => "+OK\r\n".into(),
    });
    cannot_be_used(&open(&url.await, "p"), "set active-replica to no").await;
}

#[tokio::test]
async fn a_replica_cannot_be_used() {
    let server = Server::start(&[]);
    words("REPLICAOF 127.0.0.1 1").exec(&mut server.raw()).unwrap();
    cannot_be_used(&server.store("p"), "this Redis is a replica").await;
}

#[tokio::test]
async fn a_sentinel_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let (file, socket) = (dir.path().join("sentinel.conf"), dir.path().join("socket"));
    fs::write(&file, format!("port 0\nunixsocket {}\n", socket.display())).unwrap();
    let mut command = std::process::Command::new("redis-server");
    command.arg(&file).arg("--sentinel").stdout(std::process::Stdio::null());
    let sentinel = Process::spawn(command);
    eventually("Sentinel accepts connections", || std::os::unix::net::UnixStream::connect(&socket).ok());
    let store = open(&format!("redis+unix://{}", socket.display()), "p");
    cannot_be_used(&store, "this is a Sentinel").await;
    sentinel.kill();
}

async fn cannot_be_used(store: &RedisStore, because: &str) {
    let verified = store.verify(false).await;
    assert!(matches!(&verified, Err(StoreError::NotApplied(why)) if why.contains(because)), "{verified:?}");
    let advice = store.advice().await.unwrap();
    assert!(advice.len() == 1 && advice[0].contains(because), "{advice:?}");
}

#[tokio::test]
async fn an_error_nested_in_a_script_error_is_recognised() {
    let within = [
        ("@user_script: 41: -READONLY You can't write against a read only replica.", "this Redis is a replica", true),
        ("ERR Error running script (call to f_5): @user_script:41: @user_script: 41: -OOM command not allowed.", "raise maxmemory", false),
        ("ERR ACL failure in script: User counter has no permissions to run the 'hget' command", "may not do this", false),
        ("@user_script: 41: The user executing the script can't run this command or subcommand", "may not do this", false),
    ];
    for (refusal, says, leaves) in within {
        let store = open(&another_version(refusal).await, "p");
        let answer = apply(&store, 0).await;
        assert!(matches!(&answer, Err(StoreError::NotApplied(why)) if why.contains(says)), "{answer:?}");
        // The store disconnects from a replica, because the address can lead to another server by now.
        let waits = matches!(apply(&store, 0).await, Err(StoreError::NotApplied(why)) if why.contains("waiting before the next attempt"));
        assert_eq!(waits, leaves, "{refusal}");
    }
}
