//! The numbers of a site that its box and its badge can show: figures, and the visitors that are estimated.

use super::labels::Language;
use crate::{
    audience::Estimate,
    domain::figures::Figure,
    http::{request::SiteRequest, response::Problem},
};

/// A number that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Count(Figure),
    Online,
    VisitorsToday,
}

/// The most digits that a number is padded to: a count has 16.
const MAX_DIGITS: usize = 20;

impl Shown {
    /// All of them, in the order in which errors name them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Figure::ALL.into_iter().map(Self::Count).chain([Self::Online, Self::VisitorsToday])
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count(figure) => figure.name(),
            Self::Online => "online",
            Self::VisitorsToday => "visitors_today",
        }
    }

    /// The number with a name, which the parameter `of` gave.
    pub(super) fn read(name: &str, of: &str) -> Result<Self, Problem> {
        let unknown = || {
            let names: Vec<_> = Self::all().map(Self::name).collect();
            Problem::bad_request(format!("{of} is not one of {}", names.join(", ")))
        };
        Self::all().find(|shown| shown.name() == name).ok_or_else(unknown)
    }

    /// The label of its row in a box, in the lower case of mid-sentence.
    pub(super) fn label(self, language: Language) -> &'static str {
        match self {
            Self::Count(Figure::Total) => language.choose("tổng số", "total"),
            Self::Count(figure) => language.period(figure),
            Self::Online => language.choose("đang truy cập", "online"),
            Self::VisitorsToday => language.choose("khách hôm nay", "visitors today"),
        }
    }
}

/// The estimate of the site's visitors, if it is known; an error if the site estimates none.
pub(super) fn visitors(request: &SiteRequest<'_>) -> Result<Option<Estimate>, Problem> {
    let estimate = request.audience.estimate(request.site, || request.handle.now());
    estimate.ok_or_else(|| Problem::bad_request(format!("the site {} does not estimate visitors: set visitors = true", request.site.id)))
}

pub(super) fn read_digits(text: &str) -> Result<usize, Problem> {
    let digits = text.parse().ok().filter(|digits| (1..=MAX_DIGITS).contains(digits));
    digits.ok_or_else(|| Problem::bad_request(format!("digits is not a whole number from 1 to {MAX_DIGITS}")))
}
