#!/usr/bin/env bash
# Where the processor time goes while views are counted, on SQLite and on Redis, of one site, of 1000 sites and of 1 000 000
# articles: a flame graph of each and a list of the functions that use most, in target/profile/. BENCH_SECONDS (5) is how long.
#
# perf samples by the clock, so it works in virtual machines that have no counters. It wants to be root, or
# kernel.perf_event_paranoid to be 1 or less. It is installed with apt-get, and inferno, which draws, into target/.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

bash scripts/set-up.sh perf:linux-perf redis-server:redis-server
inferno=0.12.8
tool=$PWD/target/inferno-$inferno
[[ -x $tool/bin/inferno-flamegraph ]] || "$cargo" install --quiet --locked --root "$tool" --version "$inferno" inferno

# The stack is found by frame pointers, SQLite's too: cheap enough not to change what is measured.
RUSTFLAGS="-C force-frame-pointers=yes" CFLAGS="-fno-omit-frame-pointer" "$cargo" bench --profile profiling --bench load -- profile
mkdir -p target/profile
for data in target/tmp/{sqlite,redis}{,-sites,-articles}.perf; do
    out=target/profile/$(basename "$data" .perf)
    perf script --input "$data" 2>/dev/null | "$tool/bin/inferno-collapse-perf" >"$out.folded"
    "$tool/bin/inferno-flamegraph" --title "truycap, $(basename "$out")" "$out.folded" >"$out.svg"
    perf report --input "$data" --stdio --no-children --call-graph none --percent-limit 0.5 >"$out.txt" 2>/dev/null
    echo "$out.svg $out.txt"
done
