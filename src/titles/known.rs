//! What is known of the articles of one site, and which of them its portal is asked about next: a state machine without I/O.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::ask::{ASK, AskError, Page, Question, is_path};
use crate::domain::{
    article::ArticleId,
    backoff::Backoff,
    site::{Origin, Site, SiteId},
};

/// How long an answer of a portal is used, so that a corrected title is shown on the next day.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// When an article is asked about again that the portal did not have, or did not answer about. A page that was published a moment ago is
/// there a minute later; one that was invented, or is gone, is asked about once a day in the end.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(60), FRESH);

/// How long a portal that does not answer is not asked.
const PAUSE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// How long the articles that wait for their answer are not listed while the portal answers nothing at all: as long as it can take to find
/// out that it does not.
const AWAY: Duration = ASK;

/// The most questions to one portal at once; one, if it did not answer the last one. A portal has readers to serve.
const MAX_AT_ONCE: usize = 4;

/// The most articles of a site that wait to be asked about: two whole lists.
const MAX_WAITING: usize = 200;

/// How many failures in a row are logged, so that one bad page is not.
const LOGGED_FAILURES: u32 = 3;

/// An article as a list needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// It is listed, with its title if that is known.
    Listed(Option<Arc<str>>),
    /// It is not listed yet: the portal has not answered.
    Waiting,
    /// It is not listed: the portal does not have it, or cannot be asked about it.
    LeftOut,
}

#[derive(Debug)]
struct Entry {
    /// What the portal said last; `None` if it has not been asked yet.
    page: Option<Page>,
    /// When it was last in a list.
    listed: Instant,
    /// When the portal is asked again.
    due: Instant,
    again: Backoff,
    /// Since when it waits to be asked about, or is being asked about.
    queued: Option<Instant>,
}

/// One site.
#[derive(Debug)]
pub(super) struct Known {
    id: SiteId,
    origins: Arc<[Origin]>,
    /// Identifies this value: an answer to a question of another one says nothing of these origins.
    generation: u64,
    /// The most articles that are known.
    share: usize,
    articles: HashMap<ArticleId, Entry>,
    waiting: VecDeque<ArticleId>,
    asking: usize,
    /// When the portal last answered.
    answered: Option<Instant>,
    /// Until when the portal is not asked, because it did not answer; reset by an answer.
    paused: Option<Instant>,
    pause: Backoff,
    /// Questions in a row without an answer of use.
    failures: u32,
}

impl Known {
    pub(super) fn new(site: &Site, generation: u64, share: usize) -> Self {
        Self {
            id: site.id.clone(),
            origins: site.origins.as_slice().into(),
            generation,
            share,
            articles: HashMap::new(),
            waiting: VecDeque::new(),
            asking: 0,
            answered: None,
            paused: None,
            pause: PAUSE,
            failures: 0,
        }
    }

    pub(super) fn has_origins(&self, origins: &[Origin]) -> bool {
        *self.origins == *origins
    }

    pub(super) fn set_share(&mut self, share: usize) {
        self.share = share;
    }

    /// Whether articles wait to be asked about.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// An article of a list that is shown now. If the portal must be asked about it, it waits for that from now on.
    pub(super) fn row(&mut self, article: &ArticleId, now: Instant) -> Row {
        if !is_path(article) {
            return Row::LeftOut;
        }
        let has_room = self.waiting.len() < MAX_WAITING;
        if !self.articles.contains_key(article) {
            if !has_room {
                // It would have to wait longer than the first one that waits.
                let first = self.waiting.front().and_then(|article| self.articles.get(article)?.queued);
                return self.unasked(first.unwrap_or(now), now);
            }
            self.make_room();
        }
        let entry = self.articles.entry(article.clone()).or_insert_with(|| Entry::new(now));
        entry.listed = now;
        if entry.due <= now && entry.queued.is_none() && has_room {
            entry.queued = Some(now);
            self.waiting.push_back(article.clone());
        }
        match &entry.page {
            Some(Page::Titled(title)) => Row::Listed(Some(Arc::clone(title))),
            Some(Page::Untitled) => Row::Listed(None),
            Some(Page::Gone) => Row::LeftOut,
            None => {
                let since = entry.queued.unwrap_or(now);
                self.unasked(since, now)
            }
        }
    }

    /// An article about which the portal has not been asked, although it waits since then. While the portal answers others, its
    /// turn comes; a list of a portal that answers nothing is shown as it is.
    fn unasked(&self, since: Instant, now: Instant) -> Row {
        let silent = now.duration_since(self.answered.map_or(since, |answered| answered.max(since)));
        if silent < AWAY { Row::Waiting } else { Row::Listed(None) }
    }

    /// Forgets the articles that were in no list for the longest time if there is no room for another one.
    fn make_room(&mut self) {
        if self.articles.len() < self.share {
            return;
        }
        let mut listed: Vec<_> = self.articles.values().filter(|entry| entry.queued.is_none()).map(|entry| entry.listed).collect();
        // Several at once: finding them takes as long as finding one.
        let last = (self.share / 8).min(listed.len().saturating_sub(1));
        if !listed.is_empty() {
            let (_, limit, _) = listed.select_nth_unstable(last);
            let limit = *limit;
            self.articles.retain(|_, entry| entry.queued.is_some() || entry.listed > limit);
        }
    }

    /// The next question to the portal, if it can be asked now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Question> {
        let most = if self.paused.is_some() { 1 } else { MAX_AT_ONCE };
        if self.asking >= most || self.paused.is_some_and(|until| now < until) {
            return None;
        }
        let article = self.waiting.pop_front()?;
        self.asking += 1;
        Some(Question { site: self.id.clone(), generation: self.generation, origins: Arc::clone(&self.origins), article })
    }

    /// Takes in what a question led to. Returns why, if the portal cannot be asked and the log should say so.
    pub(super) fn answered(&mut self, question: &Question, answer: Result<Page, AskError>, now: Instant) -> Option<AskError> {
        if question.generation != self.generation {
            return None;
        }
        self.asking -= 1;
        let entry = self.articles.get_mut(&question.article)?;
        entry.queued = None;
        entry.due = now + if let Ok(Page::Titled(_) | Page::Untitled) = answer { FRESH } else { entry.again.next_pause() };
        let failure = match answer {
            Ok(page) => {
                if page != Page::Gone {
                    entry.again = AGAIN;
                }
                entry.page = Some(page);
                self.failures = 0;
                None
            }
            Err(error) => {
                // What was known still holds.
                entry.page.get_or_insert(Page::Untitled);
                self.failures = self.failures.saturating_add(1);
                Some(error)
            }
        };
        if failure.as_ref().is_none_or(AskError::is_answer) {
            (self.answered, self.paused, self.pause) = (Some(now), None, PAUSE);
        } else {
            self.paused = Some(now + self.pause.next_pause());
        }
        failure.filter(|_| self.failures >= LOGGED_FAILURES)
    }
}

impl Entry {
    fn new(now: Instant) -> Self {
        Self { page: None, listed: now, due: now, again: AGAIN, queued: None }
    }
}
