//! Who counts: decides whether a hit is a view of a site, and of which article.
//!
//! An HTTP request, or a line of an access log, becomes a [`Hit`]. [`Audience::decide`] applies the rules in this order and
//! returns a [`Decision`]:
//!
//! 1. **origin**: refuses pages of other sites. It needs no state, so an HTTP handler applies it before it reads the body.
//! 2. **prefetch, bot**: come before everything that remembers visitors, so that bots take no memory.
//! 3. **repeat**: comes before the site's rate, so that a repeat takes nothing from it.
//! 4. **the site's rate**: comes before articles, so that a refused view takes nothing from the day's new articles.
//! 5. **article pattern**, then 6. **new articles of the day**: if they reject the article, the view counts for the site
//!    alone.
//!
//! Before all of them, [`Audience::check_client`] limits the requests of each client, views or not.
//!
//! - `client_ip`: the client behind proxies
//! - `proxy_hint`: proxies whose header with the client is ignored
//! - `origin`: the page that a request comes from
//! - `bots`: bots, by their `User-Agent`
//! - `rate_limit`: the requests of a client, the views of a site
//! - `repeats`: the views that were counted recently
//! - `new_articles`: the articles that got their first view today
//! - `visitors`: how many visitors there are
//! - `visitor_key`: the day's key, and the hashes that it makes of visitors

use std::{net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::sleep;

use crate::{
    domain::{
        article::ArticleId,
        clock::Clock,
        outcome::{Outcome, SiteAlone},
        site::Site,
    },
    store::Store,
    telemetry::log_throttle::Sweep,
};

mod bots;
mod client_ip;
mod new_articles;
mod origin;
mod proxy_hint;
mod rate_limit;
mod repeats;
mod visitor_key;
mod visitors;

use bots::MAX_AGENT;
pub use bots::{BotRules, BotSign, Bots, BotsError};
pub use client_ip::{ClientNetwork, ClientResolver, ClientRules, ProxyHeader};
pub use new_articles::NewArticles;
pub use origin::{RequestOrigin, is_page_of};
use proxy_hint::ProxyHint;
pub use proxy_hint::proxy_advice;
pub use rate_limit::{MAX_CLIENTS, MonotonicClock, RateLimited, RateLimits};
pub use repeats::{Claim, MAX_REMEMBERED, RepeatGuard, Repeats};
pub use visitors::{Estimate, MAX_VISITORS, Visitors};

/// How often what has expired is forgotten, and visitors are sent to a shared store.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// A possible view: what an HTTP request and a line of an access log have in common.
#[derive(Clone, Debug)]
pub struct Hit<'a> {
    /// The site.
    pub site: &'a Site,
    /// The article, if the hit names one.
    pub article: Option<ArticleId>,
    /// The client's address, if it is known. Without one, the visitor is not tracked.
    pub client: Option<IpAddr>,
    /// The `User-Agent`, if there is one.
    pub agent: Option<&'a [u8]>,
    /// The page that it comes from.
    pub origin: RequestOrigin,
    /// What the browser says about it.
    pub hints: Hints,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// What a browser says about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The browser loads the page before the visitor opens it.
    pub prefetch: bool,
    /// The visitor does not want to be tracked. Only needed if the site [tracks](crate::domain::site::Rules::tracks_visitors) visitors.
    pub do_not_track: bool,
}

/// What a hit is.
#[derive(Debug)]
pub enum Decision<'a> {
    /// A view.
    Counted(CountedView<'a>),
    /// Not a view: [`Outcome::Prefetch`], [`Outcome::Bot`] or [`Outcome::Repeat`].
    NotCounted(Outcome),
    /// A view that the site does not accept.
    Refused(Refusal),
}

/// A view that counts.
#[derive(Debug)]
pub struct CountedView<'a> {
    /// The article that it counts for, besides the site.
    pub article: Option<ArticleId>,
    /// Why it counts for the site alone although it named an article.
    pub site_alone: Option<SiteAlone>,
    /// Makes the next view of the visitor a repeat. Drop it if the view is not recorded.
    pub guard: ViewGuard<'a>,
}

