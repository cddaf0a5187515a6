//! Requests that arrive late.

use super::{
    Step, answered, apply, is_in_doubt,
    proxy::{Fault, Proxy, Way},
    redis_server::Server,
    redis_store::open,
    steps,
};
use truycap::store::Store;

#[tokio::test]
async fn an_apply_that_arrives_after_its_successors_changes_nothing() {
    let server = Server::start_on_port(&[]);
    let proxy = Proxy::to(&server).await;
    let (store, straight) = (open(&proxy.url(), "p"), server.store("p"));
    assert_eq!(apply(&store, 0).await, Ok(Step::Done));

    proxy.cut(Way::ToRedis, 0, Fault::Held);
    let answer = apply(&store, 1).await;
    assert!(is_in_doubt(&answer), "{answer:?}");
    answered("the store connects again", async || store.ping().await).await;
    for from in 1..4 {
        assert_eq!(apply(&store, from).await, Ok(Step::Done));
    }
    let before = proxy.replies().len();
    proxy.release();
    // The connection of the late apply ends; the store's current one stays open.
    proxy.connections_fall_to(1).await;
    let replies = String::from_utf8(proxy.replies()).unwrap();
    assert_eq!(&replies[before..], "*2\r\n:0\r\n$18\r\n4:0000000000000004\r\n", "Redis ran the script, which refused the apply");
    assert_eq!(steps(&straight).await, 4);
    assert_eq!(apply(&store, 4).await, Ok(Step::Done));
    assert_eq!(steps(&straight).await, 5);
}

#[tokio::test]
async fn an_apply_that_arrives_late_but_before_its_retry_is_counted_once() {
    let server = Server::start_on_port(&[]);
    let proxy = Proxy::to(&server).await;
    let (store, straight) = (open(&proxy.url(), "p"), server.store("p"));
    assert_eq!(apply(&store, 0).await, Ok(Step::Done));

    proxy.cut(Way::ToRedis, 0, Fault::Held);
    let answer = apply(&store, 1).await;
    assert!(is_in_doubt(&answer), "{answer:?}");
    assert_eq!(steps(&straight).await, 1);
    proxy.release();
    proxy.connections_fall_to(0).await;
    assert_eq!(steps(&straight).await, 2);
    let again = answered("the store connects again", async || apply(&store, 1).await).await;
    assert_eq!(again, Step::Refused(2));
    assert_eq!(steps(&straight).await, 2);
}
