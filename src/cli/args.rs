//! What can be typed, and what `--help` says of it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

const AFTER: &str = "\
Environment:
  TRUYCAP_…  Each key of the configuration: TRUYCAP_STORE__URL is url in [store]. It wins over the file.

Exit codes:
  0  It is done; of serve: it was told to stop, and did.
  1  It did not work, and standard error says why.
  2  The command line or the configuration is wrong; nothing was begun.

Examples:
  truycap check --config truycap.toml     Is it right, and can journal and store be used?
  truycap --config truycap.toml           Serve, until SIGTERM or SIGINT.
  truycap figures portal                  The box of a site.
  truycap export > views.csv              Everything, as a backup.

More is in docs/ beside the source: operations.md, configuration.md, cli.md, http-api.md, import-export.md, metrics.md.";

const AFTER_SERVE: &str = "\
Signals:
  SIGHUP           Read the configuration again: sites, origins, time zones, listen.max_connections and log.level are
                   taken, without losing a view. One with a mistake is refused, and all stays as it was.
  SIGTERM, SIGINT  Finish requests, apply what waits, and end with exit code 0 within ten seconds.

Examples:
  truycap serve --config /etc/truycap/truycap.toml
  TRUYCAP_LISTEN__PUBLIC=0.0.0.0:8080 truycap serve";

const AFTER_IMPORT: &str = "\
Examples:
  truycap import past.csv
  truycap import --json 2024.csv 2025.csv | jq .rows";

const AFTER_EXPORT: &str = "\
Examples:
  truycap export > views.csv
  truycap export --site portal | gzip > portal.csv.gz";

const AFTER_FIGURES: &str = "\
Examples:
  truycap figures portal
  truycap figures portal --article /tin/1
  truycap figures portal --json | jq .figures.today";

const AFTER_CHECK: &str = "\
Examples:
  truycap check --config truycap.toml
  truycap check --json | jq .store";

const AFTER_HEALTH: &str = "\
Exit codes:
  0  The service takes views.
  1  It does not, or it did not answer within three seconds.
  2  The command line or the configuration is wrong.

Examples:
  truycap health --config truycap.toml
  HEALTHCHECK CMD [\"truycap\", \"health\"]    in a Dockerfile";

const AFTER_COMPLETIONS: &str = "\
Examples:
  truycap completions bash > /etc/bash_completion.d/truycap
  truycap completions zsh > ~/.zfunc/_truycap
  truycap completions fish > ~/.config/fish/completions/truycap.fish";

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");

/// A visitor counter for web portals: each view is counted exactly once.
#[derive(Debug, Parser)]
#[command(name = "truycap", version = VERSION, after_long_help = AFTER)]
pub(super) struct Cli {
    /// The configuration file; without it, and for what it does not say, the built-in configuration holds
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service (the same as no command)
    #[command(after_long_help = AFTER_SERVE)]
    Serve,
    /// Add counts from elsewhere: CSV files with the columns site,article,period,views or site,article,bucket,views
    ///
    /// All files are checked before anything is added. A file that was imported before adds nothing; one whose import
    /// broke off goes on where it stopped. The service may run meanwhile.
    #[command(after_long_help = AFTER_IMPORT)]
    Import {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Say what was done as JSON, an object on a line for each file
        #[arg(long)]
        json: bool,
    },
    /// Write every bucket as CSV to standard output, in a form that import reads
    #[command(after_long_help = AFTER_EXPORT)]
    Export {
        /// Only this site, which need not be configured any more
        #[arg(long)]
        site: Option<String>,
    },
    /// Show the nine figures of a site, or of one of its articles
    ///
    /// They are what the store holds: what a running service has not applied yet, a quarter of a second's views in
    /// general, is not in them.
    #[command(after_long_help = AFTER_FIGURES)]
    Figures {
        /// The site's id
        site: String,
        /// The article's id
        #[arg(long)]
        article: Option<String>,
        /// Write them as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Tell whether the configuration is right, and whether journal and store can be used
    ///
    /// Both are opened, and made where they are not there. The service may run meanwhile.
    #[command(after_long_help = AFTER_CHECK)]
    Check {
        /// Say so as a JSON object, what is wrong included
        #[arg(long)]
        json: bool,
    },
    /// Ask the running service whether it takes views
    ///
    /// Asks /readyz of the admin listener that is configured, within three seconds. A store that is away does not
    /// hinder a service from taking views.
    #[command(after_long_help = AFTER_HEALTH)]
    Health {
        /// Write the service's answer as it is, a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write completions for a shell to standard output
    #[command(after_long_help = AFTER_COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}
