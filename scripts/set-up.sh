#!/usr/bin/env bash
# Installs missing programs that the tests start or are built with, on Debian and derivatives, and the npm packages that
# build and test the scripts of pages. Quick and offline if nothing is missing. With arguments such as `perf:linux-perf`, it
# installs those programs instead.
#
# Debian starts servers when it installs them and enables them at boot, but the tests start their own. So SYSTEMD_OFFLINE
# (systemctl) and RUNLEVEL=1 (older init scripts) prevent the start during this call of apt-get, and newly installed
# servers are then disabled. A server that is already installed is left as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

# program or file: package
needs=(
    redis-server:redis-server
    chromium:chromium
    chromedriver:chromium-driver
    prometheus:prometheus
    /usr/sbin/nginx:nginx-light
    /usr/sbin/haproxy:haproxy
    faketime:faketime
    /usr/sbin/mariadbd:mariadb-server-core
    mariadb:mariadb-client-core
    systemd-analyze:systemd
    c++:g++
    firefox-esr:firefox-esr
    /usr/share/javascript/prototype/prototype.js:libjs-prototype
    /usr/share/javascript/mootools/mootools-core.min.js:libjs-mootools
    node:nodejs
    npm:npm
)
(($# == 0)) || needs=("$@")
services=(redis-server prometheus nginx haproxy)

missing=()
for need in "${needs[@]}"; do
    [[ -e ${need%%:*} ]] || command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
done
# A library without a program; its multiarch directory depends on the machine.
(($#)) || compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || missing+=(libfaketime)

as_root() {
    if ((EUID == 0)); then env "$@"; else sudo env "$@"; fi
}
install_missing() {
    if ! command -v apt-get >/dev/null; then
        echo "Please install these (names of Debian packages): ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing ${missing[*]}"
    as_root apt-get update
    as_root DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 RUNLEVEL=1 apt-get install --yes --no-install-recommends "${missing[@]}"
    for service in "${services[@]}"; do
        if [[ " ${missing[*]} " == *" $service "* && -d /run/systemd/system ]]; then
            as_root systemctl disable "$service.service"
        fi
    done
}
((${#missing[@]} == 0)) || install_missing

(($# == 0)) || exit 0
for folder in web tests/browser/npm; do
    # npm writes the file in node_modules when it has installed everything.
    [[ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]] || npm ci --prefix "$folder"
done

# The site that the tests of Next serve. The mark is made when it is complete.
site=tests/browser/npm/next
if [[ ! -e $site/out/complete || -n $(find "$site/app" "$site/next.config.js" tests/browser/npm/package-lock.json -newer "$site/out/complete") ]]; then
    rm -rf "$site/.next" "$site/out"
    NEXT_TELEMETRY_DISABLED=1 tests/browser/npm/node_modules/.bin/next build "$site"
    touch "$site/out/complete"
fi
