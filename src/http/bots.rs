//! Which agents are machines, by what they call themselves.
//!
//! The names are those of a public list (`crawlers/patterns.txt`, kept up to date by `scripts/update-crawlers.sh`), and a
//! few words that machines not yet on it use of themselves. All of it is one automaton, built once.

use regex::bytes::{Regex, RegexBuilder};

/// How much of a `User-Agent` is looked at, in bytes; apps on phones write up to about 800.
pub(super) const MAX_AGENT: usize = 1024;

const LISTED: &str = include_str!("crawlers/patterns.txt");

/// What the list has and people use: a build of Android 15 in phones of several makers, the browser within Facebook's
/// app, and a browser for single pages on the Mac.
const PEOPLE: [&str; 3] = [r"AP3A\.240617\.008", "MetaIAB Facebook", "Fluid"];

/// What the list calls browsers without a screen, or those that a program drives.
const HEADLESS: [&str; 5] = ["HeadlessChrome", "PhantomJS", "Playwright", "Puppeteer", "Selenium"];

/// Words of machines, in capitals or not. Phones named CUBOT have people.
const WORDS: [&str; 7] = ["(?:^|[^u]|[^c]u)bot", "crawl", "spider", "slurp", "scrap(?:er|y|ing)", r"https?:", r"[a-z0-9]@[a-z0-9]"];

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
    deny: Regex,
    /// What is no bot for all that.
    allow: Option<Regex>,
}

/// The rules make an automaton that is too large.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the words in bots.deny and bots.allow are too many")]
pub struct TooManyWords;

impl Bots {
    /// Builds the automaton.
    ///
    /// # Errors
    /// Where the words are too many; a hundred of a hundred bytes are not.
    pub fn new(rules: &BotRules) -> Result<Self, TooManyWords> {
        let is_left_out = |pattern: &&str| PEOPLE.contains(pattern) || (!rules.headless && HEADLESS.contains(pattern));
        let listed = LISTED.lines().filter(|line| !line.starts_with('#')).filter(|line| !is_left_out(line));
        let words = WORDS.iter().map(|word| format!("(?i:{word})"));
        let headless = rules.headless.then(|| "(?i:headless)".into());
        let deny = listed.map(|pattern| format!("(?:{pattern})")).chain(words).chain(headless).chain(rules.deny.iter().map(literal));
        let allow: Vec<_> = rules.allow.iter().map(literal).collect();
        let allow = if allow.is_empty() { None } else { Some(build(allow)?) };
        Ok(Self { deny: build(deny)?, allow })
    }

    /// Whether an agent is a bot. One that does not say who it is is one: every browser does.
    #[must_use]
    pub fn is_bot(&self, agent: &[u8]) -> bool {
        let agent = agent.get(..MAX_AGENT).unwrap_or(agent).trim_ascii();
        agent.is_empty() || (self.deny.is_match(agent) && !self.allow.as_ref().is_some_and(|allow| allow.is_match(agent)))
    }
}

fn literal(word: &String) -> String {
    format!("(?i:{})", regex::escape(word))
}

/// One automaton for all patterns, over bytes: a header need not be UTF-8.
fn build(patterns: impl IntoIterator<Item = String>) -> Result<Regex, TooManyWords> {
    let patterns: Vec<_> = patterns.into_iter().collect();
    RegexBuilder::new(&patterns.join("|")).unicode(false).build().map_err(|_| TooManyWords)
}
