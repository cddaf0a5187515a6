//! What a client accepts: list headers and their weights.

use hyper::{
    HeaderMap,
    header::{ACCEPT_ENCODING, HeaderName},
};

/// The weight of a coding, in thousandths; 0 is not acceptable. The uncompressed file is acceptable unless the client
/// excludes it, and then has the least weight.
pub(super) fn weight(request: &HeaderMap, coding: &str) -> u16 {
    let mut others = u16::from(coding == "identity");
    for entry in entries(request, &ACCEPT_ENCODING) {
        let (name, parameter) = entry.split_once(';').unwrap_or((entry, ""));
        // The name `q` has no case.
        let weight = parameter.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.strip_prefix('='));
        let weight = weight.map_or(Some(1000), thousandths).unwrap_or(0);
        match name.trim() {
            name if name.eq_ignore_ascii_case(coding) => return weight,
            "*" => others = weight,
            _ => {}
        }
    }
    others
}

/// Reads a weight: `0.5` is 500.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{rest:0<3.3}").parse().ok().filter(|weight| *weight <= 1000)
}

/// The entries of a list header, in all of its lines.
pub(super) fn entries<'a>(request: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    request.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}
