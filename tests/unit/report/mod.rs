//! The owner's report: its period, its sums, its most-read articles, its file.

mod file;
mod imported;
mod making;
mod most_read;
mod pieces;
mod range;

use chrono::NaiveDate;
use truycap::{
    domain::{article::ArticleId, period::Bucket},
    report::Days,
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn days(from: &str, to: &str) -> Days {
    Days { from: day(from), to: day(to) }
}

fn bucket(text: &str) -> Bucket {
    text.parse().unwrap()
}

fn article(number: usize) -> ArticleId {
    ArticleId::parse(&format!("/tin/{number}")).unwrap()
}
