#!/usr/bin/env bash
# usage: bench/python/run.sh [--end-to-end] [--seconds S] [--only RIVAL] [--kind KIND] [--out FOLDER] [--local]
#
# What a call costs from Python, beside everything else that a worker could call: without Django and through Django's
# caches[...]. Installs the rivals (Debian's memcached and redis-server, PyPI's clients into .venv) and Forklore, starts
# the servers on Unix sockets of their own, and measures all in turns. Shows tables, ratios first, and keeps them in
# build/bench-python as results.json, table.txt, table.md and plot.png. Exit 0 if the bars of what was measured are met.
#
#   --end-to-end   instead: requests a second and p99 of a Django site under gunicorn and wrk, a backend at a time
#   --seconds S    how long to measure (default 120; with --end-to-end, of each turn: 4)
#   --only RIVAL   may be given again, * stands for anything; a wrong one shows which there are
#   --kind KIND    of value: str, text (Cyrillic), bytes, int, dict, object, 10k or 100k; may be given again. Without it
#                  all of them; not with --end-to-end
#   --rounds N     with --end-to-end: turns of each backend (default 5)
#   --add          with --end-to-end: to what an earlier run has left in the folder, so that a long run may be done in
#                  parts
#   --out FOLDER   where the results are kept
#   --local        with what is installed; what is not is left out by name
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
local=no program=bench.py out=$ROOT/build/bench-python options=()
for option in "$@"; do
  case $option in
    --local) local=yes ;;
    --end-to-end) program=end_to_end.py out=$ROOT/build/end-to-end ;;
    *) options+=("$option") ;;
  esac
done
rivals="django-forklore django-locmem django-pylibmc django-pymemcache django-redis"
if [ $program = bench.py ]; then
  accept_only "--seconds --only --kind --out" "--local" "$@"
  one_of --kind "str text bytes int dict object 10k 100k" "$@"
  rivals="forklore dict lmdb ultradict diskcache pylibmc pymemcache redis manager shared-memory-dict $rivals django-diskcache django-file"
else
  accept_only "--seconds --only --rounds --out" "--local --end-to-end --add" "$@"
fi
only_like "$rivals" "$@"

say "setting up (logs: build/logs)"
setup
HERE=$ROOT/bench/python
if [ $local = no ]; then
  # A rival that cannot be had is left out, so each of these may fail.
  bring() { (need "$@") || say "cannot be installed: $*"; }
  bring memcached=memcached
  bring redis-server=redis-server
  bring libmemcached-dev=libmemcached/memcached.h
  [ $program = bench.py ] || need wrk=wrk
  grep -v '^#' "$HERE/requirements.txt" | while read -r package; do
    quietly "bench-pip-${package%%>*}" "$ROOT/.venv/bin/pip" install "$package" || say "cannot be installed: $package"
  done
  quietly bench-forklore "$ROOT/.venv/bin/pip" install "$ROOT" || exit 1
elif ! "$ROOT/.venv/bin/python" -c "import django, forklore, matplotlib, rich" 2>/dev/null; then
  fail "--local takes what an earlier run has installed: one without it comes first"
fi
exec "$ROOT/.venv/bin/python" -B "$HERE/$program" --out "$out" "${options[@]}"
