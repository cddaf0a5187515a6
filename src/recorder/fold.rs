//! A site's views on their way from the journal to the store, summed.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::domain::{
    article::ArticleId,
    counts::{DayViews, Deltas},
    figures::Figures,
    producer::Seq,
};

/// The sum of a site's views in the entries after `from` up to `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fold {
    pub(super) from: Seq,
    pub(super) to: Seq,
    pub(super) days: BTreeMap<NaiveDate, DayViews>,
}

impl Fold {
    pub(super) fn at(seq: Seq) -> Self {
        Self { from: seq, to: seq, days: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, day: NaiveDate, views: &DayViews) {
        self.days.entry(day).or_default().add(views);
    }

    /// How many sums (of an article on a day) it holds.
    pub(super) fn sums(&self) -> usize {
        self.days.values().map(|day| day.articles.len()).sum()
    }

    /// Whether it would hold more than so many with these views as well, where it holds some.
    pub(super) fn would_pass<'a>(&self, most: usize, days: impl Iterator<Item = (NaiveDate, &'a DayViews)> + Clone) -> bool {
        let sums = self.sums();
        // Most articles of a busy site are in it already. They are looked up only where it may matter.
        let at_most = sums + days.clone().map(|(_, views)| views.articles.len()).sum::<usize>();
        if sums == 0 || at_most <= most {
            return false;
        }
        let new = days.map(|(day, views)| {
            let known = self.days.get(&day).map(|sum| &sum.articles);
            views.articles.keys().filter(|article| known.is_none_or(|known| !known.contains_key(*article))).count()
        });
        sums + new.sum::<usize>() > most
    }

    /// The number of views in the fold.
    pub(super) fn views(&self) -> u64 {
        self.days.values().map(|day| day.views).sum()
    }

    /// The counters that the fold adds to.
    pub(super) fn deltas(&self) -> Deltas {
        self.days.iter().map(|(day, views)| (*day, views)).collect()
    }

    /// Adds the fold's views of an article, or of the site, to its figures of a day.
    pub(super) fn overlay(&self, figures: &mut Figures, today: NaiveDate, article: Option<&ArticleId>) {
        for (day, sum) in &self.days {
            let views = article.map_or(sum.views, |article| sum.articles.get(article).copied().unwrap_or(0));
            if views > 0 {
                figures.add(today, *day, views);
            }
        }
    }
}
