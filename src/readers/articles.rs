//! Which articles are new today: so that invented ids cannot fill the store.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use chrono::NaiveDate;

use crate::domain::{article::ArticleId, site::SiteId};

/// The articles of each site that were new on its day, in this process alone.
#[derive(Debug, Default)]
pub struct NewArticles {
    sites: Mutex<HashMap<SiteId, Today>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Today {
    day: NaiveDate,
    /// By their hash: up to twice eight bytes each.
    articles: HashSet<u64>,
}

impl NewArticles {
    /// Whether an article that has no views yet may get some: as long as not more than `most` others were new today.
    #[must_use]
    pub fn admit(&self, site: &SiteId, article: &ArticleId, day: NaiveDate, most: usize) -> bool {
        let hash = self.hasher.hash_one(article);
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        if !sites.contains_key(site) {
            sites.insert(site.clone(), Today { day, articles: HashSet::new() });
        }
        let Some(today) = sites.get_mut(site) else { return false };
        if today.day != day {
            *today = Today { day, articles: HashSet::new() };
        }
        today.articles.contains(&hash) || (today.articles.len() < most && today.articles.insert(hash))
    }
}
