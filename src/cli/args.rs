//! The command line and its help texts.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use chrono_tz::IANA_TZDB_VERSION;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

const AFTER: &str = "\
Environment:
  TRUYCAP_…         Sets a key of the configuration: TRUYCAP_STORE__URL is url in [store]. It overrides the file.
  TRUYCAP_DEFAULTS  A file with the defaults of an image or a package, which the other file overrides.

Exit codes:
  0  Success; for serve: it stopped after SIGTERM or SIGINT.
  1  Failure; standard error says why.
  2  The command line or the configuration is invalid; nothing was done.
  3  For journal status: views wait in the journal for the store.

Examples:
  truycap check --config truycap.toml     Is it valid, and can everything be used?
  truycap --config truycap.toml           Serve until SIGTERM or SIGINT.
  truycap figures portal                  The box of a site.
  truycap backup backup.db                Copy everything that the store holds, also while the service runs.
  truycap journal status                  Does the store lack views?

See also docs/ in the source: operations.md, configuration.md, cli.md, http-api.md, import-export.md, metrics.md.";

const AFTER_SERVE: &str = "\
Signals:
  SIGHUP           Reload the configuration, as truycap reload does: sites, origins, time zones, listen.max_connections and log.level take
                   effect without losing a view. An invalid configuration is refused, and the previous one stays.
  SIGTERM, SIGINT  Finish requests, apply queued views, and exit with code 0 within ten seconds after listen.drain; a second signal
                   ends the drain.

Examples:
  truycap serve --config /etc/truycap/truycap.toml
  TRUYCAP_LISTEN__PUBLIC=0.0.0.0:8080 truycap serve";

const AFTER_IMPORT: &str = "\
Examples:
  truycap import past.csv --config /etc/truycap/truycap.toml
  truycap import --json 2024.csv 2025.csv --config /etc/truycap/truycap.toml | jq .rows
  zcat past.csv.gz | truycap import - --config /etc/truycap/truycap.toml
  kubectl exec -i truycap-0 -- /truycap import - --config /etc/truycap/truycap.toml < past.csv";

const AFTER_BACKUP: &str = "\
Examples:
  truycap backup /backup/truycap-$(date +%F).db --config /etc/truycap/truycap.toml
  truycap backup - --config /etc/truycap/truycap.toml | gzip > backup.db.gz
  kubectl exec truycap-0 -- /truycap backup - --config /etc/truycap/truycap.toml > backup.db";

const AFTER_RESTORE: &str = "\
Examples:
  truycap restore --replace /backup/truycap-2026-11-23.db --config /etc/truycap/truycap.toml
  zcat backup.db.gz | truycap restore - --config /etc/truycap/truycap.toml";

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
  truycap check --full                    Also compare the counters of the store with each other.
  truycap check --json | jq .store";

const AFTER_JOURNAL: &str = "\
Exit codes:
  0  Nothing waits.
  1  Failure; for drain: something still waits.
  2  The command line or the configuration is invalid.
  3  status: something waits.

Examples:
  truycap journal status --config /etc/truycap/truycap.toml
  truycap journal status --json | jq .views
  truycap journal drain --timeout 10m";

const AFTER_HEALTH: &str = "\
Exit codes:
  0  The service takes views.
  1  It does not, or it did not answer within three seconds.
  2  The command line or the configuration is invalid.

