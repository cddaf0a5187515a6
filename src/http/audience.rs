//! Who is a reader, and whether a view by one counts.

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use hyper::{HeaderMap, header::USER_AGENT};

use super::{
    address::Clients,
    bots::{BotRules, Bots, BotsError, MAX_AGENT},
    client::{is_prefetch, is_private},
    rates::{Rates, TooMany},
    respond::Problem,
};
use crate::{
    domain::{article::ArticleId, outcome::Outcome, site::Site},
    readers::{Claim, Estimate, Readers},
};

/// What is known of readers, and of those who are none.
#[derive(Debug)]
pub struct Audience {
    pub(super) clients: Clients,
    bots: Bots,
    pub(super) readers: Arc<Readers>,
    rates: Arc<Rates>,
}

impl Audience {
    /// An audience by these rules, of which this is known.
    ///
    /// # Errors
    /// Where there are too many words about bots.
    pub fn new(clients: Clients, bots: &BotRules, readers: Arc<Readers>, rates: Arc<Rates>) -> Result<Self, BotsError> {
        Ok(Self { clients, bots: Bots::new(bots)?, readers, rates })
    }

    /// Refuses a client that asks too often.
    pub(super) fn let_ask(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
        let client = || self.clients.limited(peer, headers);
        self.rates.ask(client).map_err(|TooMany| Problem::too_many("this client asks too often"))
    }

    /// Refuses a view where its site has too many at the moment.
    pub(super) fn let_count(&self, site: &Site) -> Result<(), Problem> {
        let detail = "the view was not counted: the site has too many at the moment";
        self.rates.count(site).map_err(|TooMany| Problem::too_many(detail))
    }

    /// Why a request is not a view by a reader, where it is not.
    pub(super) fn not_a_reader(&self, headers: &HeaderMap) -> Option<Outcome> {
        if is_prefetch(headers) {
            return Some(Outcome::Prefetch);
        }
        let mut agents = headers.get_all(USER_AGENT).iter().peekable();
        let bot = agents.peek().is_none() || agents.any(|agent| self.bots.is_bot(agent.as_bytes()));
        bot.then_some(Outcome::Bot)
    }

    /// A reader has come: whether the view counts. One who asks not to be tracked is not looked at, and always counts.
    pub(super) fn arrive(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        site: &Site,
        article: Option<&ArticleId>,
        now: impl FnOnce() -> DateTime<Utc>,
    ) -> Claim<'_> {
        let window = site.rules.repeat_window;
        if (window.is_zero() && !site.rules.visitors) || is_private(headers) {
            return Claim::Unknown;
        }
        let address = self.clients.address(peer, headers).octets();
        let agent = headers.get(USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
        let parts = [&address[..], agent.get(..MAX_AGENT).unwrap_or(agent)];
        let now = now();
        if site.rules.visitors {
            self.readers.visitors.saw(site, parts, now);
        }
        if window.is_zero() { Claim::Unknown } else { self.readers.repeats.claim(site, article, parts, now) }
    }

    /// How many readers a site has: nothing where it does not ask for it, `Some(None)` where it is not known.
    pub(super) fn estimate(&self, site: &Site, now: impl FnOnce() -> DateTime<Utc>) -> Option<Option<Estimate>> {
        site.rules.visitors.then(|| self.readers.visitors.estimate(site, now()))
    }
}
