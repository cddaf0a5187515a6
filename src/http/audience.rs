//! Who is a reader, and whether a view by one counts.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use hyper::{HeaderMap, header::USER_AGENT, http::request::Parts};

use super::{
    address::Clients,
    bots::{BotRules, Bots, BotsError, MAX_AGENT},
    client::{is_prefetch, is_private},
};
use crate::{
    domain::{article::ArticleId, site::Site},
    readers::{Claim, Estimate, Readers},
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
    pub(super) readers: Arc<Readers>,
}

impl Audience {
    /// An audience by these rules, of which this is known.
    ///
    /// # Errors
    /// Where there are too many words about bots.
    pub fn new(clients: Clients, bots: &BotRules, readers: Arc<Readers>) -> Result<Self, BotsError> {
        Ok(Self { clients, bots: Bots::new(bots)?, readers })
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

    /// A reader has come: whether the view counts. One who asks not to be tracked is not looked at, and always counts.
    pub(super) fn arrive(&self, head: &Parts, site: &Site, article: Option<&ArticleId>, now: DateTime<Utc>) -> Claim<'_> {
        let window = site.rules.repeat_window;
        if (window.is_zero() && !site.rules.readers) || is_private(&head.headers) {
            return Claim::Unknown;
        }
        // Requests that came over no connection are those of a test.
        let peer = head.extensions.get::<Peer>().map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.0);
        let address = self.clients.address(peer, &head.headers).octets();
        let agent = head.headers.get(USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
        let parts = [&address[..], agent.get(..MAX_AGENT).unwrap_or(agent)];
        if site.rules.readers {
            self.readers.visitors.saw(site, parts, now);
        }
        if window.is_zero() { Claim::Unknown } else { self.readers.repeats.claim(site, article, parts, now) }
    }

    /// How many readers a site has: nothing where it does not ask for it, `Some(None)` where it is not known.
    pub(super) fn estimate(&self, site: &Site, now: DateTime<Utc>) -> Option<Option<Estimate>> {
        site.rules.readers.then(|| self.readers.visitors.estimate(site, now))
    }
}
