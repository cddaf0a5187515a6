//! How many views of a site were imported, from its audit list.

use std::collections::HashMap;

use crate::domain::correction::{AuditEntry, CorrectionKind};

/// How many views imports have added and none has taken back, from the whole audit list of a site. `None` if other corrections have
/// taken views of the site away, or have added views of another site: the store does not know which of them were imported.
#[must_use]
pub fn imported(audit: &[AuditEntry]) -> Option<u64> {
    // The net change by each correction that takes none back. An entry comes after the one that it takes back.
    let mut roots: HashMap<u64, u64> = HashMap::new();
    let mut net: HashMap<u64, (CorrectionKind, i64)> = HashMap::new();
    for entry in audit {
        let root = entry.note.undoes.and_then(|target| roots.get(&target).copied()).unwrap_or(entry.number);
        roots.insert(entry.number, root);
        let (_, views) = net.entry(root).or_insert((entry.note.kind, 0));
        *views = views.saturating_add(entry.site_views);
    }
    let mut imported = 0_i64;
    for (kind, views) in net.into_values() {
        match kind {
            CorrectionKind::Import => imported = imported.saturating_add(views),
            CorrectionKind::Adjust if views >= 0 => {}
            _ if views == 0 => {}
            _ => return None,
        }
    }
    u64::try_from(imported).ok()
}
