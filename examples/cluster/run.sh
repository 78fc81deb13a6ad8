#!/bin/sh
# A queue on one machine: starts Redis and three workers, and scores a set with them. Needs redis-server, and the
# packages of `npm ci`. On several machines, start the same lines there, with a folder that all of them see.
#
#   sh examples/cluster/run.sh [MODEL [IMAGES [SHARDS]]]
set -eu

model=${1:-mnist}
images=${2:-mnist:test:0-299}
shards=${3:-6}
port=${PORT:-6390}
queue=redis://127.0.0.1:$port
root=$(cd "$(dirname "$0")/../.." && pwd)
shared=$(mktemp -d)

pixelcnn() {
  "$root/node_modules/.bin/node" "$root/src/cli/main.ts" "$@"
}

pids=
stop() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  wait
}
trap stop EXIT
trap 'exit 1' INT TERM

cd "$shared"
redis-server --port "$port" --bind 127.0.0.1 --dir "$shared" --appendonly yes --save "" >redis.log &
pids="$!"
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done

for number in 1 2 3; do
  "$root/node_modules/.bin/node" "$root/src/cli/main.ts" worker --queue "$queue" --folder "$shared" \
    2>"worker-$number.log" &
  pids="$! $pids"
done

pixelcnn score "$model" "$images" --queue "$queue" --shards "$shards" --csv bits.csv
echo "the shards of each worker:"
grep -c ": done" worker-*.log || true
echo "the table, the parts and the workers' logs are in $shared"
