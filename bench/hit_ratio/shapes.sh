#!/usr/bin/env bash
# usage: bench/hit_ratio/shapes.sh FOLDER
#        bench/hit_ratio/shapes.sh --list
#
# Makes traces of shapes on which policies differ (loops, phases, sweeps forth and back, sets that move) in FOLDER, for
# run.sh --traces FOLDER, and what textbook policies miss on them. They are the same each time. Installs what it needs,
# libCacheSim from PyPI among it, into .venv. Four minutes.
#
#   --list  the shapes, each in a line, and nothing else
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
  "") fail "FOLDER is needed; --help says for what" ;;
  --list) ;;
  -*) fail "unknown option $1; --help lists them" ;;
esac
say "setting up (logs: build/logs)"
setup
quietly shapes-pip "$ROOT/.venv/bin/pip" install -r "$ROOT/bench/hit_ratio/shapes_requirements.txt" || exit 1
exec "$ROOT/.venv/bin/python" -B "$ROOT/bench/hit_ratio/shapes.py" "$@"