Examples:
  truycap health --config truycap.toml
  HEALTHCHECK CMD [\"truycap\", \"health\"]    in a Dockerfile";

const AFTER_RELOAD: &str = "\
Exit codes:
  0  The configuration was reloaded.
  1  It was refused, or the service did not answer; standard error says why.
  2  The command line is invalid, or the configuration does not say where the service is.

Examples:
  truycap reload --config truycap.toml
  curl -X POST http://127.0.0.1:8081/-/reload    The same.";

const AFTER_CONFIG: &str = "\
Examples:
  truycap config > truycap.toml
  truycap config --effective --config truycap.toml";

const AFTER_COMPLETIONS: &str = "\
Examples:
  truycap completions bash > /etc/bash_completion.d/truycap
  truycap completions zsh > ~/.zfunc/_truycap
  truycap completions fish > ~/.config/fish/completions/truycap.fish";

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");

/// For `--version`: time zones change more often than programs are updated.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| format!("{VERSION}\ntime zone database {IANA_TZDB_VERSION}"));

/// A visitor counter for web portals: each view is counted exactly once.
#[derive(Debug, Parser)]
#[command(name = "truycap", version = VERSION, long_version = LONG_VERSION.as_str(), after_long_help = AFTER)]
pub(super) struct Cli {
    /// The configuration file; keys that it does not set have their built-in values
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
    /// Import counts from CSV files with the columns site,article,period,views or site,article,bucket,views
    ///
    /// A file can be a pipe, or - for standard input; that is copied to the disk of the journal first, because it is read twice.
    ///
    /// All files are checked before anything is added. A file that was imported before adds nothing; an import that was
    /// interrupted continues where it stopped. The service can run at the same time.
    #[command(after_long_help = AFTER_IMPORT)]
    Import {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print the result as JSON, one object on a line for each file
        #[arg(long)]
        json: bool,
    },
    /// Export every counter as CSV to standard output; import can read it
    #[command(after_long_help = AFTER_EXPORT)]
    Export {
        /// Only this site, which need not be configured
        #[arg(long)]
        site: Option<String>,
    },
    /// Copy everything that the store holds into a file, from which restore and any command can read it
    ///
    /// Unlike an export, a backup holds how far the store has applied each journal. So after a restore, the service applies what
    /// came after the backup from its journal, and counts nothing twice. The service can run at the same time.
    #[command(after_long_help = AFTER_BACKUP)]
    Backup {
        /// The file, or - for standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replace the file if it exists, when the new backup is complete
        #[arg(long)]
        replace: bool,
    },
    /// Restore a backup, made of either kind of store
    ///
    /// Keep the journal. With the built-in store, the service must be stopped; with Redis, it can run. A backup that is damaged,
    /// or of another version, is refused before anything is changed.
    #[command(after_long_help = AFTER_RESTORE)]
    Restore {
        /// The file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replace the counts that the store has; in Redis, those of the sites of the backup
        #[arg(long)]
        replace: bool,
    },
    /// Show the nine figures of a site, or of one of its articles
    ///
    /// They are what the store holds, without the views that a running service has not applied yet: usually those of the
    /// last quarter of a second.
    #[command(after_long_help = AFTER_FIGURES)]
    Figures {
        /// The site's id
        site: String,
        /// The article's id
        #[arg(long)]
        article: Option<String>,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Check the configuration, and that addresses, journal and store can be used
    ///
    /// Nothing is made: files that do not exist are those that the service makes. Run it as the service's user. The service can
    /// run at the same time.
    #[command(after_long_help = AFTER_CHECK)]
    Check {
        /// Also compare the parts of the built-in store with each other, which takes several times as long
        #[arg(long)]
        full: bool,
        /// Print the result, including errors, as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show or apply what waits in the journal for the store
    #[command(subcommand, after_long_help = AFTER_JOURNAL)]
    Journal(JournalCommand),
    /// Ask the running service whether it takes views
    ///
    /// Requests /readyz from the configured admin listener, within three seconds. A service takes views even if its store is
    /// unreachable.
    #[command(after_long_help = AFTER_HEALTH)]
    Health {
        /// Print the service's answer unchanged, a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make the running service load its configuration again
    ///
    /// Sites, origins, time zones, listen.max_connections and log.level take effect without losing a view. A configuration with
    /// mistakes is refused, and the previous one stays. Asks the configured admin listener.
    #[command(after_long_help = AFTER_RELOAD)]
    Reload {
        /// Print the service's answer unchanged, a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the built-in configuration, with every key explained
    #[command(after_long_help = AFTER_CONFIG)]
    Config {
        /// Print the values in effect and where each comes from, without passwords
        #[arg(long)]
        effective: bool,
    },
    /// Print completions for a shell
    #[command(after_long_help = AFTER_COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Show what waits for the store, by site
    ///
    /// Nothing is changed. If a service runs on the journal, it is asked by its admin listener. Without one, the journal is
    /// read; the store is not asked, and can have some of what waits already. The exit code is 3 if something waits.
    #[command(after_long_help = AFTER_JOURNAL)]
    Status {
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Apply what waits to the store, and exit; for an instance that is removed
    ///
    /// The service must not run. Views of sites that are not configured any more are applied too. SIGTERM ends it early; what
    /// is not applied then stays in the journal.
    #[command(after_long_help = AFTER_JOURNAL)]
    Drain {
        /// How long to wait for the store
        #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
        timeout: Duration,
    },
}
