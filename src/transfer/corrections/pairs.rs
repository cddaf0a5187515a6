//! Which articles are renamed: one, or those of a CSV file with the columns old,new.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
};

use crate::{
    domain::article::ArticleId,
    transfer::lines::{Line, Lines},
};

/// The most articles that one command renames.
const MAX_PAIRS: usize = 200_000;

/// The most mistakes that are named.
const MAX_MISTAKES: usize = 20;

/// Why articles cannot be renamed.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// The mistakes, one on a line.
    #[error("{}; nothing was changed", .0.join("\n"))]
    Mistakes(Vec<String>),
}

/// Old and new ids of articles. No old id is there twice, and none is a new one too.
#[derive(Debug)]
pub struct Pairs {
    pub(super) pairs: Vec<(ArticleId, ArticleId)>,
    /// The name of the file.
    pub(super) file: Option<String>,
}

impl Pairs {
    /// One article.
    ///
    /// # Errors
    /// If both ids are the same.
    pub fn one(old: ArticleId, new: ArticleId) -> Result<Self, PairsError> {
        if old == new {
            return Err(PairsError::Mistakes(vec![format!("{old} is both the old and the new id; write two different ones")]));
        }
        Ok(Self { pairs: vec![(old, new)], file: None })
    }

    /// Those of a file, which is named `name` in the audit list.
    ///
    /// # Errors
    /// If the file cannot be read, or has mistakes.
    pub fn read(file: &File, name: &str) -> Result<Self, PairsError> {
        let mut lines = Lines::open(file)?.map_err(mistake)?;
        check_header(lines.header(&mut Vec::new())?).map_err(mistake)?;
        let mut reading = Reading::default();
        while let Some((number, fields)) = lines.next()? {
            if let Err(what) = fields.and_then(|fields| reading.add(number, &fields)) {
                reading.mistakes.push(format!("line {number}: {what}"));
            }
            if reading.mistakes.len() >= MAX_MISTAKES {
                return Err(PairsError::Mistakes(reading.mistakes));
            }
        }
        reading.check_chains();
        if reading.mistakes.is_empty() {
            Ok(Self { pairs: reading.pairs, file: Some(name.into()) })
        } else {
            Err(PairsError::Mistakes(reading.mistakes))
        }
    }
}

fn mistake(what: String) -> PairsError {
    PairsError::Mistakes(vec![what])
}

fn check_header(header: Option<Line<'_>>) -> Result<(), String> {
    match header {
        None => Err("the file is empty; expected the header old,new and one line for each article".into()),
        Some((number, Err(what))) => Err(format!("line {number}: {what}")),
        Some((_, Ok(names))) if names.iter().map(|name| name.trim().to_lowercase()).eq(["old", "new"]) => Ok(()),
        Some((number, Ok(_))) => Err(format!("line {number}: expected the header old,new")),
    }
}

#[derive(Default)]
struct Reading {
    pairs: Vec<(ArticleId, ArticleId)>,
    /// The line of each old id.
    lines: HashMap<ArticleId, u64>,
    mistakes: Vec<String>,
}

impl Reading {
    fn add(&mut self, number: u64, fields: &[&str]) -> Result<(), String> {
        let [old, new] = fields else { return Err(format!("found {} fields; expected two, old,new", fields.len())) };
        let [old, new] = [old, new].map(|id| ArticleId::parse(id).map_err(|error| error.to_string()));
        let (old, new) = (old?, new?);
        if old == new {
            return Err(format!("{old} is both the old and the new id; remove the line"));
        }
        if self.pairs.len() == MAX_PAIRS {
            return Err(format!("more than {MAX_PAIRS} articles; split the file"));
        }
        if let Some(first) = self.lines.insert(old.clone(), number) {
            return Err(format!("{old} is also renamed in line {first}; keep one of the lines"));
        }
        self.pairs.push((old, new));
        Ok(())
    }

    /// In which order chains are meant cannot be known after an interruption.
    fn check_chains(&mut self) {
        let new: HashSet<_> = self.pairs.iter().map(|(_, new)| new).collect();
        let mut chains: Vec<_> = self.lines.iter().filter(|(old, _)| new.contains(old)).map(|(old, line)| (*line, old.clone())).collect();
        chains.sort();
        let room = MAX_MISTAKES.saturating_sub(self.mistakes.len());
        self.mistakes.extend(chains.into_iter().take(room).map(|(line, old)| {
            format!("line {line}: {old} is the new id of another line; write the last id there, or rename in two files one after the other")
        }));
    }
}
