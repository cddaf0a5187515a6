#!/usr/bin/env bash
# Installs missing programs that the tests start or are built with, on Debian and derivatives. Quick and offline if none
# is missing. With arguments such as `perf:linux-perf`, it installs those instead.
#
# Debian starts servers when it installs them and enables them at boot, but the tests start their own. So SYSTEMD_OFFLINE
# (systemctl) and RUNLEVEL=1 (older init scripts) prevent the start during this call of apt-get, and newly installed
# servers are then disabled. A server that is already installed is left as it is.
set -euo pipefail

# program or file: package
needs=(
    redis-server:redis-server
    chromium:chromium
    chromedriver:chromium-driver
    prometheus:prometheus
    /usr/sbin/nginx:nginx-light
    /usr/sbin/haproxy:haproxy
    faketime:faketime
    systemd-analyze:systemd
    c++:g++
)
(($# == 0)) || needs=("$@")
services=(redis-server prometheus nginx haproxy)

missing=()
for need in "${needs[@]}"; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
done
# A library without a program; its multiarch directory depends on the machine.
(($#)) || compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || missing+=(libfaketime)
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Please install these (names of Debian packages): ${missing[*]}" >&2
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
