//! Which known key an unknown one is probably meant to be.

use strsim::osa_distance;

/// The longest key that is compared, in bytes.
const MAX_LENGTH: usize = 64;

/// The known key that is spelled most like an unknown one, or has the same name in another table; `None` if there is none.
pub(super) fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if unknown.len() > MAX_LENGTH {
        return None;
    }
    let letters = |key: &str| key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>();
    let wanted = letters(unknown);
    let distance = |key: &&str| osa_distance(&wanted, &letters(key));
    let near = known.clone().min_by_key(distance).filter(|key| distance(key) <= wanted.len() / 5 + usize::from(wanted.len() > 2));
    let name = |key: &str| key.rsplit('.').next().map(str::to_owned);
    near.or_else(|| known.clone().find(|key| key.contains('.') && name(key) == name(unknown)))
}
