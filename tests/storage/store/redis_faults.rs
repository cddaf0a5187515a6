//! A server that is unreachable, hangs, refuses the login or restarts.

use std::time::{Duration, Instant};

use truycap::{
    domain::producer::Seq,
    store::{Applied, Store, StoreError, redis::RedisStore},
};

use super::{MINE, at, count, deltas, offset, redis_store::Server, redis_store::open, site};

/// Pings until the store answers.
async fn answered(store: &RedisStore) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = store.ping().await {
        assert!(matches!(error, StoreError::NotApplied(_)), "{error}");
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn apply(store: &RedisStore, from: Seq) -> Result<Applied, StoreError> {
    store.apply(&site("portal"), MINE, at(from), at(from + 1), deltas(&[("total", "", 1), ("total", "/a", 1)])).await
}

fn is_not_applied(answer: &Result<Applied, StoreError>, reason: &str) {
    assert!(matches!(answer, Err(StoreError::NotApplied(why)) if why.contains(reason)), "{answer:?}");
}

#[tokio::test]
async fn redis_can_be_unreachable_at_the_start() {
    let mut server = Server::new(0, &[]);
    let store = server.store("p");
    is_not_applied(&apply(&store, 0).await, "cannot connect to redis+unix://");
    // Until the next attempt is due, calls fail at once and do not connect.
    is_not_applied(&apply(&store, 0).await, "waiting before the next attempt: cannot connect");
    server.run();
    answered(&store).await;
    assert!(matches!(apply(&store, 0).await, Ok(Applied::Done(_))));
}

#[tokio::test]
async fn the_store_reconnects_to_a_server_that_was_killed_and_restarted() {
    let mut server = Server::start_on_port(&[]);
    let store = open(&server.tcp_url(), "p");
    assert!(matches!(apply(&store, 0).await, Ok(Applied::Done(_))));
    server.kill();
    let deadline = Instant::now() + Duration::from_secs(20);
    // The first apply that fails can be in doubt; after that, connecting fails.
    while !matches!(apply(&store, 1).await, Err(StoreError::NotApplied(why)) if why.contains("cannot connect")) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.run();
    answered(&store).await;
    assert_eq!(apply(&store, 1).await, Ok(Applied::Refused(at(0))), "the server lost everything, and reports it");
    assert!(matches!(apply(&store, 0).await, Ok(Applied::Done(_))));
}

#[tokio::test]
async fn a_wrong_password_is_reported_but_not_shown() {
    let server = Server::start_on_port(&["--requirepass", "hunter3"]);
    let port = server.tcp_url().replace("redis://", "");
    for (login, reason) in [(":hunter2@", "does not accept"), ("joe:hunter2@", "does not accept"), ("", "requires a password")] {
        let store = open(&format!("redis://{login}{port}"), "p");
        let answer = apply(&store, 0).await;
        is_not_applied(&answer, reason);
        let again = apply(&store, 0).await;
        assert!(!format!("{answer:?} {again:?}").contains("hunter"), "{answer:?} {again:?}");
    }
    assert!(matches!(apply(&open(&format!("redis://:hunter3@{port}"), "p"), 0).await, Ok(Applied::Done(_))));
}

#[tokio::test]
async fn an_apply_to_a_hung_server_is_in_doubt_until_its_offset_is_read() {
    let server = Server::start(&[]);
    let (store, portal) = (server.store("p"), site("portal"));
    assert!(matches!(apply(&store, 0).await, Ok(Applied::Done(_))));
    server.signal("STOP");
    let start = Instant::now();
    let answer = apply(&store, 1).await;
    assert!(matches!(answer, Err(StoreError::PerhapsApplied(_))), "{answer:?}");
    assert!((1..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    // A read changes nothing, so it is never in doubt.
    assert!(matches!(store.ping().await, Err(StoreError::NotApplied(_))));
    server.signal("CONT");
    answered(&store).await;
    let known = offset(&store, &portal, MINE).await;
    match apply(&store, known).await {
        Ok(Applied::Done(_)) => {}
        // The first apply arrived after the read of the offset.
        answer => assert_eq!(answer, Ok(Applied::Refused(at(known + 1)))),
    }
    let known = offset(&store, &portal, MINE).await;
    assert_eq!(apply(&store, 0).await, Ok(Applied::Refused(at(known))));
    assert_eq!((count(&store, &portal, "total", "").await, count(&store, &portal, "total", "/a").await), (known, known));
}
