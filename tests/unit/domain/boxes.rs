//! The nine figures at any moment: views take the same path as in the service, and the box is looked up in the counters.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::{collection::vec, option, prelude::*, sample::Index};
use truycap::domain::{
    article::ArticleId,
    counts::{Deltas, SiteViews},
    figures::{Figure, Figures},
    period::Bucket,
    site::{Rules, Site, SiteId},
};

use super::{
    cases,
    model::{Model, YEARS, ZONES, boundaries, local_date},
};

const ARTICLES: [&str; 3] = ["/", "/tin/1", "/tin/2"];

/// The counters of a site, and the views that they sum up.
pub(crate) struct Portal {
    site: Site,
    waiting: BTreeMap<NaiveDate, SiteViews>,
    counters: BTreeMap<(Bucket, Option<ArticleId>), u64>,
    model: Model,
}

fn article(index: usize) -> ArticleId {
    ArticleId::parse(ARTICLES[index]).unwrap()
}

impl Portal {
    pub(crate) fn new(timezone: Tz) -> Self {
        let site = Site {
            id: SiteId::parse("portal").unwrap(),
            aliases: Vec::new(),
            origins: vec![],
            timezone,
            sections: vec![],
            rules: Rules::default(),
        };
        Self { site, waiting: BTreeMap::new(), counters: BTreeMap::new(), model: Model::default() }
    }

    pub(crate) fn view(&mut self, at: DateTime<Utc>, seen: Option<usize>) {
        self.model.0.push((local_date(self.site.timezone, at), seen));
        let mut entry = SiteViews::default();
        entry.count(seen.map(article));
        self.waiting.entry(self.site.day(at)).or_default().add(&entry);
    }

    /// Adds the waiting views to the counters, as an `apply` does.
    pub(crate) fn flush(&mut self) {
        let days = std::mem::take(&mut self.waiting);
        for (set, increment) in Deltas::from_iter(days.iter().map(|(day, views)| (*day, views))).0 {
            for bucket in set.buckets() {
                *self.counters.entry((bucket, None)).or_default() += increment.views;
                for (article, views) in &increment.articles {
                    *self.counters.entry((bucket, Some(article.clone()))).or_default() += views;
                }
            }
        }
    }

    /// The box on a day, looked up in the counters.
    pub(crate) fn figures(&self, today: NaiveDate, seen: Option<usize>) -> Figures {
        let article = seen.map(article);
        Figures::new(Figure::buckets(today).map(|bucket| self.counters.get(&(bucket, article.clone())).copied().unwrap_or(0)))
    }

    /// Checks the boxes of the site and of each article at a moment.
    fn probe(&mut self, now: DateTime<Utc>) {
        self.flush();
        for seen in [None, Some(0), Some(1), Some(2)] {
            let expected = self.model.figures(local_date(self.site.timezone, now), seen);
            let got = self.figures(self.site.day(now), seen);
            assert_eq!(got, expected, "{} in {} of {seen:?}", now, self.site.timezone);
        }
    }
}

/// An event: a view, or a check of the boxes.
#[derive(Clone, Copy, Debug)]
enum Event {
    View(Option<usize>),
    Probe,
}

/// A moment within six years, counted from their first second: any moment, or one near a calendar boundary.
#[derive(Clone, Debug)]
enum Moment {
    Any(i64),
    Near(Index, i64),
}

const SIX_YEARS: i64 = 6 * 365 * 86_400;

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        (0..SIX_YEARS).prop_map(Moment::Any),
        (any::<Index>(), -2..=2_i64).prop_map(|(boundary, seconds)| Moment::Near(boundary, seconds)),
        (any::<Index>(), -400_000..=400_000_i64).prop_map(|(boundary, seconds)| Moment::Near(boundary, seconds)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![3 => option::weighted(0.7, 0..ARTICLES.len()).prop_map(Event::View), 1 => Just(Event::Probe)]
}

#[test]
fn the_nine_figures_are_right_at_any_moment() {
    let boundaries = ZONES.map(boundaries);
    let story = (0..ZONES.len(), YEARS.0..=YEARS.1 - 6, vec((moment(), event()), 1..240));
    proptest!(cases(400), |((zone, year, events) in story)| {
        let start = NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        let end = start + TimeDelta::seconds(SIX_YEARS);
        let boundaries: Vec<_> = boundaries[zone].iter().filter(|boundary| (start..end).contains(boundary)).collect();
        let mut events: Vec<_> = events.into_iter().map(|(moment, event)| match moment {
            Moment::Any(seconds) => (start + TimeDelta::seconds(seconds), event),
            Moment::Near(boundary, seconds) => (**boundary.get(&boundaries) + TimeDelta::seconds(seconds), event),
        }).collect();
        events.sort_by_key(|(at, _)| *at);
        let mut portal = Portal::new(ZONES[zone]);
        for (at, event) in events {
            match event {
                Event::View(seen) => portal.view(at, seen),
                Event::Probe => portal.probe(at),
            }
        }
    });
}

#[test]
fn the_nine_figures_are_right_around_every_calendar_boundary() {
    for zone in ZONES {
        let mut portal = Portal::new(zone);
        for (i, boundary) in boundaries(zone).into_iter().enumerate() {
            for seconds in -1..=1 {
                let at = boundary + TimeDelta::seconds(seconds);
                portal.view(at, [None, Some(0), Some(1), Some(2)][i % 4]);
                portal.probe(at);
            }
        }
    }
}
