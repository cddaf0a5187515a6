//! The layers of a configuration, and a reader that takes values from them and collects the mistakes.
//!
//! A later layer overrides an earlier one key by key; each value keeps its source and position. In the end, keys that were
//! not taken are unknown keys.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use bytesize::ByteSize;

use super::env::Variable;

/// The keys that hold tables of keys.
const TABLES: [&str; 7] = ["listen", "store", "journal", "retention", "log", "clients", "bots"];

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// The name of a TOML document, and its text.
    Document(&'a str, &'a str),
    /// The name of a variable.
    Variable(&'a str),
}

impl Source<'_> {
    /// The place of a key at a byte of the source, in the table that `scope` names.
    fn place(self, at: usize, scope: &str, key: &str) -> String {
        match self {
            Self::Document(name, text) => format!("{name}:{}: {scope}{key}", line_and_column(text, at).0),
            Self::Variable(name) if scope.is_empty() => name.into(),
            Self::Variable(name) => format!("{name}: {scope}{key}"),
        }
    }
}

/// The value of a key, and its source.
#[derive(Clone)]
pub(super) struct Setting<'a> {
    pub(super) value: DeValue<'a>,
    source: Source<'a>,
    /// Its position in bytes.
    at: usize,
    taken: bool,
}

impl Setting<'_> {
    /// The value as text.
    pub(super) fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// The value as a whole number; a variable holds it as text.
    pub(super) fn integer(&self) -> Option<i64> {
        match &self.value {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            DeValue::String(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as `true` or `false`; a variable holds it as text.
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.value {
            DeValue::Boolean(boolean) => Some(*boolean),
            DeValue::String(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as an array of texts; a variable separates them by commas.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        match &self.value {
            DeValue::Array(array) => array.iter().map(|text| text.get_ref().as_str().map(str::to_owned)).collect(),
            DeValue::String(text) if self.is_variable() => {
                Some(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    fn is_variable(&self) -> bool {
        matches!(self.source, Source::Variable(_))
    }
}

/// The values of a document or of one table, and the mistakes so far.
pub(super) struct TableReader<'a> {
    /// The prefix of each key in a mistake.
    scope: String,
    /// The position of the table, for keys that are missing in it.
    origin: (Source<'a>, usize),
    values: BTreeMap<String, Setting<'a>>,
    mistakes: Vec<String>,
}

impl<'a> TableReader<'a> {
    /// A reader without values.
    pub(super) fn new(mistakes: Vec<String>) -> Self {
        let origin = (Source::Document("configuration", ""), 0);
        Self { scope: String::new(), origin, values: BTreeMap::new(), mistakes }
    }

    /// Adds a TOML document as the next layer. One that cannot be parsed adds no values.
    pub(super) fn add_document(&mut self, name: &'a str, text: &'a str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        self.mistakes.extend(errors.iter().map(|error| syntax(name, text, error)));
        if errors.is_empty() {
            self.add_table("", table.into_inner(), Source::Document(name, text));
        }
    }

    /// Adds a variable as the next layer.
    pub(super) fn add_variable(&mut self, variable: &'a Variable) {
        let Variable { name, key, text } = variable;
        let value = if key == "sites" {
            let (value, errors) = DeValue::parse_recoverable(text);
            if !errors.is_empty() {
                self.mistakes.extend(errors.iter().map(|error| syntax(name, text, error)));
                return;
            }
            value.into_inner()
        } else {
            DeValue::String(text.into())
        };
        self.values.insert(key.clone(), Setting { value, source: Source::Variable(name), at: 0, taken: false });
    }

    fn add_table(&mut self, prefix: &str, table: DeTable<'a>, source: Source<'a>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", spelled(name.get_ref()));
            let at = name.span().start;
            match value.into_inner() {
                DeValue::Table(table) if self.is_table(&key) => self.add_table(&format!("{key}."), table, source),
                // The value is not shown: it can be a store URL with a password, put here by mistake.
                _ if self.is_table(&key) => {
                    self.mistakes.push(format!("{}: found no table; expected [{key}]", source.place(at, "", &key)));
                }
                value => {
                    self.values.insert(key, Setting { value, source, at, taken: false });
                }
            }
        }
    }

    fn is_table(&self, key: &str) -> bool {
        self.scope.is_empty() && TABLES.contains(&key)
    }

    /// A reader of one table of an array, to be passed to [`TableReader::join`]. `scope` names the table.
    pub(super) fn table(&mut self, array: &Setting<'a>, scope: &str, element: &Spanned<DeValue<'a>>) -> Option<Self> {
        let at = element.span().start;
        let DeValue::Table(table) = element.get_ref() else {
            self.mistakes.push(format!("{}: found {}; expected a table", array.source.place(at, scope, ""), shown(element.get_ref())));
            return None;
        };
        let scope = format!("{scope}: ");
        let mut inner = Self { scope, origin: (array.source, at), values: BTreeMap::new(), mistakes: Vec::new() };
        inner.add_table("", table.clone(), array.source);
        Some(inner)
    }

    /// Adds the mistakes of a reader of one table, including its unknown keys.
    pub(super) fn join(&mut self, inner: Self) {
        self.mistakes.extend(inner.finish());
    }

    /// Whether there is a value for a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value of a key; a missing key is a mistake.
    pub(super) fn take(&mut self, key: &str) -> Option<Setting<'a>> {
        let Some(setting) = self.values.get_mut(key) else {
            self.mistake(key, "missing");
            return None;
        };
        setting.taken = true;
        Some(setting.clone())
    }

    /// The value of a key as `parse` returns it; its error is the mistake.
    pub(super) fn parse<T, E: Display>(&mut self, key: &str, parse: impl FnOnce(&Setting<'a>) -> Result<T, E>) -> Option<T> {
        let setting = self.take(key)?;
        parse(&setting).map_err(|error| self.mistake(key, error)).ok()
    }

    /// The value of a key as `parse` returns it; if it returns `None`, the mistake says what was `expected`.
    pub(super) fn read<T>(&mut self, key: &str, expected: &str, parse: impl FnOnce(&Setting<'a>) -> Option<T>) -> Option<T> {
        if !self.has(key) {
            self.mistake(key, format!("missing; expected {expected}"));
            return None;
        }
        self.parse(key, |setting| parse(setting).ok_or_else(|| format!("found {}; expected {expected}", shown(&setting.value))))
    }

    /// The value of a key as `read` returns it, or a default if the key is missing.
    pub(super) fn or<T>(&mut self, key: &str, default: T, read: impl FnOnce(&mut Self, &str) -> Option<T>) -> Option<T> {
        if self.has(key) { read(self, key) } else { Some(default) }
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", Setting::boolean)
    }

    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<u32>, example: u32) -> Option<u32> {
        let expected = format!("a whole number from {} to {}, such as {example}", range.start(), range.end());
        self.read(key, &expected, |setting| u32::try_from(setting.integer()?).ok().filter(|number| range.contains(number)))
    }

    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>, expected: &str) -> Option<Duration> {
        self.read(key, &format!("a duration {expected}"), |setting| {
            humantime::parse_duration(setting.text()?).ok().filter(|duration| range.contains(duration))
        })
    }

    /// A size in bytes, with or without a unit.
    pub(super) fn size(&mut self, key: &str, range: RangeInclusive<ByteSize>, expected: &str) -> Option<u64> {
        self.read(key, &format!("a size {expected}"), |setting| {
            let size = match setting.text() {
                Some(text) => text.parse().ok()?,
                None => ByteSize(u64::try_from(setting.integer()?).ok()?),
            };
            range.contains(&size).then_some(size.as_u64())
        })
    }

    /// Reports a mistake in the value of a key.
    pub(super) fn mistake(&mut self, key: &str, what: impl Display) {
        let (source, at) = self.values.get(key).map_or(self.origin, |setting| (setting.source, setting.at));
        self.mistakes.push(format!("{}: {what}", source.place(at, &self.scope, key)));
    }

    /// All mistakes, including the keys that were not taken.
    pub(super) fn finish(mut self) -> Vec<String> {
        for (key, setting) in self.values.iter().filter(|(_, setting)| !setting.taken) {
            let place = setting.source.place(setting.at, &self.scope, key);
            self.mistakes.push(format!("{place}: found an unknown key; expected one of those in config/default.toml"));
        }
        self.mistakes
    }
}

/// A value as messages show it.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(_) => "an array".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// A key as TOML spells it: quoted if necessary, so that `"store.url"` differs from `store.url`.
fn spelled(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.into() } else { format!("{key:?}") }
}

/// A syntax error by its position. The error's own `Display` would show the line, which can hold a password.
fn syntax(name: &str, text: &str, error: &Error) -> String {
    let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
    format!("{name}:{line}:{column}: not TOML: {}", error.message())
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
