#!/usr/bin/env bash
# Builds the scripts that pages load, web/dist/*.js, of the sources in web/counter and web/widget, or builds them into the
# directory in the first argument. Their syntax is ES2018, which old browsers can read.
#
# esbuild bundles and lowers the sources; terser makes the result smaller than esbuild alone does; acorn checks the syntax.
set -euo pipefail
cd "$(dirname "$0")/.."
to=${1:-web/dist}
tools=web/node_modules/.bin

if [[ ! -x $tools/acorn ]]; then
    echo "The tools of web/package.json are missing. Run scripts/set-up.sh." >&2
    exit 1
fi
mkdir -p "$to"
for name in counter widget; do
    "$tools/esbuild" "web/$name/main.js" --bundle --format=iife --target=es2018 --charset=utf8 --minify-syntax --log-level=warning |
        "$tools/terser" --ecma 2018 --compress passes=5 --mangle --output "$to/$name.js"
    "$tools/acorn" --ecma2018 --silent "$to/$name.js"
done
