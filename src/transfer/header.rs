//! The names of a file's columns.

/// A header, whatever its spelling.
#[derive(Debug)]
pub(super) struct Header {
    /// The names in lower case, without spaces around them.
    pub(super) names: Vec<String>,
    /// The number of columns without a name after them, which spreadsheets write.
    pub(super) unnamed: usize,
    /// The comment lines before it.
    pub(super) comments: Vec<String>,
    /// What separates the columns.
    pub(super) separator: char,
}

impl Header {
    pub(super) fn new(fields: &[&str], comments: Vec<String>, separator: char) -> Self {
        let mut names: Vec<String> = fields.iter().map(|name| name.trim().to_lowercase()).collect();
        let named = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        let unnamed = names.len() - named;
        names.truncate(named);
        Self { names, unnamed, comments, separator }
    }

    /// The position of a column.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Whether there is a column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// The names as in a file.
    pub(super) fn text(&self) -> String {
        self.names.join(",").chars().take(100).collect()
    }

    /// A mistake for each column that occurs again.
    pub(super) fn repeated(&self) -> Vec<String> {
        let again = self.names.iter().enumerate().filter(|(at, name)| self.place(name) != Some(*at));
        again.map(|(_, name)| format!("column {name:?} occurs twice")).collect()
    }
}
