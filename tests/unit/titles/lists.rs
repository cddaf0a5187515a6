//! What a list shows before, while and after a portal is asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::runtime::Runtime;
use truycap::{
    audience::{BotRules, Bots},
    domain::{
        article::ArticleId,
        site::{Origin, Rules, Site, SiteId},
    },
    telemetry::metrics::Metrics,
    titles::{AGENT, List, TitleTask, Titles},
};
use truycap_test_support::process::eventually;

use super::hostile_portal::{HostilePortal, page, send};

/// Titles of sites, and the task that asks their portals.
struct Asking {
    runtime: Runtime,
    titles: Arc<Titles>,
    task: Option<TitleTask>,
}

fn id(name: &str) -> SiteId {
    SiteId::parse(name).unwrap()
}

fn site(name: &str, origins: &[&str]) -> Site {
    Site {
        id: id(name),
        aliases: Vec::new(),
        origins: origins.iter().map(|origin| Origin::parse_configured(origin).unwrap()).collect(),
        timezone: chrono_tz::Asia::Ho_Chi_Minh,
        sections: Vec::new(),
        rules: Rules { titles: true, ..Rules::default() },
    }
}

fn asking(sites: &[Site]) -> Asking {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let titles = Titles::new(sites, Metrics::new().titles);
    let task = runtime.block_on(async { titles.spawn() });
    Asking { runtime, titles, task: Some(task) }
}

impl Asking {
    fn list(&self, articles: &[&str], limit: usize) -> List {
        let articles: Vec<_> = articles.iter().zip(1..).map(|(id, views)| (ArticleId::parse(id).unwrap(), views)).collect();
        self.titles.list(&id("portal"), &articles, limit)
    }

    /// The list when no article waits: ids and titles.
    fn whole(&self, articles: &[&str], limit: usize) -> Vec<(String, Option<String>)> {
        shown(eventually("the portal was asked", || Some(self.list(articles, limit)).filter(|list| !list.waits)))
    }

    fn stop(&mut self) {
        self.runtime.block_on(self.task.take().unwrap().stop());
    }
}

fn shown(list: List) -> Vec<(String, Option<String>)> {
    list.rows.into_iter().map(|(article, _, title)| (article.to_string(), title.map(|title| title.to_string()))).collect()
}

fn row(article: &str, title: &str) -> (String, Option<String>) {
    (article.into(), (!title.is_empty()).then(|| title.into()))
}

/// A portal of pages whose title is their path, except those that begin with `/no`.
fn portal() -> HostilePortal {
    HostilePortal::start(|path, stream| match path {
        path if path.starts_with("/no") => send(stream, "404 Not Found", "Content-Type: text/html\r\n", b"<title>No</title>"),
        path => page(stream, &format!("<title>Of {path}</title>")),
    })
}

fn origin(portal: &HostilePortal) -> String {
    format!("http://{}", portal.address)
}

#[test]
fn an_article_is_listed_with_its_title_once_the_portal_has_said_that_it_has_it() {
    let portal = portal();
    let asking = asking(&[site("portal", &[&origin(&portal)])]);
    let first = asking.list(&["/a", "/no", "/b"], 10);
    assert!(first.waits && first.rows.is_empty(), "{first:?}");
    assert_eq!(asking.whole(&["/a", "/no", "/b"], 10), [row("/a", "Of /a"), row("/b", "Of /b")]);
    // The views are those of the article, also behind one that is left out.
    assert_eq!(asking.list(&["/a", "/no", "/b"], 10).rows[1].1, 3);
    // A list still has as many rows as were asked for.
    assert_eq!(asking.whole(&["/no/1", "/a", "/no/2", "/b", "/c"], 2), [row("/a", "Of /a"), row("/b", "Of /b")]);
    assert_eq!(portal.asked("/c"), 0, "an article that is not shown is not asked about");
    assert!((portal.asked("/a"), portal.asked("/no")) == (1, 1), "{:?}", portal.requests());
}

#[test]
fn no_title_is_asked_for_without_the_setting() {
    let portal = portal();
    let mut without = site("portal", &[&origin(&portal)]);
    without.rules.titles = false;
    let asking = asking(&[without.clone()]);
    assert_eq!(shown(asking.list(&["/a", "bai-7"], 1)), [row("/a", "")]);
    asking.titles.configure(&[site("portal", &[&origin(&portal)])]);
    assert_eq!(asking.whole(&["/a"], 1), [row("/a", "Of /a")]);
    asking.titles.configure(&[without]);
    assert_eq!(shown(asking.list(&["/a"], 1)), [row("/a", "")]);
    assert_eq!(portal.requests().len(), 1);
}

#[test]
fn ids_that_are_no_paths_are_neither_asked_about_nor_listed() {
    let portal = portal();
    let asking = asking(&[site("portal", &[&origin(&portal)])]);
    let ids =
        ["Gọi ngay 0123 456 789", "https://elsewhere.example/", "//elsewhere.example/x", "/\\x", "/a?b=1", "/app/#/tin/1", "@x", "/ô"];
    let listed = ["//elsewhere.example/x", "/\\x", "/a?b=1", "/ô"];
    let expected = ["//elsewhere.example/x", "/%5Cx", "/a%3Fb%3D1", "/%C3%B4"];
    let expected: Vec<_> = listed.iter().zip(expected).map(|(id, path)| row(id, &format!("Of {path}"))).collect();
    assert_eq!(asking.whole(&ids, 10), expected);
    assert_eq!(portal.requests().len(), listed.len());
}

