//! What a store said of a site and of its articles that were asked for lately.

use std::collections::HashMap;

use chrono::NaiveDate;

use crate::{
    domain::{article::ArticleId, counts::DayViews, figures::Figures},
    store::Snapshot,
};

/// Figures as they were on a day.
#[derive(Clone, Copy, Debug)]
struct Seen {
    day: NaiveDate,
    figures: Figures,
}

impl Seen {
    /// The figures on a later day; not known for an earlier one.
    fn on(&self, today: NaiveDate) -> Option<Figures> {
        (self.day <= today).then(|| self.figures.seen_on(self.day, today))
    }

    fn add(&mut self, day: NaiveDate, views: u64) {
        // A box of an earlier day has no place for this day's bucket: it is brought to the day first.
        if self.day < day {
            *self = Self { day, figures: self.figures.seen_on(self.day, day) };
        }
        self.figures.add(self.day, day, views);
    }
}

/// What the store said. All of it includes this process's journal up to the same offset.
#[derive(Debug)]
pub(super) struct Base {
    /// How many articles a generation holds. There are two, so memory is bounded by twice as many.
    generation: usize,
    site: Option<Seen>,
    /// The sum of the other producers' offsets that all of it includes.
    others: u64,
    /// The articles asked for since the last change of generations, and those before: whoever is asked for again
    /// moves to the young, and the old ones are dropped when the young are too many.
    young: HashMap<ArticleId, Seen>,
    old: HashMap<ArticleId, Seen>,
}

impl Base {
    pub(super) fn new(generation: usize) -> Self {
        Self { generation, site: None, others: 0, young: HashMap::new(), old: HashMap::new() }
    }

    /// Takes in an answer of the store. Where somebody else has counted, no article's figures are known any more.
    pub(super) fn install(&mut self, day: NaiveDate, articles: &[ArticleId], snapshot: &Snapshot) {
        if self.others != snapshot.others {
            self.forget_articles();
            self.others = snapshot.others;
        }
        self.site = Some(Seen { day, figures: snapshot.site });
        for (article, figures) in articles.iter().zip(&snapshot.articles) {
            self.remember(article.clone(), Seen { day, figures: *figures });
        }
    }

    fn remember(&mut self, article: ArticleId, seen: Seen) {
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(article, seen);
    }

    /// The sum of the other producers' offsets that all of it includes.
    pub(super) fn others(&self) -> u64 {
        self.others
    }

    /// Whether anything is known.
    pub(super) fn is_known(&self) -> bool {
        self.site.is_some()
    }

    /// Forgets all articles.
    pub(super) fn forget_articles(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// Takes in views that this process has applied.
    pub(super) fn add(&mut self, day: NaiveDate, sum: &DayViews) {
        if let Some(site) = &mut self.site {
            site.add(day, sum.views);
        }
        for (article, views) in &sum.articles {
            // Both: the young one shadows the old, but must not be the only one that is right.
            for generation in [&mut self.young, &mut self.old] {
                if let Some(seen) = generation.get_mut(article) {
                    seen.add(day, *views);
                }
            }
        }
    }

    /// The site's figures on a day, where known.
    pub(super) fn site(&self, today: NaiveDate) -> Option<Figures> {
        self.site.as_ref()?.on(today)
    }

    /// An article's figures on a day, where known.
    pub(super) fn article(&mut self, today: NaiveDate, article: &ArticleId) -> Option<Figures> {
        if let Some(seen) = self.young.get(article) {
            return seen.on(today);
        }
        let (article, seen) = self.old.remove_entry(article)?;
        self.remember(article, seen);
        seen.on(today)
    }
}
