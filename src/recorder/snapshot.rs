//! The store's last snapshot of a site, and of the articles that were requested lately.

use std::collections::HashMap;

use chrono::NaiveDate;

use crate::{
    domain::{
        article::ArticleId,
        counts::{Kind, SiteViews},
        figures::Figures,
    },
    store::{Revision, Snapshot},
};

/// Figures as they were on a day.
#[derive(Clone, Copy, Debug)]
struct DatedFigures {
    day: NaiveDate,
    figures: Figures,
}

impl DatedFigures {
    /// The figures on the same or a later day; `None` for an earlier day.
    fn on(&self, today: NaiveDate) -> Option<Figures> {
        (self.day <= today).then(|| self.figures.seen_on(self.day, today))
    }

    fn add(&mut self, day: NaiveDate, views: u64) {
        // Figures of an earlier day have no bucket for this day, so they move to the new day first.
        if self.day < day {
            *self = Self { day, figures: self.figures.seen_on(self.day, day) };
        }
        self.figures.add(self.day, day, views);
    }
}

/// A cache of what the store answered. All of it includes this process's journal up to the same offset.
#[derive(Debug)]
pub(super) struct SnapshotCache {
    /// The most articles of one generation. There are two generations, so memory is bounded by twice as many.
    capacity: usize,
    site: Option<DatedFigures>,
    visits: Option<DatedFigures>,
    /// The revision that all of it includes.
    revision: Revision,
    /// An article that is requested moves to `recent`. When `recent` is full it becomes `older`, and the articles that
    /// were in `older` are dropped.
    recent: HashMap<ArticleId, DatedFigures>,
    older: HashMap<ArticleId, DatedFigures>,
}

impl SnapshotCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, site: None, visits: None, revision: Revision::default(), recent: HashMap::new(), older: HashMap::new() }
    }

    /// Changes the capacity. A cache that is too large for the new one forgets its articles.
    pub(super) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        if self.recent.len().max(self.older.len()) > capacity {
            self.forget_articles();
        }
    }

    /// Takes in an answer of the store. If another process has counted, the figures of all other articles are forgotten.
    pub(super) fn install(&mut self, day: NaiveDate, articles: &[ArticleId], snapshot: &Snapshot) {
        if self.revision != snapshot.revision {
            self.forget_articles();
            self.revision = snapshot.revision;
        }
        self.site = Some(DatedFigures { day, figures: snapshot.site });
        self.visits = Some(DatedFigures { day, figures: snapshot.visits });
        for (article, figures) in articles.iter().zip(&snapshot.articles) {
            self.remember(article.clone(), DatedFigures { day, figures: *figures });
        }
    }

    fn remember(&mut self, article: ArticleId, figures: DatedFigures) {
        if self.recent.len() >= self.capacity {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(article, figures);
    }

    /// Takes in the revision after an apply of this process, unless another process has counted before it.
    pub(super) fn follow(&mut self, before: Revision, after: Revision) {
        if self.revision == before {
            self.revision = after;
        }
    }

    /// The revision, if the store has answered with figures.
    pub(super) fn revision(&self) -> Option<Revision> {
        self.site.map(|_| self.revision)
    }

    pub(super) fn forget_articles(&mut self) {
        self.recent.clear();
        self.older.clear();
    }

    /// Adds views that this process has applied.
    pub(super) fn add(&mut self, day: NaiveDate, sum: &SiteViews) {
        for (figures, count) in [(&mut self.site, sum.views), (&mut self.visits, sum.of_kind(Kind::Visits))] {
            if let Some(figures) = figures.as_mut().filter(|_| count > 0) {
                figures.add(day, count);
            }
        }
        for (article, views) in &sum.articles {
            // An article can be in both generations. Both copies must be right, because either may be read next.
            for generation in [&mut self.recent, &mut self.older] {
                if let Some(figures) = generation.get_mut(article) {
                    figures.add(day, *views);
                }
            }
        }
    }

    /// The site's figures on a day, if they are known.
    pub(super) fn site(&self, today: NaiveDate) -> Option<Figures> {
        self.site.as_ref()?.on(today)
    }

    /// The figures of its visits on a day, if they are known.
    pub(super) fn visits(&self, today: NaiveDate) -> Option<Figures> {
        self.visits.as_ref()?.on(today)
    }

    /// An article's figures on a day, if they are known.
    pub(super) fn article(&mut self, today: NaiveDate, article: &ArticleId) -> Option<Figures> {
        if let Some(figures) = self.recent.get(article) {
            return figures.on(today);
        }
        let (article, figures) = self.older.remove_entry(article)?;
        self.remember(article, figures);
        figures.on(today)
    }
}
