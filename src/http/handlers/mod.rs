//! One file per resource.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{StatusCode, http::request::Parts};

use super::{audience::Audience, client::Sender, respond::Problem};
use crate::{
    domain::{article::ArticleId, outcome::Outcome, site::Site},
    recorder::{Handle, RecordError, SiteCounter},
    store::StoreError,
};

pub(super) mod admin;
pub(super) mod badge;
pub(super) mod box_page;
mod counting;
pub(super) mod demo;
pub(super) mod figures;
pub(super) mod gif;
pub(super) mod history;
pub(super) mod openapi;
pub(super) mod top;
pub(super) mod views;

/// A request to a site's resource.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) handle: &'a Handle,
    pub(super) counter: &'a Arc<SiteCounter>,
    pub(super) site: &'a Site,
    pub(super) sender: &'a Sender,
    /// Who opened the connection.
    pub(super) peer: IpAddr,
    pub(super) head: &'a Parts,
    pub(super) audience: &'a Audience,
    pub(super) body_read: Duration,
}

impl Call<'_> {
    /// Refuses what a page of another site asks to count, and what comes from nowhere if the site asks for an origin.
    fn check_sender(&self) -> Result<(), Problem> {
        if self.sender.may_count(&self.head.headers, self.site) {
            return Ok(());
        }
        self.counter.note(Outcome::Foreign);
        let detail = match self.sender {
            Sender::Unknown => "views of this site are taken from its own pages only",
            Sender::Foreign | Sender::Own(_) => "views of this site are not taken from pages of that origin",
        };
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }

    /// Sends a view on its way to the journal, where it is when what is returned is ready.
    fn record(&self, article: Option<ArticleId>) -> impl Future<Output = Result<(), Problem>> + use<> {
        let written = self.handle.record(self.counter, article);
        async move {
            written.await.map_err(|error| match error {
                RecordError::Full => Problem::unavailable("the view was not counted: the journal is full", 5),
                RecordError::Busy => Problem::unavailable("the view was not counted: too many wait to be written", 1),
                RecordError::Stopped => Problem::unavailable("the view was not acknowledged: the service is stopping", 1),
            })
        }
    }
}

/// A store that did not answer; what it said is for the operator, not for visitors.
fn store_away(error: &StoreError) -> Problem {
    tracing::debug!(%error, "a list could not be read");
    Problem::unavailable("the store cannot be asked at the moment", 1)
}
