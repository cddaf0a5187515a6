//! A serving process, and its figures.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    child::{Finished, Process},
    client::{Answer, Client},
    place::Place,
    wait::{eventually, within},
};

/// The names of the nine figures, in the order of every interface.
pub const NAMES: [&str; 9] =
    ["total", "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_year", "last_year"];

/// A running service.
#[derive(Debug)]
pub struct Service {
    pub process: Process,
    /// The address and the port of each listener.
    pub public: String,
    pub admin: String,
}

impl Place {
    /// Starts the service, and returns at once. If its directory has a `truycap.toml`, that is its configuration.
    pub fn spawn(&self) -> Process {
        let file = self.path("truycap.toml");
        let arguments = if file.exists() { vec!["serve", "--config", "truycap.toml"] } else { vec!["serve"] };
        Process::spawn(self.command(&arguments))
    }

    /// Starts the service with a log in JSON, and returns when it listens, with its public and its admin address.
    #[track_caller]
    pub fn spawn_json(&self) -> (Process, String, String) {
        let process = self.spawn();
        let serving = eventually("the service listens", || {
            let log = process.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line.get("public").is_some())
        });
        let address = |name: &str| serving[name].as_str().unwrap().to_owned();
        (process, address("public"), address("admin"))
    }

    /// Starts the service, and returns when it listens.
    #[track_caller]
    pub fn start_unready(&self) -> Service {
        self.try_start().unwrap_or_else(|log| panic!("the service ended: {log}"))
    }

    /// Starts the service, and returns when it listens, or the log of one that ends before.
    pub fn try_start(&self) -> Result<Service, String> {
        let mut process = self.spawn();
        let addresses = eventually("the service listens or ends", || {
            let (ended, log) = (process.has_ended(), process.log());
            let address = |name: &str| log.split_once(&format!("{name}=\""))?.1.split_once('"').map(|(address, _)| address.to_owned());
            address("public").zip(address("admin")).map(Ok).or_else(|| ended.then_some(Err(())))
        });
        match addresses {
            Ok((public, admin)) => Ok(Service { process, public, admin }),
            Err(()) => Err(process.wait(Duration::ZERO).err),
        }
    }

    /// Starts the service, and returns when it accepts views.
    pub fn start(&self) -> Service {
        let service = self.start_unready();
        eventually("the service is ready", || service.ready().filter(|answer| answer.status == 200));
        service
    }
}

impl Place {
    /// The nine figures that the command line prints.
    pub fn figures(&self, arguments: &[&str]) -> [u64; 9] {
        let text = self.ok(&[&["figures"], arguments].concat());
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        let names: Vec<_> = lines.iter().map(|line| line[0]).collect();
        assert_eq!(names, NAMES);
        std::array::from_fn(|i| lines[i][1].parse().unwrap())
    }
}

impl Service {
    /// A client with a connection of its own.
    pub fn client(&self) -> Client {
        Client::connect(&self.public).unwrap()
    }

    /// The answer of `/readyz`, if there is one.
    pub fn ready(&self) -> Option<Answer> {
        Client::connect(&self.admin).and_then(|mut client| client.get("/readyz")).ok()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.client().get(path).unwrap()
    }

    /// The figures of a site and of some articles, once the service is in sync with the store.
    pub fn answer(&self, site: &str, articles: &[&str]) -> Value {
        let query: Vec<_> = articles.iter().map(|article| format!("article={article}")).collect();
        let path = format!("/v1/sites/{site}/figures?{}", query.join("&"));
        within(Duration::from_secs(15), "the figures are in sync with the store", || {
            let answer = self.get(&path);
            assert_eq!(answer.status, 200, "{answer:?}");
            Some(answer.json()).filter(|body| body["stale"] == false)
        })
    }

    /// The nine figures of a site.
    pub fn site(&self, site: &str) -> [u64; 9] {
        nine(&self.answer(site, &[])["site"])
    }

    /// The nine figures of an article.
    pub fn article(&self, site: &str, article: &str) -> [u64; 9] {
        nine(&self.answer(site, &[article])["articles"][article])
    }

    /// Stops it with SIGTERM, and checks that it exits with code 0.
    pub fn stop(self) -> Finished {
        self.process.signal("TERM");
        let finished = self.process.wait(Duration::from_secs(10));
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        finished
    }
}

/// The figures of an answer, which must be exactly the nine.
#[track_caller]
pub fn nine(figures: &Value) -> [u64; 9] {
    assert_eq!(figures.as_object().map(Map::len), Some(9), "{figures}");
    NAMES.map(|name| figures[name].as_u64().unwrap())
}
