#!/bin/sh
# Runs a server of a Sentinel set: server.sh OWN-HOST FIRST-HOST
#
# The first start writes the configuration. Later, Sentinel changes it: the first host need not be the primary any more.
set -eu
own=$1 first=$2

if ! [ -e /data/redis.conf ]; then
    {
        cat /etc/redis/redis.conf
        echo "replica-announce-ip $own"
        # A primary that is cut off from all replicas refuses writes after ten seconds.
        echo "min-replicas-to-write 1"
        echo "min-replicas-max-lag 10"
        [ "$own" = "$first" ] || echo "replicaof $first 6379"
    } > /data/redis.conf.new
    mv /data/redis.conf.new /data/redis.conf
fi
exec redis-server /data/redis.conf