/// Why a view is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from a page of another site.
    Foreign,
    /// The site has too many views at the moment.
    RateLimited,
}

impl Refusal {
    /// The outcome that it is counted as.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Foreign => Outcome::Foreign,
            Self::RateLimited => Outcome::Limited,
        }
    }
}

/// Remembers a view, so that a repeat of it does not count. Dropping it forgets the view unless it is kept.
#[derive(Debug)]
pub struct ViewGuard<'a>(Option<RepeatGuard<'a>>);

impl ViewGuard<'_> {
    /// Remembers the view even if this is dropped: it can become durable from now on.
    pub fn keep(&mut self) {
        self.0.iter_mut().for_each(RepeatGuard::keep);
    }

    /// Forgets the view: it did not become durable.
    pub fn release(self) {
        self.0.into_iter().for_each(RepeatGuard::release);
    }
}

/// The rules about who counts, and what is remembered to apply them.
#[derive(Debug)]
pub struct Audience {
    clients: ClientRules,
    bots: Bots,
    rate_limits: RateLimits,
    proxy_hint: ProxyHint,
    repeats: Repeats,
    new_articles: NewArticles,
    visitors: Arc<Visitors>,
}

impl Audience {
    /// An audience with these rules, which remembers nothing yet. `shared_visitors` is true if the store counts the visitors
    /// of several instances.
    ///
    /// # Errors
    /// If there are too many words about bots.
    pub fn new(clients: ClientRules, bots: &BotRules, shared_visitors: bool, clock: MonotonicClock) -> Result<Self, BotsError> {
        let rate_limits = RateLimits::new(clients.max_requests_per_second, clock);
        Ok(Self {
            clients,
            bots: Bots::new(bots)?,
            rate_limits,
            proxy_hint: ProxyHint::default(),
            repeats: Repeats::default(),
            new_articles: NewArticles::default(),
            visitors: Arc::new(Visitors::new(shared_visitors)),
        })
    }

    /// The rules about clients.
    #[must_use]
    pub fn clients(&self) -> &ClientRules {
        &self.clients
    }

    /// Whether an agent is a bot.
    #[must_use]
    pub fn is_bot(&self, agent: &[u8]) -> bool {
        self.bots.is_bot(agent)
    }

