//! The configuration, which consists of each module's own: plain values that the modules are given at the start.
//!
//! It has four layers, and a later one overrides an earlier one key by key: the built-in configuration
//! (`config/default.toml`), the defaults of an image or a package, a file, and environment variables. All mistakes are
//! reported at once, each with its place.
//!
//! - `env`: from environment variables to keys
//! - `files`: reading files, which have a maximum size
//! - `table_reader`: the layers, and a reader that takes values from them and collects mistakes
//! - `mistakes`, `suggestion`: what is reported, and which key was probably meant
//! - `sections`, `audience`, `report`, `sites`: the keys and their valid values
//! - `sites_dir`: files with sites
//! - `effective`: the values that are used, where they come from, and advice about them
//! - `store_url`: where the counters live
//! - `same_file`: whether two paths name the same file

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use env::Environment;
use files::Files;
use table_reader::{BUILT_IN, Document, EXPECTED_KEY, TableReader};

mod audience;
mod effective;
mod env;
mod files;
mod mistakes;
mod report;
mod same_file;
mod sections;
mod sites;
mod sites_dir;
mod store_url;
mod suggestion;
mod table_reader;

pub use effective::{site_identity, site_toml};
pub use mistakes::Mistakes;
pub use same_file::collide;
pub use sections::{Config, Listen, PublicAddress};
pub use store_url::{StoreUrl, StoreUrlError};
pub use table_reader::Effective;

/// The built-in configuration: every key and its meaning.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

impl Config {
    /// Loads the built-in configuration, then the file that the variable `TRUYCAP_DEFAULTS` names, then `file`, then the
    /// other variables of `env` that begin with `TRUYCAP_`.
    ///
    /// The process's own environment is [`std::env::vars_os`].
    ///
    /// # Errors
    /// The mistakes of the files and of the variables.
    pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Result<Self, Mistakes> {
        let mut layers = Layers::read(file, env);
        let mut files = std::mem::replace(&mut layers.files, Files::new());
        let mut reader = layers.reader();
        let config = sections::config(&mut reader, &mut files);
        let effective = reader.effective();
        let mistakes = reader.finish(EXPECTED_KEY);
        match config {
            Some(config) if mistakes.is_empty() => Ok(config.with_effective(effective)),
            _ => Err(mistakes),
        }
    }

    /// Loads only the address of the admin listener, also if other keys have mistakes: a service that refused the file goes
    /// on with the previous one.
    ///
    /// # Errors
    /// The mistakes of this key and of the syntax.
    pub fn admin_listener(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Result<SocketAddr, Mistakes> {
        let layers = Layers::read(file, env);
        let mut reader = layers.reader();
        let admin = sections::admin(&mut reader);
        admin.filter(|_| reader.mistakes.is_empty()).ok_or(reader.mistakes)
    }
}

/// The texts of all layers.
struct Layers {
    documents: Vec<Document>,
    environment: Environment,
    files: Files,
    mistakes: Mistakes,
}

impl Layers {
    fn read(file: Option<&Path>, env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Self {
        let (mut mistakes, mut files) = (Mistakes::default(), Files::new());
        let environment = env::environment(env, &mut mistakes);
        let mut documents = vec![Document::new(BUILT_IN, PathBuf::new(), DEFAULT.into())];
        for path in environment.defaults.as_deref().into_iter().chain(file) {
            match files.read(path) {
                Ok(text) => documents.push(Document::of_file(path, text)),
                Err(error) => mistakes.add(|| format!("{}: {error}", path.display())),
            }
        }
        Self { documents, environment, files, mistakes }
    }

    fn reader(&self) -> TableReader<'_> {
        let mut reader = TableReader::new(self.mistakes.clone());
        self.documents.iter().for_each(|document| reader.add_document(document));
        self.environment.variables.iter().for_each(|variable| reader.add_variable(variable));
        reader
    }
}
