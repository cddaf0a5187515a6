#!/bin/sh
# Updates the list of known bots from the npm package crawler-user-agents, in the version below or the first argument.
# Needs npm and python3. Review the changes and run `cargo test --test unit bots::` before you commit them.
set -eu
version=${1:-1.60.0}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "crawler-user-agents@$version" >/dev/null
tar xzf crawler-user-agents-*.tgz
python3 - "$root" "$version" <<'PYTHON'
import json, re, sys

root, version = sys.argv[1:]
entries = json.load(open("package/crawler-user-agents.json", encoding="utf-8"))
head = [f"# From the npm package crawler-user-agents {version}: MIT, see LICENSE beside. Made by scripts/update-crawlers.sh."]


def write(path, lines):
    open(f"{root}/{path}", "w", encoding="utf-8").write("\n".join(head + lines) + "\n")


# An agent that begins with another name than a browser's is a program anyway.
patterns = [pattern for pattern in dict.fromkeys(entry["pattern"] for entry in entries) if not re.match(r"\^(?!Mozilla|Opera|UCWEB)", pattern)]
write("src/audience/crawlers/patterns.txt", patterns)
write("tests/unit/bots/crawlers.txt", sorted({text for entry in entries for text in entry["instances"] if "\n" not in text}))
open(f"{root}/src/audience/crawlers/LICENSE", "w").write(open("package/LICENSE").read())
open(f"{root}/tests/unit/bots/LICENSE", "w").write(open("package/LICENSE").read())
PYTHON
