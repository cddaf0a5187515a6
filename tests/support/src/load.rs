//! Many views, and a tally of their answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    process::{
        client::{Answer, Client},
        eventually,
    },
    sites::SITES,
};

/// A site and one of its articles; `""` means the site itself, and [`VISITS`] its visits.
pub type Key = (String, String);

/// What stands for an article in the key of a site's visits.
pub const VISITS: &str = "visits:";

/// How many views of a site or an article were sent, by their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The complete answer says that the view is counted: it must be counted.
    pub acknowledged: u64,
    /// There is no complete answer, or it says that the outcome is unknown: the view may or may not be counted.
    pub unanswered: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub sent: BTreeMap<Key, Sent>,
    /// The answer says that the view is not counted: it must not be counted.
    pub refused: u64,
    /// The longest time that an acknowledgement took.
    pub slowest: Duration,
}

impl Tally {
    pub fn of(&self, site: &str, article: &str) -> Sent {
        self.sent.get(&(site.into(), article.into())).copied().unwrap_or_default()
    }

    /// The sum over all sites.
    pub fn all(&self) -> Sent {
        let sites = SITES.map(|site| self.of(site, ""));
        Sent { acknowledged: sites.iter().map(|sent| sent.acknowledged).sum(), unanswered: sites.iter().map(|sent| sent.unanswered).sum() }
    }

    /// Records one view of the site and of the article.
    fn record(&mut self, (site, article): &Key, change: impl Fn(&mut Sent)) {
        change(self.sent.entry((site.clone(), String::new())).or_default());
        if !article.is_empty() {
            change(self.sent.entry((site.clone(), article.clone())).or_default());
        }
    }

    pub fn acknowledge(&mut self, key: &Key) {
        self.record(key, |sent| sent.acknowledged += 1);
    }

    /// The sum of two tallies, of views that were sent to different instances.
    pub fn and(mut self, other: &Self) -> Self {
        self.refused += other.refused;
        self.slowest = self.slowest.max(other.slowest);
        for (key, sent) in &other.sent {
            let sum = self.sent.entry(key.clone()).or_default();
            sum.acknowledged += sent.acknowledged;
            sum.unanswered += sent.unanswered;
        }
        self
    }
}

/// The pages to view: for each site, the site itself and `count` articles whose ids end with `ending`.
pub fn pages(count: usize, ending: &str) -> Vec<Key> {
    let articles = (0..=count).map(|number| if number == 0 { String::new() } else { format!("/{number}{ending}") });
    articles.flat_map(|article| SITES.map(|site| (site.to_owned(), article.clone()))).collect()
}

struct Shared {
    pages: Vec<Key>,
    pause: Duration,
    target: Mutex<Option<String>>,
    stop: AtomicBool,
    tally: Mutex<Tally>,
}

/// Threads that send views, each one view at a time, over connections that are kept alive.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the threads; each sleeps for `pause` after a view.
    pub fn start(threads: usize, pages: Vec<Key>, pause: Duration) -> Self {
        let (target, stop, tally) = (Mutex::default(), AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { pages, pause, target, stop, tally });
        let threads = (0..threads).map(|first| {
            thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.run(first)
            })
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    /// Sets the address to which views are sent from now on; `None` stops sending.
    pub fn aim(&self, address: Option<&str>) {
        *self.shared.target.lock().unwrap() = address.map(Into::into);
    }

    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().unwrap().clone()
    }

    /// The tally if every view that is in flight is counted.
    pub fn most(&self) -> Tally {
        let mut tally = self.tally();
        let under_way = self.threads.len() as u64;
        tally.sent.values_mut().for_each(|sent| sent.unanswered += under_way);
        tally
    }

    /// Adds a view that the test itself sent and that was acknowledged.
    pub fn acknowledge(&self, key: &Key) {
        self.shared.tally.lock().unwrap().acknowledge(key);
    }

    /// The same, for another thread.
    pub fn counter(&self) -> impl Fn(&Key) + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move |key| shared.tally.lock().unwrap().acknowledge(key)
    }

    /// Waits until this many more views are acknowledged. On a busy machine many take long, so the deadline is that of the next one.
    pub fn wait_for(&self, views: u64) {
        let acknowledged = || self.tally().all().acknowledged;
        let mut last = acknowledged();
        let wanted = last + views;
        while last < wanted {
            last = eventually("views are acknowledged", || Some(acknowledged()).filter(|now| *now > last));
        }
    }

    /// Stops the threads, and returns the final tally.
    pub fn finish(mut self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.tally()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn run(&self, first: usize) {
        let mut connection: Option<(String, Client)> = None;
        for key in self.pages.iter().cycle().skip(first * 5) {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let target = self.target.lock().unwrap().clone();
            connection = connection.filter(|(address, _)| Some(address) == target.as_ref());
            if connection.is_none() {
                connection = target.and_then(|address| Client::connect(&address).ok().map(|client| (address, client)));
            }
            let Some((_, client)) = &mut connection else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            if !self.send(client, key) {
                connection = None;
            }
            thread::sleep(self.pause);
        }
    }

    /// Sends one view; returns whether the connection can be reused.
    fn send(&self, client: &mut Client, key: &Key) -> bool {
        let before = self.tally.lock().unwrap().of(&key.0, &key.1).acknowledged;
        let begun = Instant::now();
        let visits = begins_visit(key).then(|| (key.0.clone(), VISITS.to_owned()));
        let answer = if visits.is_some() { client.visit(&key.0, &key.1) } else { client.view(&key.0, &key.1) };
        let mut tally = self.tally.lock().unwrap();
        match &answer {
            Ok(answer) if answer.counted() => {
                tally.acknowledge(key);
                visits.into_iter().for_each(|visits| tally.sent.entry(visits).or_default().acknowledged += 1);
                tally.slowest = tally.slowest.max(begun.elapsed());
                drop(tally);
                shows(answer, key, before + 1);
            }
            Ok(answer) if answer.refused() => tally.refused += 1,
            Ok(answer) if answer.status != 503 => panic!("{answer:?}"),
            _ => {
                tally.record(key, |sent| sent.unanswered += 1);
                visits.into_iter().for_each(|visits| tally.sent.entry(visits).or_default().unanswered += 1);
            }
        }
        answer.is_ok_and(|answer| {
            let refused = answer.refused();
            if refused {
                thread::sleep(Duration::from_millis(2));
            }
            !answer.head.contains("connection: close")
        })
    }
}

/// Whether a view of the load begins a visit: about every second one, of some articles always and of others never.
fn begins_visit((_, article): &Key) -> bool {
    article.bytes().map(usize::from).sum::<usize>() % 2 == 1
}

impl Answer {
    /// Whether it says that the view is definitely not counted.
    pub fn refused(&self) -> bool {
        self.status == 503 && self.body.contains("was not counted")
    }
}

/// Checks that the figures of an answer include at least this many views of the page, unless the answer is marked stale.
fn shows(answer: &Answer, (site, article): &Key, least: u64) {
    let body = answer.json();
    let total = if article.is_empty() { &body["site"]["total"] } else { &body["articles"][article]["total"] };
    let stale = body["stale"] == true;
    assert!(stale || total.as_u64() >= Some(least), "{least} views of {site} {article} were acknowledged, but the answer is {body}");
}
