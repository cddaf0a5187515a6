//! The command line and its help texts.

use std::{net::IpAddr, path::PathBuf, sync::LazyLock, time::Duration};

use chrono_tz::IANA_TZDB_VERSION;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{
    domain::{counts::Kind, period::Bucket, visible::is_hidden},
    transfer::{Until, logs::NotPages},
};

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
  truycap audit portal                    What was imported and corrected, and how is it taken back?

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
  truycap import --format combined --site portal --until 2026-11-22 /var/log/nginx/access.log* --dry-run
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
  truycap export --site portal | gzip > portal.csv.gz
  truycap export --excel > views.csv    Excel opens it; import reads it too.";

const AFTER_FIGURES: &str = "\
Examples:
  truycap figures portal
  truycap figures portal --article /tin/1
  truycap figures portal --json | jq .figures.today";

const AFTER_ADJUST: &str = "\
Examples:
  truycap adjust portal -5000 --period 2026-11-23 --reason 'a bot'
  truycap adjust portal 120 --period 2026-10 --article /tin/1
  truycap adjust portal -800 --period 2026-11-23 --of visits
  truycap adjust portal 8307145 --period total --dry-run";

const AFTER_RENAME: &str = "\
Examples:
  truycap rename portal /tin/cu /tin/moi
  truycap rename portal --file moved.csv --dry-run       The file begins with the line old,new.
  truycap rename portal --file - < moved.csv";

const AFTER_MERGE: &str = "\
Examples:
  truycap merge xa-cu portal --dry-run
  truycap merge xa-cu portal --reason 'merged on 1 July'";

const AFTER_DELETE: &str = "\
Examples:
  truycap delete portal --article /thu-nghiem
  truycap delete khoa-cu --reason 'closed'";

const AFTER_UNDO: &str = "\
Examples:
  truycap audit portal          Which corrections were made?
  truycap undo portal 7";

const AFTER_AUDIT: &str = "\
Examples:
  truycap audit portal
  truycap audit portal --json | jq '.[-1]'";

const AFTER_EXPLAIN: &str = "\
Examples:
  truycap explain portal --agent 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' --origin https://portal.example.vn --article /tin/1
  truycap explain portal --agent 'curl/8.5.0' --json | jq -r .because";

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

