//! How files are read: what the caller of an import knows that the files do not say.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::until::Until;
use crate::domain::site::SiteId;

/// A form of files that an import reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// truycap's own columns.
    Csv,
    /// The CSV export of GoatCounter.
    GoatCounter,
    /// `Actions.getPageUrls` of Matomo, as CSV.
    Matomo,
    /// A report of Google Analytics 4 on pages, as CSV.
    Ga4,
    /// `imported_pages_….csv` and `imported_visitors_….csv` of Plausible's export.
    Plausible,
    /// Rows of a query on Umami's database, as CSV: truycap's own columns.
    Umami,
}

/// How files are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The configured sites, with their time zones.
    pub sites: BTreeMap<SiteId, Tz>,
    /// The site of files that do not name it.
    pub site: Option<SiteId>,
    /// The form of the files; `None` to recognise it by the header.
    pub format: Option<Format>,
    /// From when on views are left out.
    pub until: Option<Until>,
    /// The day in UTC.
    pub today: NaiveDate,
}

impl Reading {
    /// The options of the command, as the audit list shows them after the file.
    pub(super) fn options(&self) -> String {
        let site = self.site.as_ref().map(|site| format!(" --site {site}"));
        let until = self.until.map(|until| format!(" --until {until}"));
        [site, until].into_iter().flatten().collect()
    }
}

impl Format {
    /// Its name for users.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV with the columns site,article,period,views",
            Self::GoatCounter => "CSV export of GoatCounter",
            Self::Matomo => "CSV of Matomo's Actions.getPageUrls",
            Self::Ga4 => "report of Google Analytics 4 on pages",
            Self::Plausible => "CSV of Plausible's export",
            Self::Umami => "CSV of a query on Umami's database",
        }
    }
}
