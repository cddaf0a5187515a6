//! Reads the audit list of a site, and the changes that it keeps; and writes them as `correct.lua` does.

use super::{
    errors::unexpected_value,
    keys::Keys,
    read::{ReadTransaction, Replies},
    topology::Link,
};
use crate::{
    domain::{
        correction::{AuditEntry, Change, KEPT_CHANGES, decode},
        producer::Seq,
    },
    store::StoreError,
};

/// The list keeps a sum as billions and the rest, because the numbers of Lua are exact only up to 2^53.
pub(super) const BILLION: i64 = 1_000_000_000;

/// How many corrections Redis returns in one step, so that other clients do not wait long.
const STEP: usize = 500;

/// See [`Store::audit`](crate::store::Store::audit).
pub(super) async fn audit(link: Link<'_>, keys: &Keys, after: u64) -> Result<Vec<AuditEntry>, StoreError> {
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    add_last(&mut read, keys);
    let mut replies = read.run(link).await?;
    replies.site(keys)?;
    let last = last(&mut replies, keys)?;
    entries(link, keys, after, last).await
}

/// The corrections after a number, up to another one.
pub(super) async fn entries(link: Link<'_>, keys: &Keys, after: u64, last: u64) -> Result<Vec<AuditEntry>, StoreError> {
    let numbers: Vec<u64> = (after.saturating_add(1)..=last).collect();
    let mut entries = Vec::new();
    for numbers in numbers.chunks(STEP) {
        let mut read = ReadTransaction::new();
        let fields = numbers.iter().flat_map(|number| [number.to_string(), format!("{number}:note")]);
        read.add("HMGET", keys.audit(), fields.collect::<Vec<_>>());
        let found: Vec<Option<String>> = read.run(link).await?.next()?;
        for (number, parts) in numbers.iter().zip(found.chunks(2)) {
            entries.push(entry(*number, parts).ok_or_else(|| unexpected_value(&keys.audit()))?);
        }
    }
    Ok(entries)
}

/// See [`Store::changes`](crate::store::Store::changes).
pub(super) async fn changes(link: Link<'_>, keys: &Keys, number: u64, step: Seq) -> Result<Option<Vec<Change>>, StoreError> {
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    add_last(&mut read, keys);
    read.add("HMGET", keys.changes(), &[format!("{number}:{step}")]);
    let mut replies = read.run(link).await?;
    replies.site(keys)?;
    let last = last(&mut replies, keys)?;
    let found: Vec<Option<Vec<u8>>> = replies.next()?;
    // Those of earlier corrections are deleted step by step.
    let Some(bytes) = found.into_iter().flatten().next().filter(|_| number.saturating_add(KEPT_CHANGES) > last) else {
        return Ok(None);
    };
    let damaged = |error| StoreError::Corrupt(format!("step {step} of correction {number} in {}: {error}", keys.changes()));
    decode(&bytes).map(Some).map_err(damaged)
}

/// Asks for the number of the last correction.
pub(super) fn add_last(read: &mut ReadTransaction, keys: &Keys) {
    read.add("HMGET", keys.audit(), &["last"]);
}

/// Decodes the reply to [`add_last`]; 0 if there is no correction.
pub(super) fn last(replies: &mut Replies, keys: &Keys) -> Result<u64, StoreError> {
    let last: Vec<Option<String>> = replies.next()?;
    let last = last.into_iter().flatten().next();
    last.map_or(Ok(0), |last| last.parse().map_err(|_| unexpected_value(&keys.audit())))
}

/// The fields of an audit list. `kept` is the first step whose changes can be there.
pub(super) fn fields(entries: &[AuditEntry], kept: (u64, Seq)) -> Result<Vec<(String, String)>, StoreError> {
    let Some(last) = entries.last() else { return Ok(Vec::new()) };
    let mut fields = vec![("last".into(), last.number.to_string()), ("kept".into(), format!("{}:{}", kept.0, kept.1))];
    for entry in entries {
        let AuditEntry { number, producer, steps, undone_by, .. } = entry;
        let [site, articles] =
            [entry.site_views, entry.article_views].map(|sum| format!("{} {}", sum.div_euclid(BILLION), sum.rem_euclid(BILLION)));
        let note = serde_json::to_string(&entry.note).map_err(|error| StoreError::NotApplied(error.to_string()))?;
        fields.push((number.to_string(), format!("{producer} {steps} {site} {articles} {}", undone_by.unwrap_or_default())));
        fields.push((format!("{number}:note"), note));
        fields.push((producer.to_string(), number.to_string()));
    }
    Ok(fields)
}

/// An entry from its text and its note.
fn entry(number: u64, parts: &[Option<String>]) -> Option<AuditEntry> {
    let [Some(text), Some(note)] = parts else { return None };
    let mut words = text.split(' ');
    let producer = words.next()?.parse().ok()?;
    let steps = words.next()?.parse().ok()?;
    let mut sum = || {
        let (billions, rest): (i64, i64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let sum = i128::from(billions) * i128::from(BILLION) + i128::from(rest);
        i64::try_from(sum.clamp(i64::MIN.into(), i64::MAX.into())).ok()
    };
    let (site_views, article_views) = (sum()?, sum()?);
    let undone_by = Some(words.next()?.parse().ok()?).filter(|by| *by > 0);
    let note = serde_json::from_str(note).ok()?;
    words.next().is_none().then_some(AuditEntry { number, producer, note, steps, site_views, article_views, undone_by })
}
