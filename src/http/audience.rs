//! Who is a reader, and whether a view by one counts.

use std::net::{IpAddr, Ipv4Addr};

use chrono::{DateTime, Utc};
use hyper::{HeaderMap, header::USER_AGENT, http::request::Parts};

use super::{
    address::Clients,
    bots::{BotRules, Bots, MAX_AGENT, TooManyWords},
    client::{is_prefetch, is_private},
};
use crate::{
    domain::{article::ArticleId, site::Site},
    readers::{Claim, NewArticles, Repeats},
    recorder::Fate,
};

/// Who opened a connection; put beside each request on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// What is known of readers, and of those who are none.
#[derive(Debug)]
pub struct Audience {
    clients: Clients,
    bots: Bots,
    repeats: Repeats,
    pub(super) new_articles: NewArticles,
}

impl Audience {
    /// An audience that nobody has been seen of yet.
    ///
    /// # Errors
    /// Where there are too many words about bots.
    pub fn new(clients: Clients, bots: &BotRules) -> Result<Self, TooManyWords> {
        Ok(Self { clients, bots: Bots::new(bots)?, repeats: Repeats::default(), new_articles: NewArticles::default() })
    }

    /// Why a request is not a view by a reader, where it is not.
    pub(super) fn not_a_reader(&self, headers: &HeaderMap) -> Option<Fate> {
        if is_prefetch(headers) {
            return Some(Fate::Prefetch);
        }
        let mut agents = headers.get_all(USER_AGENT).iter().peekable();
        let bot = agents.peek().is_none() || agents.any(|agent| self.bots.is_bot(agent.as_bytes()));
        bot.then_some(Fate::Bot)
    }

    /// Whether a reader's view counts. One who asks not to be tracked is not looked at, and always counts.
    pub(super) fn claim(&self, head: &Parts, site: &Site, article: Option<&ArticleId>, now: DateTime<Utc>) -> Claim<'_> {
        if site.rules.repeat_window.is_zero() || is_private(&head.headers) {
            return Claim::Unknown;
        }
        // Requests that came over no connection are those of a test.
        let peer = head.extensions.get::<Peer>().map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.0);
        let address = self.clients.address(peer, &head.headers).octets();
        let agent = head.headers.get(USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
        self.repeats.claim(site, article, [&address, agent.get(..MAX_AGENT).unwrap_or(agent)], now)
    }
}
