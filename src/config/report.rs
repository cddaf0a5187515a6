//! Who can read the report of a site. No message shows what can be a token.

use super::{
    files::secrets,
    table_reader::{Setting, TableReader},
};
use crate::domain::site::{ReportAccess, ReportToken};

/// The most tokens of a site, in the configuration and in its file each.
const MAX_TOKENS: usize = 20;

/// What a token is.
const TOKEN: &str = "16 to 128 of A-Z, a-z, 0-9, \"-\", \"_\", \".\" and \"~\"";

/// What `report` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Public,
    Token,
}

pub(super) fn access(table: &mut TableReader<'_>) -> Option<ReportAccess> {
    let mode = table.or("report", Mode::Off, |table, key| table.parse(key, mode));
    let listed = table.or("report_tokens", Vec::new(), |table, key| table.parse(key, listed));
    let stored = table.or("report_tokens_file", Vec::new(), |table, key| table.parse(key, stored));
    let (mode, mut tokens) = (mode?, listed?);
    tokens.extend(stored?);
    match (mode, tokens.is_empty()) {
        (Mode::Off, true) => Some(ReportAccess::Off),
        (Mode::Public, true) => Some(ReportAccess::Public),
        (Mode::Token, false) => Some(ReportAccess::Token(tokens)),
        (Mode::Token, true) => {
            table.mistake("report", format!("found \"token\", but no token; expected one or more in report_tokens, each {TOKEN}"));
            None
        }
        (Mode::Off | Mode::Public, false) => {
            table.mistake("report", "found tokens, which only \"token\" uses; expected \"token\", or no report_tokens");
            None
        }
    }
}

fn mode(setting: &Setting<'_>) -> Result<Mode, &'static str> {
    match setting.text() {
        Some("off") => Ok(Mode::Off),
        Some("public") => Ok(Mode::Public),
        Some("token") => Ok(Mode::Token),
        _ => Err("found another value, not shown because it can be a token; expected \"off\", \"public\" or \"token\""),
    }
}

fn listed(setting: &Setting<'_>) -> Result<Vec<ReportToken>, String> {
    let array = || format!("found another value, not shown because it can be a token; expected an array of up to {MAX_TOKENS} texts");
    let entries = setting.entries().filter(|entries| entries.len() <= MAX_TOKENS).ok_or_else(array)?;
    entries.iter().zip(1..).map(|(entry, number)| token(entry.as_str().unwrap_or_default(), number)).collect()
}

/// The tokens in a file, one a line.
fn stored(setting: &Setting<'_>) -> Result<Vec<ReportToken>, String> {
    let path = setting.text().ok_or("found no text; expected the path of a file, or \"\"")?;
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let path = setting.beside(path);
    let lines = secrets(&path, "tokens")?;
    let lines: Vec<_> = lines.lines().collect();
    if lines.len() > MAX_TOKENS {
        return Err(format!("found more than {MAX_TOKENS} lines in {}; expected a token in each line", path.display()));
    }
    lines.iter().zip(1..).map(|(line, number)| token(line, number).map_err(|what| format!("{}: {what}", path.display()))).collect()
}

fn token(text: &str, number: usize) -> Result<ReportToken, String> {
    ReportToken::new(text).ok_or_else(|| format!("found another text as token no. {number}, not shown; expected {TOKEN}"))
}
