//! Which agents are machines, by what they call themselves.
//!
//! The names are those of a public list (`crawlers/patterns.txt`, kept up to date by `scripts/update-crawlers.sh`), and a
//! few words that machines not yet on it use of themselves. Nearly all are plain texts, and are looked for all at once: one
//! expression for the whole list would take a thousand times as long on agents made up for it.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, BuildError};
use quick_cache::sync::Cache;
use regex::bytes::{Regex, RegexBuilder};

use crate::readers::{Key, Reader};

/// How much of a `User-Agent` is looked at, in bytes; apps on phones write up to about 800.
pub(super) const MAX_AGENT: usize = 1024;

/// How many agents are known.
const KNOWN: usize = 1000;

const LISTED: &str = include_str!("crawlers/patterns.txt");

/// What the list has and people use: a build of Android 15 in phones of several makers, the browser within Facebook's
/// app, and a browser for single pages on the Mac.
const PEOPLE: [&str; 3] = [r"AP3A\.240617\.008", "MetaIAB Facebook", "Fluid"];

/// What the list calls browsers without a screen, or those that a program drives.
const HEADLESS: [&str; 5] = ["HeadlessChrome", "PhantomJS", "Playwright", "Puppeteer", "Selenium"];

/// Words of machines, in capitals or not.
const WORDS: [&str; 8] = ["crawl", "spider", "slurp", "scraper", "scrapy", "scraping", "http:", "https:"];

/// The same as expressions. Phones named CUBOT have people.
const EXPRESSIONS: [&str; 2] = ["(?i)(?:^|[^u]|[^c]u)bot", "(?i)[a-z0-9]@[a-z0-9]"];

/// Which agents are taken for bots beside those that are known, and which are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotRules {
    /// What bots have in their `User-Agent`, in capitals or not.
    pub deny: Vec<String>,
    /// The same of agents that are no bots, whatever else they match.
    pub allow: Vec<String>,
    /// Whether browsers that say that they run without a screen are bots.
    pub headless: bool,
}

impl Default for BotRules {
    fn default() -> Self {
        Self { deny: Vec::new(), allow: Vec::new(), headless: true }
    }
}

/// Tells machines from readers.
#[derive(Clone, Debug)]
pub struct Bots {
    /// The plain texts of the list.
    listed: AhoCorasick,
    /// What is on it and no plain text.
    expressions: Regex,
    /// Words, in capitals or not.
    deny: AhoCorasick,
    /// What is no bot for all that.
    allow: AhoCorasick,
    /// What was found of agents that were seen lately, by a keyed hash of each. Most readers have one of a few hundred
    /// browsers. Nothing is remembered where the system has no randomness for a key.
    known: Option<(Key, Arc<Cache<Reader, bool>>)>,
}

/// The rules cannot be used: there are too many words, for instance.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the rules about bots cannot be used: {0}")]
pub struct BotsError(String);

impl Bots {
    /// Prepares the rules.
    ///
    /// # Errors
    /// Where there are far more words than the configuration takes.
    pub fn new(rules: &BotRules) -> Result<Self, BotsError> {
        let is_left_out = |pattern: &&str| PEOPLE.contains(pattern) || (!rules.headless && HEADLESS.contains(pattern));
        let listed = LISTED.lines().filter(|line| !line.starts_with('#')).filter(|line| !is_left_out(line));
        let (mut texts, mut expressions) = (Vec::new(), EXPRESSIONS.map(|expression| format!("(?:{expression})")).to_vec());
        for pattern in listed {
            match plain(pattern) {
                Some(text) => texts.push(text),
                None => expressions.push(format!("(?:{pattern})")),
            }
        }
        let headless = rules.headless.then_some("headless");
        let deny = WORDS.into_iter().chain(headless).chain(rules.deny.iter().map(String::as_str));
        let expressions = RegexBuilder::new(&expressions.join("|")).unicode(false).build();
        Ok(Self {
            listed: AhoCorasick::new(texts).map_err(failed)?,
            // Over bytes: a header need not be UTF-8.
            expressions: expressions.map_err(|error| BotsError(error.to_string()))?,
            deny: words(deny)?,
            allow: words(&rules.allow)?,
            known: Key::random().map(|key| (key, Arc::new(Cache::new(KNOWN)))),
        })
    }

    /// Whether an agent is a bot. One that does not say who it is is one: every browser does.
    #[must_use]
    pub fn is_bot(&self, agent: &[u8]) -> bool {
        let agent = agent.get(..MAX_AGENT).unwrap_or(agent).trim_ascii();
        let Some((key, known)) = &self.known else { return self.look_at(agent) };
        let hash = key.reader(&[agent]);
        known.get(&hash).unwrap_or_else(|| {
            let bot = self.look_at(agent);
            known.insert(hash, bot);
            bot
        })
    }

    fn look_at(&self, agent: &[u8]) -> bool {
        let named = || self.listed.is_match(agent) || self.deny.is_match(agent) || self.expressions.is_match(agent);
        agent.is_empty() || (named() && !self.allow.is_match(agent))
    }
}

/// The text that a pattern of the list stands for, if it is a plain one: only signs are escaped in it.
fn plain(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => chars.next().filter(|escaped| !escaped.is_alphanumeric())?,
            '.' | '[' | ']' | '(' | ')' | '{' | '}' | '|' | '^' | '$' | '*' | '+' | '?' => return None,
            plain => plain,
        });
    }
    Some(text)
}

fn words<T: AsRef<[u8]>>(words: impl IntoIterator<Item = T>) -> Result<AhoCorasick, BotsError> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(words).map_err(failed)
}

fn failed(error: BuildError) -> BotsError {
    BotsError(error.to_string())
}
