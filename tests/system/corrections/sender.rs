//! Views of two sites while their counts are moved: a total can shrink, so only the sums are compared.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::process::{client::Client, eventually};

#[derive(Default)]
struct Shared {
    target: Mutex<Option<String>>,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    /// Views that may be counted or not.
    unanswered: AtomicU64,
}

/// Threads that send views, each of an article, alternately for each site.
pub(super) struct Sender {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Sender {
    pub(super) fn start(sites: [&'static str; 2]) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (0..3).map(|first| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.run(sites, first))
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    /// Sends views to an address from now on, or none.
    pub(super) fn aim(&self, address: Option<&str>) {
        *self.shared.target.lock().unwrap() = address.map(Into::into);
    }

    pub(super) fn wait_for(&self, views: u64) {
        let acknowledged = || self.shared.acknowledged.load(Ordering::Relaxed);
        let wanted = acknowledged() + views;
        eventually("views are acknowledged", || (acknowledged() >= wanted).then_some(()));
    }

    /// Stops, and returns how many views are counted: at least, and at most.
    pub(super) fn finish(self) -> (u64, u64) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let least = self.shared.acknowledged.load(Ordering::Relaxed);
        (least, least + self.shared.unanswered.load(Ordering::Relaxed))
    }
}

impl Shared {
    fn run(&self, sites: [&str; 2], first: usize) {
        let mut connection: Option<(String, Client)> = None;
        for number in first.. {
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
            match client.view(sites[number % 2], &format!("/bai-viet/{}", number * 7 % 200)) {
                Ok(answer) if answer.counted() => drop(self.acknowledged.fetch_add(1, Ordering::Relaxed)),
                Ok(answer) if answer.refused() => {}
                Ok(answer) if answer.status != 503 => panic!("{answer:?}"),
                _ => {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                    connection = None;
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}
