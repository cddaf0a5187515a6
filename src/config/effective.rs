//! The configuration that is in effect: as text, as a number, and advice about it.

use std::{collections::HashMap, fmt::Write};

use sha2::{Digest, Sha256};

use super::{
    sections::Config,
    store_url::StoreUrl,
    table_reader::{BUILT_IN, Effective, toml_text},
};
use crate::domain::site::{Origin, ReportAccess, ReportToken, Rules, Site};

/// The most examples that a sentence of advice names.
const MAX_EXAMPLES: usize = 3;

impl Config {
    /// The values of all keys, and where they come from. `sites` is one of them, with the number of sites.
    #[must_use]
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// The values that differ from the built-in ones.
    pub fn differences(&self) -> impl Iterator<Item = &Effective> {
        self.effective.iter().filter(|value| value.differs)
    }

    /// Whether there are no sites but the built-in one.
    #[must_use]
    pub fn has_built_in_sites(&self) -> bool {
        self.site_places.iter().all(|place| place == BUILT_IN)
    }

    /// Whether no layer but the built-in one says where the store is.
    #[must_use]
    pub fn has_built_in_store(&self) -> bool {
        self.effective.iter().any(|value| value.key == "store.url" && value.layer == BUILT_IN)
    }

    pub(super) fn with_effective(self, mut effective: Vec<Effective>) -> Self {
        for value in effective.iter_mut().filter(|value| value.key == "store.url") {
            value.value = toml_text(&self.store.to_string());
        }
        let first = self.site_places.first().map_or("", String::as_str);
        let file = |place: &str| place.rsplit_once(':').map(|(file, _)| file.to_owned());
        let more = if self.site_places.iter().any(|place| file(place) != file(first)) { " and other files" } else { "" };
        let tables = if self.sites.len() == 1 { "1 table".into() } else { format!("{} tables", self.sites.len()) };
        effective.push(Effective {
            key: "sites".into(),
            value: tables,
            layer: format!("{first}{more}"),
            differs: !self.has_built_in_sites(),
        });
        Self { effective, ..self }
    }

    /// The configuration as TOML, in which a comment names the layer of each value.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = "# The configuration in effect, and the layer of each value.\n".to_owned();
        if matches!(self.store, StoreUrl::Redis(_)) {
            text += "# The user and the password of store.url are not shown.\n";
        }
        let is_top = |value: &&Effective| !value.key.contains('.') && value.key != "sites";
        let mut table = "";
        for value in self.effective.iter().filter(is_top).chain(self.effective.iter().filter(|value| value.key.contains('.'))) {
            let (own, key) = value.key.split_once('.').unwrap_or(("", &value.key));
            if own != table {
                let _ = writeln!(text, "\n[{own}]");
                table = own;
            }
            let _ = writeln!(text, "{key} = {} # {}", value.value, value.layer);
        }
        for (site, place) in self.sites.iter().zip(&self.site_places) {
            let _ = write!(text, "\n# {place}\n{}", site_toml(site));
        }
        text
    }

    /// Sentences about origins that are valid and perhaps not meant.
    #[must_use]
    pub fn origin_advice(&self) -> Vec<String> {
        let shared = self.shared_origins();
        let shared = advice("the same origin is listed by two sites, and a page counts for the site that its script names", &shared);
        let forgotten = self.forgotten_origins();
        let forgotten = advice("views of pages at an address that is not listed are refused; add it, or redirect from it", &forgotten);
        shared.into_iter().chain(forgotten).collect()
    }

    fn shared_origins(&self) -> Vec<String> {
        let mut first = HashMap::new();
        let pairs = self.sites.iter().flat_map(|site| site.origins.iter().map(move |origin| (origin, &site.id)));
        let shared = pairs.filter_map(|(origin, id)| match first.insert(origin, id) {
            Some(other) if other != id => Some(format!("{} of {other} and {id}", origin.as_str())),
            _ => None,
        });
        shared.collect()
    }

    /// Origins without their sibling: `www.`, or http if some other origin has it.
    fn forgotten_origins(&self) -> Vec<String> {
        let origins = || self.sites.iter().flat_map(|site| &site.origins).filter_map(public_host);
        let uses_http = origins().any(|(scheme, _)| scheme == "http");
        let mut forgotten = Vec::new();
        for site in &self.sites {
            let lists = |scheme: &str, host: &str| site.origins.iter().any(|own| own.admits(format!("{scheme}://{host}").as_bytes()));
            for (scheme, host) in site.origins.iter().filter_map(public_host) {
                let name = host.split(':').next().unwrap_or_default();
                let www = match host.strip_prefix("www.") {
                    Some(bare) => Some(bare.to_owned()),
                    None => (psl::domain_str(name) == Some(name)).then(|| format!("www.{host}")),
                };
                forgotten.extend(www.filter(|www| !lists(scheme, www)).map(|www| format!("{scheme}://{www} of {}", site.id)));
                let other = if scheme == "http" { "https" } else { "http" };
                if uses_http && !host.contains(':') && !lists(other, host) {
                    forgotten.push(format!("{other}://{host} of {}", site.id));
                }
            }
        }
        forgotten
    }

    /// A number below 2^53 that is the same for the same sites, in whatever order, file and spelling they are configured.
    #[must_use]
    pub fn sites_hash(&self) -> u64 {
        let mut sites: Vec<_> = self.sites.iter().map(site_identity).collect();
        sites.sort_unstable();
        let digest = Sha256::digest(sites.concat());
        digest.iter().take(7).fold(0, |hash, byte| hash << 8 | u64::from(*byte)) >> 3
    }
}

