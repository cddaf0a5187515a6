#!/bin/sh
# Runs a sentinel: sentinel.sh OWN-HOST FIRST-SERVER
#
# The first start writes the configuration, in which the sentinel then keeps what it knows. Sentinels resolve a host once, so
# the hosts keep their addresses.
set -eu
own=$1 first=$2

if ! [ -e /data/sentinel.conf ]; then
    cat > /data/sentinel.conf.new <<END
dir /data
port 26379
protected-mode no
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $own
sentinel announce-port 26379
sentinel monitor mymaster $first 6379 2
sentinel down-after-milliseconds mymaster 5000
sentinel failover-timeout mymaster 60000
END
    mv /data/sentinel.conf.new /data/sentinel.conf
fi
# It ends if it cannot resolve the host of the first server.
until getent hosts "$first" > /dev/null; do sleep 1; done
exec redis-server /data/sentinel.conf --sentinel
