//! Tables in Markdown.

use super::{
    rounds::{Lane, Run},
    spread::spread_text,
};

/// A load generator that uses more than this share of its threads is at its limit.
const BUSY: f64 = 0.9;
/// A machine that is idle for less than this share is fully used.
const FULL: f64 = 0.1;
/// An open loop that reaches less than this share of its rate was late.
const LATE: f64 = 0.99;

/// Prints a table of the medians, with ratios to the first lane, round by round.
pub(crate) fn print(title: &str, lanes: &[Lane<'_>]) {
    println!("\n### {title}\n");
    println!(
        "| | per second | to the first | p50 µs | p99 µs | p99.9 µs | CPU µs each | Redis µs each | commands each | cost to the first | load µs each \
         | views per entry | entries/s | flushes/s | idle % | others % | RSS MiB |"
    );
    println!("|---|{}", "--:|".repeat(16));
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
    let if_known = |of: fn(&Run) -> Option<f64>, digits: usize| {
        of(&lane.runs[0]).map_or_else(String::new, |_| format!("{:.digits$}", lane.median(|run| of(run).unwrap_or_default())))
    };
    println!(
        "| {} | {:.0} | {} | {:.0} | {} | {:.0} | {:.1} | {} | {} | {} | {:.1} | {:.1} | {:.0} | {} | {:.0} | {:.0} | {:.1} |",
        lane.label,
        each(|run| run.per_second),
        ratio(|run| run.per_second),
        each(|run| run.p50),
        all(|run| run.p99, 0),
        each(|run| run.p999),
        each(|run| run.cpu),
        if_known(|run| run.redis, 2),
        if_known(|run| run.commands, 2),
        ratio(Run::cost),
        each(|run| run.driver),
        each(|run| run.batch),
        each(|run| run.entries),
        if_known(|run| run.flushes, 0),
        each(|run| run.idle) * 100.0,
        each(|run| run.others) * 100.0,
        each(|run| run.memory) / f64::from(1 << 20),
    );
}

/// Prints what limits the validity of the rows.
fn print_notes(lanes: &[Lane<'_>]) {
    let closed = |lane: &Lane<'_>| lane.load.rate.is_none();
    note(lanes, "the load generator was the limit; the server can do more", |lane| {
        closed(lane) && lane.median(|run| run.driver_busy) > BUSY && lane.median(|run| run.idle) > FULL
    });
    note(lanes, "no processor was idle, so the rate shows the cost of server, Redis and load generator together", |lane| {
        closed(lane) && lane.median(|run| run.idle) <= FULL
    });
    note(lanes, "not all requests that were due were sent and answered in time", |lane| {
        lane.load.rate.is_some_and(|rate| lane.median(|run| run.per_second) < LATE * rate)
    });
    note(lanes, "other processes, other virtual machines or the kernel itself used a part of the processors", |lane| {
        lane.median(|run| run.others) > FULL
    });
}

fn note(lanes: &[Lane<'_>], what: &str, is_so: impl Fn(&Lane<'_>) -> bool) {
    let labels: Vec<_> = lanes.iter().filter(|lane| is_so(lane)).map(|lane| lane.label.as_str()).collect();
    if !labels.is_empty() {
        println!("- {}: {what}", labels.join("; "));
    }
}
