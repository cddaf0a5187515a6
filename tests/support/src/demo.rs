//! The demo portal of a service.

use crate::process::{Place, Service};

/// An article of the demo.
pub const ARTICLE: &str = "/tin/hoi-dua-thuyen-song-mau";

/// A service that knows the figures of that article already: a page is filled once, and on a busy machine the first
/// answer may come without what the store was too slow to tell.
pub fn service(place: &Place) -> Service {
    let service = place.start();
    service.article("portal", ARTICLE);
    service
}

impl Service {
    /// The address of the demo's article.
    pub fn article_page(&self) -> String {
        format!("{}{ARTICLE}", self.origin())
    }

    /// The beginning of the addresses of its pages.
    pub fn origin(&self) -> String {
        format!("http://{}", self.public)
    }

    /// The element that a portal pastes, with more attributes.
    pub fn tag(&self, more: &str) -> String {
        format!("<script async src='{}/counter.js' data-site=portal {more}></script>", self.origin())
    }
}
