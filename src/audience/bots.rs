//! Recognises bots by their `User-Agent`.
//!
//! An agent that does not begin as all browsers do is a program. The others are compared with patterns: a public list
//! (`crawlers/patterns.txt`, updated by `scripts/update-crawlers.sh`) and a few words that bots outside the list use. Nearly
//! all of them are plain texts, which one automaton finds together: a single regular expression for the whole list would
//! take a thousand times as long on agents crafted against it.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, BuildError};
use quick_cache::sync::Cache;
use regex::bytes::{Regex, RegexBuilder};

use super::visitor_key::{VisitorHash, VisitorKey};

/// The part of a `User-Agent` that is read, in bytes; apps on phones send up to about 800.
pub(super) const MAX_AGENT: usize = 1024;

/// The number of agents whose result is remembered.
const MAX_KNOWN: usize = 1000;

/// What the agents of browsers begin with. Opera Mini and UC Browser on simple phones have names of their own; all other
/// browsers, also those within apps, pretend to be Mozilla.
const BROWSERS: [&[u8]; 3] = [b"Mozilla/", b"Opera/", b"UCWEB/"];

const LISTED: &str = include_str!("crawlers/patterns.txt");

/// Patterns of the list that match people: a build of Android 15 in phones of several makers, the browsers in the apps of
/// Facebook and Viber, and a single-site browser for the Mac.
const PEOPLE: [&str; 4] = [r"AP3A\.240617\.008", "MetaIAB Facebook", "Viber", "Fluid"];

/// Patterns of the list that match headless browsers and those that a program drives.
const HEADLESS: [&str; 5] = ["HeadlessChrome", "PhantomJS", "Playwright", "Puppeteer", "Selenium"];

/// Words of bots, case-insensitive. Microsoft Office looks at links, and loads the pictures of mails.
const WORDS: [&str; 9] = ["crawl", "spider", "slurp", "scraper", "scrapy", "scraping", "http:", "https:", "ms-office"];

/// The same as expressions. CUBOT makes phones. A mail address ends with a name; Ecosia's browsers have a version after the @.
const EXPRESSIONS: [&str; 2] = ["(?i)(?:^|[^u]|[^c]u)bot", r"(?i)[a-z0-9]@[a-z0-9.-]*\.[a-z]"];

/// Agents that are bots in addition to the built-in patterns, and agents that are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotRules {
    /// Texts in the `User-Agent` of bots, case-insensitive.
    pub deny: Vec<String>,
    /// The same of agents that are not bots, even if they match another rule.
    pub allow: Vec<String>,
    /// Whether headless browsers are bots.
    pub headless: bool,
}

impl Default for BotRules {
    fn default() -> Self {
        Self { deny: Vec::new(), allow: Vec::new(), headless: true }
    }
}

/// What shows that an agent is not a browser of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotSign<'a> {
    /// It contains a text that only bots have.
    Text(&'a [u8]),
    /// It does not begin as the agents of browsers do.
    NoBrowser,
}

/// Recognises bots.
#[derive(Clone, Debug)]
pub struct Bots {
    /// The plain texts of the list.
    listed: AhoCorasick,
    /// The patterns of the list that are not plain texts.
    expressions: Regex,
    /// Case-insensitive words.
    deny: AhoCorasick,
    /// Agents that are not bots, even if they match another rule.
    allow: AhoCorasick,
    /// The results for recent agents, by a keyed hash of each: most visitors have one of a few hundred browsers. `None` if
    /// the system provides no randomness for a key.
    known: Option<(VisitorKey, Arc<Cache<VisitorHash, bool>>)>,
}

/// The rules cannot be used, for instance because there are too many words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the bot rules cannot be used: {0}")]
pub struct BotsError(String);

impl Bots {
    /// Prepares the rules.
    ///
    /// # Errors
    /// If there are far more words than the configuration allows.
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
            known: VisitorKey::random().map(|key| (key, Arc::new(Cache::new(MAX_KNOWN)))),
        })
    }

    /// Whether an agent is a bot or another program. An empty one is: every browser sends its name.
    #[must_use]
    pub fn is_bot(&self, agent: &[u8]) -> bool {
        let agent = agent.get(..MAX_AGENT).unwrap_or(agent).trim_ascii();
        let Some((key, known)) = &self.known else { return self.search(agent) };
        let hash = key.hash(&[agent]);
        known.get(&hash).unwrap_or_else(|| {
            let bot = self.search(agent);
            known.insert(hash, bot);
            bot
        })
    }

    fn search(&self, agent: &[u8]) -> bool {
        self.sign(agent).is_some()
    }

    /// What shows that an agent is a bot or another program.
    #[must_use]
    pub fn sign<'a>(&self, agent: &'a [u8]) -> Option<BotSign<'a>> {
        let agent = agent.get(..MAX_AGENT).unwrap_or(agent).trim_ascii();
        let word = || self.listed.find(agent).or_else(|| self.deny.find(agent)).map(|found| found.range());
        let text = word().or_else(|| self.expressions.find(agent).map(|found| found.range()));
        let sign = match text.and_then(|range| agent.get(range)) {
            Some(text) => BotSign::Text(text),
            None if BROWSERS.iter().any(|name| agent.starts_with(name)) => return None,
            None => BotSign::NoBrowser,
        };
        (!self.allow.is_match(agent)).then_some(sign)
    }
}

/// The text that a pattern of the list matches, if it is a plain one: only punctuation is escaped in it.
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
