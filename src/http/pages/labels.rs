//! Words and numbers for visitors, in the language of their page.

use crate::{
    domain::figures::Figure,
    http::{request::Query, response::Problem},
};

/// A language that figures are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Vietnamese.
    Vietnamese,
    /// English.
    English,
}

impl Language {
    /// The language of a query's `lang`; Vietnamese by default.
    pub(in crate::http) fn of(query: &Query<'_>) -> Result<Self, Problem> {
        match query.once("lang")? {
            None | Some("vi") => Ok(Self::Vietnamese),
            Some("en") => Ok(Self::English),
            Some(_) => Err(Problem::bad_request("lang is not one of vi, en")),
        }
    }

    /// The code for the attribute `lang`.
    pub(in crate::http) fn code(self) -> &'static str {
        self.choose("vi", "en")
    }

    /// The text in this language.
    pub(in crate::http) fn choose<'a>(self, vietnamese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Vietnamese => vietnamese,
            Self::English => english,
        }
    }

    /// A figure's period, in the lower case of mid-sentence; empty for the total.
    pub(in crate::http) fn period(self, figure: Figure) -> &'static str {
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
    pub(in crate::http) fn number(self, count: u64) -> String {
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

/// A text with its first letter in upper case.
#[must_use]
pub fn capitalise(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(char::to_uppercase).into_iter().flatten().chain(rest).collect()
}
