//! The titles of the articles in most-read lists. They come from the portal itself, so no reader can plant one, and no list shows
//! an article that the portal does not have.
//!
//! - `address`: which addresses are connected to
//! - `page`: the title in a page
//! - `ask`: one question to a portal
//! - `known`: what is known of a site's articles, and which is asked about next
//!
//! A list takes what is known, and never waits. One task asks the portals. What it learns is in memory only.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};
use tracing::warn;

use crate::{
    domain::{
        article::ArticleId,
        site::{Site, SiteId},
    },
    telemetry::{
        log_throttle::{LogThrottle, Sweep},
        metrics,
    },
};

pub mod address;
mod ask;
mod known;
pub mod page;

use ask::{AskError, Asker, Page, Question};
use known::{Known, Row};

pub use ask::AGENT;

/// The most questions to all portals at once. Each can hold a page of 256 KiB and its text.
const MAX_AT_ONCE: usize = 16;

/// The most articles that are known, of all sites: at most 25 MB, usually 8 MB. Each site has its share of them, but at least
/// [`MIN_SHARE`], which is more than can wait, and at most [`MAX_SHARE`], which is more than the lists of nine periods have.
const MAX_KNOWN: usize = 32_768;
const MIN_SHARE: usize = 256;
const MAX_SHARE: usize = 4096;

/// How often it is looked whether a portal that was paused can be asked.
const TICK: Duration = Duration::from_secs(1);

/// A portal that cannot be asked is logged as often, for up to so many portals at once.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
const LOGGED_SITES: usize = 10;

static NOT_ASKED: LogThrottle<SiteId> = LogThrottle::new(LOG_INTERVAL, LOGGED_SITES);

/// A most-read list as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The articles in their order, each with its views and with its title, if that is known.
    pub rows: Vec<(ArticleId, u64, Option<Arc<str>>)>,
    /// Whether articles are missing because their portal has not been asked about them yet.
    pub waits: bool,
}

/// What is known of the articles of all sites with titles.
#[derive(Debug)]
pub struct Titles {
    sites: Mutex<Sites>,
    /// Notified when an article waits to be asked about.
    wake: Notify,
    metrics: metrics::Titles,
}

#[derive(Debug, Default)]
struct Sites {
    known: HashMap<SiteId, Known>,
    /// The sites with articles that wait, each once, in the order of their turns.
    turns: VecDeque<SiteId>,
    /// How many [`Known`] were made.
    generations: u64,
}

/// The owner of the task that asks.
#[derive(Debug)]
pub struct TitleTask {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Titles {
    /// Titles of these sites, of which none is known yet and for which no portal is asked.
    #[must_use]
    pub fn new(sites: &[Site], metrics: metrics::Titles) -> Arc<Self> {
        let titles = Self { sites: Mutex::default(), wake: Notify::new(), metrics };
        titles.configure(sites);
        Arc::new(titles)
    }

    /// Begins to ask the portals.
    #[must_use]
    pub fn spawn(self: &Arc<Self>) -> TitleTask {
        let (stop, stopped) = oneshot::channel();
        TitleTask { task: tokio::spawn(run(Arc::clone(self), stopped)), stop }
    }

    /// Keeps the titles of these sites from now on. What is known of a site stays if its origins do.
    pub fn configure(&self, sites: &[Site]) {
        let with_titles = || sites.iter().filter(|site| site.rules.titles);
        let share = (MAX_KNOWN / with_titles().count().max(1)).clamp(MIN_SHARE, MAX_SHARE);
        let Sites { known, turns, generations } = &mut *self.sites.lock();
        let mut old = std::mem::take(known);
        for site in with_titles() {
            let kept = old.remove(&site.id).filter(|kept| kept.has_origins(&site.origins));
            let mut kept = kept.unwrap_or_else(|| {
                *generations += 1;
                Known::new(site, *generations, share)
            });
            kept.set_share(share);
            known.insert(site.id.clone(), kept);
        }
        turns.retain(|id| known.get(id).is_some_and(Known::is_waiting));
    }

