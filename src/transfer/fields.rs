//! A line of CSV, split into its fields by RFC 4180: strictly, because a lenient reading would count under wrong ids.

/// More fields than the header of any known export has.
const MAX_FIELDS: usize = 256;

/// Why a line cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The line ends within a quoted field.
    Open,
    /// Text follows a closing quote.
    AfterQuote,
    /// A field without quotes has a quote.
    Quote,
    /// There are more than [`MAX_FIELDS`].
    TooMany,
    /// It is not UTF-8.
    Encoding,
}

/// What is wrong with a line that is not UTF-8. It is named once for a file.
pub(super) const NOT_UTF8: &str =
    "not UTF-8, perhaps Windows-1258: save the file as UTF-8 (in Excel: Save As, CSV UTF-8); further such lines are not named";

impl Broken {
    /// What is wrong, and the rule.
    pub(super) fn message(self) -> String {
        match self {
            Self::Open => "a quoted field is not closed on its line".into(),
            Self::AfterQuote => "text follows a closing quote; within quotes, write each quote twice: \"/tin/a\"\"b\"".into(),
            Self::Quote => {
                "a quote in a field without quotes; put the field into quotes, and write the quote twice: \"/tin/a\"\"b\"".into()
            }
            Self::Encoding => NOT_UTF8.into(),
            Self::TooMany => format!("more than {MAX_FIELDS} fields"),
        }
    }
}

/// The fields of a line, in buffers that are used again.
#[derive(Default)]
pub(super) struct Fields {
    text: String,
    ends: Vec<usize>,
}

impl Fields {
    /// Splits a line.
    pub(super) fn split(&mut self, line: &[u8], separator: char) -> Result<(), Broken> {
        let line = str::from_utf8(line).map_err(|_| Broken::Encoding)?;
        self.text.clear();
        self.ends.clear();
        let mut rest = Some(line);
        while let Some(field) = rest {
            rest = match field.strip_prefix('"') {
                Some(quoted) => {
                    let after = self.quoted(quoted)?;
                    match after.strip_prefix(separator) {
                        None if !after.is_empty() => return Err(Broken::AfterQuote),
                        next => next,
                    }
                }
                None => {
                    let (field, next) = field.split_once(separator).map_or((field, None), |(field, next)| (field, Some(next)));
                    if field.contains('"') {
                        return Err(Broken::Quote);
                    }
                    self.text.push_str(field);
                    next
                }
            };
            self.ends.push(self.text.len());
            if self.ends.len() > MAX_FIELDS {
                return Err(Broken::TooMany);
            }
        }
        Ok(())
    }

    /// Adds the text of a quoted field, and returns what follows its closing quote.
    fn quoted<'a>(&mut self, mut rest: &'a str) -> Result<&'a str, Broken> {
        loop {
            let (text, after) = rest.split_once('"').ok_or(Broken::Open)?;
            self.text.push_str(text);
            let Some(more) = after.strip_prefix('"') else { return Ok(after) };
            self.text.push('"');
            rest = more;
        }
    }

    /// The fields of the last line.
    pub(super) fn all(&self) -> Vec<&str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.text.get(start..end).unwrap_or_default()).collect()
    }
}
