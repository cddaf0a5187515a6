//! The layers of a configuration, and a reader that takes values from them and collects the mistakes.
//!
//! A later layer overrides an earlier one key by key; each value keeps its source and position. In the end, keys that were
//! not taken are unknown keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    env::{Variable, variable_name},
    mistakes::Mistakes,
    suggestion::suggestion,
};

/// The keys that hold tables of keys.
const TABLES: [&str; 8] = ["listen", "store", "journal", "retention", "log", "metrics", "clients", "bots"];

/// What is expected in the place of an unknown key.
pub(super) const EXPECTED_KEY: &str = "one of those that \"truycap config\" prints";

/// The most characters of a text that a mistake shows.
const MAX_SHOWN: usize = 300;

/// A TOML document, and where its lines begin.
pub(super) struct Document {
    name: String,
    /// The directory that its relative paths of other files of the configuration are relative to.
    dir: PathBuf,
    text: String,
    lines: Vec<usize>,
}

impl Document {
    pub(super) fn new(name: impl Into<String>, dir: impl Into<PathBuf>, text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), dir: dir.into(), text, lines }
    }

    /// The document of a file.
    pub(super) fn of_file(path: &Path, text: String) -> Self {
        Self::new(path.display().to_string(), path.parent().unwrap_or(Path::new("")), text)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The number of the line at a byte, from 1.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// A syntax error by its position. The error's own `Display` would show the line, which can hold a password.
    fn syntax(&self, error: &Error) -> String {
        let at = error.span().map_or(0, |span| span.start);
        let line = self.line(at);
        let column = self.text.get(self.lines[line - 1]..at).map_or(0, |before| before.chars().count()) + 1;
        format!("{}:{line}:{column}: not TOML: {}", self.name, error.message())
    }
}

/// Where a value comes from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// A TOML document.
    Document(&'a Document),
    /// The name of a variable.
    Variable(&'a str),
}

impl Source<'_> {
    /// The place of a key at a byte of the source, in the table that `scope` names.
    fn place(self, at: usize, scope: &str, key: &str) -> String {
        match self {
            Self::Document(_) => format!("{}: {scope}{key}", self.position(at)),
            Self::Variable(name) if scope.is_empty() => name.into(),
            Self::Variable(name) => format!("{name}: {scope}{key}"),
        }
    }

    /// The file and line, or the variable.
    fn position(self, at: usize) -> String {
        match self {
            Self::Document(document) if document.name == BUILT_IN => BUILT_IN.into(),
            Self::Document(document) => format!("{}:{}", document.name, document.line(at)),
            Self::Variable(name) => name.into(),
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
    /// The file and line, or the variable.
    pub(super) fn position(&self) -> String {
        self.source.position(self.at)
    }

    /// The position of one entry of this array.
    pub(super) fn position_of(&self, entry: &Spanned<DeValue<'_>>) -> String {
        self.source.position(entry.span().start)
    }

    /// A path of another file of the configuration: relative to the file that sets this key.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        match self.source {
            Source::Document(document) => document.dir.join(path),
            Source::Variable(_) => path.into(),
        }
    }

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

    /// The entries of an array; a variable separates texts by commas.
    pub(super) fn entries(&self) -> Option<Vec<DeValue<'_>>> {
        match &self.value {
            DeValue::Array(array) => Some(array.iter().map(|entry| entry.get_ref().clone()).collect()),
            DeValue::String(text) if self.is_variable() => {
                let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                Some(texts.map(|text| DeValue::String(text.into())).collect())
            }
            _ => None,
        }
    }

    /// The value in TOML. What a variable holds as text is written in the kind of the built-in value.
    fn toml(&self, built_in: &DeValue<'_>) -> String {
        match built_in {
            DeValue::Integer(_) => self.integer().map(|integer| integer.to_string()),
            DeValue::Boolean(_) => self.boolean().map(|boolean| boolean.to_string()),
            DeValue::Array(_) => self.entries().map(|entries| toml_array(entries.iter())),
            _ => None,
        }
        .unwrap_or_else(|| toml_value(&self.value))
    }

    pub(super) fn is_built_in(&self) -> bool {
        matches!(self.source, Source::Document(document) if document.name == BUILT_IN)
    }

    pub(super) fn is_variable(&self) -> bool {
        matches!(self.source, Source::Variable(_))
    }
}

