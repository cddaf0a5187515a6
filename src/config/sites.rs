//! The portals: `[[sites]]`.

use std::collections::HashMap;

use chrono_tz::Tz;
use toml::Spanned;

use super::{
    audience,
    table_reader::{TableReader, shown},
};
use crate::{
    domain::{
        article::Section,
        site::{Origin, Site, SiteId},
    },
    store::MAX_SECTIONS,
};

const MAX_SITES: usize = 10_000;
const DEFAULT_TIMEZONE: Tz = Tz::Asia__Ho_Chi_Minh;

/// Takes all sites.
pub(super) fn sites(reader: &mut TableReader<'_>) -> Option<Vec<Site>> {
    let array = reader.take("sites")?;
    let elements = match array.value.as_array() {
        Some(elements) if (1..=MAX_SITES).contains(&elements.len()) => elements,
        other => {
            let found = other.map_or_else(|| shown(&array.value), |elements| format!("{} tables", elements.len()));
            reader.mistake("sites", format!("found {found}; expected 1 to {MAX_SITES} tables, each under a line [[sites]]"));
            return None;
        }
    };
    let mut numbers = HashMap::new();
    let mut sites = Vec::with_capacity(elements.len());
    for (number, element) in (1..).zip(elements.iter()) {
        let Some(mut table) = reader.table(&array, &format!("site no. {number}"), element) else { continue };
        let expected = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit, such as \"portal\"";
        let id = table.read("id", expected, |setting| SiteId::parse(setting.text()?).ok());
        if let Some(id) = &id {
            let first = *numbers.entry(id.clone()).or_insert(number);
            if first != number {
                table.mistake("id", format!("found \"{id}\", which is also the id of site no. {first}; expected another one"));
            }
        }
        sites.extend(site(&mut table, id));
        reader.join(table);
    }
    Some(sites)
}

fn site(table: &mut TableReader<'_>, id: Option<SiteId>) -> Option<Site> {
    let origins = origins(table);
    let expected = "the name of a time zone, such as \"Asia/Ho_Chi_Minh\"";
    let timezone = table.or("timezone", DEFAULT_TIMEZONE, |table, key| table.read(key, expected, |setting| setting.text()?.parse().ok()));
    let sections = table.or("sections", Vec::new(), sections);
    let rules = audience::rules(table);
    Some(Site { id: id?, origins: origins?, timezone: timezone?, sections: sections?, rules: rules? })
}

/// A site's origins without duplicates.
fn origins(table: &mut TableReader<'_>) -> Option<Vec<Origin>> {
    const EXPECTED: &str = "http:// or https:// and a host, with :port if it is not the default, such as \"https://portal.example.vn\"";
    let texts = table.read("origins", "an array of one or more texts, such as [\"https://portal.example.vn\"]", |setting| {
        setting.value.as_array().filter(|array| !array.is_empty()).cloned()
    })?;
    let mut origins = Vec::with_capacity(texts.len());
    for text in texts.iter().map(Spanned::get_ref) {
        match text.as_str().and_then(|text| Origin::parse(text).ok()) {
            Some(origin) if origins.contains(&origin) => {}
            Some(origin) => origins.push(origin),
            None => table.mistake("origins", format!("found {}; expected {EXPECTED}", shown(text))),
        }
    }
    Some(origins)
}

/// A site's sections. None is there twice.
fn sections(table: &mut TableReader<'_>, key: &str) -> Option<Vec<Section>> {
    const EXPECTED: &str = "how the ids of a section's articles begin: 1 to 256 bytes without control characters, such as \"/tin-tuc/\"";
    let array = format!("an array of up to {MAX_SECTIONS} texts, such as [\"/tin-tuc/\", \"/van-ban/\"]");
    let texts = table.read(key, &array, |setting| setting.value.as_array().filter(|texts| texts.len() <= MAX_SECTIONS).cloned())?;
    let mut sections = Vec::with_capacity(texts.len());
    for text in texts.iter().map(Spanned::get_ref) {
        match text.as_str().and_then(|text| Section::parse(text).ok()) {
            Some(section) if sections.contains(&section) => {
                table.mistake(key, format!("found \"{section}\" twice; expected each section once"));
            }
            Some(section) => sections.push(section),
            None => table.mistake(key, format!("found {}; expected {EXPECTED}", shown(text))),
        }
    }
    Some(sections)
}
