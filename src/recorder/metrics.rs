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

/// What the state of the recorder, the journal and the store is now. Without `per_site`, values of sites are added up and have no
/// label `site`.
pub(super) fn families(shared: &Shared, per_site: bool, now: DateTime<Utc>) -> Vec<MetricFamily> {
    let backlog = shared.backlog(now);
    let seconds = backlog.oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64());
    let (journal_ok, store_ok) = (shared.health.journal_ok(), shared.health.store_ok());
    let gauge = |name, help, value| family(Kind::Gauge, name, help, [], [([], value)]);
    vec![
        gauge("truycap_journal_up", "1 while the journal takes views, 0 if it had no room for the last ones.", one_if(journal_ok)),
        gauge("truycap_store_up", "1 while the store answers, 0 if its last call failed for some site.", one_if(store_ok)),
        nodes(shared),
        gauge(
            "truycap_journal_unapplied_entries",
            "Entries of the journal from the first one with views that the store has not confirmed.",
            backlog.entries as f64,
        ),
        gauge("truycap_journal_unapplied_views", "Views in the journal that the store has not confirmed.", backlog.views as f64),
        gauge("truycap_store_lag_views", "The same as truycap_journal_unapplied_views.", backlog.views as f64),
        gauge("truycap_store_lag_seconds", "The longest that a view which the store has not confirmed can have waited.", seconds),
        outcomes(shared, per_site),
        site_alone(shared, per_site),
        figures(shared, per_site, now),
    ]
}

fn nodes(shared: &Shared) -> MetricFamily {
    let nodes = shared.store.nodes();
    let rows = nodes.iter().map(|(address, connected)| ([address.as_str()], one_if(*connected)));
    let help = "1 while a server of the store, if it is Redis, is connected, otherwise 0.";
    family(Kind::Gauge, "truycap_store_node_up", help, ["node"], rows)
}

fn one_if(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

fn outcomes(shared: &Shared, per_site: bool) -> MetricFamily {
    let sites = shared.sites.all();
    let of = |id, counter: &SiteCounter| counter.outcomes().each().map(|(outcome, views)| (outcome.name(), id, views as f64)).collect();
    of_sites(Kind::Counter, "truycap_views_total", "Views since the start, by outcome.", "outcome", per_site, rows(&sites, per_site, of))
}

/// Reasons that a site has not had are left out: most sites have none.
fn site_alone(shared: &Shared, per_site: bool) -> MetricFamily {
    let sites = shared.sites.all();
    let of = |id, counter: &SiteCounter| {
        let views = counter.site_alone().each().filter(|(_, views)| *views > 0);
        views.map(|(reason, views)| (reason.name(), id, views as f64)).collect()
    };
    let help = "Counted views of the site alone since the start, although they named an article, by reason.";
    of_sites(Kind::Counter, "truycap_views_site_alone_total", help, "reason", per_site, rows(&sites, per_site, of))
}

/// The figures of each site, if they are known.
fn figures(shared: &Shared, per_site: bool, now: DateTime<Utc>) -> MetricFamily {
    let named = |figures: Figures| Figure::ALL.map(|figure| (figure, figures[figure]));
    let sites = shared.sites.all();
    let of = |id, counter: &SiteCounter| {
        let today = counter.day(now);
        let figures = counter.lock().state.site(today);
        figures.map(named).into_iter().flatten().map(|(figure, views)| (figure.name(), id, views as f64)).collect()
    };
    let help = "The figures of each site, as its box shows them.";
    of_sites(Kind::Gauge, "truycap_site_views", help, "figure", per_site, rows(&sites, true, of))
}

/// A value with its label and its site.
type Row<'a> = (&'static str, &'a str, f64);

/// The rows of the configured sites: one that was taken out would look as if it were not read any more. Sums must not fall when a
/// site is taken out, so they need all sites.
fn rows<'a>(
    sites: &'a BTreeMap<SiteId, Arc<SiteCounter>>,
    configured: bool,
    of: impl Fn(&'a str, &SiteCounter) -> Vec<Row<'a>>,
) -> Vec<Row<'a>> {
    let sites = sites.iter().filter(|(_, counter)| !configured || counter.is_configured());
    sites.flat_map(|(id, counter)| of(id.as_str(), counter)).collect()
}

fn of_sites(kind: Kind, name: &str, help: &str, label: &str, per_site: bool, rows: Vec<Row<'_>>) -> MetricFamily {
    if per_site {
        return family(kind, name, help, [label, "site"], rows.into_iter().map(|(value, site, views)| ([value, site], views)));
    }
    let mut sums = BTreeMap::new();
    for (value, _, views) in rows {
        *sums.entry(value).or_insert(0.0) += views;
    }
    family(kind, name, help, [label], sums.into_iter().map(|(value, views)| ([value], views)))
}
