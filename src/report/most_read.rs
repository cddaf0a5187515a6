//! The most-read articles of a period, exact and without a scan.
//!
//! The period is made up of buckets whose lists are kept. The candidates are the articles of these lists. A list that is full has, of
//! each article that is not in it, at most the views of its last row; one that is not full has all articles. So for each candidate
//! the sum is between two bounds, and of an article that is in no list it is at most the sum of the last rows. The store is asked for
//! the candidates with the highest upper bounds until no other one can be among the first rows. Only rows are shown that have more
//! than any article can have whose sum is not known.

use std::collections::HashMap;

use super::contents::{Gap, MostRead, ReadArticle};
use crate::{domain::article::ArticleId, store::LIST_LEAST};

/// A kept list: most views first, then by id.
pub type Listed = [(ArticleId, u64)];

/// An article, with what is known of its sum.
#[derive(Clone, Debug)]
struct Candidate {
    article: ArticleId,
    /// What the lists that have it say.
    least: u64,
    /// What it has at most.
    most: u64,
}

/// The search for the most-read articles of several buckets.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// The candidates whose sum is not known, those with the highest upper bound last.
    open: Vec<Candidate>,
    /// Those whose sum is known.
    known: Vec<(ArticleId, u64)>,
    /// What an article that is in no list has at most; `None` if there is no such article.
    unlisted: Option<u64>,
    /// How many rows are wanted.
    rows: usize,
}

impl Ranking {
    /// Begins with the list of each bucket.
    #[must_use]
    pub fn new(lists: &[impl AsRef<Listed>], rows: usize) -> Self {
        if let [list] = lists {
            // Its order is that of the report, also among rows with the same count.
            return Self { open: Vec::new(), known: list.as_ref().to_vec(), unlisted: None, rows };
        }
        let lasts =
            lists.iter().map(|list| list.as_ref().last().filter(|_| list.as_ref().len() >= LIST_LEAST).map_or(0, |(_, views)| *views));
        let lasts: Vec<u64> = lasts.collect();
        let unlisted = lasts.iter().fold(0_u64, |sum, last| sum.saturating_add(*last));
        // Of each candidate: the sum of its rows, and of the last rows of the lists that have it.
        let mut sums: HashMap<&ArticleId, (u64, u64)> = HashMap::new();
        for (list, last) in lists.iter().zip(&lasts) {
            for (article, views) in list.as_ref() {
                let (least, covered) = sums.entry(article).or_default();
                *least = least.saturating_add(*views);
                *covered += last;
            }
        }
        let candidates = sums.into_iter().map(|(article, (least, covered))| {
            let most = least.saturating_add(unlisted - covered);
            Candidate { article: article.clone(), least, most }
        });
        let (exact, mut open): (Vec<_>, Vec<_>) = candidates.partition(|candidate| candidate.least == candidate.most);
        open.sort_by(|a, b| a.most.cmp(&b.most).then_with(|| b.article.cmp(&a.article)));
        let known = exact.into_iter().map(|candidate| (candidate.article, candidate.least)).collect();
        Self { open, known, unlisted: (unlisted > 0).then_some(unlisted), rows }
    }

    /// Up to `count` articles whose sums are to be asked for now, those first that can have most; none if the rows are known.
    pub fn next(&mut self, count: usize) -> Vec<ArticleId> {
        let Some(highest) = self.open.last() else { return Vec::new() };
        let enough = self.known.iter().filter(|(_, views)| *views > highest.most).count() >= self.rows;
        // No row beyond those can be proven.
        let hopeless = self.unlisted.is_some_and(|unlisted| highest.most <= unlisted);
        if enough || hopeless {
            return Vec::new();
        }
        (0..count).map_while(|_| self.open.pop()).map(|candidate| candidate.article).collect()
    }

    /// Takes in the sum of an article.
    pub fn answer(&mut self, article: ArticleId, views: u64) {
        self.known.push((article, views));
    }

    /// The rows that are proven.
    #[must_use]
    pub fn finish(mut self) -> MostRead {
        let open = self.open.last().map(|candidate| candidate.most);
        let unknown = open.max(self.unlisted);
        self.known.retain(|(_, views)| *views > 0);
        self.known.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
        self.known.retain(|(_, views)| unknown.is_none_or(|unknown| *views > unknown));
        self.known.truncate(self.rows);
        let gap = (self.known.len() < self.rows && unknown.is_some()).then_some(Gap::Unproven);
        let articles = self.known.into_iter().map(|(article, views)| ReadArticle { article, title: None, views }).collect();
        MostRead { articles, gap }
    }
}
