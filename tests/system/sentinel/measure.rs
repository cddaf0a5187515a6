//! How fast a fail-over is followed, and what it costs the views meanwhile. Printed, not asserted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chrono::{Local, NaiveDateTime};

use super::{process::eventually, redis_server::Server, setup::Scene, soak};
use truycap_test_support::on_redis::key;

/// Measures from before a fault until views are in the next primary.
pub(crate) struct Measure {
    name: &'static str,
    begun: NaiveDateTime,
    usual: Vec<Duration>,
    stop: Arc<AtomicBool>,
    first: Vec<JoinHandle<Option<NaiveDateTime>>>,
    times: JoinHandle<Vec<Duration>>,
}

/// Sends views to an article of its own for as long as it may, and returns how long the answers took.
fn views(scene: &Scene, until: impl Fn() -> bool + Send + 'static) -> JoinHandle<Vec<Duration>> {
    let mut client = scene.service.client();
    let count = scene.load.counter();
    thread::spawn(move || {
        let mut times = Vec::new();
        while !until() {
            let begun = Instant::now();
            client.count("portal", "/measured");
            times.push(begun.elapsed());
            count(&("portal".into(), "/measured".into()));
            thread::sleep(Duration::from_millis(2));
        }
        times
    })
}

/// Returns when a server first took an apply as a primary.
fn first_apply(server: &Server, stop: Arc<AtomicBool>) -> JoinHandle<Option<NaiveDateTime>> {
    let client = redis::Client::open(server.url()).unwrap();
    thread::spawn(move || {
        let (mut connection, mut before) = (None, None);
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(2));
            // A sentinel that promotes a server ends its connections, also one that is being opened.
            let Some(mut open) = connection.take().or_else(|| client.get_connection().ok()) else { continue };
            let mut both = redis::pipe();
            both.atomic().cmd("ROLE").cmd("HGET").arg(key("portal", "site")).arg("revision");
            let Ok((role, revision)) = both.query::<(Vec<redis::Value>, String)>(&mut open) else { continue };
            connection = Some(open);
            let role: String = redis::from_redis_value(role[0].clone()).unwrap();
            let last = before.replace(revision.clone());
            if role != "master" {
                before = None;
            } else if last.is_some_and(|last| last != revision) {
                return Some(Local::now().naive_local());
            }
        }
        None
    })
}

/// The median, the 99th percentile and the greatest of some times.
fn ranks(mut times: Vec<Duration>) -> String {
    times.sort();
    let rank = |part: usize| times[(times.len() - 1) * part / 100];
    format!("{:.1?}, 99 % {:.1?}, at most {:.1?}", rank(50), rank(99), rank(100))
}

impl Measure {
    /// Measures what is usual first.
    pub(crate) fn begin(scene: &Scene, name: &'static str) -> Self {
        let usual = Duration::from_millis(soak(200, 2000));
        let begun = Instant::now();
        let usual = views(scene, move || begun.elapsed() > usual).join().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let primary = scene.set.primary().unwrap();
        let replicas = scene.set.servers.iter().enumerate().filter(|(number, _)| *number != primary);
        let first = replicas.map(|(_, node)| first_apply(&node.server, Arc::clone(&stop))).collect();
        let until = Arc::clone(&stop);
        let times = views(scene, move || until.load(Ordering::Relaxed));
        Self { name, begun: Local::now().naive_local(), usual, stop, first, times }
    }

    pub(crate) fn end(self, scene: &Scene) {
        eventually("the first apply is seen", || self.first.iter().any(JoinHandle::is_finished).then_some(()));
        self.stop.store(true, Ordering::Relaxed);
        let first = self.first.into_iter().filter_map(|thread| thread.join().unwrap()).min().unwrap();
        let name = self.name;
        // The leading sentinel decides, and the others learn it from that one.
        let decided = eventually("the fail-over is logged", || scene.set.logged("+promoted-slave", self.begun));
        println!("{name}: the first apply reaches the next primary {} ms after it was chosen", (first - decided).num_milliseconds());
        println!(
            "{name}: a view is answered in {} before, and in {} during the fail-over",
            ranks(self.usual),
            ranks(self.times.join().unwrap())
        );
    }
}