    /// What shows that an agent is a bot.
    #[must_use]
    pub fn bot_sign<'a>(&self, agent: &'a [u8]) -> Option<BotSign<'a>> {
        self.bots.sign(agent)
    }

    /// Takes a request of a client from what it has left.
    ///
    /// # Errors
    /// If the client has sent too many requests.
    pub fn check_client(&self, client: IpAddr) -> Result<(), RateLimited> {
        self.rate_limits.take_request(|| self.clients.resolver.limited(client))
    }

    /// Logs how many refused requests have no line in the log and no later one that accounts for them.
    pub fn log_left_out(&self, sweep: Sweep) {
        self.rate_limits.log_left_out(sweep);
    }

    /// Logs, once, that a request through a trusted proxy has a header with its client although no header is configured and the site
    /// tracks visitors. `has`
    /// looks for a header of the view's request.
    pub fn look_for_proxy(&self, site: &Site, peer: IpAddr, has: impl Fn(&str) -> bool) {
        let resolver = &self.clients.resolver;
        if resolver.header.is_none() && site.rules.tracks_visitors() && resolver.trusts(peer) {
            self.proxy_hint.look(&site.id, has);
        }
    }

    /// The configuration was reloaded: what it still leaves open is logged again.
    pub fn reloaded(&self) {
        self.proxy_hint.reset();
    }

    /// Applies the rules to a hit. `has_views` looks up whether an article has views already; it returns `None` if the store
    /// cannot say.
    pub async fn decide(&self, hit: &Hit<'_>, has_views: impl AsyncFnOnce(&ArticleId) -> Option<bool>) -> Decision<'_> {
        if !hit.origin.can_count(hit.site) {
            return Decision::Refused(Refusal::Foreign);
        }
        if hit.hints.prefetch {
            return Decision::NotCounted(Outcome::Prefetch);
        }
        if hit.agent.is_none_or(|agent| self.bots.is_bot(agent)) {
            return Decision::NotCounted(Outcome::Bot);
        }
        let guard = match self.claim(hit) {
            Claim::Repeat => return Decision::NotCounted(Outcome::Repeat),
            Claim::First(guard) => ViewGuard(Some(guard)),
            Claim::Unknown => ViewGuard(None),
        };
        if let Err(RateLimited) = self.rate_limits.take_view(hit.site) {
            return Decision::Refused(Refusal::RateLimited);
        }
        let site_alone = self.reject_article(hit, has_views).await;
        let article = hit.article.clone().filter(|_| site_alone.is_none());
        Decision::Counted(CountedView { article, site_alone, guard })
    }

    /// Records the visitor, and claims the view. A visitor who does not want to be tracked is not looked at, and counts.
    fn claim(&self, hit: &Hit<'_>) -> Claim<'_> {
        let Some(client) = hit.client.filter(|_| hit.site.rules.tracks_visitors() && !hit.hints.do_not_track) else {
            return Claim::Unknown;
        };
        let address = ClientNetwork::of(client).octets();
        let agent = hit.agent.unwrap_or_default();
        let parts = [&address[..], agent.get(..MAX_AGENT).unwrap_or(agent)];
        if hit.site.rules.visitors {
            self.visitors.record(hit.site, parts, hit.at);
        }
        if hit.site.rules.repeat_window.is_zero() {
            return Claim::Unknown;
        }
        self.repeats.claim(hit.site, hit.article.as_ref(), parts, hit.at)
    }

    /// Why a view does not count for its article, if it does not.
    async fn reject_article(&self, hit: &Hit<'_>, has_views: impl AsyncFnOnce(&ArticleId) -> Option<bool>) -> Option<SiteAlone> {
        let article = hit.article.as_ref()?;
        let rules = &hit.site.rules;
        if rules.articles.as_ref().is_some_and(|pattern| !pattern.is_match(article.as_str())) {
            return Some(SiteAlone::ArticlePattern);
        }
        // If the store cannot say, the article counts: known articles must not lose views while the store is unreachable.
        if rules.max_new_articles_per_day == 0 || has_views(article).await != Some(false) {
            return None;
        }
        let max = usize::try_from(rules.max_new_articles_per_day).unwrap_or(usize::MAX);
        let admitted = self.new_articles.admit(&hit.site.id, article, hit.site.day(hit.at), max);
        (!admitted).then_some(SiteAlone::ArticleLimit)
    }

    /// How many visitors a site has: `None` if the site does not estimate them, `Some(None)` if it is not known.
    pub fn estimate(&self, site: &Site, now: impl FnOnce() -> DateTime<Utc>) -> Option<Option<Estimate>> {
        site.rules.visitors.then(|| self.visitors.estimate(site, now()))
    }

    /// How much is remembered of what has a bound, with the bound. Beyond it, further clients are not limited, and further
    /// visitors not recognized.
    #[must_use]
    pub fn remembered(&self) -> [(&'static str, usize, usize); 3] {
        [
            ("clients", self.rate_limits.clients(), MAX_CLIENTS),
            ("repeats", self.repeats.remembered(), MAX_REMEMBERED),
            ("visitors", self.visitors.remembered(), MAX_VISITORS),
        ]
    }

    /// Forgets what has expired.
    pub fn forget(&self, now: DateTime<Utc>) {
        self.rate_limits.forget();
        self.repeats.forget(now);
        self.visitors.forget(now);
    }

    /// Forgets what has expired and sends visitors to a shared store, for ever.
    pub async fn maintain(&self, store: Arc<dyn Store>, clock: impl Into<Clock>) {
        let clock = clock.into();
        let forget = async {
            loop {
                sleep(MAINTENANCE_INTERVAL).await;
                self.forget(clock.now());
            }
        };
        // Beside it, so that a store that is slow does not keep anything from being forgotten.
        let sync = async {
            loop {
                sleep(MAINTENANCE_INTERVAL).await;
                self.visitors.sync(&store, clock.now()).await;
            }
        };
        tokio::join!(forget, sync);
    }
}
