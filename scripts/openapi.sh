#!/usr/bin/env bash
# Tests a running truycap with schemathesis: thousands of requests that the OpenAPI document allows or forbids. No answer
# may be 5xx, have an undocumented status, or differ from its schema. Takes half a minute.
#
# Installs schemathesis into target/. Needs Python 3.10 or later with venv.
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

# The log has the port.
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

# Without `positive_data_acceptance`: no schema can express that an id has at most 256 bytes, that `from` is a bucket of
# the kind `by`, or the form of a text, so some valid data is rightly 400. schemathesis keeps its state in $place, which
# is deleted.
(cd "$place" && "$tool/bin/schemathesis" run "http://$address/v1/openapi.json" \
    --checks all --exclude-checks positive_data_acceptance \
    --max-examples 200 --request-timeout 10 --continue-on-failure)

# The service must still stop in order and log no warning.
kill "$service"
wait "$service"
service=
if grep -E '"level":"(WARN|ERROR)"' "$place/log"; then exit 1; fi
