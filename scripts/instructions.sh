#!/usr/bin/env bash
# Counts the instructions of the hot path: benches/micro/instructions.rs. Its arguments are gungraun's, as --save-baseline=main.
#
# gungraun's runner must be of the library's version. It is installed into target/, so nothing else of the system changes;
# valgrind is installed with apt-get where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

bash scripts/set-up.sh valgrind:valgrind
version=$("$cargo" pkgid gungraun | sed 's/.*[#@]//')
tool=$PWD/target/gungraun-$version
[[ -x $tool/bin/gungraun-runner ]] || "$cargo" install --quiet --locked --root "$tool" --version "$version" gungraun-runner
GUNGRAUN_RUNNER=$tool/bin/gungraun-runner "$cargo" bench --package truycap-micro-benches --bench instructions -- "$@"
