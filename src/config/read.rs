//! The layers of a configuration, and a reader that takes values from them and collects what is wrong.
//!
//! Layers are laid one over the other, key by key; each value remembers where it stands. In the end, what nobody took is
//! an unknown key.

use std::{collections::BTreeMap, fmt::Display};

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{env::Variable, sections::TABLES};

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// A text in TOML, and its name.
    Document(&'a str, &'a str),
    /// The name of a variable.
    Variable(&'a str),
}

impl Source<'_> {
    /// The place of a key that stands at a byte of the source, in the table that `scope` names.
    fn place(self, at: usize, scope: &str, key: &str) -> String {
        match self {
            Self::Document(name, text) => format!("{name}:{}: {scope}{key}", line_and_column(text, at).0),
            Self::Variable(name) if scope.is_empty() => name.into(),
            Self::Variable(name) => format!("{name}: {scope}{key}"),
        }
    }
}

/// A value that was found for a key.
#[derive(Clone)]
pub(super) struct Given<'a> {
    pub(super) value: DeValue<'a>,
    source: Source<'a>,
    /// The byte at which it stands.
    at: usize,
    taken: bool,
}

impl Given<'_> {
    /// The value as text.
    pub(super) fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// The value as a whole number, which is text in a variable.
    pub(super) fn integer(&self) -> Option<i64> {
        match &self.value {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            DeValue::String(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as `true` or `false`, which is text in a variable.
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.value {
            DeValue::Boolean(boolean) => Some(*boolean),
            DeValue::String(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as an array of texts, which in a variable stand between commas.
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
pub(super) struct Reader<'a> {
    /// What stands before each key in a mistake.
    scope: String,
    /// Where the table stands, for keys that are missing in it.
    origin: (Source<'a>, usize),
    values: BTreeMap<String, Given<'a>>,
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader without values.
    pub(super) fn new(mistakes: Vec<String>) -> Self {
        let origin = (Source::Document("configuration", ""), 0);
        Self { scope: String::new(), origin, values: BTreeMap::new(), mistakes }
    }

    /// Lays a text in TOML over what is there. One that cannot be parsed changes nothing.
    pub(super) fn document(&mut self, name: &'a str, text: &'a str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        self.mistakes.extend(errors.iter().map(|error| syntax(name, text, error)));
        if errors.is_empty() {
            self.lay("", table.into_inner(), Source::Document(name, text));
        }
    }

    /// Lays a variable over what is there.
    pub(super) fn variable(&mut self, variable: &'a Variable) {
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
        self.values.insert(key.clone(), Given { value, source: Source::Variable(name), at: 0, taken: false });
    }

    fn lay(&mut self, prefix: &str, table: DeTable<'a>, source: Source<'a>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", spelled(name.get_ref()));
            let at = name.span().start;
            match value.into_inner() {
                DeValue::Table(table) if self.is_table(&key) => self.lay(&format!("{key}."), table, source),
                // Not shown: a URL of a store with a password may stand here by mistake.
                _ if self.is_table(&key) => {
                    self.mistakes.push(format!("{}: found no table; expected [{key}]", source.place(at, "", &key)));
                }
                value => {
                    self.values.insert(key, Given { value, source, at, taken: false });
                }
            }
        }
    }

    fn is_table(&self, key: &str) -> bool {
        self.scope.is_empty() && TABLES.contains(&key)
    }

    /// A reader of one table of an array, to be given back with [`Reader::join`]. `scope` says which table it is.
    pub(super) fn inner(&mut self, array: &Given<'a>, scope: &str, element: &Spanned<DeValue<'a>>) -> Option<Self> {
        let at = element.span().start;
        let DeValue::Table(table) = element.get_ref() else {
            self.mistakes.push(format!("{}: found {}; expected a table", array.source.place(at, scope, ""), shown(element.get_ref())));
            return None;
        };
        let scope = format!("{scope}: ");
        let mut inner = Self { scope, origin: (array.source, at), values: BTreeMap::new(), mistakes: Vec::new() };
        inner.lay("", table.clone(), array.source);
        Some(inner)
    }

    /// Takes over the mistakes of a reader of one table, its unknown keys among them.
    pub(super) fn join(&mut self, inner: Self) {
        self.mistakes.extend(inner.finish());
    }

    /// Whether there is a value for a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value of a key; that there is none is a mistake.
    pub(super) fn take(&mut self, key: &str) -> Option<Given<'a>> {
        let Some(given) = self.values.get_mut(key) else {
            self.mistake(key, "missing");
            return None;
        };
        given.taken = true;
        Some(given.clone())
    }

    /// The value of a key as `parse` understands it; where it does not, its answer is the mistake.
    pub(super) fn parse<T, E: Display>(&mut self, key: &str, parse: impl FnOnce(&Given<'a>) -> Result<T, E>) -> Option<T> {
        let given = self.take(key)?;
        parse(&given).map_err(|error| self.mistake(key, error)).ok()
    }

    /// The value of a key as `parse` understands it; where it does not, what was `expected` is the mistake.
    pub(super) fn read<T>(&mut self, key: &str, expected: &str, parse: impl FnOnce(&Given<'a>) -> Option<T>) -> Option<T> {
        if !self.has(key) {
            self.mistake(key, format!("missing; expected {expected}"));
            return None;
        }
        self.parse(key, |given| parse(given).ok_or_else(|| format!("found {}; expected {expected}", shown(&given.value))))
    }

    /// Says what is wrong with the value of a key.
    pub(super) fn mistake(&mut self, key: &str, what: impl Display) {
        let (source, at) = self.values.get(key).map_or(self.origin, |given| (given.source, given.at));
        self.mistakes.push(format!("{}: {what}", source.place(at, &self.scope, key)));
    }

    /// All mistakes, the keys that nobody took among them.
    pub(super) fn finish(mut self) -> Vec<String> {
        for (key, given) in self.values.iter().filter(|(_, given)| !given.taken) {
            let place = given.source.place(given.at, &self.scope, key);
            self.mistakes.push(format!("{place}: found an unknown key; expected one of those in config/default.toml"));
        }
        self.mistakes
    }
}

/// A value as it may stand in a message.
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

/// A key as it is written in TOML: quoted where it must be, so that `"store.url"` is not taken for `store.url`.
fn spelled(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.into() } else { format!("{key:?}") }
}

/// The error's own `Display` would show the line, and a password in it.
fn syntax(name: &str, text: &str, error: &Error) -> String {
    let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
    format!("{name}:{line}:{column}: not TOML: {}", error.message())
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