/// One sentence with the first examples.
fn advice(sentence: &str, found: &[String]) -> Option<String> {
    let examples = found.iter().take(MAX_EXAMPLES).cloned().collect::<Vec<_>>().join(", ");
    let more = found.len().saturating_sub(MAX_EXAMPLES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!found.is_empty()).then(|| format!("{sentence}: {examples}{more}"))
}

/// The scheme and the host with its port, unless it is a wildcard, an address, a name without a domain, or one below a domain that
/// gives each of its users a name, such as `translate.goog`.
fn public_host(origin: &Origin) -> Option<(&str, &str)> {
    let (scheme, host) = origin.as_str().split_once("://")?;
    let name = host.split(':').next()?;
    let last = name.rsplit('.').next()?;
    let is_name = name.contains('.') && !host.starts_with(['[', '*']) && last.parse::<u8>().is_err();
    let is_given = psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.typ() == Some(psl::Type::Private));
    (is_name && !is_given).then_some((scheme, host))
}

/// A text that is the same for the same site. It has a fingerprint of each token, so it is for comparing only.
#[must_use]
pub fn site_identity(site: &Site) -> String {
    let mut identity = site_toml(site);
    if let ReportAccess::Token(tokens) = &site.rules.report {
        let mut tokens = tokens.clone();
        tokens.sort_unstable();
        identity.extend(tokens.into_iter().map(ReportToken::fingerprint));
    }
    identity
}

/// A site as TOML, in one spelling, without the tokens of its report.
#[must_use]
pub fn site_toml(site: &Site) -> String {
    let Site { id, aliases, origins, timezone, sections, rules } = site;
    let Rules { require_origin, repeat_window, max_new_articles_per_day, max_views_per_second, articles, visitors, titles, report } = rules;
    let mut origins: Vec<_> = origins.iter().map(|origin| toml_text(origin.as_str())).collect();
    origins.sort_unstable();
    let mut aliases: Vec<_> = aliases.iter().map(|alias| toml_text(alias.as_str())).collect();
    aliases.sort_unstable();
    let sections: Vec<_> = sections.iter().map(|section| toml_text(section.as_str())).collect();
    let (report, tokens) = match report {
        ReportAccess::Off => ("off", String::new()),
        ReportAccess::Public => ("public", String::new()),
        ReportAccess::Token(tokens) => ("token", format!("# The tokens, {} in number, are not shown.\n", tokens.len())),
    };
    let articles = articles.as_ref().map_or("", |pattern| pattern.as_str());
    format!(
        "[[sites]]\nid = {}\naliases = [{}]\norigins = [{}]\ntimezone = {}\nsections = [{}]\nrequire_origin = {require_origin}\nrepeat_window = \"{}\"\n\
         max_new_articles_per_day = {max_new_articles_per_day}\nmax_views_per_second = {max_views_per_second}\narticles = {}\nvisitors = {visitors}\n\
         titles = {titles}\n\
         report = \"{report}\"\n{tokens}",
        toml_text(id.as_str()),
        aliases.join(", "),
        origins.join(", "),
        toml_text(timezone.name()),
        sections.join(", "),
        humantime::format_duration(*repeat_window),
        toml_text(articles),
    )
}