#[test]
fn what_is_sent_to_a_portal_says_who_asks_and_nothing_else() {
    let portal = portal();
    let asking = asking(&[site("portal", &["null", "https://*.example.vn", &origin(&portal), "http://elsewhere.example"])]);
    assert_eq!(asking.whole(&["/tin/1"], 1), [row("/tin/1", "Of /tin/1")]);
    let expected = format!(
        "GET /tin/1 HTTP/1.1\r\nhost: {}\r\nuser-agent: {AGENT}\r\naccept: text/html, application/xhtml+xml\r\n\
         accept-encoding: identity\r\nconnection: close\r\n\r\n",
        portal.address
    );
    assert_eq!(portal.requests(), [expected]);
    let bots = Bots::new(&BotRules::default()).unwrap();
    assert!(bots.is_bot(AGENT.as_bytes()), "a counter must not take it for a reader");
}

#[test]
fn titles_stay_over_a_reload_while_the_origins_do() {
    let (old, new) = (portal(), HostilePortal::start(|_, stream| page(stream, "<title>Mới</title>")));
    let asking = asking(&[site("portal", &[&origin(&old)])]);
    assert_eq!(asking.whole(&["/a"], 1), [row("/a", "Of /a")]);
    asking.titles.configure(&[site("portal", &[&origin(&old)]), site("khoa", &[&origin(&new)])]);
    assert_eq!(shown(asking.list(&["/a"], 1)), [row("/a", "Of /a")]);
    asking.titles.configure(&[site("portal", &[&origin(&new)])]);
    assert_eq!(asking.whole(&["/a"], 1), [row("/a", "Mới")]);
}

#[test]
fn a_portal_that_is_away_does_not_empty_its_lists() {
    // Nothing can connect to port 0, and nobody listens at the other one.
    for origin in ["http://127.0.0.1:0", "http://127.255.255.254:1"] {
        let asking = asking(&[site("portal", &[origin])]);
        assert_eq!(asking.whole(&["/a", "/b", "/c"], 2), [row("/a", ""), row("/b", "")], "{origin}");
    }
}

#[test]
fn a_portal_that_answers_nothing_is_waited_for_only_some_seconds_and_holds_up_no_other_and_no_stop() {
    let silent = HostilePortal::start(|_, _| {
        loop {
            std::thread::park()
        }
    });
    let portal = portal();
    let mut other = site("khoa", &[&origin(&portal)]);
    other.origins.push(Origin::parse("https://khoa.example.vn").unwrap());
    let mut asking = asking(&[site("portal", &[&origin(&silent)]), other]);
    let ids: Vec<_> = (0..300).map(|number| format!("/{number}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let first = asking.list(&ids, 300);
    assert!(first.waits && first.rows.is_empty());
    eventually("the silent portal is asked", || (silent.requests().len() == 4).then_some(()));
    let articles = [(ArticleId::parse("/a").unwrap(), 1)];
    let list = || Some(asking.titles.list(&id("khoa"), &articles, 1)).filter(|list| !list.waits);
    assert_eq!(shown(eventually("another portal answers", list)), [row("/a", "Of /a")]);
    // All of them, although most were never asked about, and some cannot even wait for it.
    assert_eq!(asking.whole(&ids, 300).len(), 300);
    assert!(silent.requests().len() < 20, "{}", silent.requests().len());
    asking.stop();
}

#[test]
fn invented_ids_are_not_listed_unasked_while_the_portal_answers() {
    let portal = portal();
    let asking = asking(&[site("portal", &[&origin(&portal)])]);
    // Far more than can wait, for longer than a portal that is away would get.
    let begun = std::time::Instant::now();
    let mut number = 0;
    while begun.elapsed() < Duration::from_secs(7) {
        let ids: Vec<_> = (0..100).map(|row| format!("/no/{}", number + row)).chain(["/a".into()]).collect();
        let list = shown(asking.list(&ids.iter().map(String::as_str).collect::<Vec<_>>(), 100));
        assert!(list.iter().all(|listed| *listed == row("/a", "Of /a")), "{list:?}");
        number += 100;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(asking.whole(&["/a"], 1), [row("/a", "Of /a")]);
}

#[test]
fn a_title_is_kept_when_the_portal_fails_later_and_an_article_comes_back_that_was_gone_for_a_moment() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&is_broken);
    let portal = HostilePortal::start(move |path, stream| match path {
        "/moment" if broken.load(SeqCst) => page(stream, "<title>Lại có</title>"),
        "/moment" => send(stream, "404 Not Found", "", b""),
        _ if broken.load(SeqCst) => send(stream, "500 Internal Server Error", "", b""),
        _ => page(stream, "<title>Một</title>"),
    });
    // Time that a test moves: a day passes at once while nothing else is to do.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let titles = Titles::new(&[site("portal", &[&origin(&portal)])], Metrics::new().titles);
    let articles = ["/a", "/moment"].map(|text| (ArticleId::parse(text).unwrap(), 1));
    let settled = async |expected: &[(String, Option<String>)], requests: usize| {
        for _ in 0..3000 {
            let list = titles.list(&id("portal"), &articles, 10);
            if !list.waits && portal.requests().len() >= requests && shown(list) == expected {
                return;
            }
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(10))).await.unwrap();
        }
        panic!("{:?} {:?}", titles.list(&id("portal"), &articles, 10), portal.requests());
    };
    runtime.block_on(async {
        let task = titles.spawn();
        settled(&[row("/a", "Một")], 2).await;
        is_broken.store(true, SeqCst);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        settled(&[row("/a", "Một"), row("/moment", "Lại có")], 3).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
        tokio::time::resume();
        settled(&[row("/a", "Một"), row("/moment", "Lại có")], 5).await;
        task.stop().await;
    });
}