/// The value of a key as `truycap config --effective` shows it, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The key, such as `store.url`.
    pub key: String,
    /// The value in TOML, without passwords.
    pub value: String,
    /// `built-in`, a file and line, or the name of a variable.
    pub layer: String,
    /// Whether the value differs from the built-in one.
    pub differs: bool,
}

impl Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.key, self.value, self.layer)
    }
}

/// The name of the built-in layer.
pub(super) const BUILT_IN: &str = "built-in";

/// The values of a document or of one table, and the mistakes so far.
pub(super) struct TableReader<'a> {
    /// The prefix of each key in a mistake.
    scope: String,
    /// The position of the table, for keys that are missing in it.
    origin: Option<(Source<'a>, usize)>,
    values: BTreeMap<String, Setting<'a>>,
    /// The values of the built-in layer.
    built_in: BTreeMap<String, DeValue<'a>>,
    /// The keys that were asked for, whether or not they have a value.
    known: BTreeSet<String>,
    pub(super) mistakes: Mistakes,
}

impl<'a> TableReader<'a> {
    /// A reader without values.
    pub(super) fn new(mistakes: Mistakes) -> Self {
        Self { scope: String::new(), origin: None, values: BTreeMap::new(), built_in: BTreeMap::new(), known: BTreeSet::new(), mistakes }
    }

    /// Adds a TOML document as the next layer. One that cannot be parsed adds no values.
    pub(super) fn add_document(&mut self, document: &'a Document) {
        let (table, errors) = DeTable::parse_recoverable(&document.text);
        errors.iter().for_each(|error| self.mistakes.add(|| document.syntax(error)));
        if errors.is_empty() {
            self.add_table("", table.into_inner(), Source::Document(document));
        }
        if document.name == BUILT_IN {
            let keys = self.values.iter().filter(|(key, _)| *key != "sites");
            self.built_in = keys.map(|(key, setting)| (key.clone(), setting.value.clone())).collect();
        }
    }

    /// Adds a variable as the next layer.
    pub(super) fn add_variable(&mut self, variable: &'a Variable) {
        let Variable { name, key, text } = variable;
        let value = if key == "sites" {
            let (value, errors) = DeValue::parse_recoverable(text);
            if !errors.is_empty() {
                if is_json(text) {
                    self.mistakes
                        .add(|| format!("{name}: found JSON; expected TOML, in which a key is written id = \"…\", not \"id\": \"…\""));
                    return;
                }
                let document = Document::new(name, "", text.clone());
                errors.iter().for_each(|error| self.mistakes.add(|| document.syntax(error)));
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
                    self.mistakes.add(|| format!("{}: found no table; expected [{key}]", source.place(at, "", &key)));
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
            self.mistakes.add(|| format!("{}: found {}; expected a table", array.source.place(at, scope, ""), shown(element.get_ref())));
            return None;
        };
        let scope = format!("{scope}: ");
        let mut inner = Self { scope, origin: Some((array.source, at)), ..Self::new(Mistakes::default()) };
        inner.add_table("", table.clone(), array.source);
        Some(inner)
    }

    /// Adds the mistakes of a reader of one table, including its unknown keys.
    pub(super) fn join(&mut self, inner: Self) {
        self.mistakes.append(inner.finish(EXPECTED_KEY));
    }

    /// Whether there is a value for a key.
    pub(super) fn has(&mut self, key: &str) -> bool {
        self.known.insert(key.into());
        self.values.contains_key(key)
    }

    /// The value of a key; a missing key is a mistake.
    pub(super) fn take(&mut self, key: &str) -> Option<Setting<'a>> {
        self.known.insert(key.into());
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

    /// The entries of an array as `parse` returns them. `array` describes the array and `entry` one entry. `parse` can
    /// say what is wrong with an entry; the rest of the sentence `found …; ` follows.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        (count, array): (RangeInclusive<usize>, &str),
        entry: &str,
        parse: impl Fn(&str) -> Result<T, Option<String>>,
    ) -> Option<Vec<T>> {
        let setting =
            self.read(key, array, |setting| setting.entries().filter(|entries| count.contains(&entries.len())).map(|_| setting.clone()))?;
        let entries = setting.entries().unwrap_or_default();
        let mut parsed = Vec::with_capacity(entries.len());
        for value in &entries {
            match value.as_str().map_or(Err(None), &parse) {
                Ok(value) => parsed.push(value),
                Err(reason) => {
                    let reason = reason.unwrap_or_else(|| format!("expected {entry}"));
                    self.mistake(key, format!("found {}; {reason}", shown(value)));
                }
            }
        }
        // A part of the list would cause further mistakes that are not there.
        (parsed.len() == entries.len()).then_some(parsed)
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
        let place = self.values.get(key).map(|setting| (setting.source, setting.at)).or(self.origin);
        let scope = &self.scope;
        self.mistakes.add(|| match place {
            Some((source, at)) => format!("{}: {what}", source.place(at, scope, key)),
            None => format!("{scope}{key}: {what}"),
        });
    }