    /// The first articles of a list that are listed, at most `limit`, with their titles.
    #[must_use]
    pub fn list(&self, site: &SiteId, articles: &[(ArticleId, u64)], limit: usize) -> List {
        let (mut list, now) = (List::default(), Instant::now());
        let Sites { known, turns, .. } = &mut *self.sites.lock();
        let Some(known) = known.get_mut(site) else {
            list.rows = articles.iter().take(limit).map(|(article, views)| (article.clone(), *views, None)).collect();
            return list;
        };
        let waited = known.is_waiting();
        for (article, views) in articles {
            if list.rows.len() == limit {
                break;
            }
            match known.row(article, now) {
                Row::Listed(title) => list.rows.push((article.clone(), *views, title)),
                Row::Waiting => list.waits = true,
                Row::LeftOut => {}
            }
        }
        if known.is_waiting() && !waited {
            turns.push_back(site.clone());
            self.wake.notify_one();
        }
        list
    }

    /// The next question, of the site whose turn it is.
    fn next(&self) -> Option<Question> {
        let Sites { known, turns, .. } = &mut *self.sites.lock();
        for _ in 0..turns.len() {
            let id = turns.pop_front()?;
            let Some(site) = known.get_mut(&id) else { continue };
            let question = site.next(Instant::now());
            if site.is_waiting() {
                turns.push_back(id);
            }
            if question.is_some() {
                return question;
            }
        }
        None
    }

    /// Takes in what a question led to.
    fn answered(&self, question: &Question, answer: Result<Page, AskError>) {
        let outcome = match &answer {
            Ok(Page::Titled(_)) => &self.metrics.titled,
            Ok(Page::Untitled) => &self.metrics.untitled,
            Ok(Page::Gone) => &self.metrics.gone,
            Err(error) if error.is_answer() => &self.metrics.refused,
            Err(_) => &self.metrics.unanswered,
        };
        outcome.inc();
        let mut sites = self.sites.lock();
        let failure = sites.known.get_mut(&question.site).and_then(|known| known.answered(question, answer, Instant::now()));
        drop(sites);
        if let Some(reason) = failure
            && let Some(left_out) = NOT_ASKED.allow(question.site.clone())
        {
            let site = &question.site;
            warn!(
                event = "titles_not_answered",
                %site, %reason, left_out,
                "the portal of site {site} does not answer questions for titles: {reason}; its lists show what is known"
            );
        }
    }
}

impl TitleTask {
    /// Ends all questions, and joins the task.
    pub async fn stop(self) {
        drop(self.stop);
        // An error means that it has panicked, which the log has.
        let _ended = self.task.await;
    }
}

/// Asks the portals until the owner stops it.
async fn run(titles: Arc<Titles>, mut stopped: oneshot::Receiver<()>) {
    let asker = Arc::new(Asker::default());
    let mut questions = JoinSet::new();
    loop {
        while questions.len() < MAX_AT_ONCE
            && let Some(question) = titles.next()
        {
            let (titles, asker) = (Arc::clone(&titles), Arc::clone(&asker));
            questions.spawn(async move {
                let answer = asker.ask(&question).await;
                titles.answered(&question, answer);
            });
        }
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = questions.join_next() => {}
            () = titles.wake.notified() => {}
            () = sleep(TICK) => log_left_out(Sweep::Due),
        }
    }
    questions.shutdown().await;
    log_left_out(Sweep::All);
}

/// Logs how often portals could not be asked without a line and without a later one that accounts for it.
fn log_left_out(sweep: Sweep) {
    let left_out = NOT_ASKED.sweep(sweep);
    for (site, left_out) in &left_out.lines {
        warn!(event = "titles_not_answered", %site, left_out, "the portal of site {site} did not answer further questions for titles");
    }
    if left_out.others > 0 {
        warn!(event = "titles_not_answered", left_out = left_out.others, "portals of other sites did not answer questions for titles");
    }
}
