#!/usr/bin/env bash
# usage: bench/kill/run.sh [--kills N] [--rounds N] [--seconds S] [--only PEER] [--out FOLDER] [--local]
#
# The kill -9 table: four workers of a server read and store values that check themselves, one worker at a time is
# killed, and the server forks it again. Installs the peers (Debian's packages, and PyPI's into .venv), builds the
# workers and runs each peer. Shows the table and keeps it in build/kill-table as text, Markdown and JSON. Five to
# ten minutes; exit 0 if Forklore came through unhurt.
#
#   --kills N      in a round (default 200)
#   --rounds N     each on a new store (default 5)
#   --seconds S    for all rounds of a peer, at most (default 70)
#   --only PEER    forklore, boost, apcu, uwsgi, uwsgi-ipcsem, lmdb or diskcache; may be given again
#   --out FOLDER   where the table is kept
#   --local        with the peers that are here; the others are left out by name
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
bench_options "--kills --rounds --seconds --only --out" "" "$@"
only_of "forklore boost apcu uwsgi uwsgi-ipcsem lmdb diskcache" "$@"

say "setting up (logs: build/logs)"
setup
if [ $local_only = no ]; then
  # A peer that cannot be had is left out, so each of these may fail.
  bring_unless() {  # COMMAND PACKAGE: unless COMMAND succeeds
    bash -c "$1" >/dev/null 2>&1 || (install_packages "$2") || say "cannot be installed: $2"
  }
  wanted lmdb && bring liblmdb-dev=lmdb.h
  wanted apcu && bring php-cli=php && bring_unless "php -m | grep -x apcu" php-apcu
  { wanted uwsgi || wanted uwsgi-ipcsem; } && bring uwsgi-core=uwsgi &&
    bring_unless "uwsgi --need-plugin python3 --version" uwsgi-plugin-python3
fi
quietly kill-pip "$ROOT/.venv/bin/pip" install -r "$ROOT/bench/kill/requirements.txt" || exit 1
quietly kill-configure cmake -S "$ROOT" -B "$ROOT/build/kill" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_BENCH=ON || exit 1
quietly kill-build cmake --build "$ROOT/build/kill" --target kill_worker || exit 1
exec "$ROOT/.venv/bin/python" -B "$ROOT/bench/kill/kill_table.py" \
  --kill-worker "$ROOT/build/kill/bench/kill/kill_worker" --out "$ROOT/build/kill-table" "${options[@]}"
