//! The service's metrics, for Prometheus.
//!
//! - [`Metrics`]: what is counted and measured as it happens
//! - [`family`]: what is read only at a scrape
//! - [`GaugeGuard`]: a gauge that goes down again on every exit path
//!
//! Labels hold only what is configured or built in: sites, routes, outcomes. Never an article, a path or an address.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
    process_collector::ProcessCollector, proto::MetricFamily,
};

use rustix::time::{ClockId, clock_gettime};

use super::logging::dropped_lines;

mod family;

pub use family::{Kind, family};

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The commit that the program was built from; `unknown` if the build could not determine it, `debug` in a debug build.
pub const COMMIT: &str = env!("BUILD_COMMIT");

const CPU_SECONDS: &str = "process_cpu_seconds_total";

/// The buckets of all durations, in seconds: an fsync or a call of the store.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Everything that is counted and measured as it happens, in its own registry.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// The journal's metrics.
    pub journal: Journal,
    /// The store's metrics.
    pub store: Store,
    /// The listeners' metrics.
    pub http: Http,
    /// The metrics of questions for titles.
    pub titles: Titles,
    /// The configuration's metrics.
    pub config: Config,
}

/// The metrics of the configuration that is in effect.
#[derive(Clone, Debug)]
pub struct Config {
    /// 1 if the last reload was taken.
    pub last_reload_successful: IntGauge,
    /// When the configuration in effect was loaded.
    pub last_reload_timestamp: IntGauge,
    /// A number below 2^53 that differs if the sites do.
    pub sites_hash: IntGauge,
}

/// The journal's metrics.
#[derive(Clone, Debug)]
pub struct Journal {
    /// The time until an entry is durable.
    pub commit_seconds: Histogram,
    /// The number of views in an entry.
    pub batch_views: Histogram,
    /// The bytes that entries use.
    pub bytes: IntGauge,
    /// The bytes that entries can use.
    pub max_bytes: IntGauge,
    /// The bytes that are free on its disk.
    pub disk_free_bytes: IntGauge,
}

/// The store's metrics.
#[derive(Clone, Debug)]
pub struct Store {
    /// The time of an apply, whatever its outcome.
    pub apply_seconds: Histogram,
    /// Applies that moved the offset.
    pub done: IntCounter,
    /// Applies that found another offset.
    pub refused: IntCounter,
    /// Applies that changed nothing.
    pub failed: IntCounter,
    /// Applies whose answer was lost.
    pub unknown: IntCounter,
    /// How often the store was behind what it had confirmed.
    pub rewinds: IntCounter,
    /// Entries that the store lost and the journal no longer held.
    pub lost_entries: IntCounter,
    /// Corrections that the store had and lost.
    pub lost_corrections: IntCounter,
    /// Entries of earlier runs that the store had and the journal did not.
    pub foreign_entries: IntCounter,
    /// How often another process was found to write the same run.
    pub partings: IntCounter,
}

/// Questions for titles to the portals, by what they led to.
#[derive(Clone, Debug)]
pub struct Titles {
    /// The portal has the page, and it has a title.
    pub titled: IntCounter,
    /// The portal has the page, and no title was found in it.
    pub untitled: IntCounter,
    /// The portal does not have the page.
    pub gone: IntCounter,
    /// The portal answered with something else.
    pub refused: IntCounter,
    /// There was no answer.
    pub unanswered: IntCounter,
}

/// The listeners' metrics. Resolve children once, not for each request.
#[derive(Clone, Debug)]
pub struct Http {
    /// By `route`, `method` and `status`.
    pub requests: IntCounterVec,
    /// By `route`.
    pub seconds: HistogramVec,
    /// By `listener`.
    pub in_flight: IntGaugeVec,
    /// By `listener`.
    pub connections: IntGaugeVec,
    /// By `listener`.
    pub max_connections: IntGaugeVec,
    /// By `listener`.
    pub refused_connections: IntCounterVec,
}

