//! The portals: `[[sites]]`, and the files of `sites_dir`.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use chrono_tz::Tz;

use super::{
    audience,
    files::Files,
    mistakes::Mistakes,
    sites_dir,
    table_reader::{Document, Setting, TableReader, shown},
};
use crate::{
    domain::{
        article::Section,
        site::{ConfiguredOriginError, Origin, Site, SiteId},
    },
    store::MAX_SECTIONS,
};

const MAX_SITES: usize = 10_000;
const MAX_ALIASES: usize = 100;
const DEFAULT_TIMEZONE: Tz = Tz::Asia__Ho_Chi_Minh;

/// Takes all sites, each with its file and line.
pub(super) fn sites(reader: &mut TableReader<'_>, files: &mut Files) -> Option<Vec<(Site, String)>> {
    let dir = reader.read("sites_dir", "the path of a directory, or \"\"", |setting| {
        let path = setting.text()?;
        Some((!path.is_empty()).then(|| (setting.beside(path), setting.is_variable())))
    });
    let array = reader.take("sites")?;
    // A variable with sites replaces those of every file.
    let dir = dir?.filter(|(_, is_variable)| *is_variable || !array.is_variable());
    let mut list = SiteList::default();
    // The built-in site is only for a configuration that has none.
    if dir.is_none() || !array.is_built_in() {
        list.add(reader, &array);
    }
    if let Some((dir, _)) = &dir {
        list.add_dir(reader, dir, files);
    }
    if list.tables > MAX_SITES {
        reader.mistake("sites", format!("found {} tables; expected 1 to {MAX_SITES} tables, each under a line [[sites]]", list.tables));
    } else if let Some((dir, _)) = dir
        && list.tables == 0
        && reader.mistakes.is_empty()
    {
        reader.mistake("sites_dir", format!("found no file in {}; expected one or more with a line [[sites]]", dir.display()));
    }
    Some(list.sites)
}

/// The sites so far.
#[derive(Default)]
struct SiteList {
    sites: Vec<(Site, String)>,
    /// How many arrays there are, and how many tables in all of them.
    arrays: usize,
    tables: usize,
    /// Where each id and each alias is: the number of its array, its number in that, its place, and the key.
    ids: HashMap<SiteId, (usize, usize, String, &'static str)>,
}

impl SiteList {
    /// Adds the files of a directory.
    fn add_dir(&mut self, reader: &mut TableReader<'_>, dir: &Path, files: &mut Files) {
        let (paths, mistakes) = sites_dir::files(dir);
        mistakes.into_iter().for_each(|mistake| reader.mistakes.add(|| mistake));
        for path in paths {
            match files.read(&path) {
                Ok(text) => reader.mistakes.append(self.add_file(&Document::of_file(&path, text))),
                Err(error) => reader.mistakes.add(|| format!("{}: {error}", path.display())),
            }
        }
    }

    /// Adds a file that has only sites.
    fn add_file(&mut self, document: &Document) -> Mistakes {
        let mut reader = TableReader::new(Mistakes::default());
        reader.add_document(document);
        if reader.has("sites")
            && let Some(array) = reader.take("sites")
        {
            self.add(&mut reader, &array);
        } else if reader.mistakes.is_empty() {
            reader.mistakes.add(|| format!("{}: found no site; expected a line [[sites]] and its keys below", document.name()));
        }
        reader.finish("tables under lines [[sites]] and nothing else")
    }

    /// Adds the tables of an array.
    fn add<'a>(&mut self, reader: &mut TableReader<'a>, array: &Setting<'a>) {
        let elements = match array.value.as_array() {
            Some(elements) if (1..=MAX_SITES).contains(&elements.len()) => elements,
            other => {
                let found = other.map_or_else(|| shown(&array.value), |elements| format!("{} tables", elements.len()));
                reader.mistake("sites", format!("found {found}; expected 1 to {MAX_SITES} tables, each under a line [[sites]]"));
                return;
            }
        };
        self.arrays += 1;
        self.tables += elements.len();
        for (number, element) in (1..).zip(elements.iter()) {
            let Some(mut table) = reader.table(array, &format!("site no. {number}"), element) else { continue };
            let place = array.position_of(element);
            let id = self.id(&mut table, number, &place);
            let aliases = self.aliases(&mut table, number, &place);
            self.sites.extend(site(&mut table, id, aliases).map(|site| (site, place)));
            reader.join(table);
        }
    }

