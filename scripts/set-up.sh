#!/usr/bin/env bash
# Installs the programs that the tests start or are built with, on Debian and its kin; quick and offline where all of
# them are there.
# Given other programs, as `perf:linux-perf`, it installs those instead.
#
# The tests start their own servers on free ports, so none should be left running here. Debian's packages of servers
# start them and enable them at boot. SYSTEMD_OFFLINE makes systemctl, and RUNLEVEL=1 the older init scripts, pass over
# the start, for this one call of apt-get; what is newly installed is then disabled. A server that was there before
# is not missing, so it is left as it is.
set -euo pipefail

# program or file: package
needs=(
    redis-server:redis-server
    chromium:chromium
    chromedriver:chromium-driver
    prometheus:prometheus
    faketime:faketime
    c++:g++
)
(($# == 0)) || needs=("$@")
services=(redis-server prometheus)

missing=()
for need in "${needs[@]}"; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
done
# The library has no program of its own; the multiarch folder is the machine's.
(($#)) || compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || missing+=(libfaketime)
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
    echo "These are needed: ${missing[*]} (named as Debian's packages): please install them." >&2
    exit 1
fi
as_root() {
    if ((EUID == 0)); then env "$@"; else sudo env "$@"; fi
}
echo "Installing ${missing[*]}"
as_root apt-get update
as_root DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 RUNLEVEL=1 apt-get install --yes --no-install-recommends "${missing[@]}"
for service in "${services[@]}"; do
    if [[ " ${missing[*]} " == *" $service "* && -d /run/systemd/system ]]; then
        as_root systemctl disable "$service.service"
    fi
done
