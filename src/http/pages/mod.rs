//! What browsers show: the box, the badge, the demo, and the files that pages load.

pub(super) mod assets;
pub(super) mod badge;
pub(super) mod box_page;
pub(super) mod demo;
pub(super) mod labels;
mod shown;
