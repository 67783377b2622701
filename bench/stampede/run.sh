#!/usr/bin/env bash
# usage: bench/stampede/run.sh [--repeats N] [--only NAME] [--work wait|burn] [--clients N] [--ttl S] [--cost S]
#                              [--stale-for S] [--add] [--out FOLDER] [--local]
#
# The stampede: a key expires under 500 concurrent requests to a Django view of 200 ms, on gunicorn with 8 workers of
# 8 threads, 20 times over. Counts who computes, outside the caches, and records every request's latency, on
# LocMemCache, RedisCache, memcached and Forklore; then kills Forklore's computing worker. Installs what it needs
# (Debian's packages, and PyPI's into .venv). Shows the table and keeps it in build/stampede with a picture and JSON.
# About a minute for each; exit 0 if what Forklore promises held.
#
#   --repeats N      expiries, and kills (default 20)
#   --only NAME      locmem, redis, memcached, forklore or forklore-stale; may be given again
#   --work wait      computing waits, as for a database (the default); burn: it takes a processor
#   --clients N      requests in flight at any time (default 500)
#   --ttl S          seconds until the key expires (default 2)
#   --cost S         seconds that a computation takes (default 0.2)
#   --stale-for S    seconds for which an old value is served (default 60); with 0 those who ask wait, and it fails
#   --add            to what an earlier run has left in the folder, so that a long run may be done in parts
#   --out FOLDER     where the table is kept
#   --local          with what is here; contenders without their server are left out by name
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
bench_options "--repeats --only --work --clients --ttl --cost --stale-for --out" "--add" "$@"
only_of "locmem redis memcached forklore forklore-stale" "$@"

say "setting up (logs: build/logs)"
setup
if [ $local_only = no ]; then
  # A server that cannot be had is left out, so each of these may fail.
  ! wanted redis || bring redis-server=redis-server
  ! wanted memcached || bring memcached=memcached
fi
install_package bench/stampede/requirements.txt || exit 1
exec "$ROOT/.venv/bin/python" -B "$ROOT/bench/stampede/stampede.py" --out "$ROOT/build/stampede" "${options[@]}"
