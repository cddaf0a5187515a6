//! The load benchmark: truycap on SQLite and on Redis, compared with a server that does nothing.
//!
//! ```sh
//! make bench                          # all parts that measure time
//! make bench-memory                   # the part that measures memory
//! cargo bench --bench load -- views   # one part: start, views, figures, connections, sites, articles, open, primaries,
//!                                     # failover, report, memory
//! ```
//!
//! `BENCH_SECONDS` (5) is the length of each run, `BENCH_ROUNDS` (3) the number of runs, and `BENCH_ARTICLES` (1 000 000)
//! the number of articles of a large portal. The load comes from the same machine, and uses up to half of it.
//!
//! benches/README.md explains the columns.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "the tables are its result")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of articles and bytes are small here")]

mod bare;
mod driver;
mod failover;
mod machine;
mod memory;
mod place;
mod reports;
mod requests;
mod rounds;
mod scenarios;
mod servers;
mod spread;
mod subject;
mod table;

type Scenario = fn(&scenarios::Bench);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a whole number"))
}

fn main() {
    // cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [bare, address] = &arguments[..]
        && bare == "bare"
    {
        return bare::serve(address.parse().expect("an address"));
    }
    let bench = scenarios::Bench {
        seconds: number("BENCH_SECONDS", 5),
        rounds: number("BENCH_ROUNDS", 3) as usize,
        articles: number("BENCH_ARTICLES", 1_000_000) as usize,
    };
    // The last two run only if they are named.
    let all: [(&str, Scenario); 12] = [
        ("start", scenarios::start),
        ("views", scenarios::views),
        ("figures", scenarios::figures),
        ("connections", scenarios::connections),
        ("sites", scenarios::sites),
        ("articles", scenarios::articles),
        ("open", scenarios::open),
        ("primaries", scenarios::primaries),
        ("failover", failover::failover),
        ("report", reports::report),
        ("memory", memory::memory),
        ("profile", scenarios::profile),
    ];
    for name in &arguments {
        assert!(all.iter().any(|(known, _)| known == name), "{name} is not one of {:?}", all.map(|(name, _)| name));
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!(
        "{cores} cores; runs of {} s, {} rounds, servers in turns; medians of the rounds, ratios least–**median**–greatest",
        bench.seconds, bench.rounds
    );
    let default = all.iter().take(all.len() - 2).filter(|_| arguments.is_empty());
    let named = all.iter().filter(|(name, _)| arguments.iter().any(|argument| argument == name));
    default.chain(named).for_each(|(_, scenario)| scenario(&bench));
}
