//! Progress bars on standard error.

use indicatif::{ProgressBar, ProgressStyle};

/// Shows a file's progress on a bar that another file has used.
pub(super) fn on_bar(bar: &ProgressBar) -> impl FnMut(u64, u64) {
    bar.reset();
    let mut shown_length = None;
    move |bytes, length| {
        if shown_length.replace(length) != Some(length) {
            bar.set_length(length);
        }
        bar.set_position(bytes);
    }
}

/// The style of a progress bar, which is drawn on standard error if that is a terminal.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
