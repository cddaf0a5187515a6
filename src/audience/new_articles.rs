//! The articles that got their first view today. Limiting them keeps invented ids from filling the store.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use chrono::NaiveDate;
use parking_lot::Mutex;

use crate::domain::{article::ArticleId, site::SiteId};

/// The articles that this process has admitted as new today, for each site.
#[derive(Debug, Default)]
pub struct NewArticles {
    sites: Mutex<HashMap<SiteId, Today>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Today {
    day: NaiveDate,
    /// Their hashes: 8 bytes each, up to 16 with the set's spare room.
    articles: HashSet<u64>,
}

impl NewArticles {
    /// Admits an article without views, unless `max` other articles were admitted today. Returns whether it is admitted.
    #[must_use]
    pub fn admit(&self, site: &SiteId, article: &ArticleId, day: NaiveDate, max: usize) -> bool {
        let hash = self.hasher.hash_one(article);
        let mut sites = self.sites.lock();
        if !sites.contains_key(site) {
            sites.insert(site.clone(), Today { day, articles: HashSet::new() });
        }
        let Some(today) = sites.get_mut(site) else { return false };
        if today.day != day {
            *today = Today { day, articles: HashSet::new() };
        }
        today.articles.contains(&hash) || (today.articles.len() < max && today.articles.insert(hash))
    }
}
