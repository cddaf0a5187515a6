#!/bin/sh
# Runs a node of a cluster: node.sh OWN-HOST HOST...
#
# The hosts are all nodes of the first start, this one included, and keep their addresses. The first of them makes the cluster:
# half of the nodes are primaries, and each has a replica.
set -eu
own=$1
shift

address() {
    until getent hosts "$1" > /dev/null; do sleep 1; done
    getent hosts "$1" | { read -r address _ && echo "$address"; }
}

create() {
    nodes=
    for host in "$@"; do
        until redis-cli -h "$host" -p 6379 ping > /dev/null 2>&1; do sleep 1; done
        nodes="$nodes $(address "$host"):6379"
    done
    if redis-cli -h "$own" -p 6379 cluster info | grep -q "cluster_slots_assigned:0"; then
        # shellcheck disable=SC2086
        redis-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes
    fi
}

[ "$own" != "$1" ] || create "$@" &
exec redis-server /etc/redis/redis.conf \
    --cluster-enabled yes --cluster-config-file /data/nodes.conf --cluster-node-timeout 5000 \
    --cluster-announce-ip "$(address "$own")" --cluster-require-full-coverage no
