#!/usr/bin/env bash
# usage: examples/problems/run.sh [--quick] [--only PROBLEM] [--page FILE]
#
# The five problems of a cache that many workers share, each at a small shop under gunicorn, without Forklore and with
# it. Sets everything up, prints a table and writes a page to look at (build/problems.html unless --page says otherwise).
# About half a minute; exit 0 only if everything holds with Forklore.
#
#   --quick          fewer expiries and shorter loads
#   --only PROBLEM   stampede, penetration, avalanche, stale write or dead lock holder; may be given again
#   --page FILE      where the page goes
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
accept_only "--only --page" "--quick" "$@"
say "setting up (logs: build/logs)"
setup
install_package examples/problems/requirements.txt || exit 1
exec "$ROOT/.venv/bin/python" -B "$ROOT/examples/problems/problems.py" --page "$ROOT/build/problems.html" "$@"
