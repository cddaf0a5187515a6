//! The id that the script sends for the address of a page. A unit test compares imports and logs with the same cases.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::{
    driver::Browser,
    pages::{Portal, Reply},
    process::{Place, eventually},
};

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) address: String,
    pub(crate) canonical: Option<String>,
    pub(crate) id: Option<String>,
}

pub(crate) fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../unit/domain/addresses.json")).unwrap()
}

#[test]
fn a_page_is_counted_under_the_id_of_its_address() {
    let cases = cases();
    let (portal, place) = (Portal::start(), Place::new());
    // A site for each case, so that its article is the only one.
    let mut config = "demo = false\n".to_owned();
    for site in 0..cases.len() {
        write!(config, "[[sites]]\nid = \"s{site}\"\norigins = [\"{}\"]\n", portal.origin).unwrap();
    }
    place.write("truycap.toml", config);
    let service = place.start();
    let browser = Browser::start();
    for (site, case) in cases.iter().enumerate() {
        let link = case.canonical.as_ref().map_or_else(String::new, |link| format!("<link rel=canonical href='{link}'>"));
        let page = format!("<meta charset=utf-8>{link}<script src='{}/counter.js' data-site=s{site}></script>", service.origin());
        portal.otherwise(Reply::Text("200 OK", "Content-Type: text/html".into(), page));
        browser.open(&format!("{}{}", portal.origin, case.address));
        eventually(&case.address, || (service.site(&format!("s{site}"))[0] == 1).then_some(()));
    }
    service.stop();
    let counters = place.ok(&["export", "--config", "truycap.toml"]);
    let mut rows = csv::Reader::from_reader(counters.as_bytes());
    let rows: Vec<_> = rows.records().map(Result::unwrap).filter(|row| &row[2] == "total" && !row[1].is_empty()).collect();
    for (site, Case { address, canonical, id }) in cases.iter().enumerate() {
        let own = rows.iter().filter(|row| row[0] == format!("s{site}"));
        let own: Vec<_> = own.map(|row| row[1].to_owned()).collect();
        assert_eq!(own, Vec::from_iter(id.clone()), "{address} {canonical:?}");
    }
}
