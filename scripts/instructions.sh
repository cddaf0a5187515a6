#!/usr/bin/env bash
# Counts the instructions of the hot path (benches/micro/instructions.rs). Arguments go to gungraun, such as
# --save-baseline=main.
#
# Installs gungraun's runner, in the library's version, into target/, and valgrind with apt-get if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

bash scripts/set-up.sh valgrind:valgrind
version=$("$cargo" pkgid gungraun | sed 's/.*[#@]//')
tool=$PWD/target/gungraun-$version
[[ -x $tool/bin/gungraun-runner ]] || "$cargo" install --quiet --locked --root "$tool" --version "$version" gungraun-runner
GUNGRAUN_RUNNER=$tool/bin/gungraun-runner "$cargo" bench --package truycap-micro-benches --bench instructions -- "$@"
