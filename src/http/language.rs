//! What is written for readers rather than programs: words and numbers in the language of their page.

use super::{query::Query, respond::Problem};
use crate::domain::figures::Figure;

/// A language that figures are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Vietnamese,
    English,
}

impl Language {
    /// The language that a query asks for with `lang`; Vietnamese where it does not ask.
    pub(super) fn of(query: &Query<'_>) -> Result<Self, Problem> {
        match query.once("lang")? {
            None | Some("vi") => Ok(Self::Vietnamese),
            Some("en") => Ok(Self::English),
            Some(_) => Err(Problem::bad_request("lang is not one of vi, en")),
        }
    }

    /// As the attribute `lang` has it.
    pub(super) fn code(self) -> &'static str {
        self.choose("vi", "en")
    }

    /// One of two texts.
    pub(super) fn choose<'a>(self, vietnamese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Vietnamese => vietnamese,
            Self::English => english,
        }
    }

    /// The period of a figure as it stands within a sentence; all time has no name.
    pub(super) fn period(self, figure: Figure) -> &'static str {
        let (vietnamese, english) = match figure {
            Figure::Total => ("", ""),
            Figure::Today => ("hôm nay", "today"),
            Figure::Yesterday => ("hôm qua", "yesterday"),
            Figure::ThisWeek => ("tuần này", "this week"),
            Figure::LastWeek => ("tuần trước", "last week"),
            Figure::ThisMonth => ("tháng này", "this month"),
            Figure::LastMonth => ("tháng trước", "last month"),
            Figure::ThisYear => ("năm nay", "this year"),
            Figure::LastYear => ("năm trước", "last year"),
        };
        self.choose(vietnamese, english)
    }

    /// A count in groups of three digits: `8.307.145`, `8,307,145`.
    pub(super) fn number(self, count: u64) -> String {
        let digits = count.to_string();
        let mut grouped = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                grouped += self.choose(".", ",");
            }
            grouped.push(digit);
        }
        grouped
    }
}