/// The form of a file that is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// What the beginning of the file shows
    Auto,
    /// truycap's own columns
    Csv,
    /// CSV export of GoatCounter
    Goatcounter,
    /// CSV of Matomo's Actions.getPageUrls
    Matomo,
    /// CSV of a Google Analytics 4 report on pages
    Ga4,
    /// imported_pages_….csv and imported_visitors_….csv of Plausible's export
    Plausible,
    /// CSV of a query on Umami's database
    Umami,
    /// Access log of Apache or nginx, with referrer and agent
    Combined,
    /// Access log without referrer and agent
    Common,
    /// Access log of Caddy
    Caddy,
    /// Access log of nginx in JSON
    NginxJson,
    /// Access log of IIS or CloudFront
    W3c,
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The form of the files
    #[arg(long, value_enum, default_value_t = Format::Auto, hide_possible_values = true)]
    pub(super) format: Format,
    /// The site of the files' views, if the files do not name it
    #[arg(long)]
    pub(super) site: Option<String>,
    /// Leave out views from this day on (2026-11-22), or from this moment on (2026-11-22T08:30:00+07:00)
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Until>,
    /// In access logs, leave out paths, with their queries, that match this expression; can be repeated
    #[arg(long, value_name = "REGEX")]
    pub(super) not_pages: Vec<NotPages>,
    /// Check the files and print what would be added, but add nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Why; it is kept in the audit list
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    /// Print the result as JSON, one object on a line for each file
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The site's id
    pub(super) site: String,
    /// The User-Agent
    #[arg(long, value_name = "TEXT")]
    pub(super) agent: String,
    /// The origin of the page, as browsers send it
    #[arg(long, value_name = "URL")]
    pub(super) origin: Option<String>,
    /// The Referer, which matters if there is no origin
    #[arg(long, value_name = "URL")]
    pub(super) referrer: Option<String>,
    /// The article's id
    #[arg(long, value_name = "ID")]
    pub(super) article: Option<String>,
    /// The address that the service sees
    #[arg(long, value_name = "IP")]
    pub(super) client: Option<IpAddr>,
    /// The browser loads the page before the visitor opens it
    #[arg(long)]
    pub(super) prefetch: bool,
    /// Print a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

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
    /// Import counts: CSV files with the columns site,article,period,views or site,article,bucket,views, exports of other counters, and access logs
    ///
    /// A file can be a pipe, or - for standard input; that is copied to the disk of the journal first, because it is read twice. An
    /// access log is read once; name its --format if it comes through a pipe.
    ///
    /// All files are checked before anything is added. A file that was imported before adds nothing; an import that was
    /// interrupted continues where it stopped. The service can run at the same time.
    #[command(after_long_help = AFTER_IMPORT)]
    Import(ImportArguments),
    /// Export every counter as CSV to standard output; import can read it
    #[command(after_long_help = AFTER_EXPORT)]
    Export {
        /// Only this site, which need not be configured
        #[arg(long)]
        site: Option<String>,
        /// Write what Excel opens by a double click in Vietnam: semicolons, and UTF-8 with a byte order mark
        #[arg(long)]
        excel: bool,
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
    /// Add views to a period, or take them away
    ///
    /// The larger periods that contain it change too: a day changes its week, month, year and the total. No counter gets below
    /// zero, or larger than one that contains it. The service can run at the same time, as with all corrections, and each can be
    /// taken back with undo.
    #[command(after_long_help = AFTER_ADJUST)]
    Adjust {
        /// The site's id
        site: String,
        /// How many views are added, or taken away if it is negative
        #[arg(allow_negative_numbers = true)]
        views: i64,
        /// A day (2026-11-22), a month (2026-11), a year (2026) or total
        #[arg(long, value_name = "PERIOD")]
        period: Bucket,
        /// An article, which changes with the site
        #[arg(long, value_name = "ID")]
        article: Option<String>,
        /// Another count of the site than its views, as in an export: visits, bot …
        #[arg(long, value_name = "KIND", conflicts_with = "article")]
        of: Option<Kind>,
        #[command(flatten)]
        order: OrderArguments,
    },
    /// Move the views of articles to other ids
    ///
    /// The site's figures do not change. Views that come for the old id later stay there; give the command again to move them.
    #[command(after_long_help = AFTER_RENAME)]
    Rename {
        /// The site's id
        site: String,
        /// The article's old id
        #[arg(required_unless_present = "file", requires = "new")]
        old: Option<String>,
        /// The article's new id, which keeps its own views
        new: Option<String>,
        /// A CSV file with the columns old,new; - is standard input
        #[arg(long, value_name = "FILE", conflicts_with = "old")]
        file: Option<PathBuf>,
        #[command(flatten)]
        order: OrderArguments,
    },
    /// Move all counts of a site to another site
    ///
    /// If it is interrupted, give it again: it continues. Views that come for the first site meanwhile stay there; give the command
    /// again to move them. It runs at once, because undo takes it back in both sites.
    #[command(after_long_help = AFTER_MERGE)]
    Merge {
        /// The id of the site that is empty afterwards; it need not be configured
        from: String,
        /// The id of the site that has the counts of both afterwards
        into: String,
        #[command(flatten)]
        order: OrderArguments,
    },
    /// Delete the counts of an article, or of a site
    ///
    /// The figures of the site stay if an article is deleted, because its views happened. It runs at once, because undo takes it
    /// back. If it is interrupted, give it again: it continues.
    #[command(after_long_help = AFTER_DELETE)]
    Delete {
        /// The site's id; it need not be configured
        site: String,
        /// Only this article
        #[arg(long, value_name = "ID")]
        article: Option<String>,
        #[command(flatten)]
        order: OrderArguments,
    },
    /// Take back an import or a correction, by its number in the audit list
    ///
    /// The latest 100 corrections of a site can be taken back. If it is interrupted, give it again: it continues.
    #[command(after_long_help = AFTER_UNDO)]
    Undo {
        /// The site's id; it need not be configured
        site: String,
        /// The correction's number
        number: u64,
        #[command(flatten)]
        order: OrderArguments,
    },
    /// Show the imports and corrections of a site
    #[command(after_long_help = AFTER_AUDIT)]
    Audit {
        /// The site's id; it need not be configured
        site: String,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Explain whether a view counts, and which rule decides
    ///
    /// By the configuration alone: nothing is counted, and neither a service nor the store is asked. Rules that depend on other
    /// views are named.
    #[command(after_long_help = AFTER_EXPLAIN)]
    Explain(ExplainArguments),
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

/// What all corrections take.
#[derive(Debug, Args)]
pub(super) struct OrderArguments {
    /// Why; the audit list keeps it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    pub(super) reason: String,
    /// Change nothing, and show what would change
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// A reason is kept for ever and shown in a line.
fn reason(text: &str) -> Result<String, &'static str> {
    const MAX_BYTES: usize = 500;
    if text.len() > MAX_BYTES || text.chars().any(is_hidden) {
        return Err("write up to 500 bytes on one line");
    }
    Ok(text.trim().into())
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
