//! The requests that read: figures, most-read lists, histories.

pub(super) mod figures;
pub(super) mod history;
pub(super) mod top;
