#!/usr/bin/env bash
# Profiles the counting of views on SQLite and on Redis, with one site, 1000 sites and 1 000 000 articles: a flame graph
# and a list of the most expensive functions of each, in target/profile/. BENCH_SECONDS (5) is the length of each run.
#
# perf samples by the clock, so virtual machines without hardware counters work. It needs root, or
# kernel.perf_event_paranoid of 1 or less. Installs perf with apt-get, and inferno, which draws the graphs, into target/.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

bash scripts/set-up.sh perf:linux-perf redis-server:redis-server
inferno=0.12.8
tool=$PWD/target/inferno-$inferno
[[ -x $tool/bin/inferno-flamegraph ]] || "$cargo" install --quiet --locked --root "$tool" --version "$inferno" inferno

# Frame pointers, also in SQLite: stacks are cheap enough not to change the result.
RUSTFLAGS="-C force-frame-pointers=yes" CFLAGS="-fno-omit-frame-pointer" "$cargo" bench --profile profiling --bench load -- profile
mkdir -p target/profile
for data in target/tmp/{sqlite,redis}{,-sites,-articles}.perf; do
    out=target/profile/$(basename "$data" .perf)
    perf script --input "$data" 2>/dev/null | "$tool/bin/inferno-collapse-perf" >"$out.folded"
    "$tool/bin/inferno-flamegraph" --title "truycap, $(basename "$out")" "$out.folded" >"$out.svg"
    perf report --input "$data" --stdio --no-children --call-graph none --percent-limit 0.5 >"$out.txt" 2>/dev/null
    echo "$out.svg $out.txt"
done
