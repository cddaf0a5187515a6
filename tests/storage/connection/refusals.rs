//! Servers that answer, and do not do it.

use std::{fs, thread::JoinHandle, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use truycap::{
    domain::figures::Figure,
    store::{Applied, Store, StoreError},
};

use super::{RedisStore, answered, apply, figures, process::wait::eventually, redis_server::Server, redis_store::open, steps};

/// A server that is given reasons to refuse, and somebody who is logged in to it otherwise than the store.
struct Operator {
    server: Server,
    raw: redis::Connection,
    /// Somebody who waits for an answer.
    busy: Option<JoinHandle<()>>,
}

/// What a server does not like, and what the operator reads then.
struct Cause {
    name: &'static str,
    begin: fn(&mut Operator),
    says: &'static str,
    /// Whether questions are answered meanwhile; `None` where that depends on the version.
    answers: Option<bool>,
    end: fn(&mut Operator),
}

/// What an operator would type into `redis-cli`.
fn words(line: &str) -> redis::Cmd {
    let mut words = line.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap());
    cmd.arg(words.collect::<Vec<_>>());
    cmd
}

impl Operator {
    fn say(&mut self, line: &str) {
        words(line).exec(&mut self.raw).unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    /// Has somebody else do something that takes its time, and waits until the others are refused because of it.
    fn keep_busy(&mut self, cmd: redis::Cmd, others_get: &str) {
        let mut other = self.server.raw();
        // Killed in the end, or told to hurry.
        self.busy = Some(std::thread::spawn(move || drop(cmd.exec(&mut other))));
        eventually(others_get, || redis::cmd("GET").arg("x").exec(&mut self.raw).err().filter(|error| error.code() == Some(others_get)));
    }

    fn wait_for_the_other(&mut self) {
        self.busy.take().unwrap().join().unwrap();
    }
}

const CAUSES: &[Cause] = &[
    Cause {
        name: "READONLY: it became a replica",
        begin: |operator| operator.say("REPLICAOF 127.0.0.1 1"),
        says: "this Redis is a replica, which does not accept writes",
        answers: Some(true),
        end: |operator| operator.say("REPLICAOF NO ONE"),
    },
    Cause {
        name: "MASTERDOWN: a replica without its master",
        begin: |operator| {
            operator.say("CONFIG SET replica-serve-stale-data no");
            operator.say("REPLICAOF 127.0.0.1 1");
        },
        says: "this Redis is a replica that has lost its master",
        answers: Some(false),
        end: |operator| operator.say("REPLICAOF NO ONE"),
    },
    Cause {
        name: "NOREPLICAS",
        begin: |operator| operator.say("CONFIG SET min-replicas-to-write 1"),
        says: "Redis has fewer replicas than min-replicas-to-write requires",
        answers: Some(true),
        end: |operator| operator.say("CONFIG SET min-replicas-to-write 0"),
    },
    Cause {
        name: "OOM",
        begin: |operator| operator.say("CONFIG SET maxmemory 1"),
        says: "Redis has used up its memory: raise maxmemory",
        // Redis 7.0 takes no transactions then, not even of questions.
        answers: None,
        end: |operator| operator.say("CONFIG SET maxmemory 0"),
    },
    Cause {
        name: "MISCONF: its directory is gone",
        begin: |operator| {
            let dir = operator.server.file("data");
            fs::create_dir(&dir).unwrap();
            operator.say(&format!("CONFIG SET dir {}", dir.display()));
            words("CONFIG SET save").arg("3600 1000000").exec(&mut operator.raw).unwrap();
            fs::remove_dir(&dir).unwrap();
            operator.say("BGSAVE");
            eventually("the save fails", || {
                let info: String = words("INFO persistence").query(&mut operator.raw).unwrap();
                info.contains("rdb_last_bgsave_status:err").then_some(())
            });
        },
        says: "Redis cannot write to its disk and refuses writes",
        answers: Some(true),
        end: |operator| operator.say("CONFIG SET stop-writes-on-bgsave-error no"),
    },
    Cause {
        name: "BUSY: a script that does not end",
        begin: |operator| {
            operator.say("CONFIG SET lua-time-limit 1");
            let mut endless = redis::cmd("EVAL");
            endless.arg("while true do end").arg(0);
            operator.keep_busy(endless, "BUSY");
        },
        says: "Redis is busy with a script",
        answers: Some(false),
        end: |operator| {
            operator.say("SCRIPT KILL");
            operator.wait_for_the_other();
        },
    },
    Cause {
        name: "LOADING",
        begin: |operator| {
            let mut fill = redis::cmd("DEBUG");
            fill.arg("POPULATE").arg(2000).exec(&mut operator.raw).unwrap();
            operator.say("CONFIG SET loading-process-events-interval-bytes 1024");
            operator.say("CONFIG SET key-load-delay 20000");
            operator.keep_busy(words("DEBUG RELOAD"), "LOADING");
        },
        says: "Redis is still loading its data",
        answers: Some(false),
        end: |operator| {
            operator.say("CONFIG SET key-load-delay 0");
            operator.wait_for_the_other();
        },
    },
    Cause {
        name: "NOPERM: no scripts",
        begin: |operator| operator.say("ACL SETUSER counter -evalsha"),
        says: "the user of store.url may not do this",
        answers: Some(true),
        end: |operator| operator.say("ACL SETUSER counter +evalsha"),
    },
    Cause {
        name: "NOPERM: no questions",
        begin: |operator| operator.say("ACL SETUSER counter -hget -hgetall"),
        says: "the user of store.url may not do this",
        answers: Some(false),
        end: |operator| operator.say("ACL SETUSER counter +hget +hgetall"),
    },
    Cause {
        name: "WRONGPASS: the user is gone, and all who were logged in",
        begin: |operator| operator.say("ACL DELUSER counter"),
        says: "it does not accept the user or the password of store.url",
        answers: Some(false),
        end: |operator| operator.say("ACL SETUSER counter on >hunter2 ~* &* +@all"),
    },
    Cause {
        name: "too many clients",
        begin: |operator| {
            operator.say("CONFIG SET maxclients 1");
            operator.say("CLIENT KILL TYPE normal SKIPME yes");
        },
        // Redis says why and hangs up before it has read what it was sent, so the reason may be lost on the way.
        says: "cannot connect to redis://127.0.0.1:",
        answers: Some(false),
        end: |operator| operator.say("CONFIG SET maxclients 1000"),
    },
];

/// Applies again and again until it is refused with the reason that was meant. Where the connection was ended, that is
/// noticed first, and connecting waits for its time.
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

/// Each in a thread of its own, for operators wait without giving way.
#[test]
fn what_redis_refuses_is_not_applied_and_works_once_when_the_cause_is_gone() {
    let run = |cause| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(refuses(cause));
    std::thread::scope(|scope| {
        for cause in CAUSES {
            scope.spawn(move || run(cause));
        }
    });
}

async fn refuses(Cause { name, begin, says, answers, end }: &Cause) {
    let server = Server::start_on_port(&["--enable-debug-command", "yes", "--enable-protected-configs", "yes"]);
    let mut operator = Operator { raw: server.raw(), server, busy: None };
    operator.say("ACL SETUSER counter on >hunter2 ~* &* +@all");
    let store = open(&operator.server.tcp_url().replace("redis://", "redis://counter:hunter2@"), "p");
    assert_eq!(apply(&store, 0).await, Ok(Applied::Done(0)), "{name}");

    begin(&mut operator);
    refused(name, says, async || apply(&store, 1).await.map(drop)).await;
    match answers {
        Some(true) => {
            let figures = answered(name, async || figures(&store).await).await;
            assert_eq!((figures.offset, figures.site[Figure::Total]), (1, 3), "{name}");
        }
        Some(false) => refused(name, says, async || figures(&store).await.map(drop)).await,
        None => {}
    }
    end(&mut operator);

    answered(name, async || store.ping().await).await;
    assert_eq!(steps(&store).await, 1, "{name}");
    assert_eq!(answered(name, async || apply(&store, 1).await).await, Applied::Done(0), "{name}");
    assert_eq!(apply(&store, 1).await, Ok(Applied::Refused(2)), "{name}");
    assert_eq!(steps(&store).await, 2, "{name}");
}

/// A server that is told to wait keeps what it is sent, for as long as the client is there.
#[tokio::test]
async fn what_redis_puts_off_is_in_doubt_and_counted_once() {
    let server = Server::start(&[]);
    let (store, mut raw): (RedisStore, _) = (server.store("p"), server.raw());
    assert_eq!(apply(&store, 0).await, Ok(Applied::Done(0)));
    words("CLIENT PAUSE 60000 WRITE").exec(&mut raw).unwrap();
    let answer = apply(&store, 1).await;
    assert!(crate::connection::is_in_doubt(&answer), "{answer:?}");
    words("CLIENT UNPAUSE").exec(&mut raw).unwrap();
    answered("the store connects again", async || store.ping().await).await;
    let at = steps(&store).await;
    assert!((1..=2).contains(&at), "{at}");
    let again = apply(&store, 1).await;
    assert_eq!(again, Ok(if at == 1 { Applied::Done(0) } else { Applied::Refused(2) }));
    assert_eq!(steps(&store).await, 2);
}

/// Answers as other versions do, in whose words the code of a script's error stands elsewhere: `refusal` to every script.
async fn another_version(refusal: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = client.read(&mut part).await {
                let asked = String::from_utf8_lossy(&part[..length]).into_owned();
                let answer =
                    if asked.contains("EVALSHA") { format!("-{refusal}\r\n") } else { "+OK\r\n".repeat(asked.matches('*').count()) };
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    url
}

#[tokio::test]
async fn an_error_within_the_error_of_a_script_is_understood() {
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
        // A replica is not asked again: the address may lead to another server by now.
        let waits = matches!(apply(&store, 0).await, Err(StoreError::NotApplied(why)) if why.contains("waiting before the next attempt"));
        assert_eq!(waits, leaves, "{refusal}");
    }
}
