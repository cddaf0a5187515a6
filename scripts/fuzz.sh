#!/usr/bin/env bash
# Lets libFuzzer look for inputs that break what tests/fuzz promises, each target for so many seconds: 60, or the first
# argument. It goes by the code that an input reaches, beginning with the corpus in the repository.
#
# The stable compiler takes the flags. They are those of cargo-bolero, which would build every other test as well, and
# could not link the program. libFuzzer comes with bolero's sources and takes a C++ compiler. What it finds is kept in
# target/fuzz/corpus, and what fails in target/fuzz/failed-*: once mended, such a file belongs into
# tests/fuzz/__fuzz__/NAME/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

flags=(
    --cfg fuzzing --cfg fuzzing_libfuzzer
    -Ccodegen-units=1
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    # cargo builds the program beside every test. It is not run here, and has no libFuzzer to count for it.
    -Clink-arg=-Wl,--unresolved-symbols=ignore-all
)
export RUSTFLAGS="${flags[*]}" CARGO_INCREMENTAL=0
# With a target named, the flags are not for build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
fuzz=(cargo test --quiet --target "$host" --target-dir target/fuzz --test fuzz --)

mapfile -t tests < <("${fuzz[@]}" --list | sed -n 's/: test$//p')
((${#tests[@]})) # none where it was not built
for test in "${tests[@]}"; do
    name=${test%%::*}
    log=target/fuzz/$name.log
    found=target/fuzz/corpus/$name
    mkdir -p "$found"
    arguments=(
        "$found" "tests/fuzz/__fuzz__/$name/corpus" -artifact_prefix="target/fuzz/failed-$name-"
        -max_total_time="${1:-60}" -timeout=30 -print_final_stats=1
    )
    if ! BOLERO_LIBFUZZER_ARGS="${arguments[*]}" "${fuzz[@]}" "$test" --exact --nocapture --test-threads 1 >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "libFuzzer broke $name; all that it said is in $log" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$name: $runs inputs, $(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
done
