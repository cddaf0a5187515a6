//! The configuration, which consists of each module's own: plain values that the modules are given at the start.
//!
//! It has three layers, and a later one overrides an earlier one key by key: the built-in configuration
//! (`config/default.toml`), a file, and environment variables. All mistakes are reported at once, each with its place.
//!
//! - `env`: from environment variables to keys
//! - `table_reader`: the layers, and a reader that takes values from them and collects mistakes
//! - `sections`, `audience`, `sites`: the keys and their valid values
//! - `store_url`: where the counters live
//! - `same_file`: whether two paths name the same file

use std::{ffi::OsString, fs, path::Path};

use table_reader::TableReader;

mod audience;
mod env;
mod same_file;
mod sections;
mod sites;
mod store_url;
mod table_reader;

pub use same_file::same_file;
pub use sections::{Config, Listen};
pub use store_url::{StoreUrl, StoreUrlError};

/// The built-in configuration: every key and its meaning.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// All mistakes of a configuration, one line each: the place, what was found, what is expected.
///
/// Values that can hold a password are not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    /// The mistakes, one line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl Config {
    /// Loads the built-in configuration, then `file`, then the variables of `env` that begin with `TRUYCAP_`.
    ///
    /// The process's own environment is [`std::env::vars_os`].
    ///
    /// # Errors
    /// All mistakes of the file and of the variables.
    pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let name = file.map(|path| path.display().to_string()).unwrap_or_default();
        let text = file.and_then(|path| fs::read_to_string(path).map_err(|error| mistakes.push(format!("{name}: {error}"))).ok());
        let variables = env::variables(env, &mut mistakes);

        let mut reader = TableReader::new(mistakes);
        reader.add_document("built-in configuration", DEFAULT);
        if let Some(text) = &text {
            reader.add_document(&name, text);
        }
        for variable in &variables {
            reader.add_variable(variable);
        }
        let config = sections::config(&mut reader);
        let mistakes = reader.finish();
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(Mistakes(mistakes)),
        }
    }
}
