//! What only these tests ask of the program and its store.

use rusqlite::Connection;

use crate::process::{Place, Service, service::NAMES, wait::PATIENCE};

impl Place {
    /// The nine figures as the command line gives them.
    pub(crate) fn figures(&self, arguments: &[&str]) -> [u64; 9] {
        let text = self.ok(&[&["figures"], arguments].concat());
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        let names: Vec<_> = lines.iter().map(|line| line[0]).collect();
        assert_eq!(names, NAMES);
        std::array::from_fn(|i| lines[i][1].parse().unwrap())
    }

    /// The store's file, opened beside whoever uses it.
    pub(crate) fn store(&self) -> Connection {
        let store = Connection::open(self.path("data/truycap.db")).unwrap();
        store.busy_timeout(PATIENCE).unwrap();
        store
    }
}

impl Service {
    /// Sends views of an article, or of the site alone, over a few connections at a time.
    pub(crate) fn views(&self, site: &str, article: &str, count: usize) {
        const CONNECTIONS: usize = 16;
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS.min(count) {
                scope.spawn(move || {
                    let mut client = self.client();
                    for _ in (connection..count).step_by(CONNECTIONS) {
                        client.count(site, article);
                    }
                });
            }
        });
    }
}
