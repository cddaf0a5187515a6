//! Users with restricted rights.

use truycap::{
    domain::article::Section,
    store::{SharedVisitors, Store, VisitorCounts},
};

use super::{Step, apply, figures, redis_server::Server, redis_store::open, site, steps};

/// The rights that `docs/configuration.md` lists, for keys that begin with `p`.
const RIGHTS: &str = "~p:* +@read +@write +@transaction +@scripting +@connection -@dangerous +info +config|get";

/// A server with a user that has these rights, and the user's URL.
fn with_user(options: &[&str], rights: &str) -> (Server, String) {
    let server = Server::start(options);
    let mut cmd = redis::cmd("ACL");
    cmd.arg("SETUSER").arg("counter").arg("on").arg(">hunter2").arg(rights.split(' ').collect::<Vec<_>>());
    cmd.exec(&mut server.raw()).unwrap();
    let url = format!("{}?user=counter&pass=hunter2", server.url());
    (server, url)
}

/// The rights that `docs/operations.md` lists one by one.
fn rights_in_operations() -> String {
    let text = include_str!("../../../docs/operations.md");
    let (_, rights) = text.split_once("resetchannels ").unwrap();
    let (rights, _) = rights.split_once("TRUYCAP_").unwrap();
    let words = rights.split_whitespace().filter(|word| *word != "\\").map(|word| word.trim_matches('\''));
    ["~p:*"].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_documented_rights_are_sufficient() {
    for rights in [RIGHTS.to_owned(), rights_in_operations()] {
        is_allowed_everything(&rights).await;
    }
}

async fn is_allowed_everything(rights: &str) {
    let (server, url) = with_user(&["--appendonly", "yes"], rights);
    let store = open(&url, "p");
    for from in 0..3 {
        assert_eq!(apply(&store, from).await, Ok(Step::Done));
    }
    assert_eq!(steps(&store).await, 3);
    assert_eq!(figures(&store).await.unwrap(), figures(&server.store("p")).await.unwrap());
    assert_eq!(store.top(&site(), None, "total".parse().unwrap(), 1).await.unwrap().articles.len(), 1);
    assert_eq!(store.history(&site(), None, &["total".parse().unwrap()]).await, Ok(vec![9]));
    for sections in [&[Section::parse("/").unwrap()][..], &[]] {
        while store.maintain(&site(), sections).await.unwrap() {}
    }
    let today = "2026-11-23".parse().unwrap();
    assert_eq!(store.key(&site(), today, [1; 16]).await, Ok([1; 16]));
    assert_eq!(store.count(&site(), today, 1, &[[1; 16]]).await, Ok(VisitorCounts { online: 1, today: 1 }));
    assert_eq!(store.advice().await, Ok(vec![]));
    // Keys with another prefix are not allowed.
    let elsewhere = apply(&open(&url, "q"), 0).await;
    assert!(format!("{elsewhere:?}").contains("may not do this"), "{elsewhere:?}");
}

#[tokio::test]
async fn a_server_or_a_user_without_scripts_gets_advice() {
    let rights = |missing: &str| format!("~* +@all {missing}");
    let without = [
        (vec![], rights("-evalsha"), vec!["EVALSHA"]),
        (vec![], rights("-eval"), vec!["EVAL"]),
        (vec![], rights("-@scripting"), vec!["EVALSHA", "EVAL"]),
        (vec!["--rename-command", "EVAL", ""], rights("+@all"), vec!["EVAL"]),
    ];
    for (options, rights, missing) in without {
        let options: Vec<&str> = [vec!["--appendonly", "yes"], options].concat();
        let (_server, url) = with_user(&options, &rights);
        let advice = open(&url, "p").advice().await.unwrap();
        assert_eq!(advice.len(), missing.len(), "{rights}: {advice:?}");
        for (sentence, command) in advice.iter().zip(missing) {
            assert!(sentence.contains(&format!("allow {command} (")), "{rights}: {sentence}");
        }
    }
}

/// Hosted servers hide their settings. They can be used all the same.
#[tokio::test]
async fn a_server_that_hides_its_settings_can_be_used() {
    let (_server, url) = with_user(&[], "~* +@all -info -config");
    let store = open(&url, "p");
    assert_eq!(store.advice().await, Ok(vec![]));
    assert_eq!(apply(&store, 0).await, Ok(Step::Done));
}