    /// All mistakes, including the keys that were not taken. `expected` describes keys.
    pub(super) fn finish(mut self, expected: &str) -> Mistakes {
        for (key, setting) in self.values.iter().filter(|(_, setting)| !setting.taken) {
            self.mistakes.add(|| {
                let meant = meant(key, setting.is_variable() && self.scope.is_empty(), &self.known);
                let what = meant.map_or_else(|| format!("expected {expected}"), |meant| format!("did you mean {meant}?"));
                format!("{}: found an unknown key; {what}", setting.source.place(setting.at, &self.scope, key))
            });
        }
        self.mistakes
    }

    /// The values in effect, compared with those of the built-in configuration.
    pub(super) fn effective(&self) -> Vec<Effective> {
        let effective = self.built_in.iter().filter_map(|(key, default)| {
            let setting = self.values.get(key)?;
            let (value, default) = (setting.toml(default), toml_value(default));
            Some(Effective { key: key.clone(), differs: value != default, value, layer: setting.position() })
        });
        effective.collect()
    }
}

/// What an unknown key is probably meant to be.
fn meant(key: &str, is_variable: bool, known: &BTreeSet<String>) -> Option<String> {
    let candidates = known.iter().map(String::as_str).chain(TABLES.iter().copied().filter(|_| !is_variable));
    let meant = suggestion(key, candidates)?;
    if !is_variable {
        return Some(meant.into());
    }
    let two = if meant.contains('.') && !key.contains('.') { ", with two underscores between table and key" } else { "" };
    Some(format!("{}{two}", variable_name(meant)))
}

/// Whether a text that is not TOML looks like JSON.
fn is_json(text: &str) -> bool {
    text.split('"').skip(1).any(|part| part.trim_start().starts_with(':'))
}

/// A value as messages show it, cut to a readable length.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => match text.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => format!("{:?}…", &text[..end]),
            None => format!("{text:?}"),
        },
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(array) if array.is_empty() => "an empty array".into(),
        DeValue::Array(array) => format!("an array of {}", array.len()),
        DeValue::Table(_) => "a table".into(),
    }
}

/// A value in TOML.
fn toml_value(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => toml_text(text),
        DeValue::Array(array) => toml_array(array.iter().map(Spanned::get_ref)),
        other => shown(other),
    }
}

fn toml_array<'v>(values: impl Iterator<Item = &'v DeValue<'v>>) -> String {
    format!("[{}]", values.map(toml_value).collect::<Vec<_>>().join(", "))
}

/// A text in TOML: as in JSON, except that TOML escapes DEL.
pub(super) fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A key as TOML spells it: quoted if necessary, so that `"store.url"` differs from `store.url`.
fn spelled(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.into() } else { format!("{key:?}") }
}
