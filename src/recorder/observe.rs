//! The recorder in metrics. What its state tells is read off when somebody asks; the store is not asked for it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::proto::MetricFamily;

use super::shared::Status;
use crate::{
    domain::figures::{Figure, Figures},
    telemetry::metrics::{Kind, family},
};

/// What is known now of the recorder, the journal and the store.
pub(super) fn families(status: &Status, now: DateTime<Utc>) -> Vec<MetricFamily> {
    let health = status.health();
    let (views, seconds) = lag(status);
    let gauge = |name, help, value| family(Kind::Gauge, name, help, [], [([], value)]);
    vec![
        gauge("truycap_journal_up", "1 while the journal takes views, 0 where it had no room for the last ones.", one(health.journal_ok)),
        gauge("truycap_store_up", "1 while the store answers, 0 where its last call failed for some site.", one(health.store_ok)),
        gauge("truycap_store_lag_views", "Views in memory that the store has not confirmed; more may wait in the journal.", views),
        gauge("truycap_store_lag_seconds", "How long the oldest view that the store has not confirmed may wait.", seconds),
        outcomes(status),
        figures(status, now),
    ]
}

fn one(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// All sites' views, and the longest wait.
fn lag(status: &Status) -> (f64, f64) {
    let sites = status.sites();
    let lags = sites.counters.iter().map(|counter| counter.lock().lag());
    let (views, wait) = lags.fold((0, Duration::ZERO), |(views, wait), lag| (views + lag.views, wait.max(lag.wait)));
    (views as f64, wait.as_secs_f64())
}

/// Of configured sites: one that was taken out would look as if nobody read it any more.
fn outcomes(status: &Status) -> MetricFamily {
    let sites = status.sites();
    let values = sites.counters.iter().filter(|counter| counter.configured).flat_map(|counter| {
        let site = counter.site.id.as_str();
        counter.core.outcomes.each().map(move |(outcome, views)| ([outcome.name(), site], views as f64))
    });
    family(Kind::Counter, "truycap_views_total", "Views since the start, by what became of them.", ["outcome", "site"], values)
}

/// The box of each site; left out where it is not known.
fn figures(status: &Status, now: DateTime<Utc>) -> MetricFamily {
    let known = |figures: Figures| Figure::ALL.map(|figure| (figure, figures[figure]));
    let sites = status.sites();
    let values = sites.counters.iter().filter(|counter| counter.configured).flat_map(|counter| {
        let today = counter.site.day(now);
        let figures = counter.lock().state.site(today);
        let site = counter.site.id.as_str();
        figures.map(known).into_iter().flatten().map(move |(figure, views)| ([figure.name(), site], views as f64))
    });
    family(Kind::Gauge, "truycap_site_views", "The figures of each site, as a box shows them.", ["figure", "site"], values)
}
