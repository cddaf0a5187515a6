#!/usr/bin/env bash
# Has schemathesis ask a running truycap thousands of things that its OpenAPI document allows or forbids: no answer may be
# 5xx, have a status that the document does not name, or differ from its schema. It takes half a minute.
#
# schemathesis is installed into target/, so nothing else of the system changes. It needs Python 3.10 or later with venv.
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.32.5
tool=$PWD/target/schemathesis-$version
if [[ ! -x $tool/bin/schemathesis ]]; then
    python3 -m venv --clear "$tool"
    "$tool/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi
${CARGO:-cargo} build

place=$(mktemp -d)
service=
stop() {
    if [[ -n $service ]]; then kill "$service" && wait "$service" || true; fi
    rm -rf "$place"
}
trap stop EXIT
export TRUYCAP_LISTEN__PUBLIC=127.0.0.1:0 TRUYCAP_LISTEN__ADMIN=127.0.0.1:0 TRUYCAP_LOG__FORMAT=json
export TRUYCAP_STORE__URL="sqlite:$place/truycap.db" TRUYCAP_JOURNAL__PATH="$place/journal.db"
: >"$place/log"
target/debug/truycap serve 2>>"$place/log" &
service=$!

# It logs the port that it got.
address=
for _ in $(seq 100); do
    address=$(sed -n 's/.*"public":"\([^"]*\)".*/\1/p' "$place/log")
    [[ -z $address ]] || break
    sleep 0.1
done
if [[ -z $address ]]; then
    cat "$place/log" >&2
    exit 1
fi

# Not `positive_data_acceptance`: no schema can say that an id is at most 256 bytes long, that `from` is a bucket of the
# kind `by`, or what a text is to be; what is wrong in these is rightly 400. What it
# keeps for the next run goes with the place.
(cd "$place" && "$tool/bin/schemathesis" run "http://$address/v1/openapi.json" \
    --checks all --exclude-checks positive_data_acceptance \
    --max-examples 200 --request-timeout 10 --continue-on-failure)

# It was not hurt: it stops in order, and has nothing to complain of.
kill "$service"
wait "$service"
service=
if grep -E '"level":"(WARN|ERROR)"' "$place/log"; then exit 1; fi