    /// Takes the id of a table, which no other table has.
    fn id(&mut self, table: &mut TableReader<'_>, number: usize, place: &str) -> Option<SiteId> {
        let expected = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit, such as \"portal\"";
        let id = table.read("id", expected, |setting| SiteId::parse(setting.text()?).ok())?;
        self.claim(table, "id", &id, (number, place));
        Some(id)
    }

    /// Takes the other ids of a table.
    fn aliases(&mut self, table: &mut TableReader<'_>, number: usize, place: &str) -> Option<Vec<SiteId>> {
        let array = format!("an array of up to {MAX_ALIASES} texts, such as [\"old-id\"]");
        let expected = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit, such as \"old-id\"";
        let aliases = table.or("aliases", Vec::new(), |table, key| {
            table.list(key, (0..=MAX_ALIASES, &array), expected, |text| SiteId::parse(text).map_err(|_| None))
        })?;
        aliases.iter().for_each(|alias| self.claim(table, "aliases", alias, (number, place)));
        Some(aliases)
    }

    /// Takes in that a table has an id or an alias, which no other one can have.
    fn claim(&mut self, table: &mut TableReader<'_>, key: &'static str, id: &SiteId, (number, place): (usize, &str)) {
        let Some((array, first, first_place, other_key)) = self.ids.get(id) else {
            self.ids.insert(id.clone(), (self.arrays, number, place.into(), key));
            return;
        };
        let what = if *other_key == "id" { "the id" } else { "an alias" };
        let owner = match (*array == self.arrays, *first == number) {
            (true, true) => "of the same site".into(),
            (true, false) => format!("of site no. {first}"),
            (false, _) => format!("of a site in {first_place}"),
        };
        table.mistake(key, format!("found \"{id}\", which is also {what} {owner}; expected another one"));
    }
}

fn site(table: &mut TableReader<'_>, id: Option<SiteId>, aliases: Option<Vec<SiteId>>) -> Option<Site> {
    let origins = origins(table);
    let expected = "the name of a time zone, such as \"Asia/Ho_Chi_Minh\"";
    let timezone = table.or("timezone", DEFAULT_TIMEZONE, |table, key| table.read(key, expected, |setting| setting.text()?.parse().ok()));
    let sections = table.or("sections", Vec::new(), sections);
    let rules = audience::rules(table);
    if let (Some(origins), Some(rules)) = (&origins, &rules)
        && rules.titles
        && !origins.iter().any(Origin::is_one)
    {
        let expected = "expected an origin with the host from which titles are fetched, such as \"https://portal.example.vn\"";
        table.mistake("titles", format!("found true, but in origins only \"null\" or wildcards; {expected} in origins"));
    }
    Some(Site { id: id?, aliases: aliases?, origins: origins?, timezone: timezone?, sections: sections?, rules: rules? })
}

/// A site's origins without duplicates.
fn origins(table: &mut TableReader<'_>) -> Option<Vec<Origin>> {
    const ARRAY: &str = "an array of one or more texts, such as [\"https://portal.example.vn\"]";
    const EXPECTED: &str = "http:// or https:// and a host, with :port if it is not the default, such as \"https://portal.example.vn\", \
                            or \"https://*.example.vn\" for all hosts below";
    let mut origins = table.list("origins", (1..=usize::MAX, ARRAY), EXPECTED, |text| {
        Origin::parse_configured(text).map_err(|error| match error {
            ConfiguredOriginError::Form => None,
            ConfiguredOriginError::PublicSuffix(suffix) => {
                let why = format!("anyone can register a name below {suffix}");
                Some(format!("{why}; expected all hosts below a name of your own, such as \"https://*.example.{suffix}\""))
            }
        })
    })?;
    let mut seen = HashSet::new();
    origins.retain(|origin| seen.insert(origin.clone()));
    Some(origins)
}

/// A site's sections. None is there twice.
fn sections(table: &mut TableReader<'_>, key: &str) -> Option<Vec<Section>> {
    const EXPECTED: &str = "how the ids of a section's articles begin: 1 to 256 bytes without control characters, such as \"/tin-tuc/\"";
    let array = format!("an array of up to {MAX_SECTIONS} texts, such as [\"/tin-tuc/\", \"/van-ban/\"]");
    let sections = table.list(key, (0..=MAX_SECTIONS, &array), EXPECTED, |text| Section::parse(text).map_err(|_| None))?;
    for (number, section) in sections.iter().enumerate() {
        if sections[..number].contains(section) {
            table.mistake(key, format!("found \"{section}\" twice; expected each section once"));
        }
    }
    Some(sections)
}
