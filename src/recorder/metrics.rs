//! The recorder's metrics that are read from its state at each scrape. The store is not asked for them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use prometheus::proto::MetricFamily;

use super::{shared::Shared, site::SiteCounter};
use crate::{
    domain::{
        figures::{Figure, Figures},
        site::SiteId,
    },
    telemetry::metrics::{Kind, family},
};

/// What the state of the recorder, the journal and the store is now.
pub(super) fn families(shared: &Shared, now: DateTime<Utc>) -> Vec<MetricFamily> {
    let backlog = shared.backlog(now);
    let seconds = backlog.oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64());
    let (journal_ok, store_ok) = (shared.health.journal_ok(), shared.health.store_ok());
    let gauge = |name, help, value| family(Kind::Gauge, name, help, [], [([], value)]);
    vec![
        gauge("truycap_journal_up", "1 while the journal takes views, 0 if it had no room for the last ones.", one_if(journal_ok)),
        gauge("truycap_store_up", "1 while the store answers, 0 if its last call failed for some site.", one_if(store_ok)),
        gauge(
            "truycap_journal_unapplied_entries",
            "Entries of the journal from the first one with views that the store has not confirmed.",
            backlog.entries as f64,
        ),
        gauge("truycap_journal_unapplied_views", "Views in the journal that the store has not confirmed.", backlog.views as f64),
        gauge("truycap_store_lag_views", "The same as truycap_journal_unapplied_views.", backlog.views as f64),
        gauge("truycap_store_lag_seconds", "The longest that a view which the store has not confirmed can have waited.", seconds),
        outcomes(shared),
        site_alone(shared),
        figures(shared, now),
    ]
}

fn one_if(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// A site that was taken out of the configuration has no metrics: it would look as if it were not read any more.
fn configured(sites: &BTreeMap<SiteId, Arc<SiteCounter>>) -> impl Iterator<Item = (&SiteId, &SiteCounter)> {
    sites.iter().map(|(id, counter)| (id, &**counter)).filter(|(_, counter)| counter.is_configured())
}

fn outcomes(shared: &Shared) -> MetricFamily {
    let sites = shared.sites.all();
    let values = configured(&sites)
        .flat_map(|(id, counter)| counter.outcomes().each().map(move |(outcome, views)| ([outcome.name(), id.as_str()], views as f64)));
    family(Kind::Counter, "truycap_views_total", "Views since the start, by outcome.", ["outcome", "site"], values)
}

/// Reasons that a site has not had are left out: most sites have none.
fn site_alone(shared: &Shared) -> MetricFamily {
    let sites = shared.sites.all();
    let values = configured(&sites).flat_map(|(id, counter)| {
        let views = counter.site_alone().each().filter(|(_, views)| *views > 0);
        views.map(move |(reason, views)| ([reason.name(), id.as_str()], views as f64))
    });
    let help = "Counted views of the site alone since the start, although they named an article, by reason.";
    family(Kind::Counter, "truycap_views_site_alone_total", help, ["reason", "site"], values)
}

/// The figures of each site, if they are known.
fn figures(shared: &Shared, now: DateTime<Utc>) -> MetricFamily {
    let named = |figures: Figures| Figure::ALL.map(|figure| (figure, figures[figure]));
    let sites = shared.sites.all();
    let values = configured(&sites).flat_map(|(id, counter)| {
        let today = counter.day(now);
        let figures = counter.lock().state.site(today);
        figures.map(named).into_iter().flatten().map(move |(figure, views)| ([figure.name(), id.as_str()], views as f64))
    });
    family(Kind::Gauge, "truycap_site_views", "The figures of each site, as its box shows them.", ["figure", "site"], values)
}