impl Metrics {
    /// Metrics of a process in which nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let make = Factory(&registry);
        make.register(ProcessCollector::for_self());
        make.register(dropped_lines());
        let build = make.gauges("truycap_build_info", "1; the labels are the program's version and commit.", &["version", "commit"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), COMMIT]).set(1);
        let (journal, store, http) = (Journal::new(&make), Store::new(&make), Http::new(&make));
        let (titles, config) = (Titles::new(&make), Config::new(&make));
        Self { registry, journal, store, http, titles, config }
    }

    /// Everything, including `more`, in Prometheus' text format.
    ///
    /// # Errors
    /// If a family is empty.
    pub fn text(&self, more: impl IntoIterator<Item = MetricFamily>) -> prometheus::Result<String> {
        let mut families = self.registry.gather();
        families.retain(|family| family.name() != CPU_SECONDS);
        families.push(cpu_seconds());
        families.extend(more.into_iter().filter(|family| !family.get_metric().is_empty()));
        TextEncoder::new().encode_to_string(&families)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal {
    fn new(make: &Factory<'_>) -> Self {
        let views = (0..=9).map(|power| f64::from(1_u16 << power)).collect();
        Self {
            commit_seconds: make.histogram("truycap_journal_commit_duration_seconds", "Time until an entry was durable.", SECONDS.to_vec()),
            batch_views: make.histogram("truycap_journal_batch_views", "Views per entry.", views),
            bytes: make.gauge("truycap_journal_bytes", "Bytes of entries, measured once a second."),
            max_bytes: make.gauge("truycap_journal_max_bytes", "The maximum number of bytes of entries: journal.max_bytes."),
            disk_free_bytes: make.gauge("truycap_journal_disk_free_bytes", "Bytes free on the journal's disk, measured once a second."),
        }
    }
}

impl Store {
    fn new(make: &Factory<'_>) -> Self {
        let applies = make.counters("truycap_store_applies_total", "Applies to the store, by outcome.", &["outcome"]);
        let applies = |outcome| applies.with_label_values(&[outcome]);
        Self {
            apply_seconds: make.histogram("truycap_store_apply_duration_seconds", "Time until an apply was answered.", SECONDS.to_vec()),
            done: applies("done"),
            refused: applies("refused"),
            failed: applies("failed"),
            unknown: applies("unknown"),
            rewinds: make.counter("truycap_store_rewinds_total", "Times that the store had lost entries that it had confirmed."),
            lost_entries: make.counter(
                "truycap_store_lost_entries_total",
                "Entries that the store lost and the journal no longer held; the log names them.",
            ),
            lost_corrections: make.counter(
                "truycap_store_lost_corrections_total",
                "Corrections and imports that the store had and lost; the log names them.",
            ),
            foreign_entries: make.counter(
                "truycap_store_foreign_entries_total",
                "Entries of earlier runs that the store had and this journal did not: the journal is a copy.",
            ),
            partings: make
                .counter("truycap_store_partings_total", "Times that another process was found to write the same run of the journal."),
        }
    }
}

impl Titles {
    fn new(make: &Factory<'_>) -> Self {
        let questions = make.counters("truycap_title_questions_total", "Questions for titles to the portals, by outcome.", &["outcome"]);
        let questions = |outcome| questions.with_label_values(&[outcome]);
        Self {
            titled: questions("titled"),
            untitled: questions("untitled"),
            gone: questions("gone"),
            refused: questions("refused"),
            unanswered: questions("unanswered"),
        }
    }
}

impl Config {
    fn new(make: &Factory<'_>) -> Self {
        Self {
            last_reload_successful: make
                .gauge("truycap_config_last_reload_successful", "1 if the last reload, or the start, was taken, 0 if it was refused."),
            last_reload_timestamp: make
                .gauge("truycap_config_last_reload_timestamp_seconds", "Unix time of the last reload, or start, that was taken."),
            sites_hash: make
                .gauge("truycap_config_sites_hash", "A number that is the same for instances of one version with the same sites."),
        }
    }
}

impl Http {
    fn new(make: &Factory<'_>) -> Self {
        let seconds = HistogramOpts::new("truycap_http_request_duration_seconds", "Time from a request's head to its response.");
        let listener = ["listener"].as_slice();
        Self {
            requests: make.counters(
                "truycap_http_requests_total",
                "Requests that were answered, or aborted by the client.",
                &["route", "method", "status"],
            ),
            seconds: make.add(HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &["route"])),
            in_flight: make.gauges("truycap_http_requests_in_flight", "Requests in progress.", listener),
            connections: make.gauges("truycap_http_connections", "Open connections.", listener),
            max_connections: make.gauges(
                "truycap_http_max_connections",
                "The maximum number of open connections: listen.max_connections.",
                listener,
            ),
            refused_connections: make.counters(
                "truycap_http_refused_connections_total",
                "Connections closed at once because their client already had clients.max_connections.",
                listener,
            ),
        }
    }
}

/// Makes and registers metrics.
struct Factory<'a>(&'a Registry);

impl Factory<'_> {
    #[expect(clippy::expect_used, reason = "names and labels are constants of this file, and every start registers them all")]
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("the name of a metric is valid");
        self.register(metric.clone());
        metric
    }

    #[expect(clippy::expect_used, reason = "as above")]
    fn register(&self, metric: impl Collector + 'static) {
        self.0.register(Box::new(metric)).expect("the name of a metric is new");
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> Histogram {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)))
    }
}

/// The processor time of this process. The one of [`ProcessCollector`] has whole seconds only.
fn cpu_seconds() -> MetricFamily {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    family(Kind::Counter, CPU_SECONDS, "Total user and system CPU time spent in seconds.", [], [([], seconds)])
}

/// Increments a gauge until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard(IntGauge);

impl GaugeGuard {
    /// Increments the gauge.
    #[must_use]
    pub fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
