//! Tables for people, in the form of Markdown.

use super::rounds::{Lane, Run};

/// The least, the middle and the greatest.
pub(crate) fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

/// Least–middle–greatest.
fn spread_text(values: Vec<f64>, digits: usize) -> String {
    let (least, middle, greatest) = spread(values);
    format!("{least:.digits$}–**{middle:.digits$}**–{greatest:.digits$}")
}

/// A table of the medians, with the ratio to the first lane, round by round.
pub(crate) fn print(title: &str, lanes: &[Lane<'_>]) {
    println!("\n### {title}\n");
    println!(
        "| | per second | to the first | p50 µs | p99 µs | p99.9 µs | CPU µs each | Redis µs each | views per entry | entries/s | RSS MiB |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for lane in lanes {
        let each = |of: fn(&Run) -> f64| lane.median(of);
        let ratios = lane.runs.iter().zip(&lanes[0].runs).map(|(own, first)| own.per_second / first.per_second).collect();
        let redis = lane.runs[0].redis.map_or_else(String::new, |_| format!("{:.2}", each(|run| run.redis.unwrap_or_default())));
        println!(
            "| {} | {:.0} | {} | {:.0} | {:.0} | {:.0} | {:.1} | {redis} | {:.1} | {:.0} | {:.1} |",
            lane.label,
            each(|run| run.per_second),
            spread_text(ratios, 2),
            each(|run| run.p50),
            each(|run| run.p99),
            each(|run| run.p999),
            each(|run| run.cpu),
            each(|run| run.batch),
            each(|run| run.fsyncs),
            each(|run| run.memory) / f64::from(1 << 20),
        );
    }
}
