//! All counters of a site, as the changes that take them away, in chunks.

use tokio::sync::mpsc;

use super::{
    error::CorrectionError,
    order::{Order, own_subjects, take_away},
};
use crate::{
    domain::{
        article::ArticleId,
        correction::{Change, MAX_CHANGES},
        counts::Subject,
        period::Bucket,
        site::SiteId,
    },
    store::{Row, StoreError},
    transfer::steps::retried,
};

/// The most changes that are read before steps are made of them. The export does not wait while steps are made: a store cannot free
/// the space of what was changed while it reads.
const PAGE: usize = 20 * MAX_CHANGES;

/// The maximum number of rows that wait.
const QUEUED_ROWS: usize = 1024;

/// What a site has in total.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// The site's own views.
    pub(super) site: u64,
    /// The views of its articles.
    pub(super) article_views: u64,
    pub(super) articles: u64,
    /// How many counters there are.
    pub(super) counters: u64,
}

/// Adds up what a site has.
pub(super) async fn sums(order: &Order<'_>, site: &SiteId) -> Result<Sums, CorrectionError> {
    let read = async || {
        let (sender, rows) = mpsc::channel(QUEUED_ROWS);
        let (exported, sums) = tokio::join!(order.store.export(site, sender), add_up(rows));
        exported.map(|()| sums)
    };
    Ok(retried(read).await?)
}

async fn add_up(mut rows: mpsc::Receiver<Row>) -> Sums {
    let mut sums = Sums::default();
    while let Some((bucket, subject, views)) = rows.recv().await {
        sums.counters += 1;
        match subject {
            Subject::Site if bucket == Bucket::Total => sums.site = views,
            Subject::Article(_) if bucket == Bucket::Total => {
                sums.articles += 1;
                sums.article_views = sums.article_views.saturating_add(views);
            }
            Subject::Site | Subject::Article(_) | Subject::Kind(_) => {}
        }
    }
    sums
}

/// Reads the counters of a site once, from its own to those of its last article. What is counted meanwhile is not read.
pub(super) struct Contents<'a> {
    order: &'a Order<'a>,
    site: &'a SiteId,
    /// The changes that were read, and not returned.
    read: Vec<Change>,
    /// The last article that was read.
    last: Option<ArticleId>,
    began: bool,
    /// Whether there is nothing to read any more.
    ended: bool,
    /// How many articles were read.
    pub(super) articles: u64,
}

impl<'a> Contents<'a> {
    pub(super) fn new(order: &'a Order<'a>, site: &'a SiteId) -> Self {
        Self { order, site, read: Vec::new(), last: None, began: false, ended: false, articles: 0 }
    }

    /// Adds up what the site has.
    pub(super) async fn sums(&self) -> Result<Sums, CorrectionError> {
        sums(self.order, self.site).await
    }

    /// The next chunk of at most [`MAX_CHANGES`], and whether it is the last one. That can be empty.
    pub(super) async fn next(&mut self) -> Result<(Vec<Change>, bool), CorrectionError> {
        if !self.began {
            self.began = true;
            for subject in own_subjects() {
                self.read.extend(take_away(&subject, &self.order.counts(self.site, &subject).await?));
            }
        }
        // One more than a chunk shows that the chunk is not the last one.
        while self.read.len() <= MAX_CHANGES && !self.ended {
            let (articles, ended) = retried(async || self.page().await).await?;
            self.articles += articles.len() as u64;
            for (article, counts) in articles {
                self.read.extend(take_away(&Subject::Article(article.clone()), &counts));
                self.last = Some(article);
            }
            self.ended = ended;
        }
        let rest = self.read.split_off(self.read.len().min(MAX_CHANGES));
        let chunk = std::mem::replace(&mut self.read, rest);
        Ok((chunk, self.read.is_empty() && self.ended))
    }

    /// The counters of the next articles, and whether they are the last ones.
    async fn page(&self) -> Result<(Vec<(ArticleId, Vec<(Bucket, u64)>)>, bool), StoreError> {
        let (sender, rows) = mpsc::channel(QUEUED_ROWS);
        let (exported, page) = tokio::join!(self.order.store.export(self.site, sender), self.collect(rows));
        exported.map(|()| page)
    }

    async fn collect(&self, mut rows: mpsc::Receiver<Row>) -> (Vec<(ArticleId, Vec<(Bucket, u64)>)>, bool) {
        let mut articles: Vec<(ArticleId, Vec<(Bucket, u64)>)> = Vec::new();
        let mut changes = 0;
        while let Some((bucket, subject, views)) = rows.recv().await {
            let Subject::Article(article) = subject else { continue };
            if self.last.as_ref().is_some_and(|last| article <= *last) {
                continue;
            }
            match articles.last_mut().filter(|(last, _)| *last == article) {
                Some((_, counts)) => counts.push((bucket, views)),
                // Articles are in order, so the ones before are complete.
                None if changes >= PAGE => return (articles, false),
                None => articles.push((article, vec![(bucket, views)])),
            }
            changes += 1;
        }
        (articles, true)
    }
}
