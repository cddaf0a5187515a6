//! The mistakes of a configuration: the first hundred are named, the rest counted.

use std::fmt;

/// The maximum number of mistakes that are named. A broken file can have one on each line.
const MAX_NAMED: usize = 100;

/// The mistakes of a configuration, one line each: the place, what was found, what is expected.
///
/// Values that can hold a password are not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    lines: Vec<String>,
    more: usize,
}

impl Mistakes {
    /// The first hundred mistakes, one line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// How many further mistakes there are.
    #[must_use]
    pub const fn more(&self) -> usize {
        self.more
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a mistake. `line` is called only if it is one of those that are named.
    pub(super) fn add(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < MAX_NAMED { self.lines.push(line()) } else { self.more += 1 }
    }

    /// Adds all mistakes of a part.
    pub(super) fn append(&mut self, part: Self) {
        self.more += part.more;
        for line in part.lines {
            self.add(|| line);
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))?;
        if self.more > 0 { write!(f, "\nand {} more mistakes", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for Mistakes {}
