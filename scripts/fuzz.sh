#!/usr/bin/env bash
# Fuzzes the targets of tests/fuzz with libFuzzer, each for 60 seconds or for the seconds in the first argument. It is
# guided by coverage and starts from the corpus in the repository.
#
# The flags are those of cargo-bolero and work on stable Rust. cargo-bolero itself would build all other tests too, and
# cannot link the program. libFuzzer comes with bolero's sources and needs a C++ compiler. Found inputs are kept in
# target/fuzz/corpus, failing ones in target/fuzz/failed-*: after the fix, move those to tests/fuzz/__fuzz__/NAME/corpus.
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
    # cargo also builds the program, which has no libFuzzer to link. It is not run here.
    -Clink-arg=-Wl,--unresolved-symbols=ignore-all
)
export RUSTFLAGS="${flags[*]}" CARGO_INCREMENTAL=0
# With --target, the flags do not apply to build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
fuzz=(cargo test --quiet --target "$host" --target-dir target/fuzz --test fuzz --)

mapfile -t tests < <("${fuzz[@]}" --list | sed -n 's/: test$//p')
((${#tests[@]})) # fails if nothing was built
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
        echo "libFuzzer broke $name; its output is in $log" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$name: $runs inputs, $(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
done
