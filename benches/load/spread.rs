//! The least, middle and greatest of several measurements.

/// Least, median and greatest.
pub(crate) fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

/// Least–**median**–greatest.
pub(crate) fn spread_text(values: Vec<f64>, digits: usize) -> String {
    let (least, median, greatest) = spread(values);
    format!("{least:.digits$}–**{median:.digits$}**–{greatest:.digits$}")
}
