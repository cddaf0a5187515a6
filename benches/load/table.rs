//! Tables for people, in the form of Markdown.

use super::rounds::{Lane, Run};

/// A generator that uses more of its threads than this is at its limit.
const BUSY: f64 = 0.9;
/// A machine that is less idle than this has nothing left to give.
const FULL: f64 = 0.1;
/// An open loop that reaches less of its rate was late.
const LATE: f64 = 0.99;

/// The least, the middle and the greatest.
pub(crate) fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

/// Least–middle–greatest.
pub(crate) fn spread_text(values: Vec<f64>, digits: usize) -> String {
    let (least, middle, greatest) = spread(values);
    format!("{least:.digits$}–**{middle:.digits$}**–{greatest:.digits$}")
}

/// A table of the medians, with ratios to the first lane, round by round.
pub(crate) fn print(title: &str, lanes: &[Lane<'_>]) {
    println!("\n### {title}\n");
    println!(
        "| | per second | to the first | p50 µs | p99 µs | p99.9 µs | CPU µs each | Redis µs each | cost to the first | load µs each \
         | views per entry | entries/s | flushes/s | idle % | others % | RSS MiB |"
    );
    println!("|---|{}", "--:|".repeat(15));
    for lane in lanes {
        print_lane(lane, &lanes[0]);
    }
    println!();
    print_notes(lanes);
}

fn print_lane(lane: &Lane<'_>, first: &Lane<'_>) {
    let each = |of: fn(&Run) -> f64| lane.median(of);
    let all = |of: fn(&Run) -> f64, digits| spread_text(lane.runs.iter().map(of).collect(), digits);
    let ratio = |of: fn(&Run) -> f64| spread_text(lane.runs.iter().zip(&first.runs).map(|(own, first)| of(own) / of(first)).collect(), 2);
    let where_known = |of: fn(&Run) -> Option<f64>, digits: usize| {
        of(&lane.runs[0]).map_or_else(String::new, |_| format!("{:.digits$}", lane.median(|run| of(run).unwrap_or_default())))
    };
    println!(
        "| {} | {:.0} | {} | {:.0} | {} | {:.0} | {:.1} | {} | {} | {:.1} | {:.1} | {:.0} | {} | {:.0} | {:.0} | {:.1} |",
        lane.label,
        each(|run| run.per_second),
        ratio(|run| run.per_second),
        each(|run| run.p50),
        all(|run| run.p99, 0),
        each(|run| run.p999),
        each(|run| run.cpu),
        where_known(|run| run.redis, 2),
        ratio(Run::cost),
        each(|run| run.driver),
        each(|run| run.batch),
        each(|run| run.entries),
        where_known(|run| run.flushes, 0),
        each(|run| run.idle) * 100.0,
        each(|run| run.others) * 100.0,
        each(|run| run.memory) / f64::from(1 << 20),
    );
}

/// Says what a reader must know to believe the rows.
fn print_notes(lanes: &[Lane<'_>]) {
    let closed = |lane: &Lane<'_>| lane.load.rate.is_none();
    note(lanes, "the load generator was the limit, the server could do more", |lane| {
        closed(lane) && lane.median(|run| run.driver_busy) > BUSY && lane.median(|run| run.idle) > FULL
    });
    note(lanes, "no processor was idle, so the rate is what server, Redis and load generator cost together", |lane| {
        closed(lane) && lane.median(|run| run.idle) <= FULL
    });
    note(lanes, "not all that was due was sent and answered in the time", |lane| {
        lane.load.rate.is_some_and(|rate| lane.median(|run| run.per_second) < LATE * rate)
    });
    note(lanes, "others took a part of the processors: neighbours, or the kernel for itself", |lane| lane.median(|run| run.others) > FULL);
}

fn note(lanes: &[Lane<'_>], what: &str, is_so: impl Fn(&Lane<'_>) -> bool) {
    let labels: Vec<_> = lanes.iter().filter(|lane| is_so(lane)).map(|lane| lane.label.as_str()).collect();
    if !labels.is_empty() {
        println!("- {}: {what}", labels.join("; "));
    }
}
