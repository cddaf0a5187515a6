//! The nine figures of a box.

use chrono::NaiveDate;

use crate::{
    domain::{
        article::ArticleId,
        figures::{Figure, Figures},
        producer::ProducerId,
        site::SiteId,
    },
    store::{Store, StoreError},
};

/// The figures of a site, or of one of its articles, on a day of the site's calendar.
///
/// They are what the store holds, without the views that a running service has not applied yet.
///
/// # Errors
/// If the store does not answer.
pub async fn figures(store: &dyn Store, site: &SiteId, article: Option<&ArticleId>, today: NaiveDate) -> Result<Figures, StoreError> {
    // A snapshot also has the offset of a producer. It is not used here, so any id does.
    let snapshot = store.figures(site, &[ProducerId(0)], today, article.map_or(&[], std::slice::from_ref)).await?;
    Ok(snapshot.articles.first().filter(|_| article.is_some()).copied().unwrap_or(snapshot.site))
}

/// Nine lines such as `total       8307145`.
#[must_use]
pub fn as_text(figures: &Figures) -> String {
    Figure::ALL.map(|figure| format!("{:<12}{}\n", figure.name(), figures[figure])).concat()
}
