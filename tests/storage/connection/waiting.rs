//! An apply that waits for a replica and whose reply is lost.

use chrono::Utc;
use truycap::store::{Applied, Store, StoreError, redis::Wait};

use super::{
    answered, apply, figures, is_in_doubt,
    proxy::{Fault, Proxy, Way},
    redis_server::Server,
    redis_store::open_by,
    steps,
};

#[tokio::test]
async fn an_apply_whose_reply_was_lost_is_not_confirmed_before_a_replica_has_it() {
    let master = Server::start_on_port(&[]);
    let mut replica = Server::start_on_port(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let (proxy, straight) = (Proxy::to(&master).await, master.store("p"));
    let store = open_by(&proxy.url(), "p", Wait { replicas: 1, aof: false }, Utc::now);
    answered("the replica is connected", async || figures(&store).await).await;
    assert_eq!(apply(&store, 0).await, Ok(Applied::Done(0)));

    replica.kill();
    proxy.cut(Way::FromRedis, 0, Fault::Lost);
    let answer = apply(&store, 1).await;
    assert!(is_in_doubt(&answer), "{answer:?}");
    answered("the store connects again", async || store.ping().await).await;
    assert_eq!(steps(&straight).await, 2);
    let waits = |error: Option<StoreError>| matches!(error, Some(StoreError::NotApplied(why)) if why.contains("store.wait_replicas"));
    assert!(waits(figures(&store).await.err()), "a read does not confirm it");
    assert!(waits(apply(&store, 1).await.err()), "a refusal does not confirm it");
}
